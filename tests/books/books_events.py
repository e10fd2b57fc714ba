"""Histories for the books: events whose times are in any order, and closes between them, told to a ledger and the model."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any, NamedTuple

from books_model import Bounds, Model, days_of
from events import facility
from ledger_checks import opened
from ledger_events import Line, licence, records, request
from sqlalchemy import text

from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.queries.balances import Moment, balances
from ledger.queries.entries import Span
from ledger.queries.snapshots import Snapshot, find, snapshots, tables_of
from ledger.queries.statements import matching, statement
from rulebook import load
from schemas.periods import period
from schemas.times import microseconds
from services.engine.commands.period_close import close_period
from services.engine.engine import Engine
from services.resources import software

ENTRIES = text(
    "SELECT a.path, e.entry, e.n, e.shipment_id, e.pending, e.posted, e.attested, e.credits, e.booked, e.late_for "
    "FROM entry e JOIN account a ON a.id = e.account ORDER BY e.n, a.path, e.entry"
)
CLOCK = microseconds(datetime(2026, 3, 1, 12, tzinfo=UTC))
PERIODS = (
    "2025-06", "2025-06", "2025-Q2", "2025-Q2", "2025-Q1", "2025", "2025-01", "2025-03", "2025-04", "2025-07", "2025-08",
    "2025-Q3", "2025-12", "2024", "2026-02", "2026",
)  # fmt: skip
EDGES = (
    datetime(2025, 3, 31, 23, 59, 59, 999_999, UTC),
    datetime(2025, 4, 1, tzinfo=UTC),
    datetime(2025, 7, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))),
    datetime(2025, 6, 30, 23, 30, tzinfo=timezone(timedelta(hours=-1))),
    datetime(2024, 12, 31, 12, tzinfo=UTC),
    datetime(2025, 6, 3, 9, tzinfo=UTC),
)
KINDS = (
    ("LPP", "CON-20"), ("LPP", "CON-21"), ("AIA", "CON-30"), ("VEU", "CON-50"), ("LICENSE", "CON-40"),
    ("VEU", "CON-50"), ("LICENSE", "CON-40"),
)  # fmt: skip
DAYS = ("2025-06-16", "2025-07-01", "2025-12-30", "2026-01-05")
COUNTED = ("lpp/CON-20/2025", "lpp/CON-21/2025", "aia/CON-30", "nveu/CON-50/AE", "country/SA/2025-2027")
AMOUNTS = (0, 1, 15_832, 400_000, 20_000_000)
ACTIONS = (
    ["ask"] * 8 + ["dispatch"] * 5 + ["cancel"] * 2 + ["give_back"] * 4 + ["license"] * 2 + ["attest"] * 3
    + ["adjust"] * 3 + ["wear_out"] * 2 + ["merge", "tick", "recheck", "allot", "revoke"] + ["close"] * 7
)  # fmt: skip


class Step(NamedTuple):
    """One step of a history: what is done, when that happened, and two numbers that choose its particulars."""

    action: str
    at: datetime
    a: int
    b: int


def some_steps(seed: int, many: int) -> list[Step]:
    """A history by chance, always the same of a seed."""
    chance = Random(seed)
    return [
        Step(chance.choice(ACTIONS), _instant(chance), chance.randrange(48), chance.randrange(48)) for _ in range(many)
    ]


def _instant(chance: Random) -> datetime:
    if chance.random() < 0.3:
        return chance.choice(EDGES)
    return datetime(2025, 1, 20, 9, tzinfo=UTC) + timedelta(minutes=chance.randrange(400 * 24 * 60))


def beginning() -> tuple[Line, list[bytes]]:
    """A line of events, and the first of them: no automatic rechecks, a validated end-user and a licence."""
    line, at = Line(), datetime(2025, 1, 15, tzinfo=UTC)
    by_hand = {"name": "auto_recheck", "value": False, "by": "a.one", "reason": "the model has one record an event"}
    granted = {"holder": "CON-50", "program": "national", "country": "AE", "valid_from": "2025-01-15"}
    return line, [
        line.event("policy.set", by_hand, at),
        line.event("veu.authorized", granted | {"facilities": [facility("FAC-1", "AE", "2025-01-15")]}, at),
        line.event("license.issued", licence("LIC-1", 9_000_000, valid_from="2025-01-15"), at),
    ]


def event(line: Line, step: Step) -> bytes:
    """The event of a step."""
    kind, data = _data(step, f"SHP-{step.a % 6}")
    return line.event(kind, data, step.at)


def _data(step: Step, shipment: str) -> tuple[str, dict[str, Any]]:
    a, b = step.a, step.b
    account, amount = COUNTED[b % len(COUNTED)], AMOUNTS[a % len(AMOUNTS)]
    match step.action:
        case "ask":
            kind, consignee = KINDS[b % len(KINDS)]
            return "shipment.requested", _request(shipment, consignee, (1, 30, 1_699)[b % 3], kind, a, b)
        case "dispatch":
            day = DAYS[b % 12 if b % 12 < len(DAYS) else 0]
            return "shipment.dispatched", {"shipment_id": shipment, "export_date": day}
        case "cancel":
            return "shipment.cancelled", {"shipment_id": shipment}
        case "give_back":
            return "shipment.returned", {"shipment_id": shipment, "items": [{"line": 1, "quantity": 1 + b % 3}]}
        case "license":
            tpp = (30_000, 500_000, 9_000_000)[a % 3]
            return "license.issued", licence(f"LIC-{1 + b % 2}", tpp, valid_from="2025-01-15")
        case "revoke":
            return "license.revoked", {"number": f"LIC-{1 + b % 2}", "date": "2025-06-20"}
        case "attest":
            return "usage.attested", {"account": account, "tpp": amount, "by": f"by {a % 2}"}
        case "adjust":
            return "adjustment.made", {"account": account, "amount": amount * (1 if a % 3 else -1)}
        case "wear_out":
            return "attrition.reported", {"account": ("country/SA/2025-2027", "nveu/CON-50/AE")[b % 2], "tpp": amount}
        case "merge":
            return "party.merged", {"survivor": "CON-20", "absorbed": "CON-21"}
        case "allot":
            return "allocation.set", {"account": account, "limit": 10_000_000 + amount}
        case "tick":
            return "clock.ticked", {"now": f"2025-0{6 + a % 3}-20T00:00:00Z"}
    return "recheck.requested", {"all": True}


def _request(shipment: str, consignee: str, quantity: int, kind: str, a: int, b: int) -> dict[str, Any]:
    more: dict[str, Any] = {"expires": "2025-07-10"} if a % 4 == 3 else {}
    if kind == "LICENSE":
        more["authorization"] = {"kind": kind, "reference": f"LIC-{1 + b % 2}"}
    return request(shipment, consignee, quantity, kind, DAYS[a % 2], **more)


class Desk:
    """A ledger and the model beside it; the clock is the desk's own."""

    def __init__(self, store: Store, clock: int = CLOCK) -> None:
        self.store, self.clock = store, clock
        self.ledger = Ledger(store)
        self.runs = Engine(self.ledger, load("ai-diffusion"), lambda: self.clock, software())
        self.model = Model()
        self.kept: dict[str, tuple[Snapshot, list[Any], list[Any], list[Any]]] = {}
        self._taken = 0

    def run(self, raws: Sequence[bytes]) -> list[list[str]]:
        """Runs a batch of new events; what was given out for each."""
        self.clock += (1 + len(raws)) * (7_000_001 if len(raws) % 2 else -2_000_000)
        told = self.runs.run(records(raws, self._taken + 1))
        self._taken += len(raws)
        for raw, texts in zip(raws, told, strict=True):
            self.model.take(raw, texts, self.clock)
        return told

    def close(self, name: str) -> Snapshot:
        """Closes a period, holds what it gives against the model, and keeps its tables."""
        self.clock += 3_000_000
        chain = [one.digest for one, *_ in self.kept.values()]
        made = close_period(self.ledger, period(name), self.clock)
        if not self.model.close(name, self.clock):
            assert made == self.kept[name][0]
            return made
        assert made.id == name
        assert made.as_of == days_of(name)[1].isoformat()
        assert made.n == self.model.records
        seen = next((one.record for one, *_ in self.kept.values() if one.as_of >= made.as_of), made.n - 1)
        assert made.record == seen, "days that a close has closed are seen as it saw them"
        assert made.previous == (chain[-1] if chain else None)
        self.kept[name] = (made, *self.tables(name))
        return made

    def tables(self, name: str) -> tuple[list[Any], list[Any], list[Any]]:
        """The rows of accounts, entries and holds of a snapshot."""
        with self.store.read() as connection:
            found = find(connection, name)
            assert found is not None
            made = tables_of(connection, found)
            assert made.digest(found.previous) == (found.digest, found.accounts, found.entries)
            return made.accounts(), list(made.entries()), list(made.holds)

    # --- what must hold -------------------------------------------------------------------------------------------

    def check(self, moments: Iterable[Bounds], accounts: int = 3) -> None:
        """Entries, balances, statements and snapshots are those of the model."""
        self.check_entries()
        for number, bounds in enumerate((Bounds(), *moments, Bounds(record=self.model.records))):
            self.check_balances(bounds)
            if number < 3:
                self.check_statements(bounds, accounts)
        self.check_snapshots()

    def check_entries(self) -> None:
        """Every entry is booked and late as the closes before it say."""
        with self.store.read() as connection:
            found = [tuple(row) for row in connection.execute(ENTRIES)]
        told = [(e.account, e.entry, e.record, e.shipment, *e.parts, e.booked, e.late) for e in self.model.entries]
        assert found == sorted(told, key=lambda row: (row[2], row[0], row[1]))

    def check_balances(self, bounds: Bounds) -> None:
        """Balances at a moment."""
        with self.store.read() as connection:
            found = balances(connection, (), Moment(*bounds))
        told = {b.account: ((b.pending, b.posted, b.attested, b.credits), b.entries) for b in found if b.entries}
        assert told == self.model.balances(bounds), bounds
        if bounds == Bounds(record=self.model.records):
            with self.store.read() as connection:
                assert found == [b for b in balances(connection) if b.entries or b.limit is not None]

    def check_statements(self, bounds: Bounds, accounts: int) -> None:
        """Statements of some accounts over some days, and of all of them at once."""
        spans = [(None, None), *(days_of(name) for name in ("2025-06", "2025-Q2")), (days_of("2025")[0], None)]
        with self.store.read() as connection:
            paths = matching(connection, "*")
            for number, (first, last) in enumerate(spans):
                span = Span(first, last, Moment(*bounds))
                wanted = {path: self.model.statement(path, first, last, bounds) for path in paths}
                assert list(statement(connection, paths, span)) == [row for path in paths for row in wanted[path]]
                for path in paths[number : number + accounts]:
                    assert list(statement(connection, [path], span)) == wanted[path]
                for rows in wanted.values():
                    assert sum(row[14] for row in rows) == rows[-1][15]

    def check_snapshots(self) -> None:
        """Every snapshot says what it said at its close, and that is what the model and the balances say."""
        with self.store.read() as connection:
            assert snapshots(connection) == [one for one, *_ in self.kept.values()]
        for name, (made, *rows) in self.kept.items():
            assert list(self.tables(name)) == rows
            accounts, entries = self.model.period(name, made.record)
            amounts = {row[0]: tuple(row[2:]) for row in rows[0]}
            assert {path: row for path, row in amounts.items() if path in accounts} == accounts
            assert all(row == (0,) * 7 for path, row in amounts.items() if path not in accounts)
            assert [row[0] for row in rows[0]] == sorted(amounts)
            assert rows[1] == entries
            assert entries == self.model.period(name, self.model.records)[1], "entries came after the close"
            assert rows[2] == self.model.held(end_of(name), made.record)
            self._check_balance_as_of(made, rows[0])

    def _check_balance_as_of(self, made: Snapshot, accounts: list[Any]) -> None:
        with self.store.read() as connection:
            found = balances(connection, (), Moment(end_of(made.id), None, made.record))
        told = [(b.account, b.limit, b.pending, b.posted, b.attested, b.credits, b.balance) for b in found]
        assert told == [(row[0], row[1], *row[3:8]) for row in accounts]


def end_of(name: str) -> int:
    """The last instant of a period."""
    return microseconds(datetime.combine(days_of(name)[1], datetime.max.time(), UTC))


def play(desk: Desk, steps: Iterable[Step], size: int = 3) -> Iterator[str]:
    """Plays a history in batches of a size, and stops after each close with the period's name."""
    line, batch = beginning()
    for step in steps:
        if step.action == "close" or len(batch) >= size:
            if batch:
                desk.run(batch)
            batch = []
        if step.action == "close":
            name = PERIODS[step.a % len(PERIODS)]
            desk.close(name)
            yield name
        else:
            batch.append(event(line, step))
    if batch:
        desk.run(batch)


@contextmanager
def desk(url: str, clock: int = CLOCK) -> Iterator[Desk]:
    """A desk at a ledger."""
    with opened(url) as store:
        yield Desk(store, clock)
