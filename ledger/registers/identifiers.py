"""Identifiers that have an account or facts of their own, and which of them cannot be told apart."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import select

from ledger.cache import Lasting, Written
from ledger.database import tables
from ledger.database.statements import Load, Statement
from ledger.registers.transaction import Transaction
from schemas import accounts
from schemas.kinds import IdentifierKind
from schemas.lookalikes import same_identifier

_form = lru_cache(1 << 12)(same_identifier)
"""The form of an identifier; the parties of one shipment are mostly those of others too."""

_I = tables.identifier
_LOAD = Statement(lambda among: select(_I).where(among(_I.c.form, "forms")).order_by(*_I.primary_key))


@dataclass(frozen=True, slots=True)
class Resemblance:
    """An identifier that appeared, and one of before that it cannot be told apart from."""

    kind: IdentifierKind
    id: str
    other: str


class Known(tuple[tuple[str, str], ...], Lasting):
    """The identifiers of one form, each with its kind.

    Kept but for the forms of the keys of new facts and of what the paths of new accounts name: an identifier is only
    ever added, and only together with one of these.
    """

    __slots__ = ()

    @staticmethod
    def changed(written: Written) -> Iterable[str]:
        """The forms of all that may have become an identifier."""
        names = (identifier for path in written.paths for _, identifier in named(path))
        return map(same_identifier, (*written.facts, *names))


class Identifiers:
    """Every identifier by the form that it shares with those that look like it."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._known = transaction.cache.rows(Known)
        self._seen: set[tuple[IdentifierKind, str]] = set()
        self._rows: list[tuple[str, str, str]] = []
        self._appeared: list[tuple[int, Resemblance]] = []
        transaction.at_flush(self._write)

    def load(self, ids: Iterable[str]) -> None:
        """Reads what looks like these identifiers, in one query for all."""
        self._transaction.read(self.loading(ids))

    def loading(self, ids: Iterable[str]) -> Load:
        """The load of `load`."""
        known = self._known
        wanted = {form for form in map(_form, ids) if form not in known}
        if wanted:
            rows = yield _LOAD.asking(forms=wanted)
            known.update(dict.fromkeys(wanted, Known()))
            for row in rows:
                known[row.form] = Known((*(known[row.form] or ()), (row.kind, row.id)))

    def like(self, kind: IdentifierKind, identifier: str) -> list[str]:
        """The identifiers of a kind that look like one, itself if it is known, sorted."""
        form = _form(identifier)
        if form not in self._known:
            self.load([identifier])
        known = self._known[form]
        return sorted([other for of, other in known if of == kind]) if known else []

    def add(self, kind: IdentifierKind, identifier: str) -> None:
        """Notes that an identifier has an account or facts of its own."""
        if (kind, identifier) in self._seen:
            return
        self._seen.add((kind, identifier))
        form = _form(identifier)
        if form not in self._known:
            self.load([identifier])
        known = self._known[form] or Known()
        if (kind, identifier) in known:
            return
        self._appeared += [
            (self._transaction.n, Resemblance(kind, identifier, other)) for of, other in known if of == kind
        ]
        self._known[form] = Known((*known, (kind.value, identifier)))
        self._rows.append((form, kind.value, identifier))

    def add_path(self, path: str) -> None:
        """Notes the identifier that the path of an account names, if any."""
        for kind, identifier in named(path):
            self.add(kind, identifier)

    @property
    def appeared(self) -> list[Resemblance]:
        """What appeared by the record that is being made and looks like one of before, in order."""
        n, appeared = self._transaction.n, self._appeared
        return [one for of, one in appeared if of == n] if appeared and appeared[-1][0] == n else []

    def _write(self) -> None:
        self._transaction.store.insert(self._transaction.connection, tables.identifier, self._rows)
        self._rows = []


def named(path: str) -> Iterator[tuple[IdentifierKind, str]]:
    """The identifier that the path of an account names, with its kind.

    >>> list(named("lpp/CON-70/2025")), list(named("country/IN/2025-2027"))
    ([(<IdentifierKind.PARTY: 'party'>, 'CON-70')], [])
    """
    account = accounts.read(path)
    if account is not None:
        parts = (
            (IdentifierKind.PARTY, account.party),
            (IdentifierKind.LICENSE, account.number),
            (IdentifierKind.FACILITY, account.facility),
        )
        yield from ((kind, identifier) for kind, identifier in parts if identifier)
