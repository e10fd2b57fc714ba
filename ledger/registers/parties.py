"""Parties: which identifiers belong to one party, and what is known of a shipment's parties as of a day."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from ledger.registers.facts import ALL, Fact, FactBook
from ledger.registers.holders import Holders
from ledger.registers.shipments import names_of
from ledger.registers.transaction import Transaction
from schemas import accounts
from schemas.kinds import FactKind
from schemas.models.facts import PartyMerged, VeuAuthorized
from schemas.models.incoming import Requested
from schemas.models.parts import Certification, Party
from schemas.plan import Facts, License, Veu

_NOTHING = Facts()
"""Nothing known of any party; never changed."""


class Parties:
    """Parties and their mergers. `survivors`: the surviving party of each absorbed one."""

    def __init__(self, transaction: Transaction, facts: FactBook) -> None:
        self._transaction = transaction
        self._facts = facts
        self.survivors: dict[str, str] = {}
        self._absorbed: dict[str, list[str]] = {}
        self.holders = Holders(transaction, facts, self.group)
        for fact in facts.of(FactKind.MERGE, ALL):
            self._absorb(fact.data.absorbed, fact.data.survivor)

    # --- mergers --------------------------------------------------------------------------------------------------

    def survivor(self, party: str) -> str:
        """The surviving party of a party; the party itself if it was not absorbed."""
        return self.survivors.get(party, party)

    def group(self, party: str) -> tuple[str, ...]:
        """Every identifier of the same party, itself included."""
        if not self.survivors:
            return (party,)
        survivor = self.survivor(party)
        return (survivor, *self._absorbed.get(survivor, ()))

    def path(self, path: str) -> str:
        """The path under which an account is kept now: that of the surviving party if its party was absorbed."""
        survivors = self.survivors
        if not survivors:
            return path
        party = accounts.party(path)
        return accounts.of_party(path, survivors[party]) if party in survivors else path

    def use_mergers(self, parties: Collection[str]) -> None:
        """Notes that the record being made rests on the mergers that absorbed one of these parties."""
        merged = self._facts.of(FactKind.MERGE, ALL)
        self._transaction.use(*(fact.n for fact in merged if fact.data.absorbed in parties))

    def absorb(self, absorbed: str, survivor: str, made: PartyMerged) -> None:
        """States that one party is absorbed by another from now on."""
        self._facts.add(FactKind.MERGE, ALL, made)
        self._absorb(absorbed, survivor)

    def _absorb(self, absorbed: str, survivor: str) -> None:
        survivor, absorbed = self.survivor(survivor), self.survivor(absorbed)
        moved = [absorbed, *self._absorbed.pop(absorbed, ())]
        self.survivors.update(dict.fromkeys(moved, survivor))
        self._absorbed.setdefault(survivor, []).extend(moved)

    # --- what is known --------------------------------------------------------------------------------------------

    @staticmethod
    def keys(asked: Requested) -> set[str]:
        """The keys under which facts about a shipment's parties may be stated."""
        claimed = _claimed(asked)
        return {ALL, *names_of(asked.parties), *((claimed,) if claimed else ())}

    def about(self, asked: Requested, ids: Sequence[str], stated: Sequence[str], kinds: Collection[str]) -> Facts:
        """What is known of a shipment's parties, as of its export date: mostly little or nothing.

        `ids` are their identifiers, as `ids` gives them; `stated` and `kinds` what `FactBook.among` says of these.
        """
        facts = self._facts
        designers = facts.used(FactKind.DESIGNER, ALL)
        claimed = _claimed(asked)
        if not (stated or designers or claimed or self.survivors):
            return _NOTHING
        holders = self.holders.of_owners(stated) if FactKind.HOLDER in kinds else ()
        registered = {}
        for name in dict.fromkeys((*(names_of(asked.parties) if self.survivors else stated), *holders)):
            standing = self._registered(self.group(name), asked.export_date)
            if standing is not None:
                registered[name] = standing
        certifications = [*(self._certifications(stated) if FactKind.CERTIFICATION in kinds else ()), *designers]
        if self.survivors:
            self.use_mergers(ids)
        exporters = self.group(asked.exporter.id) if FactKind.LICENSES in kinds else ()
        licenses = self._licenses(exporters, claimed) if exporters or claimed else ()
        owned = [*stated, *(key for holder in holders for key in self.group(holder))]
        veus = self._veus(owned) if holders or FactKind.VEU in kinds else ()
        owners = self.holders.named_owners(veus) if veus else {}
        return Facts(registered, tuple(certifications), licenses, veus, self.survivors, owners=owners)

    def ids(self, asked: Requested) -> Sequence[str]:
        """The identifiers of a shipment's parties and of their ultimate parents, merged ones among them."""
        names = names_of(asked.parties)
        return [key for name in names for key in self.group(name)] if self.survivors else names

    def registered(self, ids: Collection[str], day: date) -> dict[str, Party]:
        """The registrations in force on a day, by the identifiers asked for, all read in one query."""
        groups = {one: self.group(one) for one in ids}
        every = [key for group in groups.values() for key in group]
        self._facts.load(every)
        if self.survivors:
            self.use_mergers(every)
        found = ((one, self._registered(group, day)) for one, group in groups.items())
        return {one: standing for one, standing in found if standing is not None}

    def _certifications(self, ids: Iterable[str]) -> Iterator[Certification]:
        """The certifications of parties; of notifications under one reference the last."""
        for key in ids:
            for fact in self._facts.of(FactKind.CERTIFICATION, key):
                made: Certification = fact.data
                notices = self._facts.of(FactKind.NOTICE, made.reference) if made.covers is not None else ()
                if not notices or notices[-1].n == fact.n:
                    self._transaction.use(fact.n)
                    yield made

    def _registered(self, group: Iterable[str], day: date) -> Party | None:
        """The party's latest registration up to a day, under any of its identifiers."""
        standing: Fact | None = None
        for key in group:
            for fact in self._facts.of(FactKind.PARTY, key):
                if fact.data.valid_from <= day and (standing is None or _later(fact, standing)):
                    standing = fact
        if standing is None:
            return None
        self._transaction.use(standing.n)
        party: Party = standing.data
        return party

    def _licenses(self, exporters: Iterable[str], claimed: str | None) -> tuple[License, ...]:
        """The exporter's licences and the claimed one, by number."""
        facts = self._facts
        numbers = {fact.data.number for key in exporters for fact in facts.of(FactKind.LICENSES, key)}
        if claimed:
            numbers.add(claimed)
        return tuple(license for number in sorted(numbers) if (license := facts.license(number)))

    def _veus(self, ids: Iterable[str]) -> tuple[Veu, ...]:
        """The present authorizations of validated end-users."""
        stated: dict[int, Any] = {fact.n: fact.data for key in ids for fact in self._facts.of(FactKind.VEU, key)}
        if not stated:
            return ()
        standing: dict[tuple[str, str, str | None], Veu] = {}
        for _, made in sorted(stated.items()):
            key = (made.holder, made.program, made.country)
            if isinstance(made, VeuAuthorized):
                standing[key] = Veu(made)
            elif key in standing:
                standing[key] = Veu(standing[key].authorized, made.date)
        self._transaction.use(*stated)
        return tuple(standing.values())


def _later(fact: Fact, other: Fact) -> bool:
    return bool((fact.data.valid_from, fact.n) > (other.data.valid_from, other.n))


def _claimed(asked: Requested) -> str | None:
    """The number of the licence that a shipment claims, if it names one."""
    return asked.authorization.reference if asked.authorization else None
