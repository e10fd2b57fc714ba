"""Shipments as they stand, page by page, and what their requests say."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, func, select

from ledger.database import tables
from ledger.database.paging import pages, some_of
from ledger.database.rows import stored
from ledger.database.store import within
from schemas.kinds import FactKind

_S = tables.shipment
_COLUMNS = (
    _S.c.id, _S.c.state, _S.c.first, _S.c.asked, _S.c.last, _S.c.export_date, _S.c.ship_to, _S.c.tpp, _S.c.terms
)  # fmt: skip
_FEW_PATHS = 1_000
"""Up to so many accounts are asked for by path; where there are more, all are read."""


class Line(NamedTuple):
    """A line of a request: its number, the part, and how many units."""

    line: int
    part_number: str
    quantity: int


@dataclass(frozen=True, slots=True)
class ShipmentRequest:
    """What the request or amendment in force says."""

    consignee: str
    consignee_id: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class ShipmentFilter:
    """Which shipments: `party` is an identifier that the request names, as a party or as an ultimate parent;
    `country` the destination; the export date from `first` to `last`, inclusive. None for no bound.
    """

    party: str | None = None
    country: str | None = None
    state: str | None = None
    first: date | None = None
    last: date | None = None

    def conditions(self, connection: Connection) -> list[ColumnElement[bool]]:
        """The conditions on the table of shipments."""
        s, found = tables.shipment, list[ColumnElement[bool]]()
        if self.party is not None:
            found.append(within(connection, s.c.parties, self.party))
        if self.country is not None:
            found.append(s.c.ship_to == self.country)
        if self.state is not None:
            found.append(s.c.state == self.state)
        if self.first is not None:
            found.append(s.c.export_date >= self.first.isoformat())
        if self.last is not None:
            found.append(s.c.export_date <= self.last.isoformat())
        return found


@dataclass(frozen=True, slots=True)
class ListedShipment:
    """A shipment as it stands; `first` is the record of its first request, and its place in the list.

    `record` is the latest that concerns it.
    """

    id: str
    state: str
    first: int
    record: int
    export_date: str
    country: str
    tpp: int
    authorization: str | None
    reference: str | None
    request: ShipmentRequest


def shipment_list(
    connection: Connection, wanted: ShipmentFilter, after: int | None = None, limit: int | None = None
) -> Iterator[ListedShipment]:
    """Shipments, the latest first by their first request; those after the place `after`, at most `limit`."""
    s = tables.shipment
    query = select(*_COLUMNS).where(*wanted.conditions(connection))
    start = None if after is None else (after,)
    for page in pages(connection, query, (s.c.first,), lambda row: (row.first,), start, limit, descending=True):
        asked = requests(connection, [row.asked for row in page])
        for row in page:
            with stored(f"shipment {row.id}"):
                found = _listed(row, asked)
            yield found


def shipments_by_id(connection: Connection, ids: Collection[str]) -> dict[str, ListedShipment]:
    """The shipments of these identifiers, at most a page of them, by identifier; those that exist."""
    s = tables.shipment
    rows = connection.execute(select(*_COLUMNS).where(s.c.id.in_(set(ids)))).all()
    asked = requests(connection, [row.asked for row in rows])
    found = {}
    for row in rows:
        with stored(f"shipment {row.id}"):
            found[row.id] = _listed(row, asked)
    return found


def _listed(row: Any, asked: Mapping[int, ShipmentRequest]) -> ListedShipment:
    terms = orjson.loads(row.terms)
    return ListedShipment(
        row.id, row.state, row.first, row.last, row.export_date, row.ship_to, row.tpp, terms.get("authorization"),
        terms.get("reference"), asked[row.asked],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class StandingShipment:
    """A shipment with what it debits: accounts and amounts in TPP; `source` is that of its first request.

    `asked` is the record of the request or amendment in force, `last` the latest that concerns it. `kept`: whether it
    is held and what it debits is pending all the same.
    """

    id: str
    state: str
    source: str
    asked: int
    last: int
    export_date: str
    country: str
    tpp: int
    authorization: str | None
    reference: str | None
    debits: tuple[tuple[str, int], ...]
    kept: bool


def find_shipment(connection: Connection, shipment: str) -> StandingShipment | None:
    """A shipment as it stands; None if it was never requested."""
    s, j = tables.shipment, tables.journal
    query = (
        select(s.c.id, s.c.state, j.c.source, s.c.asked, s.c.last, s.c.export_date, s.c.ship_to, s.c.tpp, s.c.terms)
        .join_from(s, j, j.c.n == s.c.first)
        .where(s.c.id == shipment)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    with stored(f"shipment {shipment}"):
        terms = orjson.loads(row.terms)
        debits = tuple((str(account), int(amount)) for account, amount in terms.get("debits", ()))
        return StandingShipment(
            row.id, row.state, row.source, row.asked, row.last, row.export_date, row.ship_to, row.tpp,
            terms.get("authorization"), terms.get("reference"), debits, "kept" in terms,
        )  # fmt: skip


def requests(connection: Connection, numbers: Iterable[int]) -> dict[int, ShipmentRequest]:
    """What the requests in these journal records say, by the number of the record."""
    found = {}
    for row in records(connection, numbers, "event"):
        with stored(f"journal record {row.n}"):
            data = orjson.loads(row.event)["data"]
            consignee = data["ultimate_consignee"]
            lines = tuple(Line(item["line"], item["part_number"], item["quantity"]) for item in data["items"])
            found[row.n] = ShipmentRequest(consignee["name"], consignee["id"], lines)
    return found


def records(connection: Connection, numbers: Iterable[int], *columns: str) -> Sequence[Any]:
    """Journal records by number, with `n`, `happened` and these columns; at most a page of them."""
    j = tables.journal
    query = select(j.c.n, j.c.happened, *(j.c[name] for name in columns)).where(j.c.n.in_(set(numbers)))
    return connection.execute(query).all()


class LatestShipment(NamedTuple):
    """The shipment that moved an account last, or waits for room on it: its destination, and its request's record."""

    country: str
    asked: int


def latest_shipments(connection: Connection, paths: Collection[str] | None = None) -> dict[str, LatestShipment]:
    """The latest shipment of each account, or of each of these paths: one that has moved it, else one that waits."""
    a, e, s, w = tables.account, tables.entry, tables.shipment, tables.waiting
    moved = select(e.c.shipment_id).where(e.c.account == a.c.id, e.c.shipment_id.is_not(None))
    last = moved.order_by(e.c.entry.desc()).limit(1).correlate(a).scalar_subquery()
    found: dict[str, LatestShipment] = {}
    if paths is not None and len(paths) > _FEW_PATHS:
        wanted, every = set(paths), latest_shipments(connection)
        return {path: one for path, one in every.items() if path in wanted}
    for path, query in (
        (w.c.account, select(w.c.account, s.c.ship_to, s.c.asked).join_from(w, s, s.c.id == w.c.shipment_id)),
        (a.c.path, select(a.c.path, s.c.ship_to, s.c.asked).join_from(a, s, s.c.id == last)),
    ):
        for chosen in [query] if paths is None else (query.where(path.in_(some)) for some in some_of(paths)):
            found.update({row[0]: LatestShipment(row.ship_to, row.asked) for row in connection.execute(chosen)})
    return found


def destinations(connection: Connection) -> list[str]:
    """The countries to which shipments go or went, in no order."""
    return list(connection.execute(select(tables.shipment.c.ship_to).distinct()).scalars())


def registered_names(connection: Connection, parties: Collection[str]) -> dict[str, str]:
    """The names with which parties were registered last, by identifier."""
    f, j = tables.fact, tables.journal
    found = {}
    for some in some_of(parties):
        latest = (
            select(f.c.key, func.max(f.c.n).label("n"))
            .where(f.c.kind == FactKind.PARTY, f.c.key.in_(some))
            .group_by(f.c.key)
            .subquery()
        )
        for row in connection.execute(select(latest.c.key, j.c.n, j.c.event).join_from(latest, j, j.c.n == latest.c.n)):
            with stored(f"journal record {row.n}"):
                found[row.key] = str(orjson.loads(row.event)["data"]["name"])
    return found


def names_in_requests(connection: Connection, wanted: Mapping[str, int]) -> dict[str, str]:
    """The names that requests give to parties; `wanted`: of each party the record of a request that may name it."""
    found = {}
    for some in some_of(wanted):
        numbers: dict[int, list[str]] = {}
        for party in some:
            numbers.setdefault(wanted[party], []).append(party)
        for row in records(connection, numbers, "event"):
            with stored(f"journal record {row.n}"):
                data = orjson.loads(row.event)["data"]
            for party in numbers[row.n]:
                name = _name(data, party)
                if name is not None:
                    found[party] = name
    return found


def _name(data: Any, party: str) -> str | None:
    """The name that an event's data gives to a party, wherever it stands, the first one."""
    ahead = [data]
    while ahead:
        one = ahead.pop()
        if isinstance(one, dict):
            if one.get("id") == party and isinstance(one.get("name"), str):
                return str(one["name"])
            one = list(one.values())
        if isinstance(one, list):
            ahead += [inside for inside in reversed(one) if isinstance(inside, (dict, list))]
    return None
