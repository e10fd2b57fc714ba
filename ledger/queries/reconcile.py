"""Compares an external statement with the ledger's own lines: what matches, what is missing, what differs.

In names, `here` is the ledger and `there` the statement; the comparison itself reads no database and no file.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product, takewhile
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from ledger.database import tables
from schemas import accounts

_FEW_ACCOUNTS = 500


class Line(NamedTuple):
    """The amount of one shipment on one account, in TPP, with its export date as `YYYY-MM-DD`."""

    shipment_id: str
    account: str
    date: str
    amount: int


Statement = Mapping[int, Line]
"""The lines of a statement by row number, from 1, not counting the header."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A line of the statement that the ledger does not have; `duplicate_of` is the first row with the same content."""

    row: int
    line: Line
    duplicate_of: int | None

    def to_json(self) -> dict[str, Any]:
        """The line as a JSON object."""
        return {"row": self.row, **self.line._asdict(), "duplicate_of": self.duplicate_of}


@dataclass(frozen=True, slots=True)
class Different:
    """A line of the statement, and the different line of the ledger that corresponds to it."""

    row: int
    here: Line
    there: Line

    @property
    def fields(self) -> list[str]:
        """What differs, by name."""
        return [name for name, ours, theirs in zip(Line._fields, self.here, self.there, strict=True) if ours != theirs]

    @property
    def difference(self) -> int:
        """The statement's amount minus the ledger's, in TPP."""
        return self.there.amount - self.here.amount

    def to_json(self) -> dict[str, Any]:
        """The pair as a JSON object."""
        return {
            "row": self.row,
            "fields": self.fields,
            "here": self.here._asdict(),
            "there": self.there._asdict(),
            "difference": self.difference,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """Every line of both sides, once; `here` and `there` are the total amounts of the ledger and the statement."""

    matched: int
    missing_here: list[Unknown]
    missing_there: list[Line]
    different: list[Different]
    here: int
    there: int

    @property
    def agrees(self) -> bool:
        """Whether every line has an equal one on the other side."""
        return not (self.missing_here or self.missing_there or self.different)

    @property
    def difference(self) -> int:
        """The statement's amount minus the ledger's, in TPP."""
        return self.there - self.here

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {
            "matched": self.matched,
            "missing_here": [one.to_json() for one in self.missing_here],
            "missing_there": [line._asdict() for line in self.missing_there],
            "different": [one.to_json() for one in self.different],
            "totals": {"here": self.here, "there": self.there, "difference": self.difference},
        }


def shipment_lines(connection: Connection, pattern: str | None = None) -> Iterator[Line]:
    """The amount of each shipment on each account that matches a pattern: pending + posted − credits, if not 0.

    The date is the export date in force. Entries of facts, such as mergers, have no shipment and appear in no line.
    """
    a, e, s = tables.account, tables.entry, tables.shipment
    found = connection.execute(select(a.c.id, a.c.path))
    paths = {row.id: row.path for row in found if pattern is None or accounts.matches(pattern, row.path)}
    amount = func.sum(e.c.pending + e.c.posted - e.c.credits)
    few = [e.c.account.in_(paths)] if len(paths) <= _FEW_ACCOUNTS else []
    sums = (
        select(e.c.shipment_id, e.c.account, amount.label("amount"))
        .where(e.c.shipment_id.is_not(None), *few)
        .group_by(e.c.shipment_id, e.c.account)
        .having(amount != 0)
        .subquery()
    )
    query = select(sums, s.c.export_date).join_from(sums, s, sums.c.shipment_id == s.c.id)
    for shipment, account, total, day in connection.execute(query, execution_options={"yield_per": 10_000}):
        if account in paths:
            yield Line(shipment, paths[account], day, int(total))


def on_accounts(statement: Statement, pattern: str) -> Statement:
    """The lines whose account matches a pattern, with their row numbers."""
    return {row: line for row, line in statement.items() if accounts.matches(pattern, line.account)}


def reconcile(
    statement: Statement, ledger: Iterable[Line], first: str | None = None, last: str | None = None
) -> Result:
    """Compares a statement with the ledger's lines, of which each shipment and account has one.

    `first` and `last` are export dates, inclusive. Lines are paired over all dates, and a pair is reported if either of
    its dates is in the range: a line whose date was moved out of the range is different, not missing.
    """

    def wanted(*lines: Line) -> bool:
        return any((first is None or first <= line.date) and (last is None or line.date <= last) for line in lines)

    there = dict(sorted(statement.items()))
    rows: dict[Line, int] = {}
    for row, line in there.items():
        rows.setdefault(line, row)
    matched, amount, here = _equal(there, ledger, wanted)
    pairs = _unequal(there, here, {row for row, line in there.items() if rows[line] != row})
    different = [one for one in pairs if wanted(one.here, one.there)]
    unknown = [
        Unknown(row, line, None if rows[line] == row else rows[line]) for row, line in there.items() if wanted(line)
    ]
    missing = sorted(line for line in here.values() if wanted(line))
    return Result(
        matched,
        unknown,
        missing,
        sorted(different, key=lambda one: one.row),
        amount + sum(line.amount for line in missing) + sum(one.here.amount for one in different),
        amount + sum(one.line.amount for one in unknown) + sum(one.there.amount for one in different),
    )


def _equal(
    there: dict[int, Line], ledger: Iterable[Line], wanted: Callable[[Line], bool]
) -> tuple[int, int, dict[int, Line]]:
    """Removes equal lines from the statement; returns their number and amount, and the ledger's unmatched lines."""
    waiting: dict[Line, list[int]] = {}
    for row in reversed(there):
        waiting.setdefault(there[row], []).append(row)
    matched = amount = 0
    here = {}
    for place, line in enumerate(ledger):
        if rows := waiting.get(line):
            del there[rows.pop()]
            if wanted(line):
                matched += 1
                amount += line.amount
        else:
            here[place] = line
    return matched, amount, here


def _unequal(there: dict[int, Line], here: dict[int, Line], doubled: set[int]) -> list[Different]:
    """Pairs remaining lines and removes them from both sides: by shipment and account, by shipment, by the rest.

    A row that repeats an earlier one is paired last, so that it does not take the line of a misspelt one.
    """

    def distance(row: int, place: int) -> tuple[Hashable, ...]:
        theirs, ours = there[row], here[place]
        segments = zip(theirs.account.split("/"), ours.account.split("/"), strict=False)
        same = sum(1 for _ in takewhile(lambda both: both[0] == both[1], segments))
        days = abs((date.fromisoformat(theirs.date) - date.fromisoformat(ours.date)).days)
        amount = abs(theirs.amount - ours.amount)
        return row in doubled, amount != 0, days != 0, -same, amount, days, row, ours

    def nearest(rows: list[int], places: list[int]) -> Iterator[tuple[int, int]]:
        for row, place in sorted(product(rows, places), key=lambda pair: distance(*pair)):
            if row in there and place in here:
                yield row, place

    def in_order(rows: list[int], places: list[int]) -> Iterator[tuple[int, int]]:
        rows.sort(key=lambda row: (row in doubled, _spelt(there[row]), row))
        places.sort(key=lambda place: (_spelt(here[place]), here[place]))
        yield from zip(rows, places, strict=False)

    steps: tuple[tuple[Callable[[Line], Hashable], Callable[..., Iterator[tuple[int, int]]]], ...] = (
        (lambda line: (line.shipment_id, line.account), nearest),
        (lambda line: line.shipment_id, nearest),
        (lambda line: (*line[1:], _spelt(line)), in_order),
        (lambda line: line[1:], in_order),
    )
    pairs = []
    for key, chosen in steps:
        for rows, places in _groups(there, here, key):
            for row, place in chosen(rows, places):
                pairs.append(Different(row, here.pop(place), there.pop(row)))
    return pairs


def _groups(
    there: Mapping[int, Line], here: Mapping[int, Line], key: Callable[[Line], Hashable]
) -> list[tuple[list[int], list[int]]]:
    """The rows and places of lines with the same key, if both sides have it."""
    rows: dict[Hashable, list[int]] = {}
    for row, line in there.items():
        rows.setdefault(key(line), []).append(row)
    places: dict[Hashable, list[int]] = {}
    for place, line in here.items():
        if (found := key(line)) in rows:
            places.setdefault(found, []).append(place)
    return [(rows[found], places[found]) for found in places]


def _spelt(line: Line) -> str:
    """The shipment's id without case, blanks and punctuation."""
    return "".join(filter(str.isalnum, line.shipment_id.casefold()))
