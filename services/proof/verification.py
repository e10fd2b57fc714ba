"""Verifies a ledger: every record, the tree over them, and everything derived from them (docs/contract/books.md)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, select

from ledger.database import tables
from ledger.database.store import Store
from ledger.proof.checkpoints import checkpoints
from ledger.proof.notes import Checkpoint, NoteError, PublicKey, open_checkpoint
from ledger.queries.snapshots import snapshots, tables_of
from rulebook import Book
from schemas.event_types import SNAPSHOT_CLOSED
from services.proof.derived import check_derived
from services.proof.journal import Journal
from services.proof.lists import check_lists
from services.proof.records import Mention, Standing
from services.proof.report import VerificationReport


def check_mentions(connection: Connection, found: VerificationReport, decided: AbstractSet[Mention]) -> None:
    """Checks the index of shipments that records decide besides their answers against what follows the answers."""
    found_rows = {Mention(row.shipment_id, row.n) for row in connection.execute(tables.mention.select())}
    for one in sorted(found_rows ^ decided):
        found.add("mention", one.shipment_id, one.n, "the row differs from what the answers of the record decide")


def check_accounts(connection: Connection, found: VerificationReport, standing: Mapping[str, Standing]) -> None:
    """Checks the accounts against the sums of their entries, and the entries against the records."""
    a, e, j = tables.account, tables.entry, tables.journal
    paths = set()
    for row in connection.execute(a.select().order_by(a.c.id)):
        found.accounts += 1
        paths.add(row.path)
        if row.id != found.accounts:
            found.add("account", row.path, None, f"its number is not {found.accounts}")
        summed = standing.get(row.path, Standing())
        if [row.pending, row.posted, row.attested, row.credits, row.entries] != [*summed.parts, summed.entries]:
            found.add("account", row.path, None, "its amounts or its number of entries differ from its entries")
    for path in standing.keys() - paths:
        found.add("account", path, None, "the account is missing")
    opened = connection.execute(select(tables.head.c.accounts)).scalar_one()
    if opened != found.accounts:
        found.add("head", "accounts", None, f"it is {opened}, but there are {found.accounts} accounts")
    strays = select(e.c.account, e.c.entry, e.c.n).where(
        e.c.n.not_in(select(j.c.n)) | e.c.account.not_in(select(a.c.id))
    )
    for account, number, n in connection.execute(strays):
        found.add("entry", f"{account} entry {number}", n, "the entry has no record or no account")


def check_snapshots(connection: Connection, found: VerificationReport) -> None:
    """Checks each snapshot against its record, and its digest against the tables of which it is computed."""
    j, previous = tables.journal, None
    closes = {row.n: row.answers for row in connection.execute(j.select().where(j.c.type == SNAPSHOT_CLOSED))}
    for one in snapshots(connection):
        found.snapshots += 1
        answers = closes.pop(one.n, ())
        if [orjson.loads(answer)["data"] for answer in answers] != [one.to_json()]:
            found.add("snapshot", one.id, one.n, "it differs from its record")
        if one.previous != previous:
            found.add("snapshot", one.id, one.n, "it does not name the digest of the previous snapshot")
        previous = one.digest
        with found.reading(connection, "snapshot"):
            digest, accounts, entries = tables_of(connection, one).digest(one.previous)
            if (digest, accounts, entries) != (one.digest, one.accounts, one.entries):
                found.add("snapshot", one.id, one.n, "its accounts, entries or holds differ from those of the close")
    for n in closes:
        found.add("snapshot", n, n, "the snapshot of the record is missing")
    h, s = tables.snapshot_hold, tables.snapshot
    for name in connection.execute(
        select(h.c.snapshot).where(h.c.snapshot.not_in(select(s.c.id))).distinct()
    ).scalars():
        found.add("snapshot_hold", name, None, "the snapshot does not exist")


@dataclass(frozen=True, slots=True)
class Given:
    """An older checkpoint that somebody holds: the name of its file, and its content."""

    name: str
    checkpoint: Checkpoint


def check_checkpoints(
    found: VerificationReport,
    notes: Iterable[tuple[int, str, str]],
    journal: Journal,
    known: Sequence[PublicKey],
    given: Iterable[Given],
) -> None:
    """Checks every signed checkpoint against the tree: those of the ledger, and older ones that somebody holds."""
    for size, key, note in notes:
        found.checkpoints += 1
        try:
            checkpoint = open_checkpoint(note.encode(), [one for one in known if str(one) == key])
        except NoteError as error:
            found.add("checkpoint", size, size, f"it is not signed by a known key: {error}")
            continue
        if checkpoint.size != size or journal.roots.get(size) != checkpoint.root:
            found.add("checkpoint", size, size, "its size or its root is not that of the journal")
        elif size > journal.sealed:
            n = journal.sealed + 1
            found.add("leaf", n, n, "the leaf of the record is missing, and a checkpoint covers it")
    for one in given:
        if journal.roots.get(one.checkpoint.size) != one.checkpoint.root:
            found.add(
                "checkpoint",
                one.name,
                one.checkpoint.size,
                "the journal does not begin with what this checkpoint signed",
            )


def check_readable(connection: Connection, found: VerificationReport, rows: int | None = None) -> None:
    """Reads every table that is not yet known to be unreadable: all its rows, or the first `rows`."""
    bad = {one.table for one in found.bad if one.key is None}
    for table in tables.metadata.sorted_tables:
        if table.name not in bad:
            with found.reading(connection, table.name):
                for _ in connection.execute(table.select().limit(rows), execution_options={"yield_per": 5_000}):
                    pass


def verify(
    store: Store, book: Book, software: str, keys: Callable[[Sequence[PublicKey]], Sequence[PublicKey]],
    given: Iterable[tuple[str, bytes]],
) -> VerificationReport:  # fmt: skip
    """The report of a whole ledger at one moment.

    `software` is the version of this program. `keys` returns the keys to check signatures with, given those that the
    ledger names; `given` are older checkpoints, by name, each of which must be a prefix. Raises NoteError if one of
    them is signed by none of the keys.
    """
    found = VerificationReport()
    with store.read() as connection:
        check_readable(connection, found, 1)
        notes: list[tuple[int, str, str]] = []
        with found.reading(connection, "checkpoint"):
            notes = checkpoints(connection)
        known = keys(list(_named(notes)))
        older = [Given(name, open_checkpoint(note, known)) for name, note in given]
        sizes = [*(size for size, _, _ in notes), *(one.checkpoint.size for one in older)]
        journal = Journal(connection, store, found, sizes)
        with found.reading(connection, "journal"):
            journal.run()
            journal.whole = True
            check_checkpoints(found, notes, journal, known, older)
            with found.reading(connection, "mention"):
                check_mentions(connection, found, journal.records.decided)
            with found.reading(connection, "account"):
                check_accounts(connection, found, journal.records.standing)
        if not journal.whole:
            check_readable(connection, found)
        with found.reading(connection, "snapshot"):
            check_snapshots(connection, found)
        with found.reading(connection, "list_content"):
            check_lists(connection, found)
        check_derived(connection, found, book, software, journal.records.bases)
    return found


def _named(notes: Iterable[tuple[int, str, str]]) -> Iterator[PublicKey]:
    """The keys that checkpoints name, without malformed ones."""
    for key in dict.fromkeys(key for _, key, _ in notes):
        with suppress(NoteError):
            yield PublicKey.parse(key)
