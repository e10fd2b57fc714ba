"""The tree against the published vectors of Certificate Transparency, and against RFC 6962 written down naively."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proof_tree import mth, path, subproof

from ledger.proof import merkle
from services.proof import verifier as verify

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("rfc6962.json").read_text("utf-8"))
LEAVES = [merkle.leaf_hash(bytes.fromhex(one)) for one in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(one) for one in VECTORS["roots"]]
LISTS = st.lists(st.binary(max_size=3), max_size=70)


def table(leaves: list[bytes]) -> merkle.Read:
    return merkle.reader(merkle.levels(leaves))


def test_roots_are_the_published_ones() -> None:
    tree = merkle.Tree()
    assert tree.root() == ROOTS[0] == merkle.EMPTY
    for size, leaf in enumerate(LEAVES, 1):
        tree.append(leaf)
        assert (tree.size, tree.root()) == (size, ROOTS[size])
        assert merkle.root(table(LEAVES), size) == ROOTS[size]


@pytest.mark.parametrize("case", VECTORS["paths"], ids=lambda case: f"{case['leaf']} of {case['size']}")
def test_audit_paths_are_the_published_ones(case: dict[str, Any]) -> None:
    leaf, size, proof = case["leaf"], case["size"], [bytes.fromhex(one) for one in case["path"]]
    assert merkle.inclusion_proof(table(LEAVES), leaf, size) == proof
    assert merkle.verify_inclusion(LEAVES[leaf], leaf, size, proof, ROOTS[size])


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: f"{case['old']} in {case['new']}")
def test_consistency_proofs_are_the_published_ones(case: dict[str, Any]) -> None:
    old, new, proof = case["old"], case["new"], [bytes.fromhex(one) for one in case["proof"]]
    assert merkle.consistency_proof(table(LEAVES), old, new) == proof
    assert merkle.verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)


@given(data=LISTS, pick=st.data())
def test_every_tree_is_that_of_the_definition(data: list[bytes], pick: st.DataObject) -> None:
    leaves = [merkle.leaf_hash(one) for one in data]
    tree, nodes = merkle.Tree(), {}
    for leaf in leaves:
        nodes.update({(level, index): done for level, index, done in tree.append(leaf)})
    read = table(leaves)
    assert all(read(*place) == done for place, done in nodes.items())
    assert len(nodes) == sum(map(len, merkle.levels(leaves)))
    assert tree.root() == merkle.root(read, len(data)) == mth(data)
    assert tree.edge == tuple(read(*place) for place in merkle.subtrees(len(data)))
    cut = pick.draw(st.integers(0, len(data)))
    again = merkle.Tree(cut, [read(*place) for place in merkle.subtrees(cut)])
    for leaf in leaves[cut:]:
        again.append(leaf)
    assert (again.size, again.edge) == (tree.size, tree.edge)


@given(data=LISTS.filter(bool), pick=st.data())
def test_proofs_are_those_of_the_definition_and_no_other_verifies(data: list[bytes], pick: st.DataObject) -> None:
    size = pick.draw(st.integers(1, len(data)))
    m = pick.draw(st.integers(0, size - 1))
    read, top = table([merkle.leaf_hash(one) for one in data]), mth(data[:size])
    leaf, proof = merkle.leaf_hash(data[m]), merkle.inclusion_proof(read, m, size)
    assert proof == path(m, data[:size])
    assert merkle.verify_inclusion(leaf, m, size, proof, top)
    assert (verify.climb(m, size - 1, leaf, proof) or ())[1:] == (top,)
    for worse in ([*proof, top], proof[:-1], [bytes(32), *proof[1:]]):
        if worse != proof:
            assert not merkle.verify_inclusion(leaf, m, size, worse, top)
            assert (verify.climb(m, size - 1, leaf, worse) or ())[1:] != (top,)
    old, old_root = m + 1, mth(data[: m + 1])
    shown = merkle.consistency_proof(read, old, size)
    assert shown == subproof(old, data[:size], True)
    assert merkle.verify_consistency(old, size, old_root, top, shown)
    assert not merkle.verify_consistency(old, size, bytes(32), top, shown)
    assert not merkle.verify_consistency(old, size, old_root, bytes(32), shown)
    for worse in ([*shown, top], shown[:-1], [bytes(32), *shown[1:]]):
        assert worse == shown or not merkle.verify_consistency(old, size, old_root, top, worse)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 3), (8, 8), (0, -1)])
def test_a_leaf_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        merkle.inclusion_proof(table(LEAVES), index, size)
    with pytest.raises(ValueError, match="has no leaf"):
        merkle.verify_inclusion(LEAVES[0], index, size, [], ROOTS[1])


@pytest.mark.parametrize(("old", "new"), [(2, 1), (-1, 3), (9, 8)])
def test_a_tree_is_not_the_beginning_of_a_smaller_one(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="is not a prefix"):
        merkle.consistency_proof(table(LEAVES), old, new)
    with pytest.raises(ValueError, match="is not a prefix"):
        merkle.verify_consistency(old, new, ROOTS[1], ROOTS[2], [])


def test_an_edge_of_another_size_and_a_negative_size_are_refused() -> None:
    with pytest.raises(ValueError, match="an edge of 1 hashes does not fit"):
        merkle.Tree(3, LEAVES[:1])
    for ask in (merkle.subtrees, lambda size: merkle.root(table(LEAVES), size)):
        with pytest.raises(ValueError, match="-1 leaves"):
            ask(-1)


def test_the_tree_without_leaves_begins_every_tree() -> None:
    assert merkle.consistency_proof(table(LEAVES), 0, 8) == []
    assert merkle.verify_consistency(0, 8, ROOTS[0], ROOTS[8], [])
    assert not merkle.verify_consistency(0, 8, ROOTS[1], ROOTS[8], [])
    assert not merkle.verify_consistency(0, 8, ROOTS[0], ROOTS[8], [ROOTS[8]])
    assert not merkle.verify_consistency(0, 0, ROOTS[0], ROOTS[8], [])


@settings(max_examples=5)
@given(index=st.integers(0, 10**6 - 1))
def test_a_proof_among_a_million_reads_few_nodes(index: int) -> None:
    read: list[tuple[int, int]] = []

    def node(level: int, number: int) -> bytes:
        read.append((level, number))
        assert (number + 1) << level <= 10**6
        return sha256(f"{level}/{number}".encode()).digest()

    proof = merkle.inclusion_proof(node, index, 10**6)
    assert len(proof) <= 20
    assert len(read) < 40
