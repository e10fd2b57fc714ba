"""A shipment as the sections read it: its parties, places and classified lines, worked out once."""

from collections.abc import Iterable
from copy import copy
from datetime import date

from rulebook.law.law import Law
from schemas.models.incoming import Certification, Party, Requested
from schemas.plan import Case, Debit, Line


class Shipment:
    """The facts of a case under one law. `needing` are the lines that need a licence and are to be covered.

    `receivers`: every receiving party with its role, the ultimate consignee first; the exporter is not one of them.
    `barred`: a sentence for each place and party in Country Group D:5 or Macau, `barred_parties` those of parties.
    `destinations`: ship_to and, where it differs, the consignee's country. Amounts are in TPP.
    """

    __slots__ = (
        "asked",
        "barred",
        "barred_parties",
        "base",
        "case",
        "consignee",
        "day",
        "destinations",
        "end_users",
        "facts",
        "lines",
        "needing",
        "needing_tpp",
        "operators",
        "owner",
        "receivers",
        "said",
        "set_aside",
        "tpp",
    )

    def __init__(self, case: Case, law: Law, lines: tuple[Line, ...]) -> None:
        asked = case.asked
        self.case = case
        self.asked = asked
        self.facts = case.facts
        self.set_aside = case.set_aside
        self.day: date = asked.export_date
        self.lines = lines
        self.tpp = sum(line.tpp for line in lines)
        consignee = asked.ultimate_consignee
        self.consignee = consignee
        self.owner = case.facts.one(consignee.owner)
        self.end_users: tuple[Party, ...] = asked.end_user or (consignee,)
        self.operators: tuple[Party, ...] = asked.operator or (consignee,)
        self.receivers = _receivers(asked)
        same = consignee.country == asked.ship_to
        self.destinations = (asked.ship_to,) if same else (asked.ship_to, consignee.country)
        barred = law.members("d5_or_macau")
        self.barred_parties = _parties_in(self.receivers, barred)
        self.barred = (
            (f"ship_to is {asked.ship_to}", *self.barred_parties) if asked.ship_to in barred else self.barred_parties
        )
        self.needing: tuple[Line, ...] = ()
        self.needing_tpp = 0
        self.base: tuple[Debit, ...] | None = None
        self.said = ""

    def cover(self, needing: tuple[Line, ...]) -> None:
        """Sets the lines that need a licence."""
        self.needing = needing
        self.needing_tpp = sum(line.tpp for line in needing)

    def only(self, needing: tuple[Line, ...]) -> "Shipment":
        """The same shipment where only these lines are still to be covered."""
        rest = copy(self)
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

    def covered_by(self, kind: str) -> dict[int, str]:
        """What covers each line where `kind` covers those that need a licence."""
        if len(self.needing) == len(self.lines):
            return {line.line: kind for line in self.lines}
        covers = {line.line: "NLR" for line in self.lines}
        return covers | {line.line: kind for line in self.needing}

    def certifications(self, kind: str, parties: Iterable[str]) -> list[Certification]:
        """The statements of a kind by any of these parties, those with the shipment first."""
        one = self.facts.one
        ids = {one(party) for party in parties}
        both = self.asked.certifications + self.facts.certifications
        return [paper for paper in both if paper.kind == kind and one(paper.party) in ids]


def _receivers(asked: Requested) -> tuple[tuple[str, Party], ...]:
    found = [("ultimate consignee", asked.ultimate_consignee)]
    for role, parties in (
        ("end user", asked.end_user),
        ("operator", asked.operator),
        ("purchaser", asked.purchaser),
        ("intermediate consignee", asked.intermediate_consignees),
    ):
        if parties is not None:
            found.extend((role, party) for party in parties)
    return tuple(found)


def _parties_in(receivers: tuple[tuple[str, Party], ...], barred: frozenset[str]) -> tuple[str, ...]:
    found: list[str] = []
    for role, party in receivers:
        parent = party.ultimate_parent
        if party.country in barred:
            found.append(f"the {role} {party.name} is in {party.country}")
        if party.headquarters in barred:
            found.append(f"the {role} {party.name} is headquartered in {party.headquarters}")
        if parent is not None and parent.headquarters in barred:
            found.append(f"the {role} {party.name} has its ultimate parent {parent.name} in {parent.headquarters}")
    return tuple(found)
