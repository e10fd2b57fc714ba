"""Shipments: their state, their latest request, and what they debited."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select, union_all

from ledger.database import tables
from ledger.database.rows import stored
from ledger.database.statements import Among, Load, Statement
from ledger.registers.transaction import Transaction
from ledger.registers.waiting import Notes, Waiting
from schemas.models.parts import Party

PENDING_STATES = ("approved", "released")
HELD_STATES = ("held", "held_at_dispatch")


_LOAD = Statement(lambda among: select(tables.shipment).where(among(tables.shipment.c.id, "ids")))


def _waiting_for(among: Among) -> Select[Any]:
    """Held shipments that wait for one of the wanted accounts and keys."""
    s, w, k = tables.shipment, tables.waiting, tables.noted
    waits = union_all(
        select(w.c.shipment_id).where(among(w.c.account, "wanted")),
        select(k.c.shipment_id).where(among(k.c.key, "wanted")),
    )
    chosen = select(s.c.id).where(s.c.id.in_(waits), s.c.held < bindparam("before"), s.c.first > bindparam("after"))
    return chosen.order_by(s.c.first).limit(bindparam("most"))


_WAITING_FOR = Statement(_waiting_for)


class ShipmentDebit(NamedTuple):
    """What a shipment has pending or posted on an account, in TPP; negative if it leaves a facility."""

    account: str
    amount: int

    def row(self) -> tuple[str, int]:
        """The debit as the table keeps it."""
        return self.account, self.amount


class ShipmentLine(NamedTuple):
    """A line of a shipment: its number, the counted TPP of one unit, the units requested and those returned.

    `covered`: whether the authorization taken covers it.
    """

    line: int
    unit_tpp: int
    quantity: int
    returned: int
    covered: bool

    def row(self) -> tuple[int, int, int, int, int]:
        """The line as the table keeps it."""
        return self.line, self.unit_tpp, self.quantity, self.returned, int(self.covered)

    @classmethod
    def read(cls, line: int, unit_tpp: int, quantity: int, returned: int, covered: int) -> "ShipmentLine":
        """The line of a row that the table keeps."""
        return cls(line, unit_tpp, quantity, returned, bool(covered))


@dataclass(frozen=True, slots=True)
class SetAside:
    """A reason that a reviewer has set aside: its code, and its facts as the reviewer saw them."""

    code: str
    facts: Mapping[str, Any]

    def row(self) -> tuple[str, Mapping[str, Any]]:
        """The reason as the table keeps it."""
        return self.code, self.facts


class ShipmentTerms(NamedTuple):
    """The terms of a screened shipment: the dates and amounts that count, and the authorization taken."""

    export_date: date
    ship_to: str
    expires: date | None
    tpp: int = 0
    authorization: str | None = None
    reference: str | None = None
    debits: tuple[ShipmentDebit, ...] = ()
    lines: tuple[ShipmentLine, ...] = ()


@dataclass(slots=True)
class Shipment:
    """A shipment. Record numbers refer to the journal. Only its register changes it.

    `first` is the record of its first request, `asked` that of the request or amendment in force, `last` the latest
    that concerns it, `held` that of the present hold, `codes` its reasons, joined by a space. `claim` is what a
    reviewer put in place of the claim, `reviewed` what reviewers set aside, `parties` are as `names_of` gives them.
    `kept`: of one that is held and keeps what it has pending, the record that let it go. Dropped whole when others have
    written: the table has no index on `last`, which each event would have to pay for.
    """

    id: str
    state: str
    first: int
    asked: int
    last: int
    held: int | None
    codes: str
    terms: ShipmentTerms
    claim: dict[str, Any] | None = None
    reviewed: tuple[SetAside, ...] = ()
    parties: tuple[str, ...] = ()
    kept: int | None = None

    @property
    def open(self) -> bool:
        """Whether it was approved or released and has not left."""
        return self.state in PENDING_STATES

    @property
    def pending(self) -> bool:
        """Whether its debits are pending: it is open, or its hold keeps them."""
        return self.open or self.kept is not None

    @property
    def holding(self) -> bool:
        """Whether it is on the work list."""
        return self.state in HELD_STATES

    @property
    def public_state(self) -> str:
        """The state in answers, which call both kinds of hold `held`."""
        return "held" if self.holding else self.state

    def row(self) -> tuple[Any, ...]:
        """The shipment in the order of the table's columns."""
        terms = self.terms
        kept = {
            "authorization": terms.authorization,
            "reference": terms.reference,
            "debits": terms.debits and [debit.row() for debit in terms.debits],
            "lines": [line.row() for line in terms.lines],
            "claim": self.claim,
            "reviewed": self.reviewed and [reason.row() for reason in self.reviewed],
            "kept": self.kept,
        }
        expires = terms.expires.isoformat() if terms.expires and self.pending else None
        return (
            self.id, self.state, self.first, self.asked, self.last, self.held, self.codes,
            terms.export_date.isoformat(), terms.ship_to, expires, terms.tpp,
            orjson.dumps({name: value for name, value in kept.items() if value}).decode(), " ".join(self.parties),
        )  # fmt: skip

    @classmethod
    def read(cls, row: Any) -> "Shipment":
        """The shipment of a row of the table."""
        kept = orjson.loads(row.terms)
        terms = ShipmentTerms(
            date.fromisoformat(row.export_date),
            row.ship_to,
            date.fromisoformat(row.expires) if row.expires else None,
            row.tpp,
            kept.get("authorization"),
            kept.get("reference"),
            tuple(ShipmentDebit(*debit) for debit in kept.get("debits", ())),
            tuple(ShipmentLine.read(*line) for line in kept.get("lines", ())),
        )
        reviewed = tuple(SetAside(*reason) for reason in kept.get("reviewed", ()))
        return cls(
            row.id, row.state, row.first, row.asked, row.last, row.held, row.codes, terms, kept.get("claim"), reviewed,
            tuple((row.parties or "").split()), kept.get("kept"),
        )  # fmt: skip


def names_of(parties: Iterable[Party]) -> tuple[str, ...]:
    """The identifiers of parties and of their ultimate parents, each once."""
    names: dict[str, None] = {}
    for party in parties:
        names[party.id] = None
        if party.ultimate_parent is not None:
            names[party.ultimate_parent.id] = None
    return tuple(names)


class Shipments:
    """The shipments of a ledger."""

    def __init__(self, transaction: Transaction, waiting: Waiting) -> None:
        self._transaction = transaction
        self._waiting = waiting
        self._known = transaction.cache.rows(Shipment)
        self._changed: dict[str, Shipment] = {}
        transaction.at_flush(self._write)

    # --- reading --------------------------------------------------------------------------------------------------

    def loading(self, ids: Iterable[str]) -> Load:
        """Reads shipments that are not in memory, in one query for all."""
        known = self._known
        wanted = {identifier for identifier in ids if identifier not in known}
        if wanted:
            rows = yield _LOAD.asking(ids=wanted)
            known.update(dict.fromkeys(wanted))
            for row in rows:
                with stored(f"shipment {row.id}"):
                    known[row.id] = Shipment.read(row)

    def find(self, identifier: str) -> Shipment | None:
        """The shipment, or None if no shipment has this identifier."""
        if identifier not in self._known:
            self._transaction.read(self.loading([identifier]))
        return self._known[identifier]

    def held(self, account: str | None, after: int, until: int, most: int) -> list[str]:
        """Held shipments, in the order in which they were first presented; of an account: those that wait for it.

        Only those that a record after one and until another first presented, and at most so many.
        """
        self._transaction.flush()
        table = tables.shipment
        query = select(table.c.id).where(*_holding(account), table.c.first > after, table.c.first <= until)
        return list(self._transaction.connection.execute(query.order_by(table.c.first).limit(most)).scalars())

    def waiting_for(self, wanted: Collection[str], before: int, after: int, most: int) -> list[str]:
        """Shipments held before a record that wait for one of these accounts or facts, in the order of `held`.

        Only those that were first presented after a record, and at most so many.
        """
        self._transaction.flush()
        store, connection = self._transaction.store, self._transaction.connection
        found = _WAITING_FOR.run(store, connection, wanted=wanted, before=before, after=after, most=most)
        return [row.id for row in found]

    def count_held(self, account: str | None = None) -> int:
        """How many shipments are held; of an account: how many wait for it."""
        self._transaction.flush()
        query = select(func.count()).select_from(tables.shipment).where(*_holding(account))
        return int(self._transaction.connection.execute(query).scalar_one())

    def lapsing(self, day: date, most: int) -> list[str]:
        """At most so many shipments whose debits lapse on or before a day, in the order in which they came."""
        self._transaction.flush()
        table = tables.shipment
        query = select(table.c.id).where(table.c.expires <= day.isoformat()).order_by(table.c.expires, table.c.first)
        return list(self._transaction.connection.execute(query.limit(most)).scalars())

    # --- what happens to a shipment -------------------------------------------------------------------------------

    def present(self, identifier: str, terms: ShipmentTerms, parties: Iterable[Party]) -> Shipment:
        """A new shipment, which the record being made requests; it is stored once it is let go or held."""
        n = self._transaction.n
        return Shipment(identifier, "", n, n, n, None, "", terms, parties=names_of(parties))

    def amend(self, shipment: Shipment, parties: Iterable[Party]) -> None:
        """Notes that the record being made amends the request, which no reviewer has seen yet."""
        shipment.asked, shipment.claim, shipment.reviewed = self._transaction.n, None, ()
        shipment.parties = names_of(parties)

    def review(self, shipment: Shipment, claim: dict[str, Any] | None, reasons: Iterable[SetAside]) -> None:
        """Notes what a reviewer sets aside, and what replaces the claim unless it is None."""
        if claim is not None:
            shipment.claim = claim
        shipment.reviewed = (*shipment.reviewed, *reasons)

    def let_go(self, shipment: Shipment, terms: ShipmentTerms, state: str) -> None:
        """Lets a shipment go on these terms; `state` is approved or released, or dispatched if it has left."""
        shipment.terms, shipment.codes = terms, ""
        self._put(shipment, state)

    def hold(self, shipment: Shipment, terms: ShipmentTerms, codes: Iterable[str], notes: Notes, left: bool) -> None:
        """Holds a shipment for reasons of these codes; `notes` are what it waits for.

        `left`: whether it has left already.
        """
        shipment.terms, shipment.codes = terms, " ".join(dict.fromkeys(codes))
        self._put(shipment, "held_at_dispatch" if left else "held")
        self._waiting.add(shipment.id, notes)

    def keep(self, shipment: Shipment, codes: Iterable[str], notes: Notes) -> None:
        """Holds a shipment that was let go and leaves it what it has pending; `notes` are what it waits for."""
        shipment.codes = " ".join(dict.fromkeys(codes))
        self._put(shipment, "held", kept=shipment.kept or shipment.last)
        self._waiting.add(shipment.id, notes)

    def dispatch(self, shipment: Shipment) -> None:
        """Notes that a shipment has left, on the terms on which it was let go."""
        self._put(shipment, "dispatched")

    def cancel(self, shipment: Shipment) -> None:
        """Notes that a shipment will not leave."""
        shipment.codes = ""
        self._put(shipment, "cancelled")

    def expire(self, shipment: Shipment) -> None:
        """Notes that the approval of a shipment has lapsed."""
        self._put(shipment, "expired")

    def deny(self, shipment: Shipment) -> None:
        """Notes that a reviewer has denied a held shipment."""
        self._put(shipment, "denied")

    def clear_debits(self, shipment: Shipment) -> None:
        """Notes that a shipment no longer has anything on any account."""
        shipment.terms, shipment.kept = shipment.terms._replace(debits=()), None

    def return_units(self, shipment: Shipment, number: int, quantity: int) -> int:
        """Notes that units of a line came back; returns how many, at most those that went out."""
        lines = {line.line: line for line in shipment.terms.lines}
        line = lines[number]
        back = min(quantity, line.quantity - line.returned)
        lines[number] = line._replace(returned=line.returned + back)
        shipment.terms = shipment.terms._replace(lines=tuple(lines.values()))
        self._put(shipment, shipment.state)
        return back

    def _put(self, shipment: Shipment, state: str, kept: int | None = None) -> None:
        n = self._transaction.n
        if shipment.held is not None:
            self._waiting.remove(shipment.id)
        if shipment.last != n:
            self._transaction.follow(shipment.id, shipment.last)
        shipment.state, shipment.last, shipment.kept = state, n, kept
        shipment.held = n if shipment.holding else None
        self._known[shipment.id] = shipment
        self._changed[shipment.id] = shipment

    def _write(self) -> None:
        rows = [self._changed[key].row() for key in sorted(self._changed)]
        self._transaction.store.upsert(self._transaction.connection, tables.shipment, rows)
        self._changed = {}


def has_pending() -> ColumnElement[bool]:
    """The condition that a shipment's debits are pending: `Shipment.pending`."""
    table = tables.shipment
    return or_(table.c.state.in_(PENDING_STATES), and_(table.c.state == "held", table.c.terms.contains('"kept":')))


def _holding(account: str | None) -> list[ColumnElement[bool]]:
    """The conditions that a shipment is held, and waits for room on an account where one is named."""
    table, waiting = tables.shipment, tables.waiting
    held: list[ColumnElement[bool]] = [table.c.state.in_(HELD_STATES)]
    if account is not None:
        held.append(table.c.id.in_(select(waiting.c.shipment_id).where(waiting.c.account == account)))
    return held
