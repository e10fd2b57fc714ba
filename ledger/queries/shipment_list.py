"""Shipments as they stand, page by page, and what their requests say."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, select

from ledger.database import tables
from ledger.database.paging import pages
from ledger.database.rows import stored
from ledger.database.store import within

_S = tables.shipment
_COLUMNS = (
    _S.c.id, _S.c.state, _S.c.first, _S.c.asked, _S.c.last, _S.c.export_date, _S.c.ship_to, _S.c.tpp, _S.c.terms
)  # fmt: skip


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

    `asked` is the record of the request or amendment in force, `last` the latest that concerns it.
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
            terms.get("authorization"), terms.get("reference"), debits,
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
