"""Accounts, and the entries that change them."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select

from ledger.database import tables
from ledger.database.statements import Load, Statement
from ledger.database.store import LedgerCorrupt, by_code_points
from ledger.database.sums import ExactSum
from ledger.registers.identifiers import Identifiers
from ledger.registers.names.owned import Owned
from ledger.registers.parties import Parties
from ledger.registers.transaction import Transaction
from schemas import accounts
from schemas.models.values import TPP_MAX
from schemas.plan import Debit

WINDOW_DAYS = 90
HORIZON_DAYS = 365


_LOAD = Statement(lambda among: select(tables.account).where(among(tables.account.c.path, "paths")))


class Overflow(Exception):
    """The balance of `account` would exceed the range that the contract allows; nothing was written."""

    def __init__(self, account: str, message: str) -> None:
        super().__init__(message)
        self.account = account


class Account:
    """An account; amounts in TPP. Only its register changes it.

    `leaving` is what is pending to leave a facility or a base, `refused` whether a refused debit awaits room,
    `forecast` the day of exhaustion last announced. Dropped whole when others have written: a limit, a refusal or a
    forecast changes one without an entry that would tell of it.
    """

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
        self.entries, self.leaving, self.refused, self.forecast = entries, leaving, bool(refused), forecast
        self.changed = False

    @property
    def balance(self) -> int:
        """What counts against the limit."""
        return self.pending + self.posted + self.attested - self.credits

    @property
    def removable(self) -> int:
        """What may be credited, or leave a facility: what has arrived, less what is pending to leave.

        Pending debits do not count, so that a void never takes a balance below zero.
        """
        return self.posted + self.attested - self.credits - self.leaving

    def add(self, pending: int, posted: int, attested: int, credits: int) -> None:
        """Adds an entry to the parts; raises Overflow, with nothing changed, if an amount exceeds the range."""
        self.pending, self.posted, self.attested, self.credits = self.after(pending, posted, attested, credits)
        self.entries += 1

    def after(self, pending: int, posted: int, attested: int = 0, credits: int = 0) -> tuple[int, int, int, int]:
        """The parts as an entry would leave them; raises Overflow if an amount exceeds the range."""
        parts = self.pending + pending, self.posted + posted, self.attested + attested, self.credits + credits
        balance = parts[0] + parts[1] + parts[2] - parts[3]
        if max(balance, *parts) > TPP_MAX or min(balance, *parts) < -TPP_MAX:
            most = max(balance, *parts, key=abs)
            raise Overflow(self.path, f"an amount on {self.path} would be {most:,} TPP, beyond {TPP_MAX:,}")
        return parts

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
            int(self.refused),
            self.forecast,
        )


class Entry(NamedTuple):
    """An entry as answers report it: its amount, the part it went to, and the account after it.

    `limit` is the limit that was tested, None if none was; `known` is the account's limit, tested or not.
    """

    account: str
    entry: int
    amount: int
    state: str
    before: int
    balance: int
    limit: int | None
    known: int | None


class Room:
    """Which accounts the record being made brings room to."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._n = 0
        self._before: dict[str, tuple[Account, int, int, int]] = {}

    def remember(self, account: Account) -> None:
        """Keeps how an account is before the record being made changes it."""
        if self._n != self._transaction.n:
            self._n, self._before = self._transaction.n, {}
        self._before.setdefault(account.path, (account, account.balance, account.removable, account.leaving))

    def brought(self) -> list[str]:
        """The accounts on which less counts now, or on which something that was about to leave stays."""
        if self._n != self._transaction.n:
            return []
        return [
            account.path
            for account, balance, removable, leaving in self._before.values()
            if account.balance < balance or (account.removable > removable and account.leaving < leaving)
        ]


class Accounts:
    """The accounts of a ledger, by path; the path of an absorbed party means the survivor's account."""

    def __init__(self, transaction: Transaction, parties: Parties, identifiers: Identifiers) -> None:
        self._transaction = transaction
        self._parties, self._identifiers = parties, identifiers
        self._known = transaction.cache.rows(Account)
        self._changed: dict[str, Account] = {}
        self._entries: list[tuple[Any, ...]] = []
        self.room, self.owned = Room(transaction), Owned(transaction)
        transaction.at_flush(self._write)

    def path(self, path: str) -> str:
        """The path under which an account is kept now."""
        return self._parties.path(path)

    def load(self, paths: Iterable[str]) -> None:
        """Reads accounts that are not in memory, in one query for all."""
        self._transaction.read(self.loading(paths))

    def loading(self, paths: Iterable[str]) -> Load:
        """The load of `load`."""
        wanted = {path for path in map(self._parties.path, paths) if path not in self._known}
        if wanted:
            rows = yield _LOAD.asking(paths=wanted)
            self._known.update({**dict.fromkeys(wanted), **{row.path: Account(*row) for row in rows}})

    def find(self, path: str) -> Account | None:
        """The account, or None if it was never opened."""
        path = self._parties.path(path)
        if path not in self._known:
            self.load([path])
        return self._known[path]

    def balance(self, path: str) -> int:
        """The balance of an account, 0 if it was never opened."""
        account = self.find(path)
        return account.balance if account else 0

    def removable(self, path: str) -> int:
        """What may be credited on an account, or leave a facility."""
        account = self.find(path)
        return account.removable if account else 0

    def of_party(self, party: str) -> list[str]:
        """The paths of a party's accounts, sorted, without those of parties absorbed earlier."""
        self._transaction.flush()
        path = tables.account.c.path
        query = select(path).where(path.contains(f"/{party}", autoescape=True)).order_by(path)
        paths = self._transaction.connection.execute(query).scalars().all()
        return [one for one in paths if accounts.party(one) == party]

    # --- writing --------------------------------------------------------------------------------------------------

    def open(self, path: str) -> Account:
        """The account, opened if necessary."""
        account = self.find(path)
        if account is None:
            account = Account(self._transaction.next_account(), self._parties.path(path))
            self._known[account.path] = account
            self._identifiers.add_path(account.path)
            self.owned.note(account.path)
        self._change(account)
        return account

    def _change(self, account: Account) -> None:
        if not account.changed:
            account.changed = True
            self._changed[account.path] = account

    def set_limit(self, path: str, limit: int) -> Account:
        """Notes the limit of an account from now on; the account is opened if necessary."""
        account = self.open(path)
        account.limit = limit
        return account

    def refuse(self, account: Account, limit: int) -> None:
        """Notes that an account has refused a debit that would exceed this limit."""
        self._change(account)
        account.refused = True
        if account.limit is None:
            account.limit = limit

    def replenish(self, account: Account) -> None:
        """Notes that an account that had refused a debit has room again."""
        self._change(account)
        account.refused = False

    def forecast(self, account: Account, day: date | None) -> None:
        """Notes the day of exhaustion that is announced for an account; None if it is projected no longer."""
        self._change(account)
        account.forecast = day.isoformat() if day else None

    def move(self, path: str, target: str) -> list[Entry]:
        """Moves all parts of an account to another, with its refused state: an entry on each side."""
        old = self.find(path)
        if old is None:
            raise LedgerCorrupt(f"account {path} cannot be read")
        if old.refused:
            self.open(target).refused = True
            self.replenish(old)
        parts = {"pending": old.pending, "posted": old.posted, "attested": old.attested, "credits": old.credits}
        if not any(parts.values()):
            return []
        amount, first = old.balance, next(part for part in parts if parts[part])
        into = self.find(target)
        known = into.limit if into and into.limit is not None else old.limit
        taken = {part: -amount for part, amount in parts.items()}
        leaving = old.leaving + (into.leaving if into else 0)
        left = self.append(old.path, amount, "voided", None, **taken)
        entry = self.append(target, amount, first, None, None, known, **parts)
        old.leaving, self.open(target).leaving = 0, leaving
        return [left, entry]

    def append(
        self, path: str, amount: int, state: str, shipment: str | None, limit: int | None = None,
        known: int | None = None, *, pending: int = 0, posted: int = 0, attested: int = 0, credits: int = 0,
    ) -> Entry:  # fmt: skip
        """Appends an entry that changes the parts of an account, which is opened if necessary.

        `amount` and `state` are what answers report of it; `limit` is the limit that was tested, `known` the account's
        limit from now on, None if unchanged. Raises Overflow if a part or the balance exceeds the range.
        """
        account = self.open(path)
        if account.path != path:
            self._parties.use_mergers(self._parties.group(accounts.party(path)))
        before = account.balance
        self.room.remember(account)
        account.add(pending, posted, attested, credits)
        if (pending < 0) == (state == "pending") and pending:
            account.leaving -= pending
        if known is not None:
            account.limit = known
        transaction, booking = self._transaction, self._transaction.booking
        self._entries.append(
            (
                account.id, account.entries, transaction.n, shipment, pending, posted, attested, credits,
                account.balance, account.limit, booking.day, booking.late_for,
            )
        )  # fmt: skip
        return Entry(account.path, account.entries, amount, state, before, account.balance, limit, account.limit)

    def _write(self) -> None:
        store, connection = self._transaction.store, self._transaction.connection
        store.insert(connection, tables.entry, self._entries)
        self._entries = []
        store.upsert(connection, tables.account, [self._changed[path].row() for path in sorted(self._changed)])
        for account in self._changed.values():
            account.changed = False
        self._changed = {}


def check_range(accounts: Accounts, debits: Iterable[Debit], posted: bool) -> None:
    """Raises Overflow, before anything changes, if one of these debits, pending or posted, would exceed the range."""
    for debit in debits:
        if (account := accounts.find(debit.account)) is not None:
            account.after(*((0, debit.amount) if posted else (debit.amount, 0)))


def limited(transaction: Transaction, after: str, most: int) -> list[str]:
    """The paths of accounts that have a limit, sorted, those after a path and at most so many."""
    transaction.flush()
    path = by_code_points(transaction.store, tables.account.c.path)
    query = select(tables.account.c.path).where(tables.account.c.limit.is_not(None), path > after)
    return list(transaction.connection.execute(query.order_by(path).limit(most)).scalars())


def growth(transaction: Transaction, paths: Sequence[str], since: int, until: int) -> dict[str, int]:
    """The growth of accounts from events after one instant and up to another; only those that grew."""
    transaction.flush()
    account, entry, journal = tables.account, tables.entry, tables.journal
    grown = ExactSum(entry.c.pending + entry.c.posted - entry.c.credits)
    query = (
        select(account.c.path, grown.label("grown"))
        .join_from(entry, journal, entry.c.n == journal.c.n)
        .join(account, entry.c.account == account.c.id)
        .where(transaction.store.among(account.c.path, paths))
        .where(journal.c.happened > since, journal.c.happened <= until)
        .group_by(account.c.path)
    )
    return {row.path: row.grown for row in transaction.connection.execute(query) if row.grown > 0}


def projected(path: str, left: int, grown: int, day: date, window: int = WINDOW_DAYS) -> date | None:
    """The day on which what is left of an account is used up, if it grows as in the `window` days before a day.

    None if that is more than a year ahead or, of an account of one year, not in that year.

    >>> projected("lpp/CON-70/2025", 100, 90, date(2025, 6, 1))
    datetime.date(2025, 9, 9)
    """
    if grown <= 0:
        return None
    days = min(HORIZON_DAYS + 1, -(-left * window // grown))
    full = day + timedelta(days=days)
    return full if days <= HORIZON_DAYS and accounts.within(path, full) else None
