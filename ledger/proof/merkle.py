"""The Merkle tree of RFC 6962 (SHA-256): hashes, roots, audit paths and consistency proofs; pure."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves (RFC 6962, 2.1)."""

Node = tuple[int, int, bytes]
"""A complete subtree: its level (0: a leaf), its number within the level from the left, its hash."""

Read = Callable[[int, int], bytes]
"""Returns the hash of a complete subtree by level and number."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf: SHA-256(0x00 || data) (RFC 6962, 2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256(0x01 || left || right) (RFC 6962, 2.1)."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that leaves are appended to (RFC 6962, 2.1); it keeps only its right edge.

    `edge` has the hashes of the complete subtrees that the leaves fill, largest first: one for each bit of `size`.
    """

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        """A stored tree; raises ValueError if the edge does not fit its size."""
        self._edge = list(edge)
        self.size = size
        if size < 0 or len(self._edge) != size.bit_count():
            raise ValueError(f"an edge of {len(self._edge)} hashes does not fit a tree of {size} leaves")

    @property
    def edge(self) -> tuple[bytes, ...]:
        """The hashes of the complete subtrees, largest first."""
        return tuple(self._edge)

    def append(self, leaf: bytes) -> list[Node]:
        """Adds a leaf by its hash; returns the subtrees that it completes, itself first."""
        level, index, done = 0, self.size, leaf
        nodes = [(level, index, done)]
        while index & 1:
            level, index, done = level + 1, index >> 1, node_hash(self._edge.pop(), done)
            nodes.append((level, index, done))
        self._edge.append(done)
        self.size += 1
        return nodes

    def root(self) -> bytes:
        """The root hash of all leaves."""
        if not self._edge:
            return EMPTY
        *lefts, done = self._edge
        for left in reversed(lefts):
            done = node_hash(left, done)
        return done


def subtrees(size: int) -> list[tuple[int, int]]:
    """Level and number of the complete subtrees of a tree's right edge, largest first, from which a `Tree` continues.

    >>> subtrees(6)
    [(2, 0), (1, 2)]
    """
    if size < 0:
        raise ValueError(f"the tree does not have {size} leaves")
    return [(level, (size >> level) - 1) for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The hashes of all complete subtrees over leaf hashes, by level; about twice as many as there are leaves."""
    table = [list(leaves)]
    while len(table[-1]) > 1:
        below = table[-1]
        table.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    return table


def reader(table: Sequence[Sequence[bytes]]) -> Read:
    """Reads from a table of `levels`."""
    return lambda level, index: table[level][index]


def root(read: Read, size: int) -> bytes:
    """The root of the first `size` leaves (RFC 6962, 2.1)."""
    if size < 0:
        raise ValueError(f"the tree does not have {size} leaves")
    return _range(read, 0, size) if size else EMPTY


def inclusion_proof(read: Read, index: int, size: int) -> list[bytes]:
    """The audit path of a leaf, counted from 0, in the tree of the first `size` leaves (RFC 6962, 2.1.1: PATH)."""
    _within(index, size)
    return _path(read, index, 0, size)


def consistency_proof(read: Read, old: int, new: int) -> list[bytes]:
    """The proof that the tree of `old` leaves is a prefix of that of `new` leaves (RFC 6962, 2.1.2: PROOF).

    Empty for equal sizes, and for the tree without leaves, which is a prefix of every other.
    """
    _in_order(old, new)
    return _subproof(read, old, 0, new, True) if old else []


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether an audit path leads from a leaf's hash to a root (RFC 6962, 2.1.1)."""
    _within(index, size)
    return _climb(leaf, index, size, proof) == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that the tree of `old` leaves is a prefix of that of `new` leaves (RFC 6962, 2.1.2)."""
    _in_order(old, new)
    if old == 0:
        return old_root == EMPTY and not proof and (new > 0 or new_root == EMPTY)
    return _roots(old, new, proof, old_root) == (old_root, new_root)


def _within(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")


def _in_order(old: int, new: int) -> None:
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} leaves is not a prefix of one of {new}")


def _half(size: int) -> int:
    """The largest power of two below `size` (RFC 6962, 2.1: k)."""
    return 1 << (size - 1).bit_length() - 1


def _range(read: Read, start: int, size: int) -> bytes:
    """MTH(D[start:start + size]); the splits of RFC 6962 leave only complete subtrees and the right edge."""
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return read(level, start >> level)
    half = _half(size)
    return node_hash(_range(read, start, half), _range(read, start + half, size - half))


def _path(read: Read, index: int, start: int, size: int) -> list[bytes]:
    """PATH(index, D[start:start + size]) (RFC 6962, 2.1.1)."""
    if size == 1:
        return []
    half = _half(size)
    if index < half:
        return [*_path(read, index, start, half), _range(read, start + half, size - half)]
    return [*_path(read, index - half, start + half, size - half), _range(read, start, half)]


def _subproof(read: Read, old: int, start: int, size: int, whole: bool) -> list[bytes]:
    """SUBPROOF(old, D[start:start + size], whole) (RFC 6962, 2.1.2)."""
    if old == size:
        return [] if whole else [_range(read, start, size)]
    half = _half(size)
    if old <= half:
        return [*_subproof(read, old, start, half, whole), _range(read, start + half, size - half)]
    return [*_subproof(read, old - half, start + half, size - half, False), _range(read, start, half)]


def _climb(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that PATH leads to from a leaf; None if the path has another length."""
    if size == 1 or not proof:
        return leaf if size == 1 and not proof else None
    half = _half(size)
    *rest, last = proof
    if index < half:
        below = _climb(leaf, index, half, rest)
        return below and node_hash(below, last)
    below = _climb(leaf, index - half, size - half, rest)
    return below and node_hash(last, below)


def _roots(old: int, new: int, proof: Sequence[bytes], known: bytes | None) -> tuple[bytes, bytes] | None:
    """The old and the new root that SUBPROOF leads to; None if it has another length.

    `known` is the old root while the old tree is a whole subtree of this one, and None otherwise.
    """
    if old == new:
        rest = [*proof] if known is None else [known, *proof]
        return (rest[0], rest[0]) if len(rest) == 1 else None
    if not proof:
        return None
    half, last = _half(new), proof[-1]
    if old <= half:
        found = _roots(old, half, proof[:-1], known)
        return found and (found[0], node_hash(found[1], last))
    found = _roots(old - half, new - half, proof[:-1], None)
    return found and (node_hash(last, found[0]), node_hash(last, found[1]))
