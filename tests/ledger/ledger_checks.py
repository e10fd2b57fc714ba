"""What must hold in every ledger, read from its tables by plain means."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Connection, text

from ledger.database.store import Store
from ledger.queries.balances import Moment, balances

PARTS = ("pending", "posted", "attested", "credits")
ENTRIES = text(
    "SELECT a.path, e.entry, e.n, e.shipment_id, e.pending, e.posted, e.attested, e.credits, e.balance, j.happened, j.recorded "
    "FROM entry e JOIN account a ON a.id = e.account JOIN journal j ON j.n = e.n ORDER BY e.account, e.entry"
)
JOURNAL = text("SELECT n, source, id, type, happened, recorded, answers, event FROM journal ORDER BY n")
ACCOUNTS = text(
    'SELECT path, pending, posted, attested, credits, entries FROM account WHERE entries > 0 OR "limit" IS NULL'
)


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """A store that is closed at the end."""
    store = Store(url)
    try:
        store.open()
        yield store
    finally:
        store.close()


def rows(store: Store, query: Any) -> list[Any]:
    """The rows of a query."""
    with store.read() as connection:
        return list(connection.execute(query).all())


def check_ledger(store: Store) -> None:
    """Entries, accounts, journal and head agree, without a gap anywhere."""
    with store.read() as connection:
        _check_entries(connection)
        _check_journal(connection)


def _check_entries(connection: Connection) -> None:
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(PARTS, 0))
    counts: dict[str, int] = defaultdict(int)
    last_n: dict[str, int] = defaultdict(int)
    for row in connection.execute(ENTRIES):
        counts[row.path] += 1
        assert row.entry == counts[row.path], f"{row.path} has a gap at {row.entry}"
        assert row.n >= last_n[row.path], f"{row.path}: entry {row.entry} is of an earlier record"
        last_n[row.path] = row.n
        for part in PARTS:
            sums[row.path][part] += int(getattr(row, part))
        assert row.balance == counted(sums[row.path]), f"{row.path}: running balance of entry {row.entry}"
    for row in connection.execute(ACCOUNTS):
        assert {part: getattr(row, part) for part in PARTS} == sums[row.path], row.path
        assert row.entries == counts[row.path], row.path
        assert row.pending >= 0 or row.path.startswith("facility/"), f"{row.path} has {row.pending} pending"


def _check_journal(connection: Connection) -> None:
    head = connection.execute(text("SELECT n, sequence, accounts, recorded FROM head")).one()
    keys, sequence, recorded, n = set(), 0, 0, 0
    for row in connection.execute(JOURNAL):
        n += 1
        assert row.n == n, f"the journal has a gap at {n}"
        assert row.recorded >= recorded, f"record {n} was recorded before the one before it"
        recorded = row.recorded
        keys.add((row.source, row.id))
        for line in row.answers.split("\n"):
            sequence += 1
            assert int(orjson.loads(line)["sequence"]) == sequence, f"record {n}: the sequence has a gap"
    assert len(keys) == n
    assert (head.n, head.sequence) == (n, sequence)
    assert head.recorded >= recorded
    assert head.accounts == connection.execute(text("SELECT count(*) FROM account")).scalar()


def counted(parts: dict[str, int]) -> int:
    """What counts against a limit."""
    return parts["pending"] + parts["posted"] + parts["attested"] - parts["credits"]


def check_moments(store: Store, moments: list[Moment]) -> None:
    """Balances at a moment are the sums of the entries of its records."""
    entries = rows(store, ENTRIES)
    with store.read() as connection:
        for moment in moments:
            wanted: dict[str, list[int]] = {}
            for row in entries:
                if (
                    (moment.as_of is None or row.happened <= moment.as_of)
                    and (moment.known_at is None or row.recorded <= moment.known_at)
                    and (moment.record is None or row.n <= moment.record)
                ):
                    found = wanted.setdefault(row.path, [0, 0, 0, 0, 0])
                    for index, part in enumerate(PARTS):
                        found[index] += int(getattr(row, part))
                    found[4] += 1
            told = {
                b.account: [b.pending, b.posted, b.attested, b.credits, b.entries]
                for b in balances(connection, (), moment)
            }
            assert {path: parts for path, parts in told.items() if parts[4]} == wanted, moment


def check_debits(answers: list[dict[str, Any]]) -> None:
    """No debit passed the limit that it was tested against."""
    for answer in answers:
        for debit in answer["data"].get("debits", ()):
            if debit["state"] in ("pending", "posted") and debit["limit"] is not None and debit["amount"] > 0:
                assert debit["balance"] <= debit["limit"], answer


def now(store: Store) -> dict[str, tuple[int, ...]]:
    """The balances now, part by part, of every account with entries."""
    with store.read() as connection:
        return {
            b.account: (b.pending, b.posted, b.attested, b.credits, b.entries)
            for b in balances(connection)
            if b.entries
        }
