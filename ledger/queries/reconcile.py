"""A statement of another system against the ledger's own lines: what matches, what is missing, what differs.

Here is the ledger, there is the statement; the comparison itself asks no database and no file.
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
    """What one shipment counts on one account: its export date as `YYYY-MM-DD`, its amount in TPP."""

    shipment_id: str
    account: str
    date: str
    amount: int


Statement = Mapping[int, Line]
"""The lines of a statement by their rows, which count from 1 without the header."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A line of the statement that the ledger does not have; `duplicate_of` is the first row that says the same."""

    row: int
    line: Line
    duplicate_of: int | None

    def to_json(self) -> dict[str, Any]:
        """The line as a JSON object."""
        return {"row": self.row, **self.line._asdict(), "duplicate_of": self.duplicate_of}


@dataclass(frozen=True, slots=True)
class Different:
    """A line of the statement, and the unlike one of the ledger that stands for the same."""

    row: int
    here: Line
    there: Line

    @property
    def fields(self) -> list[str]:
        """What differs, by name."""
        return [name for name, ours, theirs in zip(Line._fields, self.here, self.there, strict=True) if ours != theirs]

    @property
    def difference(self) -> int:
        """How much more the statement says, in TPP."""
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
    """Each line of both sides in one place; `here` and `there` sum the amounts of all of them."""

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
        """How much more the statement says, in TPP."""
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
    """What each shipment counts on each account that fits a pattern: pending + posted − credits, where that is not 0.

    The date is the export date in force. What facts moved, a merger too, has no shipment and is in no line.
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
    """The lines whose account fits a pattern, under the rows that they have."""
    return {row: line for row, line in statement.items() if accounts.matches(pattern, line.account)}


def reconcile(
    statement: Statement, ledger: Iterable[Line], first: str | None = None, last: str | None = None
) -> Result:
    """Compares a statement with the ledger's lines, of which each shipment and account has one.

    `first` and `last` are export dates, both included. Lines are paired over all dates, and a pair is told where either
    of its dates is in the range: a line whose date was moved over the edge differs in its date and is not missing.
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
    """Takes equal lines out of the statement: how many, their amounts, and the ledger's lines that have no equal."""
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
    """Pairs what is left and takes it out of both sides: by shipment and account, by shipment, by all the rest.

    A row that repeats an earlier one is paired last, so that it takes no line from one that is but misspelt.
    """

    def apart(row: int, place: int) -> tuple[Hashable, ...]:
        theirs, ours = there[row], here[place]
        segments = zip(theirs.account.split("/"), ours.account.split("/"), strict=False)
        same = sum(1 for _ in takewhile(lambda both: both[0] == both[1], segments))
        days = abs((date.fromisoformat(theirs.date) - date.fromisoformat(ours.date)).days)
        amount = abs(theirs.amount - ours.amount)
        return row in doubled, amount != 0, days != 0, -same, amount, days, row, ours

    def nearest(rows: list[int], places: list[int]) -> Iterator[tuple[int, int]]:
        for row, place in sorted(product(rows, places), key=lambda pair: apart(*pair)):
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
    """The rows and the places of lines that have the same key, where both sides have one."""
    rows: dict[Hashable, list[int]] = {}
    for row, line in there.items():
        rows.setdefault(key(line), []).append(row)
    places: dict[Hashable, list[int]] = {}
    for place, line in here.items():
        if (found := key(line)) in rows:
            places.setdefault(found, []).append(place)
    return [(rows[found], places[found]) for found in places]


def _spelt(line: Line) -> str:
    """The shipment's id without what is a matter of spelling: case, blanks, punctuation."""
    return "".join(filter(str.isalnum, line.shipment_id.casefold()))
