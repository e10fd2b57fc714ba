"""Journal: the verbs of the ledger, within one transaction that holds the lock on writing."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from typing import NamedTuple

from ledger.cache import Cache
from ledger.database.shadow import shadowed
from ledger.database.store import LedgerCorrupt, LedgerError, Store
from ledger.registers.accounts import Account, Accounts, Entry, check_range
from ledger.registers.attestations import Attestations
from ledger.registers.facts import FactBook, Stated
from ledger.registers.identifiers import Identifiers
from ledger.registers.limits import after, limit_value, shortfalls
from ledger.registers.names.clearings import Clearings
from ledger.registers.names.lists import Lists
from ledger.registers.names.owners import Owners
from ledger.registers.obligations import Obligations
from ledger.registers.parties import Parties
from ledger.registers.records import Key, Records
from ledger.registers.set_limits import Policies, SetLimits
from ledger.registers.shipments import Shipments
from ledger.registers.transaction import Transaction
from ledger.registers.unfinished import Unfinished
from ledger.registers.waiting import Waiting
from schemas import accounts
from schemas.models.facts import AllocationSet, PartyMerged
from schemas.plan import Debit, Option, Share, Short


class Tested(NamedTuple):
    """An option with the debits that it has as the balances are, and how far they are short; empty where all fit.

    `limits`, `balances` and `removable` are what it was tested against, by account, while `record` was made, so that
    what fits is debited without being tested again.
    """

    option: Option
    shorts: list[Short]
    limits: Mapping[str, int | Share | None]
    balances: Mapping[str, int]
    removable: Mapping[str, int]
    record: int


class Options:
    """Tests which options fit; changes no balance."""

    def __init__(self, transaction: Transaction, ledger: Accounts, limits: SetLimits) -> None:
        self._transaction = transaction
        self._accounts = ledger
        self._limits = limits

    def settled(self, option: Option, day: date) -> Option:
        """An option with the debits that it has as the balances are now; the same one where none depends on them."""
        for debit in option.debits:
            if debit.falls or debit.floor or debit.otherwise:
                break
        else:
            return option
        each = [self._settled(debit, day) for debit in option.debits]
        return option._replace(debits=tuple(debit for debit in each if debit.amount))

    def _settled(self, debit: Debit, day: date) -> Debit:
        """A debit less what falls of what is there; of those that stand in for each other the first that fits."""
        if debit.otherwise:
            each = (debit._replace(otherwise=()), *debit.otherwise)
            return next((one for one in each if not self.test(Option("", (), debits=(one,)), day).shorts), each[0])
        if debit.floor and self._accounts.find(debit.account) is None:
            return debit._replace(amount=0)
        amount = debit.amount - min(debit.falls, max(0, self._accounts.removable(debit.account)))
        return debit._replace(amount=amount, falls=0, limit=debit.limit if amount > 0 else None)

    def test(self, option: Option, day: date) -> Tested:
        """An option, settled, with how far each debit is short."""
        option = self.settled(option, day)
        debits = option.debits
        limits, balances, removable = self._limits_of(debits, day), self.balances(debits), self.removable(debits)
        untested = not removable and all(limit is None for limit in limits.values())
        shorts = [] if untested else shortfalls(debits, balances, limits, removable)
        return Tested(option, shorts, limits, balances, removable, self._transaction.n)

    def _limits_of(self, debits: Sequence[Debit], day: date) -> dict[str, int | Share | None]:
        """The limits that the debits are tested against on a day, by account."""
        return {
            debit.account: self._limits.in_force(debit.account, day, debit.limit) if debit.tested else None
            for debit in debits
        }

    def balances(self, debits: Sequence[Debit]) -> dict[str, int]:
        """The balances before the debits, of every debited account and of those of which a limit is a share."""
        found = {debit.account: self._accounts.balance(debit.account) for debit in debits}
        for debit in debits:
            if isinstance(debit.limit, Share) and debit.limit.of not in found:
                found[debit.limit.of] = self._accounts.balance(debit.limit.of)
        return found

    def removable(self, debits: Sequence[Debit]) -> dict[str, int]:
        """What may leave the accounts that must not fall below zero."""
        return {debit.account: self._accounts.removable(debit.account) for debit in debits if debit.floor}


class Journal:
    """The ledger in one transaction: its registers, and the verbs that change several of them together.

    Amounts are in TPP. `limit` is the limit that was tested, None if none was; `known` is the account's limit from now
    on, tested or not, None if it does not change.
    """

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.records = Records(transaction)
        self.identifiers = Identifiers(transaction)
        self.facts = FactBook(transaction, self.identifiers)
        self.policies = Policies(transaction, self.facts)
        self.lists = Lists(transaction, self.facts, self.records)
        self.clearings = Clearings(transaction)
        self.owners = Owners(transaction)
        self.parties = Parties(transaction, self.facts)
        self.limits = SetLimits(transaction, self.facts, self.parties)
        self.accounts = Accounts(transaction, self.parties, self.identifiers)
        self.options = Options(transaction, self.accounts, self.limits)
        self.attestations = Attestations(transaction)
        self.waiting = Waiting(transaction)
        self.shipments = Shipments(transaction, self.waiting)
        self.obligations = Obligations(transaction)
        self.unfinished = Unfinished(transaction)

    # --- entries --------------------------------------------------------------------------------------------------

    def reserve(self, path: str, amount: int, shipment: str, limit: int | None, known: int | None) -> Entry:
        """Debits an amount as pending."""
        return self.accounts.append(path, amount, "pending", shipment, limit, known, pending=amount)

    def post_directly(self, path: str, amount: int, shipment: str, limit: int | None, known: int | None) -> Entry:
        """Debits an amount as posted, for a shipment that has already left."""
        return self.accounts.append(path, amount, "posted", shipment, limit, known, posted=amount)

    def post(self, path: str, amount: int, shipment: str, of_pending: int | None = None) -> Entry:
        """Turns a pending amount into a posted one; `of_pending` if less than all of it is still pending."""
        fallen = amount if of_pending is None else of_pending
        return self.accounts.append(path, amount, "posted", shipment, pending=-fallen, posted=amount)

    def void(self, path: str, amount: int, shipment: str | None) -> Entry:
        """Voids a pending amount."""
        return self.accounts.append(path, amount, "voided", shipment, pending=-amount)

    def commit(self, path: str, amount: int, known: int | None) -> Entry:
        """Debits an amount as pending on account of a fact, regardless of the limit."""
        return self.accounts.append(path, amount, "pending", None, None, known, pending=amount)

    def credit(self, path: str, amount: int, shipment: str | None, known: int | None = None) -> Entry:
        """Credits an amount that no longer counts."""
        return self.accounts.append(path, amount, "credits", shipment, None, known, credits=amount)

    def adjust(self, path: str, amount: int, known: int | None) -> Entry:
        """Corrects by hand: a positive amount goes to posted, a negative one to credits."""
        if amount < 0:
            return self.accounts.append(path, -amount, "credits", None, None, known, credits=-amount)
        return self.accounts.append(path, amount, "posted", None, None, known, posted=amount)

    def attest(self, path: str, tpp: int, by: str, known: int | None) -> Entry:
        """Replaces the same party's earlier attestation on the account with an amount."""
        kept = self.accounts.path(path)
        more = tpp - self.attestations.find(kept, by)
        entry = self.accounts.append(path, more, "attested", None, None, known, attested=more)
        self.attestations.put(kept, by, tpp)
        return entry

    # --- facts that change accounts -------------------------------------------------------------------------------

    def set_limit(self, made: AllocationSet) -> Account:
        """States an account's limit from a day on; the account is opened if necessary."""
        self.limits.set(made)
        return self.accounts.set_limit(made.account, made.limit)

    def merge(self, absorbed: str, survivor: str, made: PartyMerged) -> list[Entry]:
        """States that two parties are one, and moves the absorbed one's accounts, with an entry on each side."""
        entries = []
        for path in self.accounts.of_party(absorbed):
            target = accounts.of_party(path, survivor)
            entries += self.accounts.move(path, target)
            self.attestations.move(path, target)
        self.waiting.move(absorbed, survivor)
        self.parties.absorb(absorbed, survivor, made)
        self.limits.sort()
        return entries

    # --- options --------------------------------------------------------------------------------------------------

    def take(
        self, tested: Tested, shipment: str, known: Mapping[str, int | Share | None], posted: bool = False
    ) -> list[Entry]:
        """Debits a tested option that fits, whole; as pending, or as posted where the shipment has already left.

        `known` are the limits that the accounts have, tested or not. Raises LedgerCorrupt if it does not fit, or if it
        was tested against other balances than those of now.
        """
        debits = tested.option.debits
        now, removable = self.options.balances(debits), self.options.removable(debits)
        stands = tested.record == self.transaction.n and (now, removable) == (tested.balances, tested.removable)
        if tested.shorts or not stands:
            raise LedgerCorrupt(f"the debits of shipment {shipment} do not fit, although they were tested")
        check_range(self.accounts, debits, posted)
        later = {**now, **after(debits, now)}
        verb = self.post_directly if posted else self.reserve
        return [
            verb(
                debit.account,
                debit.amount,
                shipment,
                limit_value(tested.limits[debit.account], later),
                limit_value(known.get(debit.account), later),
            )
            for debit in debits
        ]


class Turn:
    """Is told how a turn at the ledger goes: made when a writer asks for it. This one ignores it."""

    def taken(self) -> None:
        """The lock on the ledger is had: nobody else writes."""

    def ended(self) -> None:
        """The transaction was committed or rolled back."""


class Precedence:
    """Lets a turn of this process go before what is prepared for the next one, since both need the interpreter.

    Without it a turn takes a third longer, while others wait for it.
    """

    def __init__(self) -> None:
        self._free = threading.Event()
        self._free.set()

    def take(self) -> None:
        """A turn works on its events, and writes what it decided: each answer of the database would else be late."""
        self._free.clear()

    def give(self) -> None:
        """The turn is committed, which is waiting for the database, or has ended."""
        self._free.set()

    def give_way(self) -> None:
        """Returns once no turn of this process works."""
        self._free.wait()


class Ledger:
    """A store, and a cache of it between transactions. `turns` makes what is told of each turn."""

    def __init__(self, store: Store, turns: Callable[[], Turn] = Turn) -> None:
        self.store = store
        self._turns = turns
        self.precedence = Precedence()
        self.cache = Cache()
        self._seen: list[Cache] = []
        """Caches of checks, of which each belongs to one at a time."""
        self._lock = threading.Lock()
        self._epoch: int | None = None
        self._last: tuple[int, Key] | None = None

    @contextmanager
    def begin(self, recorded: int) -> Iterator[Journal]:
        """The ledger in one transaction, which is committed at the end; `recorded` is the time in microseconds.

        Raises LedgerError if the ledger has lost what this process has written, or was restored since.
        """
        turn = self._turns()
        with self._lock:
            kept = False
            try:
                with self.store.begin() as connection:
                    transaction = Transaction(self.store, connection, self.cache, recorded)
                    turn.taken()
                    self.precedence.take()
                    journal = Journal(transaction)
                    self._check_kept(journal)
                    yield journal
                    transaction.flush()
                    self.precedence.give()
                    journal.records.forget()
                self.cache.head = transaction.head
                self._epoch, self._last = transaction.head.epoch, journal.records.last or self._last
                kept = True
            finally:
                self.precedence.give()
                turn.ended()
                if not kept:
                    self.cache.clear()

    def _check_kept(self, journal: Journal) -> None:
        transaction = journal.transaction
        if self._last is None or transaction.head == self.cache.head:
            return
        if transaction.head.epoch != self._epoch or not journal.records.holds(*self._last):
            raise LedgerError(
                f"the ledger was restored or has lost records since this process wrote record {self._last[0]} (it now "
                f"ends at record {transaction.start}): start every worker, the relay and the clock again"
            )

    @contextmanager
    def shadow(self, recorded: int) -> Iterator[Journal]:
        """One moment of the ledger, under which changes go nowhere and for which no writer waits.

        Several threads may do so at once. The facts that one has read are kept for the next one.
        """
        with self._lock if self.store.memory else nullcontext(), shadowed(self.store) as shadow:
            cache = self._cache_of_checks()
            transaction = Transaction(self.store, shadow.connection, cache, recorded, before_write=shadow.cover)
            journal = Journal(transaction)
            yield journal
            cache.keep(Stated, transaction.head_before, but=journal.facts.added)
            self._seen.append(cache)

    def _cache_of_checks(self) -> Cache:
        try:
            return self._seen.pop()
        except IndexError:
            return Cache()
