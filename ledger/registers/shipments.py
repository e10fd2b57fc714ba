"""Shipments as they stand: their state, what they debited, the work list of holds, and what is owed for them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import case, delete, func, select, update

from ledger.database import tables
from schemas import accounts

if TYPE_CHECKING:
    from ledger.journal import Journal

PENDING_STATES = ("approved", "released")
HELD_STATES = ("held", "held_at_dispatch")


@dataclass(slots=True)
class Shipment:
    """One life of a shipment. Record numbers point into the journal; amounts are in TPP.

    `debits`: account and amount of what it has pending or posted. `lines`: number, TPP of one unit that counts, units
    asked, units returned, whether the authorization taken covers it. `claim`: what a reviewer put in the place of the
    claim. `reviewed`: reasons that reviewers set aside, each a code with its facts.
    """

    id: str
    state: str
    first: int
    asked: int
    last: int
    held: int | None
    codes: str
    export_date: date
    ship_to: str
    expires: date | None
    tpp: int
    authorization: str | None = None
    reference: str | None = None
    debits: list[list[Any]] = field(default_factory=list)
    lines: list[list[int]] = field(default_factory=list)
    claim: dict[str, Any] | None = None
    reviewed: list[list[Any]] = field(default_factory=list)

    @property
    def pending(self) -> bool:
        """Whether it was let go and has not left."""
        return self.state in PENDING_STATES

    @property
    def told_state(self) -> str:
        """The state as answers tell it: held before and after it has left is one word."""
        return "held" if self.state == "held_at_dispatch" else self.state

    @property
    def holding(self) -> bool:
        """Whether it is on the work list."""
        return self.state in HELD_STATES

    def row(self) -> tuple[Any, ...]:
        """The shipment in the order of the table's columns."""
        terms = {
            "authorization": self.authorization,
            "reference": self.reference,
            "debits": self.debits,
            "lines": self.lines,
            "claim": self.claim,
            "reviewed": self.reviewed,
        }
        expires = self.expires.isoformat() if self.expires and self.pending else None
        return (
            self.id, self.state, self.first, self.asked, self.last, self.held if self.holding else None,
            self.codes,
            self.export_date.isoformat(), self.ship_to, expires, self.tpp,
            orjson.dumps({k: v for k, v in terms.items() if v}).decode(),
        )  # fmt: skip

    @classmethod
    def read(cls, row: Any) -> "Shipment":
        """The shipment of a row of the table."""
        expires = date.fromisoformat(row.expires) if row.expires else None
        return cls(
            row.id, row.state, row.first, row.asked, row.last, row.held, row.codes, date.fromisoformat(row.export_date),
            row.ship_to, expires, row.tpp, **orjson.loads(row.terms),
        )  # fmt: skip


class Shipments:
    """The shipments of a ledger, and what follows from them: waiting holds and obligations."""

    def __init__(self, journal: "Journal") -> None:
        self._journal = journal
        self._known: dict[str, Shipment | None] = journal.cache.shipments
        self._changed: dict[str, Shipment] = {}
        self._waiting: list[tuple[str, str]] = []
        self._not_waiting: set[str] = set()
        self._owed: dict[str, dict[tuple[str, str], tuple[Any, ...]]] = {}
        self._withdrawn: list[str] = []

    def load(self, ids: Iterable[str]) -> None:
        """Reads shipments that are not in memory, in one query for all."""
        wanted = {identifier for identifier in ids if identifier not in self._known}
        if wanted:
            self._known.update(dict.fromkeys(wanted))
            query = select(tables.shipment).where(self._journal.store.among(tables.shipment.c.id, wanted))
            for row in self._journal.connection.execute(query):
                self._known[row.id] = Shipment.read(row)

    def find(self, identifier: str) -> Shipment | None:
        """The shipment, or None where none was ever presented under this identifier."""
        if identifier not in self._known:
            self.load([identifier])
        return self._known[identifier]

    def put(self, shipment: Shipment, waiting: Sequence[str] = ()) -> None:
        """Notes a shipment's new standing; `waiting`: the accounts on which it, if held, found no room."""
        known = self._known.get(shipment.id)
        if known is not None and known.held is not None:
            self._not_waiting.add(shipment.id)
            self._waiting = [row for row in self._waiting if row[1] != shipment.id]
        if shipment.last != self._journal.n:
            self._journal.before[shipment.id] = shipment.last
        shipment.last = self._journal.n
        self._known[shipment.id] = shipment
        self._changed[shipment.id] = shipment
        if shipment.holding:
            self._waiting.extend((account, shipment.id) for account in dict.fromkeys(waiting))

    # --- the work list ---------------------------------------------------------------------------------------------

    def held(self, account: str | None = None) -> list[str]:
        """The held shipments, in the order in which they were first presented; of an account: its waiting ones."""
        self._journal.flush()
        table, waiting = tables.shipment, tables.waiting
        query = select(table.c.id).where(table.c.state.in_(HELD_STATES)).order_by(table.c.first)
        if account is not None:
            query = query.where(table.c.id.in_(select(waiting.c.shipment_id).where(waiting.c.account == account)))
        return list(self._journal.connection.execute(query).scalars())

    def waiting(self, account: str) -> int:
        """How many held shipments wait for room on an account."""
        self._journal.flush()
        query = select(func.count()).select_from(tables.waiting).where(tables.waiting.c.account == account)
        return int(self._journal.connection.execute(query).scalar_one())

    def move_waiting(self, absorbed: str, survivor: str) -> None:
        """Lets what waits for an absorbed party's accounts wait for the survivor's."""
        self._journal.flush()
        table, connection = tables.waiting, self._journal.connection
        for row in connection.execute(select(table)).all():
            target = accounts.of_party(row.account, survivor)
            if target != row.account and (accounts.read(row.account) or accounts.Account("")).party == absorbed:
                connection.execute(
                    delete(table).where(table.c.account == row.account, table.c.shipment_id == row.shipment_id)
                )
                self._waiting.append((target, row.shipment_id))

    def lapsing(self, day: date) -> list[str]:
        """The shipments let go that have not left and lapse on or before a day, in the order in which they came."""
        self._journal.flush()
        table = tables.shipment
        query = select(table.c.id).where(table.c.expires <= day.isoformat()).order_by(table.c.expires, table.c.first)
        return list(self._journal.connection.execute(query).scalars())

    # --- obligations -----------------------------------------------------------------------------------------------

    def owe(self, subject: str, kind: str, due: date, citation: str, once: Sequence[str] = ()) -> None:
        """Notes what is owed by a day, of `shipment/ID` or `party/ID`; `once`: keys of what is met only once."""
        key = (kind, due.isoformat())
        if subject.startswith("party/") and self._owes(subject, key):
            return
        self._owed.setdefault(subject, {})[key] = (
            subject, *key, self._journal.n, citation, "open", "", " ".join(once) or None,
        )  # fmt: skip

    def _owes(self, subject: str, key: tuple[str, str]) -> bool:
        table = tables.obligation
        query = select(table.c.n).where(table.c.subject == subject, table.c.kind == key[0], table.c.due == key[1])
        return key in self._owed.get(subject, ()) or self._journal.connection.execute(query).scalar() is not None

    def withdraw(self, shipment: str) -> None:
        """Withdraws what is still owed for a shipment's old decision."""
        subject = f"shipment/{shipment}"
        owed = self._owed.get(subject, {})
        owed.update({key: (*row[:5], "withdrawn", *row[6:]) for key, row in owed.items()})
        self._withdrawn.append(subject)

    def meet(self, subject: str, kind: str, due: date) -> list[str] | None:
        """Notes that what was owed has been sent: the keys of what is met only once, or None where nothing was owed."""
        self._journal.flush()
        table = tables.obligation
        this = (table.c.subject == subject, table.c.kind == kind, table.c.due == due.isoformat())
        met = update(table).where(*this).values(state="met").returning(table.c.once)
        found = self._journal.connection.execute(met).first()
        return None if found is None else (found.once or "").split()

    def end_met(self, kind: str, met: Callable[[str], bool]) -> None:
        """Ends what is open of a kind where all its keys are met."""
        table, connection = tables.obligation, self._journal.connection
        opened = table.select().where(table.c.kind == kind, table.c.state == "open", table.c.once.is_not(None))
        for row in connection.execute(opened).all():
            if all(met(key) for key in row.once.split()):
                this = (table.c.subject == row.subject, table.c.kind == kind, table.c.due == row.due)
                connection.execute(update(table).where(*this).values(state="met"))

    def falling_due(self, day: date) -> list[tuple[str, str, date, str, str]]:
        """What is open, falls due or is overdue, and was not announced so: subject, kind, due, citation, state."""
        self._journal.flush()
        table, today = tables.obligation, day.isoformat()
        told = (
            update(table)
            .where(table.c.state == "open", table.c.due <= today)
            .where((table.c.announced == "") | ((table.c.announced == "due") & (table.c.due < today)))
            .values(announced=case((table.c.due < today, "overdue"), else_="due"))
            .returning(table.c.due, table.c.subject, table.c.kind, table.c.citation, table.c.announced)
        )
        rows = sorted(self._journal.connection.execute(told), key=lambda row: (row.due, row.subject, row.kind))
        return [(row.subject, row.kind, date.fromisoformat(row.due), row.citation, row.announced) for row in rows]

    # --- writing ---------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Writes every change."""
        store, connection = self._journal.store, self._journal.connection
        store.upsert(connection, tables.shipment, [self._changed[key].row() for key in sorted(self._changed)])
        if self._not_waiting:
            connection.execute(
                delete(tables.waiting).where(store.among(tables.waiting.c.shipment_id, self._not_waiting))
            )
        store.upsert(connection, tables.waiting, self._waiting)
        if self._withdrawn:
            table = tables.obligation
            theirs = store.among(table.c.subject, self._withdrawn)
            connection.execute(update(table).where(theirs, table.c.state == "open").values(state="withdrawn"))
        store.upsert(connection, tables.obligation, [row for rows in self._owed.values() for row in rows.values()])
        self._changed, self._waiting, self._not_waiting, self._owed, self._withdrawn = {}, [], set(), {}, []
