"""Supplement No. 8 to 15 CFR part 744: who is owned by listed entities is treated as they are."""

from collections.abc import Iterator, Sequence
from typing import Any

from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.provisions import Test, Verdict, met, not_applicable, not_met, provision
from rulebook.law.shipment import Shipment
from rulebook.parties.ownership import DEEPEST, Found, owners_of
from rulebook.sections.s744 import resembles, told, untold
from schemas.codes import Result
from schemas.plan import Hit, Holding, Owned, Ownership

_GUIDE = "Supplement No. 8 to part 744"
_FLAGS = "Supplement No. 3 to part 732"
_RED_FLAG = 29
_MOST_TOLD, _MOST_NAMED, _MOST_IN_CHAIN = 20, 3, 10
"""How many holds by ownership a decision tells, how many names a sentence has, how many owners the facts of a chain."""
_IN_FORCE = "in force"


@provision(_GUIDE, row="4 affiliates", code="party.screening_hit", kind="gate", of_route=True)
def affiliates(route: Route, law: Law) -> Test | None:
    """No party outside the United States is owned to 50 % or more by owners that resemble listed entities."""
    return _affiliates if route.given.ownership else None


def _affiliates(shipment: Shipment, law: Law) -> list[Verdict] | None:
    ownership = shipment.facts.ownership
    if ownership is None:
        return None
    found: list[Verdict] = []
    holds = 0
    for party, known in _owned(shipment, law, ownership):
        if known.reached:
            of_party, hits = _of_party(shipment, law, party, known, max(0, _MOST_TOLD - holds))
            found += of_party
            holds += hits
    found += untold(holds - _MOST_TOLD)
    return found or [met("no owner of a party resembles an entry of a list by which ownership counts")]


@provision(_GUIDE, row="4 affiliates chain", kind="gate", of_route=True)
def chains(route: Route, law: Law) -> Test | None:
    """Whether all owners of owners could be followed: a finding, since what was found on the way counts."""
    return _chains if route.given.ownership else None


def _chains(shipment: Shipment, law: Law) -> list[Verdict] | None:
    ownership = shipment.facts.ownership
    if ownership is None:
        return None
    found = []
    for party, known in _owned(shipment, law, ownership):
        of = _named(party)
        if known.circle:
            found.append(f"owners of {of} own each other in a circle: {', '.join((*known.circle, known.circle[0]))}")
        if known.deeper:
            found.append(f"above {of} the owners of {_list(known.deeper)} are more than {DEEPEST} links away")
    if ownership.left:
        found.append(f"{len(ownership.left):,} owners of owners were not looked up, since there are too many")
    return [Verdict(Result.UNKNOWN, f"{detail}; they were not followed further") for detail in found] or None


def _owned(shipment: Shipment, law: Law, ownership: Ownership) -> Sequence[tuple[Owned, Found]]:
    """Each party with what is known of its owners, by the share that the law of the day asks for; worked out once."""
    if shipment.owned is None:
        one, least = shipment.facts.one, law.amount("affiliates_percent")
        shipment.owned = [
            (party, owners_of(one(party.id), ownership.owners, ownership.hits, least, one))
            for party in ownership.parties
        ]
    found: Sequence[tuple[Owned, Found]] = shipment.owned
    return found


def _of_party(shipment: Shipment, law: Law, party: Owned, known: Found, most: int) -> tuple[list[Verdict], int]:
    """What follows for a party with listed owners: holds, at most so many, or a finding; and how many holds in all."""
    excused = _excused(law, party)
    if excused:
        return [not_applicable(f"{_owned_by(shipment, party, known)}; {excused}; {_warning(party)}")], 0
    if not known.behind and not known.unsaid:
        below = f"{known.share} % together, less than {law.amount('affiliates_percent')} %"
        return [met(f"{_owned_by(shipment, party, known)}: {below}; {_warning(party)}")], 0
    held = {(shipment.facts.one(hit.party), hit.list, hit.entry) for hit in shipment.facts.hits}
    holds = [
        (make, hit)
        for by, make in ((known.behind, _hold), (known.unsaid, _flag))
        for key, hit in _hits(shipment, by)
        if (key, hit.list, hit.entry) not in held
    ]
    if not holds:
        return [not_applicable(f"{_owned_by(shipment, party, known)}, who is held by name")], 0
    return [make(party, hit, known) for make, hit in holds[:most]], len(holds)


def _excused(law: Law, party: Owned) -> str:
    """Why the rule does not reach a party, empty where it does."""
    standing = law.rule("affiliates_rule")
    if standing != _IN_FORCE:
        return f"the affiliates rule is {standing or 'not in force yet'} on {law.day} (90 FR 47201, 90 FR 50857)"
    home = law.members("united_states")
    return f"{_named(party)} is in the United States" if law.place(party.country) in home else ""


def _hits(shipment: Shipment, owners: Sequence[str]) -> Iterator[tuple[str, Hit]]:
    ownership = shipment.facts.ownership
    if ownership is not None:
        yield from ((key, hit) for key in owners for hit in ownership.hits[key])


def _hold(party: Owned, hit: Hit, known: Found) -> Verdict:
    """The hold of a party for an entry that one of its owners resembles."""
    of = hit._replace(role=f"owner of the {party.role}")
    facts = {
        **told(of),
        "owned": party.id,
        "owned_share": known.share,
        "chain": [{"id": one.id, "name": one.name, "share": one.share} for one in known.chain[:_MOST_IN_CHAIN]],
    }
    if len(known.chain) > _MOST_IN_CHAIN:
        facts["chain_more"] = len(known.chain) - _MOST_IN_CHAIN
    owned = f"{_named(party)} is owned to {known.share} % by owners that count as listed: {_chain(known.chain)}"
    return not_met(f"{resembles(of)}; {owned}", facts, cites=f"{hit.citation}; {_GUIDE}")


def _flag(party: Owned, hit: Hit, known: Found) -> Verdict:
    """Red flag 29 of a party of which a listed owner's share is not known."""
    of = hit._replace(role=f"owner of the {party.role}")
    facts: dict[str, Any] = {"number": _RED_FLAG, "owned": party.id, "listed_name": hit.listed} | {
        name: value for name, value in told(of).items() if name in ("party", "role", "name", "list", "entry", "content")
    }
    detail = f"red flag {_RED_FLAG}: {resembles(of)}; its share in {_named(party)} is not known"
    return not_met(detail, facts, "red_flag", f"{_FLAGS}, red flag {_RED_FLAG}")


def _owned_by(shipment: Shipment, party: Owned, known: Found) -> str:
    """By which listed entities a party is owned, in words."""
    first = [next(hits) for key in known.reached if (hits := _first(shipment, key))]
    names = [f"{hit.name} ({hit.party}), which resembles {hit.listed}" for hit in first]
    return f"an owner of {_named(party)} is {_list(names)}"


def _first(shipment: Shipment, key: str) -> Iterator[Hit]:
    return (hit for _, hit in _hits(shipment, (key,)))


def _warning(party: Owned) -> str:
    return f"red flag {_RED_FLAG}: find out what listed entities own of {party.id} and whether goods could be diverted"


def _chain(chain: Sequence[Holding]) -> str:
    return _list([f"{one.name} ({one.id}) {one.share} %" for one in chain])


def _named(party: Owned) -> str:
    return f"{party.name} ({party.id}), the {party.role},"


def _list(names: Sequence[str]) -> str:
    """Names in words, the first few of them.

    >>> _list(["A", "B", "C", "D", "E"])
    'A, B, C and 2 more'
    """
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
