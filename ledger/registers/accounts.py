"""Accounts as they stand, their entries, and what is remembered of a ledger between transactions."""

from dataclasses import dataclass, field
from typing import Any

from schemas.periods import Period

MOST_CACHED = 10_000
"""Rows of one kind kept in memory between transactions; more are forgotten and read again."""


class Overflow(Exception):
    """A balance would leave the range that the contract allows; nothing was written."""


class Account:
    """An account as it stands; amounts in TPP."""

    __slots__ = (
        "attested",
        "changed",
        "credits",
        "entries",
        "forecast",
        "id",
        "leaving",
        "limit",
        "path",
        "pending",
        "posted",
        "refused",
    )

    def __init__(
        self, id: int, path: str, limit: int | None = None, pending: int = 0, posted: int = 0, attested: int = 0,
        credits: int = 0, entries: int = 0, leaving: int = 0, refused: int = 0, forecast: str | None = None,
    ) -> None:  # fmt: skip
        self.id, self.path, self.limit = id, path, limit
        self.pending, self.posted, self.attested, self.credits = pending, posted, attested, credits
        self.entries, self.leaving, self.refused, self.forecast = entries, leaving, refused, forecast
        self.changed = False

    @property
    def balance(self) -> int:
        """What counts against the limit."""
        return self.pending + self.posted + self.attested - self.credits

    @property
    def there(self) -> int:
        """What may be credited, or leave a facility: what has come and is not about to leave. What is only pending does
        not count, so that a void never takes a balance below zero.
        """
        return self.posted + self.attested - self.credits - self.leaving

    def row(self) -> tuple[Any, ...]:
        """The account in the order of the table's columns."""
        return (
            self.id,
            self.path,
            self.limit,
            self.pending,
            self.posted,
            self.attested,
            self.credits,
            self.entries,
            self.leaving,
            self.refused,
            self.forecast,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A movement as answers tell it: its size, the part it went to, and the account after it.

    `limit` is the one that was tested, None where none was; `known` the one that the account has, tested or not.
    """

    account: str
    entry: int
    amount: int
    state: str
    before: int
    balance: int
    limit: int | None
    known: int | None


@dataclass(slots=True)
class Cache:
    """What earlier transactions read, good as long as nobody else has written since record `n`."""

    n: int = -1
    accounts: dict[str, Account | None] = field(default_factory=dict)
    shipments: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    closed: list[Period] | None = None

    def clear(self) -> None:
        """Forgets everything."""
        self.n = -1
        self.closed = None
        for kept in (self.accounts, self.shipments, self.facts):
            kept.clear()

    def trim(self) -> None:
        """Forgets a kind of row of which there are too many, so that memory stays flat."""
        for kept in (self.accounts, self.shipments, self.facts):
            if len(kept) > MOST_CACHED:
                kept.clear()
