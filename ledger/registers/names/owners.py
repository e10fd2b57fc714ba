"""Owners by name: ultimate parents, holders and registered parties, and by what those are found that resemble one."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import select

from ledger.database import tables
from ledger.database.rows import stored
from ledger.database.statements import Load, Statement
from ledger.registers.transaction import Transaction

MOST = 200
"""How many owners may share a form that finds those that resemble one; what more share tells nothing."""

_O, _F = tables.owner, tables.owner_form
_LOAD = Statement(lambda among: select(_O).where(among(_O.c.id, "ids")))
_LOAD_FORMS = Statement(lambda among: select(_F).where(among(_F.c.form, "forms")))


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner by its latest name, with its LEI if it has one.

    `n` is the record that first let one of its shipments go, None where there is none. Dropped whole when others have
    written: a new name leaves no number of its record.
    """

    id: str
    name: str
    lei: str | None = None
    n: int | None = None


class Forms(NamedTuple):
    """What a name is found by: forms that only equal ones share, and those of which it may be that they resemble it."""

    exact: Sequence[str]
    loose: Sequence[str]


class Having(tuple[str, ...]):
    """The identifiers of the owners that have a form, sorted. Dropped whole, as owners are."""

    __slots__ = ()


class Alike(NamedTuple):
    """An owner of which a shipment was let go for the first time, and one of before whose name resembles its name.

    `score` is a decimal as text.
    """

    id: str
    name: str
    other: str
    other_name: str
    score: str


class Owners:
    """The owners of a ledger, and what they are found by. An owner that gets another name is found by both."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._known = transaction.cache.rows(Owner)
        self._having = transaction.cache.rows(Having)
        self._changed: dict[str, Owner] = {}
        self._rows: list[tuple[str, str]] = []
        self._alike: tuple[int, list[Alike]] = (0, [])
        transaction.at_flush(self._write)

    # --- reading --------------------------------------------------------------------------------------------------

    def load(self, ids: Iterable[str]) -> None:
        """Reads owners that are not in memory, in one query for all."""
        self._transaction.read(self.loading(ids))

    def loading(self, ids: Iterable[str]) -> Load:
        """The load of `load`."""
        known = self._known
        wanted = {identifier for identifier in ids if identifier not in known}
        if not wanted:
            return
        rows = yield _LOAD.asking(ids=wanted)
        known.update(dict.fromkeys(wanted))
        for row in rows:
            with stored(f"owner {row.id}"):
                known[row.id] = Owner(row.id, row.name, row.lei, row.n)

    def load_forms(self, forms: Iterable[str]) -> None:
        """Reads which owners have these forms, in one query for all, and then these owners."""
        self._transaction.read(self.loading_forms(forms))

    def loading_forms(self, forms: Iterable[str]) -> Load:
        """The load of `load_forms`."""
        having = self._having
        wanted = {form for form in forms if form not in having}
        if not wanted:
            return
        found: dict[str, list[str]] = {form: [] for form in wanted}
        for row in (yield _LOAD_FORMS.asking(forms=wanted)):
            found[row.form].append(row.owner)
        having.update({form: Having(sorted(owners)) for form, owners in found.items()})
        yield from self.loading({owner for owners in found.values() if len(owners) <= MOST for owner in owners})

    def find(self, identifier: str) -> Owner | None:
        """The owner, or None if its name is not known."""
        if identifier not in self._known:
            self.load([identifier])
        return self._known[identifier]

    def let_go(self, ids: Iterable[str]) -> bool:
        """Whether a shipment of an owner was let go before, under one of its identifiers."""
        for one in ids:
            found = self.find(one)
            if found is not None and found.n is not None:
                return True
        return False

    def having(self, forms: Collection[str], most: int | None = None, but: Sequence[str] = ()) -> list[Owner]:
        """The owners that have one of these forms, by identifier; without forms that more than `most` share.

        `but` are left out: mostly nobody else has a form of an owner.
        """
        self.load_forms(forms)
        ids: set[str] = set()
        for form in forms:
            owners = self._having[form]
            if owners and (most is None or len(owners) <= most):
                ids.update(owners)
        ids.difference_update(but)
        if not ids:
            return []
        self.load(ids)
        return [found for one in sorted(ids) if (found := self._known[one]) is not None]

    # --- writing --------------------------------------------------------------------------------------------------

    def name(self, identifier: str, name: str, lei: str | None, forms: Forms, let_go: bool = False) -> None:
        """Notes the name of an owner, and its LEI if it has one; `let_go`: that its shipment is let go."""
        before = self.find(identifier)
        n = self._transaction.n if let_go else None
        made = Owner(identifier, name, lei, n)
        if before is not None:
            made = replace(before, name=name, lei=lei or before.lei, n=n if before.n is None else before.n)
        if made == before:
            return
        self._known[identifier] = self._changed[identifier] = made
        self.load_forms((*forms.exact, *forms.loose))
        for form in forms.exact:
            self._add(form, identifier, MOST if made.n is None else None)
        for form in forms.loose:
            self._add(form, identifier, MOST)

    def _add(self, form: str, identifier: str, most: int | None) -> None:
        """Adds an owner to those that have a form, unless more than `most` have it already."""
        owners = self._having[form]
        if owners and (identifier in owners or (most is not None and len(owners) > most)):
            return
        self._having[form] = Having(sorted((*owners, identifier)) if owners else (identifier,))
        self._rows.append((form, identifier))

    def note_alike(self, alike: Iterable[Alike]) -> None:
        """Notes what an owner resembles of which the record being made lets a shipment go for the first time."""
        n = self._transaction.n
        if self._alike[0] != n:
            self._alike = (n, [])
        self._alike[1].extend(alike)

    @property
    def alike(self) -> Sequence[Alike]:
        """What was noted for the record that is being made, in order."""
        n, alike = self._alike
        return alike if n == self._transaction.n else ()

    def _write(self) -> None:
        store, connection = self._transaction.store, self._transaction.connection
        rows = [self._changed[key] for key in sorted(self._changed)]
        store.upsert(connection, tables.owner, [(one.id, one.name, one.lei, one.n) for one in rows])
        store.insert(connection, tables.owner_form, self._rows)
        self._changed, self._rows = {}, []
