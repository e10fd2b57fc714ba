"""What owners hold together, on any graph of owners, against a slow reference that follows every chain."""

from collections.abc import Iterator, Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from rulebook.parties.ownership import DEEPEST, Found, owners_of
from schemas.plan import Holding

NAMES = tuple("ABCDEFGHIJKLM")
Owners = Mapping[str, Sequence[Holding]]
SETTINGS = settings(max_examples=400, deadline=None, derandomize=True)


@st.composite
def graphs(draw: st.DrawFn, forward: bool) -> tuple[Owners, frozenset[str]]:
    """Owners of parties, of which A is looked at; `forward`: nobody owns whom it is owned by. And who is listed."""
    owners: dict[str, list[Holding]] = {}
    for place, party in enumerate(NAMES):
        others = NAMES[place + 1 :] if forward else NAMES
        chosen = draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if others else []
        if chosen:
            shares = st.none() | st.sampled_from((1, 20, 25, 30, 49, 50, 51, 100))
            owners[party] = [Holding(name, f"Party {name}", draw(shares)) for name in chosen]
    return owners, draw(st.frozensets(st.sampled_from(NAMES), max_size=3))


def depths(owners: Owners) -> dict[str, int]:
    """How many links each owner is away from A at the least, as far as they are followed."""
    found, level = {"A": 0}, ["A"]
    for depth in range(1, DEEPEST + 1):
        level = [held.id for party in level for held in owners.get(party, ()) if held.id not in found]
        found |= {name: found.get(name, depth) for name in level}
    return found


def counts(party: str, owners: Owners, listed: frozenset[str], hopeful: bool, above: frozenset[str]) -> bool:
    """Whether a party counts as listed, by every chain above it that meets nobody twice."""
    if party in listed and party != "A":
        return True
    held = [
        one.share
        for one in owners.get(party, ())
        if one.id not in above and one.id != party and counts(one.id, owners, listed, hopeful, above | {party})
    ]
    return sum(share or 0 for share in held) >= 50 or (hopeful and None in held)


def within(owners: Owners, followed: Mapping[str, int]) -> Owners:
    return {party: [one for one in held if one.id in followed] for party, held in owners.items() if party in followed}


def reached(owners: Owners, party: str = "A", seen: frozenset[str] = frozenset()) -> Iterator[str]:
    for held in owners.get(party, ()):
        if held.id not in seen:
            yield held.id
            yield from reached(owners, held.id, seen | {party})


def found(owners: Owners, listed: frozenset[str]) -> Found:
    return owners_of("A", owners, listed, 50)


@SETTINGS
@given(st.booleans().flatmap(graphs))
def test_what_owners_hold_is_what_the_slow_reference_says(made: tuple[Owners, frozenset[str]]) -> None:
    owners, listed = made
    inside = within(owners, depths(owners))
    known = found(owners, listed)
    sure = counts("A", inside, listed, hopeful=False, above=frozenset())
    assert bool(known.behind) == sure
    assert bool(known.chain) == sure
    share = sum(
        one.share or 0
        for one in inside.get("A", ())
        if one.id != "A" and counts(one.id, inside, listed, hopeful=False, above=frozenset("A"))
    )
    assert known.share == share
    if not sure:
        assert bool(known.unsaid) == counts("A", inside, listed, hopeful=True, above=frozenset())
    assert set(known.reached) == (set(reached(inside)) & listed) - {"A"}


@SETTINGS
@given(st.booleans().flatmap(graphs))
def test_the_chain_is_made_of_links_and_ends_at_the_listed(made: tuple[Owners, frozenset[str]]) -> None:
    owners, listed = made
    known = found(owners, listed)
    below = {"A"}
    for held in known.chain:
        assert any(held in owners.get(party, ()) for party in below)
        assert held.share is not None
        below.add(held.id)
    assert set(known.behind) == {held.id for held in known.chain} & (listed - {"A"})
    assert set(known.behind) | set(known.unsaid) <= set(known.reached)


@SETTINGS
@given(st.booleans().flatmap(graphs))
def test_a_circle_is_one_and_is_found_where_there_is_one(made: tuple[Owners, frozenset[str]]) -> None:
    owners, listed = made
    known = found(owners, listed)
    inside = within(owners, depths(owners))
    assert bool(known.circle) == any(party in set(above(inside, party)) for party in depths(owners))
    for party, owner in zip(known.circle, (*known.circle[1:], *known.circle[:1]), strict=True):
        assert owner in {held.id for held in owners[party]}


def above(owners: Owners, party: str) -> Iterator[str]:
    """Every owner above a party, itself if it is in a circle."""
    seen, waiting = set[str](), [party]
    for one in waiting:
        for held in owners.get(one, ()):
            if held.id not in seen:
                seen.add(held.id)
                waiting.append(held.id)
    yield from seen


@SETTINGS
@given(st.booleans().flatmap(graphs), st.sampled_from(NAMES[1:]), st.integers(1, 100))
def test_more_of_a_listed_owner_never_frees(made: tuple[Owners, frozenset[str]], name: str, share: int) -> None:
    owners, listed = made
    more = {**owners, "A": [*(one for one in owners.get("A", ()) if one.id != name), Holding(name, name, share)]}
    if found(owners, listed).behind and name not in {one.id for one in owners["A"]}:
        assert found(more, listed).behind
    if found(owners, listed).behind:
        assert found(owners, listed | {name}).behind


def test_owners_far_apart_are_found_in_time() -> None:
    """A hundred owners of each of a thousand parties: what is looked up is bounded, and each link is read few times."""
    names = [f"O-{n}" for n in range(1_000)]
    owners = {
        name: [Holding(names[(place * 7 + step) % 1_000], "", 1) for step in range(1, 101)]
        for place, name in enumerate(names)
    }
    known = owners_of("O-0", owners, {"O-999"}, 50)
    assert known.reached == ("O-999",)
    assert known.circle
