"""Obligations: what must be filed or kept for a shipment or by a party, and whether it was."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import case, select, tuple_, update

from ledger.database import tables
from ledger.database.rows import stored
from ledger.database.statements import Load, Statement
from ledger.database.store import by_code_points
from ledger.registers.transaction import Transaction
from schemas.kinds import LASTING

_PARTY = "party/"
_O = tables.obligation
_LOAD = Statement(lambda among: select(_O.c.subject, _O.c.kind, _O.c.due).where(among(_O.c.subject, "subjects")))
_WITHDRAW = Statement(
    lambda among: (
        update(_O)
        .where(among(_O.c.subject, "subjects"), *(_O.c.kind != kind for kind in sorted(LASTING)))
        .where(_O.c.state.concat("") == "open")
        .values(state="withdrawn")
    )
)
"""By subject: a server that has not counted the table yet would read all that is open, if it could, by its state."""


@dataclass(frozen=True, slots=True)
class DueObligation:
    """An obligation that is due or overdue, according to `state`; `subject` is `shipment/ID` or `party/ID`."""

    subject: str
    kind: str
    due: date
    citation: str
    state: str


class _Row(NamedTuple):
    """An obligation in the order of the table's columns."""

    subject: str
    kind: str
    due: str
    n: int
    citation: str
    state: str
    announced: str
    once: str | None


class Noted(set[tuple[str, str]]):
    """The kind and due day of every obligation that a subject ever had: none is deleted.

    Dropped whole when others have written: the table has no index on the record's number.
    """


class Obligations:
    """The obligations of a ledger, each of a subject: `shipment/ID` or `party/ID`."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._new: dict[str, dict[tuple[str, str], _Row]] = {}
        self._withdrawn: list[str] = []
        self._noted = transaction.cache.rows(Noted)
        transaction.at_flush(self._write)

    def loading(self, subjects: Iterable[str]) -> Load:
        """Reads which obligations these subjects have that are not in memory, in one query for all."""
        noted = self._noted
        wanted = {subject for subject in subjects if subject not in noted}
        if wanted:
            found = {subject: Noted() for subject in wanted}
            for row in (yield _LOAD.asking(subjects=wanted)):
                found[row.subject].add((row.kind, row.due))
            noted.update(found)

    def add(self, subjects: Sequence[str], kind: str, due: date, citation: str, once: Sequence[str] = ()) -> None:
        """Notes an obligation with its due date; a party has the same one only once, under the first of its subjects.

        One that ends only by being met is noted once, and stays met. `once`: names of what needs to be met only once.
        """
        key, subject = (kind, due.isoformat()), subjects[0]
        if subject.startswith(_PARTY) or kind in LASTING:
            self._transaction.read(self.loading(subjects))
            for one in subjects:
                if (stated := self._noted[one]) and key in stated:
                    return
        if (noted := self._noted.get(subject)) is not None:
            noted.add(key)
        row = _Row(subject, *key, self._transaction.n, citation, "open", "", " ".join(once) if once else None)
        self._new.setdefault(subject, {})[key] = row

    def withdraw(self, shipment: str) -> None:
        """Withdraws the open obligations of a shipment's previous decision; not those that end only by being met."""
        subject = f"shipment/{shipment}"
        new = self._new.get(subject, {})
        new.update({key: row._replace(state="withdrawn") for key, row in new.items() if row.kind not in LASTING})
        self._withdrawn.append(subject)

    def meet(self, subjects: Sequence[str], kind: str, due: date) -> list[str] | None:
        """Notes that an obligation was met: the names of what needs to be met only once; None where there is none.

        `subjects`: the shipment, or the party under each of its identifiers.
        """
        self._transaction.flush()
        table = tables.obligation
        this = (table.c.subject.in_(subjects), table.c.kind == kind, table.c.due == due.isoformat())
        met = update(table).where(*this).values(state="met").returning(table.c.once)
        found = self._transaction.connection.execute(met).all()
        return sorted({name for row in found for name in (row.once or "").split()}) if found else None

    def end_met(self, kind: str | None, met: Callable[[str, str], bool]) -> None:
        """Ends what is open of a kind, or of every kind, where all that it names is met once: by its kind and name."""
        self._transaction.flush()
        table, connection = tables.obligation, self._transaction.connection
        opened = table.select().where(table.c.state == "open", table.c.once.is_not(None))
        for row in connection.execute(opened if kind is None else opened.where(table.c.kind == kind)).all():
            if all(met(row.kind, name) for name in row.once.split()):
                this = (table.c.subject == row.subject, table.c.kind == row.kind, table.c.due == row.due)
                connection.execute(update(table).where(*this).values(state="met"))

    def falling_due(self, day: date, most: int) -> list[DueObligation]:
        """What is open, falls due or is overdue, and was not announced so until now; at most so many."""
        self._transaction.flush()
        table, today = tables.obligation, day.isoformat()
        keys = (table.c.due, table.c.subject, table.c.kind)
        chosen = (
            select(*keys)
            .where(table.c.state == "open", table.c.due <= today)
            .where((table.c.announced == "") | ((table.c.announced == "due") & (table.c.due < today)))
            .order_by(table.c.due, *(by_code_points(self._transaction.store, key) for key in keys[1:]))
            .limit(most)
        )
        announced = (
            update(table)
            .where(tuple_(*keys).in_(chosen))
            .values(announced=case((table.c.due < today, "overdue"), else_="due"))
            .returning(table.c.due, table.c.subject, table.c.kind, table.c.citation, table.c.announced)
        )
        rows = sorted(self._transaction.connection.execute(announced), key=lambda row: (row.due, row.subject, row.kind))
        with stored("an obligation"):
            return [
                DueObligation(row.subject, row.kind, date.fromisoformat(row.due), row.citation, row.announced)
                for row in rows
            ]

    def set_back(self, day: date) -> None:
        """Takes back what was announced ahead of a day: it is announced again when it falls due, or is overdue."""
        self._transaction.flush()
        table, today = tables.obligation, day.isoformat()
        ahead = update(table).where(table.c.state == "open", table.c.announced != "")
        execute = self._transaction.connection.execute
        execute(ahead.where(table.c.due > today).values(announced=""))
        execute(ahead.where(table.c.due == today, table.c.announced == "overdue").values(announced="due"))

    def _write(self) -> None:
        store, connection, table = self._transaction.store, self._transaction.connection, tables.obligation
        if self._withdrawn:
            _WITHDRAW.change(store, connection, subjects=self._withdrawn)
        store.upsert(connection, table, [row for rows in self._new.values() for row in rows.values()])
        self._new, self._withdrawn = {}, []
