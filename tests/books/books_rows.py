"""Rows of the books made up for the tests of exports: accounts that add up, ids that formats dislike."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from schemas.columns import TABLES
from schemas.models.values import TPP_MAX
from schemas.periods import period
from services.finance.exports import Tables

PERIOD = period("2025-Q2")
MOMENT = 1_748_856_600_000_000
ODD = (
    "=1+1",
    "@SUM(A1)",
    "http://example.org/a?b=c#d",
    "0012",
    "1e5",
    'a "quoted", comma',
    "two\nlines",
    "a\rb",
    "a\r\nb",
    " spaces ",
    "semi;colon | bar",
    "100%",
    "~tilde~",
    "Größe 限额 🚢",
    "_x0041_x0042_",
    "<r>x</r>",
    "<&>'",
    "\ttab",
    "\x01\x7f\ufffe",
    "#N/A",
    "TRUE",
    "None",
)

PATHS = ("license/L-1", "lpp/CON-70/2025", "lpp/CON:8/2025", "uveu/CON-1/outside-5a")
"""Accounts in the order of the tables."""

_AMOUNT = st.integers(-TPP_MAX, TPP_MAX) | st.integers(-1_000, 1_000)
_TEXT = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
_INSTANT = st.integers(0, 4_000_000_000_000_000) | st.integers(0, 4_000_000_000).map(lambda second: second * 1_000_000)
Books = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[Any, ...]]]


@st.composite
def books(draw: st.DrawFn) -> Books:
    """Rows of the tables accounts, entries and holds that fit together."""
    accounts, entries = [], []
    record = 0
    for path in PATHS:
        parts = list(draw(st.tuples(*[_AMOUNT] * 4)))
        opening = balance = _balance(parts)
        days = sorted(draw(st.lists(st.integers(1, 30), max_size=4)))
        for number, day in enumerate(days, 1):
            record += 1
            changes = draw(st.tuples(*[_AMOUNT] * 4) | st.sampled_from([(5, 0, 0, 0), (-5, 5, 0, 0), (0, 0, 0, 0)]))
            parts = [part + change for part, change in zip(parts, changes, strict=True)]
            balance += _balance(changes)
            entries.append((
                draw(st.sampled_from(["shipment.requested", "usage.attested"])), f"2025-06-{day:02}", draw(_INSTANT),
                record, path, number, draw(st.none() | _TEXT), draw(_TEXT), draw(_TEXT), *changes, _balance(changes),
                balance, draw(st.none() | st.just("2025-Q1")),
            ))  # fmt: skip
        accounts.append((path, draw(st.none() | st.integers(0, TPP_MAX)), opening, *parts, balance, len(days)))
    names = draw(st.lists(_TEXT, unique=True, max_size=3))
    holds = [
        (name, record, draw(_INSTANT), "quota.exhausted red_flag", draw(st.integers(0, TPP_MAX))) for name in names
    ]
    return accounts, entries, holds


def _balance(parts: Sequence[int]) -> int:
    pending, posted, attested, credits_ = parts
    return pending + posted + attested - credits_


def odd_books() -> Books:
    """Rows in which every odd text stands, large amounts and small ones, and an account without entries."""
    entries = []
    for number, text in enumerate(ODD, 1):
        moment = MOMENT + number * (1_000_000 if number % 2 else 1)
        entries.append((
            "shipment.requested", "2025-06-02", moment, number, "lpp/CON-70/2025", number, text, text, text,
            1_000, 0, 0, 1, 999, 7 + 999 * number, "2025-05" if number % 2 else None,
        ))  # fmt: skip
    count = len(ODD)
    accounts = [
        ("country/IN/2025-2027", None, TPP_MAX, TPP_MAX, 0, 0, 0, TPP_MAX, 0),
        ("license/L-1", TPP_MAX, -(10**15), 0, 0, 0, 10**15, -(10**15), 0),
        ("license/L-2", 5, -(10**15 - 1), 0, 0, 0, 10**15 - 1, -(10**15 - 1), 0),
        ("lpp/CON-70/2025", 26_900_000, 7, 1_000 * count, 7, 0, count, 7 + 999 * count, count),
    ]
    holds = [(text, number, MOMENT + number, "quota.exhausted", number) for number, text in enumerate(ODD, 1)]
    return accounts, entries, holds


SHIPMENTS = [
    ("=1+1", 'Ä; "B"', "IN", "H100, _x0041_", "8, 1", "2025-06-05", None),
    ("S-2", "@C", "PL", "x", "1699", "2025-06-20", "LICENSE LIC-0001"),
]


def tables(rows: Books) -> Tables:
    """What gives these rows again and again, as iterators."""
    accounts, entries, holds = rows
    return {
        "accounts": lambda: iter(accounts),
        "entries": lambda: iter(entries),
        "holds": lambda: iter(holds),
        "shipments": lambda: iter(SHIPMENTS),
    }


def statement(rows: Books, path: str, days: tuple[str | None, str | None]) -> list[tuple[Any, ...]]:
    """The statement of one account; `booked` of its first row and its last are the days."""
    names = [column.name for column in TABLES["statement"]]
    account = next(row for row in rows[0] if row[0] == path)
    own = [row for row in rows[1] if row[4] == path]
    before = [account[3 + place] - sum(row[9 + place] for row in own) for place in range(4)]
    parts = dict(zip(("pending", "posted", "attested", "credits"), before, strict=True))
    first = {
        "kind": "opening",
        "booked": days[0],
        "account": path,
        "change": account[2],
        "balance": account[2],
        **parts,
    }
    nothing = dict.fromkeys((*parts, "change"), 0)
    last = {"kind": "closing", "booked": days[1], "account": path, "balance": account[7], **nothing}
    between = [(*row[:3], MOMENT, *row[3:]) for row in own]
    return [tuple(map(first.get, names)), *between, tuple(map(last.get, names))]
