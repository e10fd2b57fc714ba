"""Verifies a ledger: every record, the tree over them, and all that is derived from them (contract, section 9)."""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from ledger.database import tables
from ledger.database.store import Store
from ledger.proof.checkpoints import checkpoints
from ledger.proof.leaves import BATCH, Unreadable, leaves
from ledger.proof.merkle import Tree, leaf_hash
from ledger.proof.notes import Checkpoint, NoteError, PublicKey, open_checkpoint
from ledger.queries.entries import PARTS, Parts
from ledger.queries.snapshots import snapshots, tables_of
from rulebook import Book
from schemas.periods import Period, booked, day_of, period
from schemas.wire.read import Event, parse
from services.engine.answers import REJECTED, SOURCE, answer_id, place
from services.engine.context import microseconds
from services.engine.period_close import CLOSED
from services.proof.derived import check_derived
from services.proof.findings import Found
from services.proof.verifier import Invalid, moves

_LIMITED = ("approved", "released")
_DECIDE_MANY = ("tpp.clock.ticked.v1", "tpp.recheck.requested.v1")
_DECIDED_AMONG_MANY = ("expired", "released")


@dataclass(slots=True)
class _Standing:
    """An account as the entries so far leave it."""

    entries: int = 0
    parts: list[int] = field(default_factory=lambda: [0, 0, 0, 0])


class Journal:
    """Goes through the records in order and holds each against its leaf, its event, its answers and its entries."""

    def __init__(self, connection: Connection, store: Store, found: Found, roots: Iterable[int]) -> None:
        self._connection, self._store, self._found = connection, store, found
        self._wanted = set(roots)
        self._sequence, self._recorded, self._last = 0, 0, 0
        self._closed: list[Period] = []
        self.sealed = 0
        self.whole = False
        self.decided: set[tuple[str, int]] = set()
        self.roots: dict[int, bytes] = {0: Tree().root()}
        self.bases: dict[tuple[str, str], int] = {}
        self.standing: dict[str, _Standing] = {}

    def run(self) -> None:
        """Reads the journal from its first record to the last that is there."""
        j = tables.journal
        head = self._connection.execute(tables.head.select()).one()
        end = max(head.n, self._connection.execute(select(func.max(j.c.n))).scalar() or 0)
        for n in self._connection.execute(select(j.c.n).where((j.c.n < 1) | (j.c.n > head.n))).scalars():
            self._found.add("journal", n, n, "the record was added: the head does not count it")
        sealed, tree = self._sealed(), Tree()
        hashed = next(sealed, None)
        for row, leaf in self._leaves(end):
            self._missing(row.n)
            self._last, digest = row.n, leaf_hash(leaf)
            while hashed is not None and hashed[0] < row.n:
                self._found.add("leaf", hashed[0], hashed[0], "the leaf is of no record")
                hashed = next(sealed, None)
            if hashed is not None and hashed[0] == row.n:
                if hashed[1] != digest:
                    self._found.add("journal", row.n, row.n, "the record, one of its entries or its leaf was changed")
                hashed = next(sealed, None)
            elif hashed is not None:
                self._found.add("leaf", row.n, row.n, "the leaf of the record is missing")
            tree.append(digest)
            if tree.size in self._wanted:
                self.roots[tree.size] = tree.root()
            if leaf:
                self._record(row, orjson.loads(leaf))
        self._missing(end + 1)
        while hashed is not None:
            self._found.add("leaf", hashed[0], hashed[0], "the leaf is of no record")
            hashed = next(sealed, None)
        self._found.records, self._found.root = self._last, base64.b64encode(tree.root()).decode()
        if self.sealed < self._last:
            why = f"records from {self.sealed + 1} on have no leaf yet; `tpp audit checkpoint` makes it"
            self._found.not_records.append(("leaf", None, why))
        self._head(head)

    def _missing(self, until: int) -> None:
        """Notes that between the last record and another some are missing."""
        first = self._last + 1
        if first < until:
            why = f"all records up to {until - 1} are missing" if first < until - 1 else "the record is missing"
            self._found.add("journal", first, first, why)

    def _sealed(self) -> Iterator[tuple[int, bytes]]:
        table, last = tables.leaf, -(2**63)
        query = table.select().order_by(table.c.n).limit(BATCH)
        while rows := self._connection.execute(query.where(table.c.n > last)).all():
            for row in rows:
                self.sealed = row.n
                yield row.n, bytes(row.hash)
            last = rows[-1].n

    def _leaves(self, end: int) -> Iterator[tuple[Any, bytes]]:
        """Every record with its leaf, which is empty where none can be made."""
        after = 0
        while after < end:
            try:
                for row, leaf in leaves(self._connection, self._store, after, end):
                    after = row.n
                    yield row, leaf
                after = end
            except Unreadable as error:
                after = error.row.n
                self._found.add("journal", after, after, f"the record cannot be read: {error.__cause__}")
                yield error.row, b""

    def _record(self, row: Any, leaf: dict[str, Any]) -> None:
        try:
            answers = [orjson.loads(line) for line in row.answers]
            for why in self._wrong(row, leaf, answers):
                self._found.add("journal", row.n, row.n, why)
            self._entries(row, leaf["entries"])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            self._found.add("journal", row.n, row.n, f"the record cannot be read: {type(error).__name__}: {error}")
        if row.type == CLOSED:
            with self._found.reading(self._connection, "snapshot"):
                self._closed.append(period(answers[0]["data"]["period"]))

    def _wrong(self, row: Any, leaf: dict[str, Any], answers: Sequence[dict[str, Any]]) -> Iterator[str]:
        if row.recorded < self._recorded:
            yield "it was recorded before the record before it"
        self._recorded = row.recorded
        for answer in answers:
            self._sequence += 1
            if int(answer["sequence"]) != self._sequence or answer["source"] != SOURCE:
                yield f"an answer is not number {self._sequence} of what the ledger gave out"
                self._sequence = int(answer["sequence"])
        if row.type == REJECTED:
            yield from _rejection(row, answers[0])
        elif row.type != CLOSED:
            yield from _event(row, answers)
        told = [answer["data"] for answer in answers]
        try:
            moves(leaf, told)
        except Invalid as error:
            yield error.args[1]
        for data in told:
            if data.get("outcome") in _LIMITED:
                yield from _over(data)
            if row.type in _DECIDE_MANY and data.get("outcome") in _DECIDED_AMONG_MANY:
                self.decided.add((data["shipment_id"], row.n))
            if "basis" in data:
                self.bases.setdefault((data["basis"]["rulebook_digest"], data["basis"]["software"]), row.n)

    def _entries(self, row: Any, entries: Sequence[dict[str, Any]]) -> None:
        day, late = booked(day_of(row.happened), self._closed) if entries else (None, None)
        for entry in sorted(entries, key=lambda one: int(one["entry"])):
            path, n, add = entry["account"], entry["entry"], self._found.add
            key = f"{path} entry {n}"
            standing = self.standing.setdefault(path, _Standing())
            standing.entries += 1
            standing.parts = [old + entry[part] for old, part in zip(standing.parts, PARTS, strict=True)]
            if n != standing.entries:
                add("entry", key, row.n, f"it is not entry {standing.entries} of its account")
                standing.entries = n
            balance = Parts(*standing.parts).change
            if entry["balance"] != balance:
                add("entry", key, row.n, f"its balance is not {balance}, which the entries add up to")
            if day is None or (entry["booked"], entry["late_for"]) != (day.isoformat(), late):
                add("entry", key, row.n, "it is booked on another day than its event's, or the first open one")
            self._found.entries += 1

    def _head(self, head: Any) -> None:
        closed = max((one.last for one in self._closed), default=None)
        is_so = {
            "n": self._last,
            "sequence": self._sequence,
            "recorded": self._recorded,
            "closed": closed.isoformat() if closed else None,
        }
        for name, value in is_so.items():
            if getattr(head, name) != value:
                self._found.add("head", name, self._last, f"it is {getattr(head, name)}, the journal says {value}")


def _rejection(row: Any, answer: dict[str, Any]) -> Iterator[str]:
    if (row.source, row.id) != (answer["source"], answer["id"]):
        yield "its id is not that of its rejection"
    if row.shipment_id is not None:
        yield "a rejection is of no shipment"
    if orjson.loads(row.position) != answer["data"]["position"] or answer["subject"] != place(
        answer["data"]["position"]
    ):
        yield "its position is not the one that the rejection tells"


def _event(row: Any, answers: Sequence[dict[str, Any]]) -> Iterator[str]:
    event = parse(row.event)
    if not isinstance(event, Event):
        yield "its bytes do not read as an event"
        return
    told = (event.source, event.id, event.type, microseconds(event.happened))
    if told != (row.source, row.id, row.type, row.happened):
        yield "its source, id, type or time is not that of its event"
    base = answer_id(event.source, event.id)
    if [answer["id"] for answer in answers] != [f"{base}-{n}" if n else base for n in range(len(answers))]:
        yield "the ids of its answers do not follow from its event"
    named = {answers[0]["data"].get("shipment_id"), getattr(event.data, "shipment_id", None)}
    if row.shipment_id is not None and row.shipment_id not in named:
        yield "its shipment is not the one that its event names"


def _over(data: Mapping[str, Any]) -> Iterator[str]:
    for debit in data["debits"]:
        if debit["state"] in ("pending", "posted") and debit["limit"] is not None and debit["balance"] > debit["limit"]:
            yield f"{debit['account']} was debited over its limit"


def check_mentions(connection: Connection, found: Found, decided: AbstractSet[tuple[str, int]]) -> None:
    """Holds the index of shipments that ticks and rechecks decide against their answers."""
    there = {(row.shipment_id, row.n) for row in connection.execute(tables.mention.select())}
    for shipment, n in sorted(there ^ decided):
        found.add("mention", shipment, n, "the row is not what the answers of the record decide")


def check_accounts(connection: Connection, found: Found, standing: Mapping[str, _Standing]) -> None:
    """Holds the accounts as they stand against the sums of their entries, and entries against the records."""
    a, e, j = tables.account, tables.entry, tables.journal
    there = set()
    for row in connection.execute(a.select().order_by(a.c.id)):
        found.accounts += 1
        there.add(row.path)
        if row.id != found.accounts:
            found.add("account", row.path, None, f"its number is not {found.accounts}")
        summed = standing.get(row.path, _Standing())
        if [row.pending, row.posted, row.attested, row.credits, row.entries] != [*summed.parts, summed.entries]:
            found.add("account", row.path, None, "its amounts or its number of entries are not those of its entries")
    for path in standing.keys() - there:
        found.add("account", path, None, "the account is missing")
    opened = connection.execute(select(tables.head.c.accounts)).scalar_one()
    if opened != found.accounts:
        found.add("head", "accounts", None, f"it is {opened}, there are {found.accounts}")
    strays = select(e.c.account, e.c.entry, e.c.n).where(
        e.c.n.not_in(select(j.c.n)) | e.c.account.not_in(select(a.c.id))
    )
    for account, number, n in connection.execute(strays):
        found.add("entry", f"{account} entry {number}", n, "the entry is of no record or of no account")


def check_snapshots(connection: Connection, found: Found) -> None:
    """Holds each snapshot against its record, and its digest against the tables that it is made of."""
    j, previous = tables.journal, None
    closes = {row.n: row.answers for row in connection.execute(j.select().where(j.c.type == CLOSED))}
    for one in snapshots(connection):
        found.snapshots += 1
        answers = closes.pop(one.n, ())
        if [orjson.loads(answer)["data"] for answer in answers] != [one.to_json()]:
            found.add("snapshot", one.id, one.n, "it is not what its record says")
        if one.previous != previous:
            found.add("snapshot", one.id, one.n, "it does not name the digest of the snapshot before it")
        previous = one.digest
        with found.reading(connection, "snapshot"):
            digest, accounts, entries = tables_of(connection, one).digest(one.previous)
            if (digest, accounts, entries) != (one.digest, one.accounts, one.entries):
                found.add("snapshot", one.id, one.n, "its accounts, entries or holds are not those of the close")
    for n in closes:
        found.add("snapshot", n, n, "the snapshot of the record is missing")
    h, s = tables.snapshot_hold, tables.snapshot
    for name in connection.execute(
        select(h.c.snapshot).where(h.c.snapshot.not_in(select(s.c.id))).distinct()
    ).scalars():
        found.add("snapshot_hold", name, None, "there is no such snapshot")


def check_checkpoints(
    found: Found,
    notes: Sequence[tuple[int, str, str]],
    journal: Journal,
    known: Sequence[PublicKey],
    given: Sequence[tuple[str, Checkpoint]],
) -> None:
    """Holds every signed checkpoint against the tree: those of the ledger, and older ones that were given out."""
    for size, key, note in notes:
        found.checkpoints += 1
        try:
            told = open_checkpoint(note.encode(), [one for one in known if str(one) == key])
        except NoteError as error:
            found.add("checkpoint", size, size, f"no known key has signed it: {error}")
            continue
        if told.size != size or journal.roots.get(size) != told.root:
            found.add("checkpoint", size, size, "its size or its root is not that of the journal")
        elif size > journal.sealed:
            n = journal.sealed + 1
            found.add("leaf", n, n, "the leaf of the record is missing, and a checkpoint covers it")
    for name, told in given:
        if journal.roots.get(told.size) != told.root:
            found.add("checkpoint", name, told.size, "the journal does not begin with what this checkpoint signed")


def check_readable(connection: Connection, found: Found, rows: int | None = None) -> None:
    """Reads every table that was not yet found bad as a whole: all its rows, or the first so many."""
    bad = {one.table for one in found.bad if one.key is None}
    for table in tables.metadata.sorted_tables:
        if table.name not in bad:
            with found.reading(connection, table.name):
                for _ in connection.execute(table.select().limit(rows), execution_options={"yield_per": 5_000}):
                    pass


def verify(
    store: Store, book: Book, keys: Callable[[Sequence[PublicKey]], Sequence[PublicKey]],
    given: Sequence[tuple[str, bytes]],
) -> Found:  # fmt: skip
    """Verifies a whole ledger at one moment.

    `keys` gives the keys to check signatures with, of those that the ledger names; `given` are older checkpoints, by
    name, each of which must be a prefix. Raises NoteError where one of these is signed by none of the keys.
    """
    found = Found()
    with store.read() as connection:
        check_readable(connection, found, 1)
        notes: list[tuple[int, str, str]] = []
        with found.reading(connection, "checkpoint"):
            notes = checkpoints(connection)
        known = keys(list(_named(notes)))
        older = [(name, open_checkpoint(note, known)) for name, note in given]
        journal = Journal(connection, store, found, [*(n for n, _, _ in notes), *(one.size for _, one in older)])
        with found.reading(connection, "journal"):
            journal.run()
            journal.whole = True
            check_checkpoints(found, notes, journal, known, older)
            with found.reading(connection, "mention"):
                check_mentions(connection, found, journal.decided)
            with found.reading(connection, "account"):
                check_accounts(connection, found, journal.standing)
        if not journal.whole:
            check_readable(connection, found)
        with found.reading(connection, "snapshot"):
            check_snapshots(connection, found)
        check_derived(connection, found, book, journal.bases)
    return found


def _named(notes: Iterable[tuple[int, str, str]]) -> Iterator[PublicKey]:
    """The keys that checkpoints are said to be signed with, but for what is none."""
    for key in dict.fromkeys(key for _, key, _ in notes):
        with suppress(NoteError):
            yield PublicKey.parse(key)
