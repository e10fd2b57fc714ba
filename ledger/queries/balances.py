"""Questions to a ledger: balances as of a time, holds, the records of a shipment, what is owed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
from sqlalchemy import Connection, and_, case, func, or_, select

from ledger.database import tables
from ledger.database.store import Store
from ledger.queries.reconcile import Line
from ledger.registers.records import Key
from ledger.registers.shipments import HELD_STATES, PENDING_STATES
from schemas import accounts
from schemas.wire.read import Event, parse


@dataclass(frozen=True, slots=True)
class Moment:
    """What is asked for: events that happened until `as_of`, as recorded until `known_at` and record `record`.

    Instants in microseconds since 1970 (UTC), both included; None where no bound is set.
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
    """An account at a moment; amounts in TPP, `limit` None where there is none."""

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

    def told(self) -> dict[str, Any]:
        """The balance as the command line and the HTTP interface tell it."""
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


NOW = Moment()
_FEW_ACCOUNTS = 500
_LAST = 2**63 - 1
"""The largest number of a record that a database can hold."""


def balances(connection: Connection, patterns: Sequence[str] = (), moment: Moment = NOW) -> list[Balance]:
    """The accounts that fit a pattern, sorted by path; all of them without a pattern. `flow/…` only where asked for."""
    found = _now(connection) if moment.now else _then(connection, moment)
    if any(pattern.startswith("flow/") for pattern in patterns):
        found += flows(connection)
    chosen = [b for b in found if not patterns or any(accounts.matches(pattern, b.account) for pattern in patterns)]
    return sorted(chosen, key=lambda b: b.account)


def _now(connection: Connection) -> list[Balance]:
    t = tables.account
    query = select(t.c.path, t.c.limit, t.c.pending, t.c.posted, t.c.attested, t.c.credits, t.c.entries)
    return [Balance(*row) for row in connection.execute(query)]


def _then(connection: Connection, moment: Moment) -> list[Balance]:
    a, e, j = tables.account, tables.entry, tables.journal
    sums = [func.sum(e.c[part]).label(part) for part in ("pending", "posted", "attested", "credits")]
    then = (
        select(e.c.account, *sums, func.count().label("count"), func.max(e.c.entry).label("last"))
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
    set_to = _limits_set(connection, moment)
    found = []
    for row in connection.execute(query):
        n, limit = set_to.pop(row.path, (0, None))
        pending, posted, attested, credits = (int(row[part]) for part in range(2, 6))
        limit = limit if n > row.n else row.limit
        found.append(Balance(row.path, limit, pending, posted, attested, credits, int(row[6])))
    return found + [Balance(path, limit, 0, 0, 0, 0, 0) for path, (_, limit) in set_to.items()]


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


def _limits_set(connection: Connection, moment: Moment) -> dict[str, tuple[int, int]]:
    """The limit last set by an event on each account, with its record; a licence's TPP is the limit of its account.

    An event that names an account of a party that was absorbed before has set the limit of the survivor's.
    """
    f, j = tables.fact, tables.journal
    query = (
        select(f.c.kind, f.c.key, f.c.n, j.c.event)
        .join_from(f, j, f.c.n == j.c.n)
        .where(or_(f.c.kind == "merge", and_(f.c.kind.in_(("limit", "license")), *bounds(moment))))
        .order_by(f.c.n)
    )
    found, survivors = {}, dict[str, str]()
    for kind, key, n, raw in connection.execute(query):
        event = parse(raw)
        if not isinstance(event, Event):
            continue
        data: Any = event.data
        if kind == "merge":
            survivors[_survivor(data.absorbed, survivors)] = _survivor(data.survivor, survivors)
        elif kind == "license":
            found[accounts.license(key)] = (n, data.tpp)
        else:
            party = (accounts.read(data.account) or accounts.Account("")).party
            found[accounts.of_party(data.account, _survivor(party, survivors))] = (n, data.limit)
    return found


def _survivor(party: str, survivors: Mapping[str, str]) -> str:
    while party in survivors:
        party = survivors[party]
    return party


def flows(connection: Connection) -> list[Balance]:
    """Controlled TPP decided to go, by destination and year of export: a report, no account with entries."""
    t = tables.shipment
    year = func.substr(t.c.export_date, 1, 4)
    left = func.sum(case((t.c.state == "dispatched", t.c.tpp), else_=0))
    ahead = func.sum(case((t.c.state.in_(PENDING_STATES), t.c.tpp), else_=0))
    query = (
        select(t.c.ship_to, year, ahead, left)
        .where(t.c.state.in_((*PENDING_STATES, "dispatched")), t.c.tpp > 0)
        .group_by(t.c.ship_to, year)
    )
    return [Balance(f"flow/{to}/{when}", None, int(a), int(b), 0, 0, 0) for to, when, a, b in connection.execute(query)]


def holds(connection: Connection) -> Iterator[dict[str, Any]]:
    """The work list: held shipments, oldest first, with the reasons of their present holds."""
    s, j = tables.shipment, tables.journal
    query = (
        select(s.c.id, s.c.state, s.c.held, s.c.export_date, s.c.tpp, j.c.happened, j.c.answers)
        .join_from(s, j, s.c.held == j.c.n)
        .where(s.c.state.in_(HELD_STATES))
        .order_by(s.c.first)
    )
    for row in connection.execute(query):
        decided = (data for data in map(_data, row.answers.split("\n")) if data.get("shipment_id") == row.id)
        reasons: list[dict[str, Any]] = next((data["reasons"] for data in decided if data.get("outcome") == "held"), [])
        yield {
            "shipment_id": row.id,
            "state": row.state,
            "record": row.held,
            "happened": row.happened,
            "export_date": row.export_date,
            "tpp": row.tpp,
            "codes": list(dict.fromkeys(reason["code"] for reason in reasons)),
            "reasons": reasons,
        }


def _data(line: str) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(line)["data"]
    return data


@dataclass(frozen=True, slots=True)
class Told:
    """One record of a shipment: its number and time, the event's bytes, and the answers that are about the shipment."""

    n: int
    happened: int | None
    event: bytes
    answers: tuple[dict[str, Any], ...]


def state(connection: Connection, shipment: str) -> str | None:
    """The state of a shipment; None where it was never presented."""
    found: str | None = connection.execute(
        select(tables.shipment.c.state).where(tables.shipment.c.id == shipment)
    ).scalar()
    return found


def records(connection: Connection, shipment: str) -> list[Told]:
    """Every record that concerns a shipment, oldest first: its own events, ticks and rechecks that decided it."""
    j, m = tables.journal, tables.mention
    mentioned = select(m.c.n).where(m.c.shipment_id == shipment)
    query = (
        select(j.c.n, j.c.happened, j.c.event, j.c.answers)
        .where((j.c.shipment_id == shipment) | j.c.n.in_(mentioned))
        .order_by(j.c.n)
    )
    found = []
    for n, happened, event, answers in connection.execute(query):
        lines = [orjson.loads(line) for line in answers.split("\n")]
        found.append(
            Told(n, happened, event, tuple(line for line in lines if line["data"].get("shipment_id") == shipment))
        )
    return found


def shipment_lines(connection: Connection, pattern: str | None = None) -> Iterator[Line]:
    """What each shipment counts on each account that fits a pattern: pending + posted − credits, where that is not 0.

    The date is the export date in force. What facts moved, a merger too, has no shipment and is in no line.
    """
    a, e, s = tables.account, tables.entry, tables.shipment
    found = connection.execute(select(a.c.id, a.c.path))
    paths = {row.id: row.path for row in found if pattern is None or accounts.matches(pattern, row.path)}
    amount = func.sum(e.c.pending + e.c.posted - e.c.credits)
    few = [e.c.account.in_(paths)] if len(paths) <= _FEW_ACCOUNTS else []
    sums = (
        select(e.c.shipment_id, e.c.account, amount.label("amount"))
        .where(e.c.shipment_id.is_not(None), *few)
        .group_by(e.c.shipment_id, e.c.account)
        .having(amount != 0)
        .subquery()
    )
    query = select(sums, s.c.export_date).join_from(sums, s, sums.c.shipment_id == s.c.id)
    for shipment, account, total, day in connection.execute(query, execution_options={"yield_per": 10_000}):
        if account in paths:
            yield Line(shipment, paths[account], day, int(total))


def outbox(connection: Connection, after: int, most: int) -> list[tuple[int, str]]:
    """The next records after a number, in order: their numbers, and what was given out, one JSON text a line.

    Numbers are gap-free and in the order of commit, so none is passed by.
    """
    j = tables.journal
    query = select(j.c.n, j.c.answers).where(j.c.n > after).order_by(j.c.n).limit(most)
    return [(row.n, row.answers) for row in connection.execute(query)]


def taken(connection: Connection, store: Store, wanted: Mapping[str, Collection[str]]) -> dict[Key, bytes]:
    """The bytes of those events that the ledger has a record of; `wanted`: ids by source."""
    j = tables.journal
    found: dict[Key, bytes] = {}
    for source, ids in wanted.items():
        query = select(j.c.id, j.c.event).where(j.c.source == source, store.among(j.c.id, ids))
        found |= {(source, row.id): bytes(row.event) for row in connection.execute(query)}
    return found


def positions_twice(connection: Connection) -> list[tuple[str, list[int]]]:
    """The positions, as JSON, that two records or more name, with the numbers of these; reads the whole journal."""
    j = tables.journal
    twice = select(j.c.position).group_by(j.c.position).having(func.count() > 1)
    found: dict[str, list[int]] = {}
    for position, n in connection.execute(select(j.c.position, j.c.n).where(j.c.position.in_(twice)).order_by(j.c.n)):
        found.setdefault(position, []).append(n)
    return list(found.items())


def published(connection: Connection) -> tuple[int, int]:
    """How far the relay has come: the last record that was published whole, and how many events it sent."""
    found = connection.execute(select(tables.relay.c.n, tables.relay.c.sent)).one_or_none()
    return (0, 0) if found is None else (found.n, found.sent)


def last_record(connection: Connection) -> int:
    """The number of the last journal record; 0 where nothing is recorded."""
    return int(connection.execute(select(tables.head.c.n)).scalar_one())


def obligations(connection: Connection, due_by: date | None = None, every: bool = False) -> list[dict[str, Any]]:
    """What is owed, the earliest due first; `every`: what was met or withdrawn too."""
    t = tables.obligation
    query = select(t.c.subject, t.c.kind, t.c.due, t.c.citation, t.c.state, t.c.n).order_by(
        t.c.due, t.c.subject, t.c.kind
    )
    if not every:
        query = query.where(t.c.state == "open")
    if due_by is not None:
        query = query.where(t.c.due <= due_by.isoformat())
    found = []
    for row in connection.execute(query):
        whose, identifier = row.subject.split("/", 1)
        name = "shipment_id" if whose == "shipment" else "party"
        found.append(
            {
                "due": row.due,
                "kind": row.kind,
                name: identifier,
                "citation": row.citation,
                "state": row.state,
                "record": row.n,
            }
        )
    return found
