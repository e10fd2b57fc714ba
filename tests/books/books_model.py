"""The books worked out by plain means: from what was answered at each record, and from the closes before it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from schemas.times import microseconds

Parts = tuple[int, int, int, int]
NOTHING: Parts = (0, 0, 0, 0)
LENGTHS = {"": 12, "Q": 3, "M": 1}


def days_of(name: str) -> tuple[date, date]:
    """The first day of a period and its last."""
    year, what = int(name[:4]), name[5:]
    first = 1 if not what else 3 * int(what[1]) - 2 if what[0] == "Q" else int(what)
    months = LENGTHS["" if not what else "Q" if what[0] == "Q" else "M"]
    after = date(year + (first + months > 12), (first + months - 1) % 12 + 1, 1)
    return date(year, first, 1), after - timedelta(days=1)


def booked_on(day: date, closes: Iterable[str]) -> tuple[date, str | None]:
    """The first day from this one on that no close has closed, and the period that a later one is late for.

    That is the shortest that holds the day; where none does, the close of the nearest end, the shortest of those.
    """
    spans = {name: days_of(name) for name in closes}
    closed = {name: span for name, span in spans.items() if day <= span[1]}
    if not closed:
        return day, None
    free = day
    while any(free <= last for _, last in closed.values()):
        free = max(last for _, last in closed.values() if free <= last) + timedelta(days=1)
    order = {name: (last - first, name) for name, (first, last) in closed.items() if first <= day}
    if order:
        return free, min(order, key=lambda name: order[name])
    return free, min(closed, key=lambda name: (closed[name][1], closed[name][1] - closed[name][0]))


class Told(NamedTuple):
    """An entry as the answers tell it, with its parts signed."""

    record: int
    kind: str
    booked: str
    happened: int
    recorded: int
    account: str
    entry: int
    shipment: str | None
    source: str
    event: str
    parts: Parts
    late: str | None


def change(parts: Sequence[int]) -> int:
    """What four parts do to a balance."""
    return parts[0] + parts[1] + parts[2] - parts[3]


def plus(*many: Sequence[int]) -> Parts:
    """The sum of parts."""
    a, b, c, d = (sum(column) for column in zip(*many, strict=True)) if many else NOTHING
    return a, b, c, d


class Bounds(NamedTuple):
    """As of when, known when, known at which record."""

    as_of: int | None = None
    known_at: int | None = None
    record: int | None = None

    def lets_in(self, entry: Told) -> bool:
        """Whether an entry counts."""
        return (
            (self.as_of is None or entry.happened <= self.as_of)
            and (self.known_at is None or entry.recorded <= self.known_at)
            and (self.record is None or entry.record <= self.record)
        )


Hold = tuple[str, int, int, str, int]
"""Shipment, record, instant, codes, TPP."""


class Model:
    """What the answers so far and the closes so far make of the books."""

    def __init__(self) -> None:
        self.entries: list[Told] = []
        self.closes: list[str] = []
        self.parts: dict[str, Parts] = defaultdict(lambda: NOTHING)
        self.numbers: dict[str, int] = defaultdict(int)
        self.holds: list[tuple[int, int, str, Hold | None]] = []
        self.records = 0
        self.recorded = 0

    def close(self, name: str, recorded: int) -> bool:
        """A close; whether it is a new one, and so a record."""
        if name in self.closes:
            return False
        self.closes.append(name)
        self._record(recorded)
        return True

    def take(self, raw: bytes, answers: Sequence[str], recorded: int) -> None:
        """The next record: an event that was not delivered before, and all that was given out for it."""
        self._record(recorded)
        event = orjson.loads(raw)
        happened = datetime.fromisoformat(event["time"]).astimezone(UTC)
        booked, late = booked_on(happened.date(), self.closes)
        for account, entry, shipment, parts in self._moves(event, answers):
            self.numbers[account] += 1
            assert entry == self.numbers[account]
            self.parts[account] = plus(self.parts[account], parts)
            self.entries.append(
                Told(
                    self.records, event["type"].removeprefix("tpp.").removesuffix(".v1"), booked.isoformat(),
                    microseconds(happened), self.recorded, account, entry, shipment, event["source"], event["id"],
                    parts, late,
                )
            )  # fmt: skip
        self._hold(answers, microseconds(happened))

    def _record(self, recorded: int) -> None:
        self.records += 1
        self.recorded = max(self.recorded, recorded)

    def _hold(self, answers: Sequence[str], happened: int) -> None:
        """Notes which shipments a record holds, and which it holds no longer; one that stood still is as it was."""
        for answer in answers:
            data = orjson.loads(answer)["data"]
            if orjson.loads(answer)["type"] == "tpp.obligation.due.v1":
                continue
            shipment, codes = data.get("shipment_id"), [reason["code"] for reason in data.get("reasons", ())]
            if shipment is None or ("outcome" not in data and data.get("state") in (None, "held")):
                continue
            if data.get("outcome") == "refused":
                continue
            if data.get("outcome") != "held":
                self.holds.append((self.records, happened, shipment, None))
            else:
                told = " ".join(dict.fromkeys(codes))
                hold = (shipment, self.records, happened, told, data["tpp"])
                self.holds.append((self.records, happened, shipment, hold))

    def held(self, end: int, record: int) -> list[Hold]:
        """The holds at an instant, as known at a record."""
        last = {shipment: hold for n, when, shipment, hold in self.holds if n <= record and when <= end}
        return sorted(hold for hold in last.values() if hold is not None)

    def _moves(self, event: dict[str, Any], answers: Sequence[str]) -> Iterator[tuple[str, int, str | None, Parts]]:
        moved = []
        for answer in answers:
            data = orjson.loads(answer)["data"]
            shipment = data.get("shipment_id")
            moved += [(shipment, one) for one in (*data.get("debits", ()), *data.get("entries", ()))]
        if event["type"] == "tpp.party.merged.v1":
            assert len(moved) % 2 == 0
            for (_, out), (_, into) in zip(moved[::2], moved[1::2], strict=True):
                a, b, c, d = self.parts[out["account"]]
                assert out["state"] == "voided"
                yield out["account"], out["entry"], None, (-a, -b, -c, -d)
                yield into["account"], into["entry"], None, (a, b, c, d)
            return
        for shipment, one in moved:
            parts = signed(one, change(self.parts[one["account"]]))
            assert change(self.parts[one["account"]]) + change(parts) == one["balance"]
            yield one["account"], one["entry"], shipment, parts

    # --- questions --------------------------------------------------------------------------------------------------

    def balances(self, bounds: Bounds) -> dict[str, tuple[Parts, int]]:
        """The parts of each account that has entries, and their number."""
        found: dict[str, list[Parts]] = defaultdict(list)
        for entry in self.entries:
            if bounds.lets_in(entry):
                found[entry.account].append(entry.parts)
        return {account: (plus(*many), len(many)) for account, many in found.items()}

    def statement(self, account: str, first: date | None, last: date | None, bounds: Bounds) -> list[tuple[Any, ...]]:
        """The rows of the statement of an account."""
        own = [entry for entry in self.entries if entry.account == account and bounds.lets_in(entry)]
        start, end = first.isoformat() if first else None, last.isoformat() if last else None
        parts = plus(NOTHING, *(entry.parts for entry in own if start is not None and entry.booked < start))
        within = [e for e in own if (start is None or e.booked >= start) and (end is None or e.booked <= end)]
        balance = change(parts)
        rows: list[tuple[Any, ...]] = [
            ("opening", start, None, None, None, account, *[None] * 4, *parts, balance, balance, None)
        ]
        for e in sorted(within, key=lambda entry: (entry.booked, entry.entry)):
            balance += change(e.parts)
            rows.append((
                e.kind, e.booked, e.happened, e.recorded, e.record, account, e.entry, e.shipment, e.source, e.event,
                *e.parts, change(e.parts), balance, e.late,
            ))  # fmt: skip
        rows.append(("closing", end, None, None, None, account, *[None] * 4, *NOTHING, 0, balance, None))
        return rows

    def period(self, name: str, record: int) -> tuple[dict[str, tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Of a period as known at a record: opening, parts, closing and number of entries by account; the entries."""
        first, last = days_of(name)
        accounts, entries = {}, []
        for account in sorted(self.numbers):
            rows = self.statement(account, first, last, Bounds(record=record))
            opening, closing = rows[0], rows[-1]
            parts = plus(*(row[10:14] for row in rows))
            upto = [e for e in self.entries if e.account == account and e.record <= record]
            if any(e.booked <= last.isoformat() for e in upto):
                accounts[account] = (opening[15], *parts, closing[15], len(rows) - 2)
            entries += [(*row[:3], *row[4:]) for row in rows[1:-1]]
        return accounts, entries


def signed(one: dict[str, Any], before: int) -> Parts:
    """The parts of a movement as an answer tells it: its size and the part that it went to (docs/contract/books.md)."""
    amount = one["amount"]
    return {
        "pending": (amount, 0, 0, 0),
        "posted": (one["balance"] - before - amount, amount, 0, 0),
        "voided": (-amount, 0, 0, 0),
        "attested": (0, 0, amount, 0),
        "credits": (0, 0, 0, amount),
    }[one["state"]]
