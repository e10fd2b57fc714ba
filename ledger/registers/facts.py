"""Facts that decisions rest on: parties, certifications, licences, validated end-users, limits; read as of a day."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from ledger.database import tables
from ledger.database.store import LedgerCorrupt
from schemas import accounts
from schemas.models.facts import AllocationSet, VeuAuthorized
from schemas.models.incoming import Party, Requested
from schemas.plan import Facts, License, Veu
from schemas.wire.read import Event, parse

if TYPE_CHECKING:
    from ledger.journal import Journal

Stated = tuple[tuple[int, Any], ...]
"""What was stated under one key: record numbers and the data of their events, oldest first."""

MOST_NAME = 200
_NOTHING: Mapping[str, Stated] = {}
ALL = "*"
"""The key of facts that are few and always read together: merges, limits, thresholds, designers."""


class FactBook:
    """Facts by kind and key. A fact is the event that stated it: the table only points to the record."""

    def __init__(self, journal: "Journal") -> None:
        self._journal = journal
        self._known: dict[str, Mapping[str, Stated]] = journal.cache.facts
        self._rows: list[tuple[str, str, int]] = []
        self._attested: dict[tuple[str, str], tuple[str, str, int]] = {}
        self.survivors: dict[str, str] = {}
        self._absorbed: dict[str, list[str]] = {}
        for _, merged in self.of("merge", ALL):
            self._absorb(merged.absorbed, merged.survivor)
        self._limits: dict[str, list[tuple[int, AllocationSet]]] = {}
        self._sort_limits()

    # --- reading --------------------------------------------------------------------------------------------------

    def load(self, keys: Iterable[str]) -> None:
        """Reads all that was stated under these keys, in one query for all."""
        known = self._known
        wanted = {key for key in keys if key not in known}
        if not wanted:
            return
        table, journal = tables.fact, tables.journal
        query = (
            select(table.c.kind, table.c.key, table.c.n, journal.c.event)
            .join_from(table, journal, table.c.n == journal.c.n)
            .where(self._journal.store.among(table.c.key, wanted))
            .order_by(table.c.n)
        )
        known.update(dict.fromkeys(wanted, _NOTHING))
        for row in self._journal.connection.execute(query):
            event = parse(row.event)
            if not isinstance(event, Event):
                raise LedgerCorrupt(f"journal record {row.n} does not read as an event")
            self._know(row.kind, row.key, (row.n, event.data))

    def _know(self, kind: str, key: str, stated: tuple[int, Any]) -> None:
        kinds = self._known[key]
        self._known[key] = {**kinds, kind: (*kinds.get(kind, ()), stated)}

    def of(self, kind: str, key: str) -> Stated:
        """What was stated of a kind under a key."""
        kinds = self._known.get(key)
        if kinds is None:
            self.load([key])
            kinds = self._known[key]
        return kinds.get(kind, ())

    def group(self, party: str) -> tuple[str, ...]:
        """Every identifier of the same party, itself included."""
        if not self.survivors:
            return (party,)
        survivor = self.survivors.get(party, party)
        return (survivor, *self._absorbed.get(survivor, ()))

    def use_mergers(self, parties: Collection[str]) -> None:
        """Notes the mergers that absorbed one of these as what the record being made rests on."""
        self._journal.used.update(n for n, merged in self.of("merge", ALL) if merged.absorbed in parties)

    @staticmethod
    def keys(asked: Requested) -> set[str]:
        """The keys under which facts about a shipment's parties may be stated."""
        found = {ALL}
        for party in asked.parties:
            found.add(party.id)
            found.add(party.owner)
        if asked.authorization and asked.authorization.reference:
            found.add(asked.authorization.reference)
        return found

    def about(self, asked: Requested) -> Facts:
        """What is known of a shipment's parties, as of its export date."""
        groups: dict[str, tuple[str, ...]] = {}
        for party in asked.parties:
            groups[party.id] = self.group(party.id)
            groups[party.owner] = self.group(party.owner)
        ids = [key for group in groups.values() for key in group]
        registered = {}
        for party in asked.parties:
            standing = self._registered(groups[party.id], asked.export_date)
            if standing is not None:
                registered[party.id] = standing
        certifications = [
            made
            for key in ids
            for made in self._used(tuple(one for one in self.of("certification", key) if self._stands(*one)))
        ]
        certifications += self._used(self.of("designer", ALL))
        numbers = {issued.number for key in groups[asked.exporter.id] for _, issued in self.of("licenses", key)}
        if self.survivors:
            self.use_mergers(ids)
        if asked.authorization and asked.authorization.reference:
            numbers.add(asked.authorization.reference)
        licenses = [license for number in sorted(numbers) if (license := self.license(number))]
        holders = self._holders(ids)
        for holder in holders:
            standing = self._registered(self.group(holder), asked.export_date)
            if standing is not None:
                registered.setdefault(holder, standing)
        veus = self._veus([*ids, *(key for holder in holders for key in self.group(holder))])
        return Facts(
            registered, tuple(certifications), tuple(licenses), veus, self.survivors, owners=self._owners(veus)
        )

    def _stands(self, n: int, made: Any) -> bool:
        """Whether no later notification under its reference has taken the place of this one."""
        notices = self.of("notice", made.reference) if made.covers is not None else ()
        return not notices or notices[-1][0] == n

    def _holders(self, ids: Iterable[str]) -> tuple[str, ...]:
        """The holders of authorizations of which one of these is or was said to be the owner."""
        stated = {n: made for key in ids for n, made in self.of("holder", key)}
        self._journal.used.update(stated)
        return tuple(dict.fromkeys(_holder_of(made) for _, made in sorted(stated.items())))

    def _owners(self, veus: Iterable[Veu]) -> dict[str, str]:
        """Holder to owner, as the last shipment to it said."""
        found = {}
        for veu in veus:
            said = self._said_of(veu.authorized.holder)
            if said:
                found[veu.authorized.holder] = said[-1].ultimate_consignee.owner
        return found

    def _said_of(self, holder: str) -> list[Requested]:
        return [
            made
            for key in self.group(holder)
            for made in self._used(self.of("holder", key))
            if isinstance(made, Requested) and made.ultimate_consignee.id == key
        ]

    def _used(self, stated: Stated) -> list[Any]:
        """What was stated, noted as what the record being made rests on."""
        self._journal.used.update(n for n, _ in stated)
        return [made for _, made in stated]

    def license(self, number: str) -> License | None:
        """A licence as it stands: the last issue or amendment, and a revocation since."""
        issued = self.of("license", number)
        if not issued:
            return None
        n, latest = issued[-1]
        revoked = [made.date for made in self._used(tuple(one for one in self.of("revoked", number) if one[0] > n))]
        self._journal.used.add(n)
        return License(latest, min(revoked) if revoked else None)

    def _veus(self, ids: Iterable[str]) -> tuple[Veu, ...]:
        stated = {n: made for key in ids for n, made in self.of("veu", key)}
        if not stated:
            return ()
        standing: dict[tuple[str, str, str | None], Veu] = {}
        for _, made in sorted(stated.items()):
            key = (made.holder, made.program, made.country)
            if isinstance(made, VeuAuthorized):
                standing[key] = Veu(made)
            elif key in standing:
                standing[key] = Veu(standing[key].authorized, made.date)
        self._journal.used.update(stated)
        return tuple(standing.values())

    def _registered(self, group: Iterable[str], day: date) -> Party | None:
        best: tuple[date, int] | None = None
        party: Party | None = None
        for key in group:
            for n, made in self.of("party", key):
                if made.valid_from <= day and (best is None or (made.valid_from, n) > best):
                    best, party = (made.valid_from, n), made
        if best is not None:
            self._journal.used.add(best[1])
        return party

    # --- stating --------------------------------------------------------------------------------------------------

    def add(self, kind: str, key: str, data: Any) -> None:
        """States a fact: the record that is being made says `data` of `key`."""
        self.load([key])
        self._know(kind, key, (self._journal.n, data))
        self._rows.append((key, kind, self._journal.n))

    def note_owner(self, holder: str, owner: str, data: Any) -> None:
        """States the owner of a holder of an authorization, so that what its group receives is seen."""
        if owner != holder:
            self.add("holder", owner, data)

    def note_said_owner(self, asked: Requested) -> None:
        """States which owner a shipment to a holder of an authorization names, unless the last one named the same."""
        consignee = asked.ultimate_consignee
        if consignee.owner == consignee.id or not any(self.of("veu", key) for key in self.group(consignee.id)):
            return
        said = self._said_of(consignee.id)
        if not said or said[-1].ultimate_consignee.owner != consignee.owner:
            self.add("holder", consignee.id, asked)
            self.add("holder", consignee.owner, asked)

    def absorb(self, absorbed: str, survivor: str, data: Any) -> None:
        """States that one party's identifier stands for another's from now on."""
        self.add("merge", ALL, data)
        self._absorb(absorbed, survivor)
        self._sort_limits()

    def _absorb(self, absorbed: str, survivor: str) -> None:
        survivor = self.survivors.get(survivor, survivor)
        absorbed = self.survivors.get(absorbed, absorbed)
        moved = [absorbed, *self._absorbed.pop(absorbed, ())]
        self.survivors.update(dict.fromkeys(moved, survivor))
        self._absorbed.setdefault(survivor, []).extend(moved)

    # --- attestations ---------------------------------------------------------------------------------------------

    def attested(self, path: str, by: str) -> int:
        """What a party has attested on an account, 0 where nothing."""
        by = _short(by)
        if (path, by) in self._attested:
            return self._attested[path, by][2]
        table = tables.attestation
        query = select(table.c.tpp).where(table.c.account == path, table.c.by == by)
        return self._journal.connection.execute(query).scalar() or 0

    def set_attested(self, path: str, by: str, tpp: int) -> None:
        """Puts an attestation in the place of the same party's earlier one."""
        by = _short(by)
        self._attested[path, by] = (path, by, tpp)

    def move_attestations(self, path: str, target: str) -> None:
        """Adds the attestations of one account to those of another."""
        table, connection = tables.attestation, self._journal.connection
        for row in connection.execute(select(table.c.by, table.c.tpp).where(table.c.account == path)).all():
            self.set_attested(target, row.by, self.attested(target, row.by) + row.tpp)
        connection.execute(delete(table).where(table.c.account == path))

    # --- limits and thresholds ------------------------------------------------------------------------------------

    def limits(self, path: str) -> Sequence[tuple[int, AllocationSet]]:
        """The limits that events have set on an account, each with its record, oldest first."""
        return self._limits.get(path, ())

    def set_limit(self, made: AllocationSet) -> None:
        """States an account's limit from a day on."""
        self.add("limit", ALL, made)
        self._sort_limits()

    def _sort_limits(self) -> None:
        """Sorts the limits by account; those of an absorbed party's accounts are the survivor's."""
        self._limits = {}
        for n, made in self.of("limit", ALL):
            party = (accounts.read(made.account) or accounts.Account("")).party
            path = accounts.of_party(made.account, self.survivors[party]) if party in self.survivors else made.account
            self._limits.setdefault(path, []).append((n, made))

    def thresholds(self) -> Mapping[str, tuple[str | int, ...]]:
        """The alert thresholds that events have set, by account or pattern, the latest for each."""
        stated = self.of("threshold", ALL)
        return {made.account: made.thresholds for _, made in stated} if stated else {}

    def flush(self) -> None:
        """Writes what was stated."""
        journal = self._journal
        journal.store.insert(journal.connection, tables.fact, self._rows)
        journal.store.upsert(journal.connection, tables.attestation, list(self._attested.values()))
        self._rows, self._attested = [], {}


def _holder_of(made: VeuAuthorized | Party | Requested) -> str:
    """The holder that an event tells the owner of."""
    if isinstance(made, VeuAuthorized):
        return made.holder
    return made.id if isinstance(made, Party) else made.ultimate_consignee.id


def _short(by: str) -> str:
    """Who attests, as a key: a name that is longer than an index takes stands as its SHA-256."""
    return by if len(by) <= MOST_NAME else hashlib.sha256(by.encode()).hexdigest()
