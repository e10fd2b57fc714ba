"""Journal: the verbs of the ledger, within one transaction that holds the turn to write."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from sqlalchemy import Connection, func, select

from ledger.database import tables
from ledger.database.store import LedgerCorrupt, Store
from ledger.registers.accounts import Account, Cache, Entry, Overflow
from ledger.registers.facts import FactBook
from ledger.registers.limits import after, limit_value, lower, shortfalls
from ledger.registers.records import Mail
from ledger.registers.shipments import Shipments
from schemas import accounts
from schemas.models.values import TPP_MAX
from schemas.periods import Period, booked, period
from schemas.plan import Debit, Option, Share, Short


class Journal:
    """The ledger in one transaction: accounts and entries, and beside them `facts`, `shipments` and `mail`.

    Every change is kept in memory until `flush`; `n` is the number of the record that is being made, `used` are the
    records of the facts that it rests on, `before` the last records of the shipments that it changes, `booked` the day
    that its entries count for and the closed period that they are late for.
    """

    def __init__(self, store: Store, connection: Connection, cache: Cache, recorded: int) -> None:
        self.store, self.connection, self.cache = store, connection, cache
        self.head = store.lock_head(connection)
        if self.head.n != cache.n:
            cache.clear()
        cache.trim()
        self.n: int = self.head.n
        self.sequence: int = self.head.sequence
        self.opened: int = self.head.accounts
        self.ticked: int | None = self.head.ticked
        self.closed: str | None = self.head.closed
        self.recorded = max(recorded, self.head.recorded)
        self.rows: list[tuple[Any, ...]] = []
        self.changed: dict[str, Account] = {}
        self.used: set[int] = set()
        self.before: dict[str, int] = {}
        self.booked: tuple[str, str | None] = ("", None)
        self.facts = FactBook(self)
        self.shipments = Shipments(self)
        self.mail = Mail(self)

    def open_record(self, day: date | None) -> None:
        """Begins the next record, of an event that happened on this UTC day; None where it makes no entries."""
        self.n += 1
        self.used.clear()
        self.before.clear()
        if day is None:
            return
        held = None
        if self.closed is not None and day.isoformat() <= self.closed:
            day, held = booked(day, self.periods())
        self.booked = (day.isoformat(), held)

    def periods(self) -> Sequence[Period]:
        """The periods that are closed, in the order of closing."""
        if self.cache.closed is None:
            query = select(tables.snapshot.c.id).order_by(tables.snapshot.c.n)
            self.cache.closed = list(map(period, self.connection.execute(query).scalars()))
        return self.cache.closed

    def rests_on(self, shipment: str | None) -> str:
        """The records that the one being made rests on, joined by a space; not the last of its own shipment."""
        last = [n for name, n in self.before.items() if name != shipment]
        return " ".join(map(str, sorted({*self.used, *last} - {self.n})))

    # --- accounts -------------------------------------------------------------------------------------------------

    def path(self, path: str) -> str:
        """The path under which an account is kept now: that of the surviving party where one was absorbed."""
        survivors = self.facts.survivors
        if not survivors:
            return path
        party = _party(path)
        return accounts.of_party(path, survivors[party]) if party in survivors else path

    def load(self, paths: Iterable[str]) -> None:
        """Reads accounts that are not in memory, in one query for all."""
        cached = self.cache.accounts
        wanted = {path for path in map(self.path, paths) if path not in cached}
        if wanted:
            cached.update(dict.fromkeys(wanted))
            query = select(tables.account).where(self.store.among(tables.account.c.path, wanted))
            for row in self.connection.execute(query):
                cached[row.path] = Account(*row)

    def find(self, path: str) -> Account | None:
        """The account, or None where it was never opened."""
        path = self.path(path)
        if path not in self.cache.accounts:
            self.load([path])
        return self.cache.accounts[path]

    def balance(self, path: str) -> int:
        """The balance of an account, 0 where it was never opened."""
        account = self.find(path)
        return account.balance if account else 0

    def there(self, path: str) -> int:
        """What of an account may be credited, or leave a facility."""
        account = self.find(path)
        return account.there if account else 0

    def account(self, path: str) -> Account:
        """The account, opened where it was not."""
        account = self.find(path)
        if account is None:
            self.opened += 1
            account = Account(self.opened, self.path(path))
            self.cache.accounts[account.path] = account
        self.touch(account)
        return account

    def growth(self, since: int, until: int) -> dict[str, int]:
        """By how much accounts grew by what happened after one instant and until another; only those that grew."""
        self.flush()
        account, entry, journal = tables.account, tables.entry, tables.journal
        grown = func.sum(entry.c.pending + entry.c.posted - entry.c.credits)
        query = (
            select(account.c.path, grown)
            .join_from(entry, journal, entry.c.n == journal.c.n)
            .join(account, entry.c.account == account.c.id)
            .where(journal.c.happened > since, journal.c.happened <= until)
            .group_by(account.c.path)
            .having(grown > 0)
        )
        return {path: int(amount) for path, amount in self.connection.execute(query)}

    def touch(self, account: Account) -> None:
        """Notes that an account is to be written."""
        if not account.changed:
            account.changed = True
            self.changed[account.path] = account

    def limit(self, path: str, day: date, of_law: int | Share | None) -> int | Share | None:
        """The limit in force on a day: the lower of the law's and the one last set; the latter alone of a country."""
        chosen = None
        for n, made in self.facts.limits(self.path(path)):
            if made.valid_from <= day and (chosen is None or (made.valid_from, n) >= chosen[0]):
                chosen = ((made.valid_from, n), made.limit)
        if chosen is None:
            return of_law
        self.used.add(chosen[0][1])
        return chosen[1] if accounts.raisable(path) else lower(chosen[1], of_law)

    # --- verbs ----------------------------------------------------------------------------------------------------

    def reserve(self, path: str, amount: int, shipment: str, limit: int | None, known: int | None) -> Entry:
        """Takes an amount as pending."""
        return self._move(path, amount, "pending", shipment, limit, known, pending=amount)

    def post_directly(self, path: str, amount: int, shipment: str, limit: int | None, known: int | None) -> Entry:
        """Takes an amount as posted at once, of a shipment that has already left."""
        return self._move(path, amount, "posted", shipment, limit, known, posted=amount)

    def post(self, path: str, amount: int, shipment: str, of_pending: int | None = None) -> Entry:
        """Turns a pending amount into a posted one; `of_pending` where less than all of it is still pending."""
        fallen = amount if of_pending is None else of_pending
        return self._move(path, amount, "posted", shipment, pending=-fallen, posted=amount)

    def void(self, path: str, amount: int, shipment: str | None) -> Entry:
        """Gives a pending amount back."""
        return self._move(path, amount, "voided", shipment, pending=-amount)

    def commit(self, path: str, amount: int, known: int | None) -> Entry:
        """Takes an amount as pending that a fact brings, whatever the limit is."""
        return self._move(path, amount, "pending", None, None, known, pending=amount)

    def credit(self, path: str, amount: int, shipment: str | None, known: int | None = None) -> Entry:
        """Credits an amount that no longer counts."""
        return self._move(path, amount, "credits", shipment, None, known, credits=amount)

    def adjust(self, path: str, amount: int, known: int | None) -> Entry:
        """Corrects by hand: a positive amount goes to posted, a negative one to credits."""
        if amount < 0:
            return self._move(path, -amount, "credits", None, None, known, credits=-amount)
        return self._move(path, amount, "posted", None, None, known, posted=amount)

    def attest(self, path: str, tpp: int, by: str, known: int | None) -> Entry:
        """Puts an attested amount in the place of the same party's earlier one on the same account."""
        kept = self.path(path)
        old = self.facts.attested(kept, by)
        entry = self._move(path, tpp - old, "attested", None, None, known, attested=tpp - old)
        self.facts.set_attested(kept, by, tpp)
        return entry

    def set_limit(self, path: str, limit: int) -> Account:
        """Notes the limit that an event has set; the account is opened where it was not."""
        account = self.account(path)
        account.limit = limit
        return account

    def merge(self, absorbed: str, survivor: str) -> list[Entry]:
        """Moves the absorbed party's accounts to the survivor's, part by part: one entry on each side."""
        self.flush()
        entries = []
        table = tables.account
        theirs = table.c.path.like("%/" + absorbed.replace("_", r"\_") + "%", escape="\\")
        rows = self.connection.execute(select(table.c.path).where(theirs).order_by(table.c.path)).scalars().all()
        for path in rows:
            if _party(path) != absorbed:
                continue
            old = self.find(path)
            if old is None:
                raise LedgerCorrupt(f"account {path} cannot be read")
            target = accounts.of_party(path, survivor)
            entries += self._move_whole(old, target)
            self.facts.move_attestations(path, target)
        self.shipments.move_waiting(absorbed, survivor)
        return entries

    def _move_whole(self, old: Account, target: str) -> list[Entry]:
        """Moves all parts of an account to another, and that it has refused a debit."""
        parts = {"pending": old.pending, "posted": old.posted, "attested": old.attested, "credits": old.credits}
        if old.refused:
            self.account(target).refused = 1
            self.account(old.path).refused = 0
        if not any(parts.values()):
            return []
        amount, first = old.balance, next(part for part in parts if parts[part])
        into = self.find(target)
        known = into.limit if into and into.limit is not None else old.limit
        out = {part: -amount for part, amount in parts.items()}
        leaving = old.leaving + (into.leaving if into else 0)
        entries = [
            self._move(old.path, amount, "voided", None, **out),
            self._move(target, amount, first, None, None, known, **parts),
        ]
        old.leaving, self.account(target).leaving = 0, leaving
        return entries

    def _move(
        self, path: str, amount: int, state: str, shipment: str | None, limit: int | None = None,
        known: int | None = None, *, pending: int = 0, posted: int = 0, attested: int = 0, credits: int = 0,
    ) -> Entry:  # fmt: skip
        account = self.account(path)
        if account.path != path:
            self.facts.use_mergers(self.facts.group(_party(path)))
        before = account.balance
        balance = before + pending + posted + attested - credits
        parts = (
            balance,
            account.pending + pending,
            account.posted + posted,
            account.attested + attested,
            account.credits + credits,
        )
        if max(parts) > TPP_MAX or min(parts) < -TPP_MAX:
            raise Overflow(f"an amount of {account.path} would be {max(parts, key=abs):,}, more than {TPP_MAX:,}")
        account.pending += pending
        account.posted += posted
        account.attested += attested
        account.credits += credits
        account.entries += 1
        if (pending < 0) == (state == "pending") and pending:
            account.leaving -= pending
        if known is not None:
            account.limit = known
        self.rows.append(
            (
                account.id, account.entries, self.n, shipment, pending, posted, attested, credits, balance,
                account.limit, *self.booked,
            )
        )  # fmt: skip
        return Entry(account.path, account.entries, amount, state, before, balance, limit, account.limit)

    # --- options --------------------------------------------------------------------------------------------------

    def limits(self, debits: Sequence[Debit], day: date) -> dict[str, int | Share | None]:
        """The limits that the debits are tested against on a day, by account."""
        return {
            debit.account: self.limit(debit.account, day, debit.limit) if _tested(debit) else None for debit in debits
        }

    def balances(self, debits: Sequence[Debit]) -> dict[str, int]:
        """The balances before the debits, of every debited account and of the wholes of their shares."""
        found = {debit.account: self.balance(debit.account) for debit in debits}
        for debit in debits:
            if isinstance(debit.limit, Share) and debit.limit.of not in found:
                found[debit.limit.of] = self.balance(debit.limit.of)
        return found

    def short(self, option: Option, day: date) -> list[Short]:
        """How far each debit of an option is short; empty where all fit."""
        option = self.settled(option, day)
        if option.unlimited and not any(self.facts.limits(self.path(debit.account)) for debit in option.debits):
            return []
        there = {debit.account: self.there(debit.account) for debit in option.debits if debit.floor}
        return shortfalls(option.debits, self.balances(option.debits), self.limits(option.debits, day), there)

    def settled(self, option: Option, day: date) -> Option:
        """An option with the debits that it has as the balances are now; the same one where none depends on them."""
        if not any(debit.falls or debit.floor or debit.otherwise for debit in option.debits):
            return option
        return option._replace(debits=tuple(d for debit in option.debits if (d := self._settled(debit, day)).amount))

    def _settled(self, debit: Debit, day: date) -> Debit:
        """A debit less what falls of what is there; of those that stand in for each other the first that fits."""
        if debit.otherwise:
            each = (debit._replace(otherwise=()), *debit.otherwise)
            return next((one for one in each if not self.short(Option("", (), {}, (one,)), day)), each[0])
        if debit.floor and self.find(debit.account) is None:
            return debit._replace(amount=0)
        amount = debit.amount - min(debit.falls, max(0, self.there(debit.account)))
        return debit._replace(amount=amount, falls=0, limit=debit.limit if amount > 0 else None)

    def take(
        self, option: Option, shipment: str, day: date, known: Mapping[str, int | Share | None], posted: bool = False
    ) -> list[Entry]:
        """Debits a settled option that fits, whole; as pending, or as posted where the shipment has already left.

        `known` are the limits that the accounts have, tested or not. Raises LedgerCorrupt where it does not fit.
        """
        if self.short(option, day):
            raise LedgerCorrupt(f"the debits of shipment {shipment} were said to fit and do not")
        tested = self.limits(option.debits, day)
        later = self.balances(option.debits)
        later.update(after(option.debits, later))
        verb = self.post_directly if posted else self.reserve
        return [
            verb(
                debit.account,
                debit.amount,
                shipment,
                limit_value(tested[debit.account], later),
                limit_value(known.get(debit.account), later),
            )
            for debit in option.debits
        ]

    # --- the transaction ------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Writes what is in memory, in an order that keeps every reference right."""
        self.mail.flush()
        self.store.insert(self.connection, tables.entry, self.rows)
        self.rows = []
        self.store.upsert(self.connection, tables.account, [self.changed[path].row() for path in sorted(self.changed)])
        for account in self.changed.values():
            account.changed = False
        self.changed = {}
        self.facts.flush()
        self.shipments.flush()
        recorded = self.recorded if self.mail.written > self.head.n else self.head.recorded
        self.connection.execute(
            tables.head.update().values(
                n=self.mail.written,
                sequence=self.sequence,
                accounts=self.opened,
                recorded=recorded,
                ticked=self.ticked,
                closed=self.closed,
            )
        )


def _tested(debit: Debit) -> bool:
    """Whether a limit is tested: the law's, and one that the house sets on what the law leaves free (740.27)."""
    return debit.limit is not None or debit.account.startswith("aia/")


def _party(path: str) -> str:
    """The party that an account's path names; empty where it names none."""
    return (accounts.read(path) or accounts.Account("")).party


class Ledger:
    """A store, and what is remembered of it between transactions."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cache = Cache()
        self._turn = threading.Lock()

    @contextmanager
    def begin(self, recorded: int, keep: bool = True) -> Iterator[Journal]:
        """The ledger for one transaction; `recorded` is the clock in microseconds; all is undone unless `keep`."""
        with self._turn:
            kept = False
            try:
                with self.store.begin(keep) as connection:
                    journal = Journal(self.store, connection, self.cache, recorded)
                    yield journal
                    journal.flush()
                    journal.mail.forget()
                self.cache.n = journal.n
                kept = keep
            finally:
                if not kept:
                    self.cache.clear()
