"""A shipment as the sections read it: its parties, places and classified lines, worked out once."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from rulebook.law.goods import Given, Route, route_of, route_to_cover
from rulebook.law.law import Law
from rulebook.law.places import (
    CONFLICT,
    Receivers,
    clauses,
    located,
    located_facts,
    owners_of,
    receivers_of,
    touches,
    with_register,
)
from schemas.models.incoming import Certification, Party, Requested
from schemas.plan import Case, Debit, Facts, Line, of_fields


class Shipment:
    """The facts of a case under one law. `needing` are the lines that need a licence and are to be covered.

    `declared`: the request with the register's word; `asked`: the same with each territory as part of its country.
    `receivers`: every receiving party with its role, the ultimate consignee first; the exporter is not one of them.
    `stated`: the same as the request has them. `brief`: whether only open options are asked for, of which nobody reads
    the duties: what is closed is tried no further than the first paragraph that fails.
    `barred`: a clause for ship_to and each party of Country Group D:5 or Macau, `barred_parties` those of parties;
    `embargoed` the same of part 746. `domestic`: everything stays in the United States. `owners`: whose limits count.
    `owned`: what is known of the owners of its parties, once it was worked out. `destinations`: ship_to and, where it
    differs, the consignee's country. `given`: which facts there are at all. `route`: what is found once for equal ones.
    Amounts are in TPP.
    """

    __slots__ = (
        "asked",
        "barred",
        "barred_parties",
        "base",
        "brief",
        "case",
        "consignee",
        "day",
        "declared",
        "destinations",
        "domestic",
        "embargoed",
        "end_users",
        "facts",
        "given",
        "law",
        "lines",
        "needing",
        "needing_tpp",
        "operators",
        "owned",
        "owner",
        "owners",
        "receivers",
        "route",
        "said",
        "set_aside",
        "stated",
        "tpp",
    )

    def __init__(self, case: Case, law: Law, lines: tuple[Line, ...]) -> None:
        facts = case.facts
        self.stated = receivers_of(case.asked)
        declared = with_register(case, law, self.stated) if facts.registered else case.asked
        receivers = self.stated if declared is case.asked else receivers_of(declared)
        asked = declared
        self.barred: tuple[str, ...] = ()
        self.barred_parties: tuple[str, ...] = ()
        self.embargoed: tuple[str, ...] = ()
        if touches(declared, receivers, law.period.noted):
            self.barred, self.barred_parties, self.embargoed = _watched(declared, receivers, law)
            if touches(declared, receivers, law.period.territories):
                asked = located(declared, law)
        self.case = case
        self.declared = declared
        self.asked = asked
        self.facts = located_facts(facts, law) if facts.licenses or facts.veus else facts
        self.set_aside = case.set_aside
        self.day: date = asked.export_date
        self.lines = lines
        self.tpp = sum([line.tpp for line in lines])
        consignee = asked.ultimate_consignee
        self.consignee = consignee
        self.owners = owners_of(case)
        self.owner = self.owners[0]
        self.end_users: tuple[Party, ...] = asked.end_user or (consignee,)
        self.operators: tuple[Party, ...] = asked.operator or (consignee,)
        self.receivers = receivers if asked is declared else receivers_of(asked)
        same = consignee.country == asked.ship_to
        self.destinations = (asked.ship_to,) if same else (asked.ship_to, consignee.country)
        home = law.members("united_states")
        self.domestic = asked.ship_to in home and all(party.country in home for _, party in self.receivers)
        self.law = law
        self.needing: tuple[Line, ...] = ()
        self.needing_tpp = 0
        self.base: tuple[Debit, ...] | None = None
        self.brief = False
        self.said = ""
        self.owned: Any = None
        self.given = _given(facts, asked, asked is not declared)
        self.route: Route = route_of(self, law)

    @property
    def counts(self) -> bool:
        """Whether TPP of .a commodities leave the country, which may count on an account."""
        return self.tpp > 0 and not self.domestic

    @property
    def owner_name(self) -> str:
        """What the request calls the consignee's owner."""
        consignee = self.case.asked.ultimate_consignee
        return (consignee.ultimate_parent or consignee).name

    def cover(self, needing: tuple[Line, ...]) -> None:
        """Sets the lines that need a licence."""
        self.needing = needing
        self.route = route_to_cover(self, self.law)
        self.needing_tpp = self.tpp if len(needing) == len(self.lines) else sum([line.tpp for line in needing])

    def only(self, needing: tuple[Line, ...]) -> "Shipment":
        """The same shipment where only these lines are still to be covered."""
        rest = copied(self)
        rest.cover(needing)
        return rest

    def in_words(self) -> str:
        """Which shipment, how much, to whom and when, for notices."""
        if not self.said:
            asked = self.asked
            self.said = (
                f"{asked.shipment_id}: {self.tpp:,} TPP to {self.consignee.name}, {asked.ship_to}, on {self.day}"
            )
        return self.said

    @property
    def said_of_consignee(self) -> tuple[Party, ...]:
        """The consignee as it counts, and where a conflict with the register was set aside both words by themselves."""
        if CONFLICT not in self.set_aside:
            return (self.consignee,)
        known, stated = self.facts.registered, self.case.asked.ultimate_consignee
        entry = known.get(stated.id) or known.get(self.facts.one(stated.id))
        return (self.consignee, stated) if entry is None else (self.consignee, stated, entry)

    def covered_by(self, kind: str) -> dict[int, str]:
        """What covers each line where `kind` covers those that need a licence."""
        if len(self.needing) == len(self.lines):
            return {line.line: kind for line in self.lines}
        covers = {line.line: "NLR" for line in self.lines}
        return covers | {line.line: kind for line in self.needing}

    def certifications(self, kind: str, parties: Iterable[str]) -> list[Certification]:
        """The statements of a kind by any of these parties, those with the shipment first."""
        both = self.asked.certifications + self.facts.certifications
        if not both:
            return []
        one = self.facts.one
        ids = {one(party) for party in parties}
        return [paper for paper in both if paper.kind == kind and one(paper.party) in ids]


def copied(shipment: Shipment) -> Shipment:
    """The same shipment as an object of its own, to be changed; takes less time than `copy.copy`."""
    one = Shipment.__new__(Shipment)
    for name in Shipment.__slots__:
        setattr(one, name, getattr(shipment, name))
    return one


def _given(facts: Facts, asked: Requested, moved: bool) -> Given:
    return of_fields(
        Given,
        (
            bool(facts.lists),
            facts.ownership is not None,
            bool(facts.namesakes),
            bool(facts.veus),
            bool(asked.red_flags),
            moved,
            "not_subject" in [item.subject_basis for item in asked.items],
        ),
    )


def _watched(declared: Requested, receivers: Receivers, law: Law) -> tuple[tuple[str, ...], ...]:
    """What is of Country Group D:5 or Macau, the parties among it, and what is of part 746; in the request's words."""
    for_d5, for_746 = law.members("d5_or_macau"), law.members("part_746")
    to = declared.ship_to
    parties, embargoed = clauses(receivers, for_d5), clauses(receivers, for_746)
    barred = (f"ship_to is {to}", *parties) if to in for_d5 else parties
    return barred, parties, (f"ship_to is {to}", *embargoed) if to in for_746 else embargoed
