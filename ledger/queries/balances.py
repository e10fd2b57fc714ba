"""Balances of accounts, now or as of a moment."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select

from ledger.database import tables
from ledger.database.sums import ExactSum
from ledger.registers.facts import ALL
from ledger.registers.shipments import has_pending
from schemas import accounts
from schemas.kinds import FactKind
from schemas.wire.read import Event, read_record

WHOLE = 1_000_000
"""A limit in millionths of itself."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Bounds of a query: events that happened up to `as_of`, as recorded up to `known_at` and record `record`.

    Instants are in microseconds since 1970 (UTC), inclusive; None sets no bound.
    """

    as_of: int | None = None
    known_at: int | None = None
    record: int | None = None

    @property
    def now(self) -> bool:
        """Whether no bound is set."""
        return self.as_of is None and self.known_at is None and self.record is None


@dataclass(frozen=True, slots=True)
class Balance:
    """An account at a moment; amounts in TPP; `limit` is None if there is none."""

    account: str
    limit: int | None
    pending: int
    posted: int
    attested: int
    credits: int
    entries: int

    @property
    def balance(self) -> int:
        """What counts against the limit."""
        return self.pending + self.posted + self.attested - self.credits

    @property
    def available(self) -> int | None:
        """What is left of the limit."""
        return None if self.limit is None else max(0, self.limit - self.balance)

    @property
    def used(self) -> int | None:
        """The share of the limit that is used, in millionths, rounded down and not below 0; None without a limit."""
        if self.limit is None:
            return None
        return max(0, self.balance) * WHOLE // self.limit if self.limit else WHOLE

    def to_json(self) -> dict[str, Any]:
        """The balance as a JSON object."""
        return {
            "account": self.account,
            "limit": self.limit,
            "pending": self.pending,
            "posted": self.posted,
            "attested": self.attested,
            "credits": self.credits,
            "balance": self.balance,
            "available": self.available,
            "entries": self.entries,
        }


@dataclass(frozen=True, slots=True)
class _SetLimit:
    """A limit that an event has set, with the number of its record."""

    n: int
    limit: int


@dataclass(frozen=True, slots=True)
class LimitSet:
    """A limit that an event has set on an account from a day on; `happened` is the event's time."""

    account: str
    limit: int
    valid_from: date
    citation: str
    n: int
    happened: int


NOW = Moment()
_LAST = 2**63 - 1
"""The largest number of a record that a database can hold."""


def balances(connection: Connection, patterns: Sequence[str] = (), moment: Moment = NOW) -> list[Balance]:
    """The accounts that match a pattern, sorted by path; all without a pattern. Flows only if a pattern names them."""
    found = _now(connection) if moment.now else _then(connection, moment)
    if any(map(accounts.names_flows, patterns)):
        found += flows(connection)
    chosen = [b for b in found if not patterns or any(accounts.matches(pattern, b.account) for pattern in patterns)]
    return sorted(chosen, key=lambda b: b.account)


def _now(connection: Connection) -> list[Balance]:
    t = tables.account
    query = select(t.c.path, t.c.limit, t.c.pending, t.c.posted, t.c.attested, t.c.credits, t.c.entries)
    return [Balance(*row) for row in connection.execute(query)]


def _then(connection: Connection, moment: Moment) -> list[Balance]:
    a, e, j = tables.account, tables.entry, tables.journal
    sums = [ExactSum(e.c[part]).label(part) for part in ("pending", "posted", "attested", "credits")]
    then = (
        select(e.c.account, *sums, func.count().label("entries"), func.max(e.c.entry).label("last"))
        .join_from(e, j, e.c.n == j.c.n)
        .where(*bounds(moment))
        .group_by(e.c.account)
        .subquery()
    )
    query = (
        select(a.c.path, then, e.c.n, e.c.limit)
        .join_from(then, a, then.c.account == a.c.id)
        .join(e, (e.c.account == then.c.account) & (e.c.entry == then.c.last))
    )
    set_limits = _set_limits(connection, moment)
    found = []
    for row in connection.execute(query):
        made = set_limits.pop(row.path, None)
        limit = made.limit if made and made.n > row.n else row.limit
        parts = row.pending, row.posted, row.attested, row.credits
        found.append(Balance(row.path, limit, *parts, int(row.entries)))
    return found + [Balance(path, made.limit, 0, 0, 0, 0, 0) for path, made in set_limits.items()]


def bounds(moment: Moment) -> list[Any]:
    """The conditions on journal records that a moment sets."""
    j = tables.journal
    found = []
    if moment.as_of is not None:
        found.append(j.c.happened <= moment.as_of)
    if moment.known_at is not None:
        found.append(j.c.recorded <= moment.known_at)
    if moment.record is not None:
        found.append(j.c.n <= min(moment.record, _LAST))
    return found


def limits_at(connection: Connection, moment: Moment) -> set[str]:
    """The accounts on which events had set a limit at a moment."""
    return set(_set_limits(connection, moment))


def _set_limits(connection: Connection, moment: Moment) -> dict[str, _SetLimit]:
    """The limit last set by an event on each account; a licence's TPP is the limit of its account.

    An event that names an account of an absorbed party sets the limit of the survivor's account.
    """
    f, j = tables.fact, tables.journal
    setting = f.c.kind.in_((FactKind.LIMIT.value, FactKind.LICENSE.value))
    query = (
        select(f.c.kind, f.c.key, f.c.n, j.c.event)
        .join_from(f, j, f.c.n == j.c.n)
        .where(or_(f.c.kind == FactKind.MERGE.value, and_(setting, *bounds(moment))))
        .order_by(f.c.n)
    )
    found = {}
    survivors = _Survivors()
    for row in connection.execute(query):
        event = read_record(row.event)
        if not isinstance(event, Event):
            continue
        data: Any = event.data
        if row.kind == FactKind.MERGE:
            survivors.merge(data.absorbed, data.survivor)
        elif row.kind == FactKind.LICENSE:
            found[accounts.license(row.key)] = _SetLimit(row.n, data.tpp)
        else:
            path = survivors.path(data.account)
            found[path] = _SetLimit(row.n, data.limit)
    return found


def limits_set(connection: Connection, account: str | None = None) -> dict[str, list[LimitSet]]:
    """The limits that events have set, by account, oldest first; of one account alone where it is given.

    They are few: what sets them is a decision of the house or of the Government. The TPP of a licence is the limit of
    its account, and told only if that account is asked for.
    """
    f, j, survivors, made = tables.fact, tables.journal, _Survivors(), list[LimitSet]()
    query = select(f.c.kind, f.c.n, j.c.happened, j.c.event).join_from(f, j, f.c.n == j.c.n)
    read = accounts.read(account or "")
    of_all = and_(f.c.key == ALL, f.c.kind.in_((FactKind.LIMIT.value, FactKind.MERGE.value)))
    own = and_(f.c.key == (read.number if read else ""), f.c.kind == FactKind.LICENSE.value)
    for row in connection.execute(query.where(or_(of_all, own)).order_by(f.c.n)):
        event = read_record(row.event)
        if isinstance(event, Event):
            data: Any = event.data
            if row.kind == FactKind.MERGE:
                survivors.merge(data.absorbed, data.survivor)
            elif row.kind == FactKind.LICENSE:
                one = LimitSet(accounts.license(data.number), data.tpp, data.valid_from, "", row.n, row.happened)
                made.append(one)
            else:
                made.append(LimitSet(data.account, data.limit, data.valid_from, data.citation, row.n, row.happened))
    found: dict[str, list[LimitSet]] = {}
    for one in made:
        path = survivors.path(one.account)
        if account in (None, path):
            found.setdefault(path, []).append(replace(one, account=path))
    return found


class _Survivors(dict[str, str]):
    """The party that each absorbed one has become part of."""

    def merge(self, absorbed: str, survivor: str) -> None:
        """Notes that a party is part of another from now on."""
        self[self.of(absorbed)] = self.of(survivor)

    def of(self, party: str) -> str:
        """The surviving party of a party."""
        while party in self:
            party = self[party]
        return party

    def path(self, account: str) -> str:
        """The path under which an account is kept now."""
        return accounts.of_party(account, self.of(accounts.party(account)))


def flows(connection: Connection) -> list[Balance]:
    """Controlled TPP approved or dispatched, by destination and year of export: a report, not an account."""
    t = tables.shipment
    year = func.substr(t.c.export_date, 1, 4)
    left = ExactSum(case((t.c.state == "dispatched", t.c.tpp), else_=0))
    ahead = ExactSum(case((has_pending(), t.c.tpp), else_=0))
    query = (
        select(t.c.ship_to, year.label("year"), ahead.label("pending"), left.label("posted"))
        .where((t.c.state == "dispatched") | has_pending(), t.c.tpp > 0)
        .group_by(t.c.ship_to, year)
    )
    return [
        Balance(accounts.flow(row.ship_to, row.year), None, row.pending, row.posted, 0, 0, 0)
        for row in connection.execute(query)
    ]


def has_flow(connection: Connection, path: str) -> bool:
    """Whether the report of flows has this path."""
    return accounts.names_flows(path) and any(one.account == path for one in flows(connection))
