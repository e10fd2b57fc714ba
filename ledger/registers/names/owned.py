"""Which accounts count what one owner or holder has received."""

from collections.abc import Iterable

from sqlalchemy import and_, bindparam, or_, select

from ledger.cache import Lasting, Written
from ledger.database import tables
from ledger.database.statements import Statement
from ledger.registers.transaction import Transaction
from schemas import accounts


def _owned_paths(postgresql: bool) -> Statement:
    """The statement that finds the accounts of an owner or holder, by the order of code points.

    For PostgreSQL by the operators of the index that has this order, as the manual has it in "Operator Classes".
    """
    path = tables.account.c.path
    since, before = ("~>=~", "~<~") if postgresql else (">=", "<")
    ranges = (
        and_(path.bool_op(since)(bindparam(f"first{n}")), path.bool_op(before)(bindparam(f"last{n}")))
        for n in range(len(accounts.OWNED))
    )
    return Statement(lambda _: select(path).where(or_(*ranges)))


_OWNED = {postgresql: _owned_paths(postgresql) for postgresql in (False, True)}


class Paths(tuple[str, ...], Lasting):
    """The paths of a party's accounts, sorted.

    Kept but for the parties of new accounts: an account keeps its path and is never deleted.
    """

    __slots__ = ()

    @staticmethod
    def changed(written: Written) -> Iterable[str]:
        """The parties for which others opened an account."""
        return [accounts.party(path) for path in written.paths if path.startswith(accounts.OWNED)]


class Owned:
    """The accounts that count what owners and holders have received, by party."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._known = transaction.cache.rows(Paths)
        self._new: list[str] = []

    def of(self, party: str) -> Paths:
        """The paths of a party's accounts, sorted."""
        paths = self._known.get(party)
        if paths is None:
            starts = tuple(f"{family}/{party}/" for family in accounts.OWNED)
            values = {f"first{n}": start for n, start in enumerate(starts)}
            values |= {f"last{n}": f"{start}~" for n, start in enumerate(starts)}
            store, connection = self._transaction.store, self._transaction.connection
            stored = _OWNED[store.postgresql].run(store, connection, **values)
            paths = Paths(
                sorted({*(row.path for row in stored), *(one for one in self._new if one.startswith(starts))})
            )
            self._known[party] = paths
        return paths

    def note(self, path: str) -> None:
        """Adds a new account."""
        if path.startswith(accounts.OWNED):
            self._new.append(path)
            party = accounts.party(path)
            known = self._known.get(party)
            if known is not None:
                self._known[party] = Paths(sorted({*known, path}))
