"""What a text that somebody types may mean: a shipment, a party, a licence, an account; bounded, whatever the text."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, func, select

from ledger.database import tables
from ledger.database.rows import stored
from ledger.database.store import by_code_points, contains
from ledger.queries.console.party import is_party
from ledger.queries.shipment_list import records
from schemas.kinds import FactKind, IdentifierKind
from schemas.lookalikes import same_identifier

NAMES = 20_000
"""The most registrations, the last ones, whose names are looked at."""
REQUESTS = 1_000
"""The most requests, those of the last shipments, whose parties' names are looked at."""
_MANY = 500


class Found(NamedTuple):
    """Something with an identifier: what it is, and its name where it has one; `source` of a shipment's request."""

    kind: str
    id: str
    name: str | None = None
    source: str | None = None


SHIPMENT, ACCOUNT = "shipment", "account"
PARTY, LICENSE = str(IdentifierKind.PARTY), str(IdentifierKind.LICENSE)


def exactly(connection: Connection, text: str) -> list[Found]:
    """What has this identifier, as the indexes tell it; a party that shipments alone name is not among it."""
    found = [Found(SHIPMENT, row.id, None, row.source) for row in _shipments(connection, _S.c.id == text, text, 1)]
    found += [Found(ACCOUNT, path) for path in _paths(connection, _A.c.path == text, text, 1)]
    return found + [one for one in _alike(connection, text) if one.id == text]


def named_by_shipments(connection: Connection, text: str) -> list[Found]:
    """The party of this identifier, if a shipment or a fact names it; looks at every shipment."""
    return [Found(PARTY, text)] if is_party(connection, text) else []


def shipments_with(connection: Connection, text: str, most: int) -> list[Found]:
    """Shipments whose identifiers have a text, first those that begin with it; at most so many."""
    rows = _shipments(connection, contains(connection, func.lower(_S.c.id), text.lower()), text, most)
    return [Found(SHIPMENT, row.id, None, row.source) for row in rows]


def accounts_with(connection: Connection, text: str, most: int) -> list[Found]:
    """Accounts whose paths have a text, first those that begin with it; at most so many."""
    wanted = contains(connection, func.lower(_A.c.path), text.lower())
    return [Found(ACCOUNT, path) for path in _paths(connection, wanted, text, most)]


def licenses_with(connection: Connection, text: str, most: int) -> list[Found]:
    """Licences whose numbers have a text; at most so many."""
    return list(_identified(connection, IdentifierKind.LICENSE, text, most))


def parties_with(connection: Connection, text: str, most: int) -> list[Found]:
    """Parties whose identifiers or names have a text; at most so many.

    Names are those of the last registrations, and those of the parties of the last shipments.
    """
    wanted, found = text.casefold(), dict[str, str | None]()
    for id, name in _names(connection):
        if len(found) >= most:
            break
        if id not in found and (wanted in name.casefold() or wanted in id.casefold()):
            found[id] = name
    for one in _identified(connection, IdentifierKind.PARTY, text, most):
        found.setdefault(one.id, None)
    return [Found(PARTY, id, name) for id, name in found.items()][:most]


_S, _A, _I = tables.shipment, tables.account, tables.identifier


def _first(connection: Connection, column: ColumnElement[str], text: str) -> tuple[ColumnElement[Any], ...]:
    """The order in which what begins with a text comes first."""
    begins = func.lower(func.substr(column, 1, len(text))) == text.lower()
    return begins.desc(), by_code_points(connection, column)


def _shipments(connection: Connection, wanted: ColumnElement[bool], text: str, most: int) -> list[Any]:
    j = tables.journal
    ids = select(_S.c.id).where(wanted).order_by(*_first(connection, _S.c.id, text)).limit(most)
    names = list(connection.execute(ids).scalars())
    query = select(_S.c.id, j.c.source).join_from(_S, j, j.c.n == _S.c.first).where(_S.c.id.in_(names))
    rows = {row.id: row for row in connection.execute(query)}
    return [rows[name] for name in names]


def _paths(connection: Connection, wanted: ColumnElement[bool], text: str, most: int) -> list[str]:
    query = select(_A.c.path).where(wanted).order_by(*_first(connection, _A.c.path, text)).limit(most)
    return list(connection.execute(query).scalars())


def _alike(connection: Connection, text: str) -> list[Found]:
    """Parties and licences that look like a text."""
    kinds = (IdentifierKind.PARTY, IdentifierKind.LICENSE)
    query = select(_I.c.kind, _I.c.id).where(_I.c.form == same_identifier(text), _I.c.kind.in_(kinds))
    return [Found(str(row.kind), row.id) for row in connection.execute(query.order_by(_I.c.kind, _I.c.id))]


def _identified(connection: Connection, kind: IdentifierKind, text: str, most: int) -> Iterator[Found]:
    wanted = (_I.c.kind == kind, contains(connection, func.lower(_I.c.id), text.lower()))
    query = select(_I.c.id).where(*wanted).order_by(*_first(connection, _I.c.id, text)).limit(most)
    yield from (Found(str(kind), id) for id in connection.execute(query).scalars())


def _names(connection: Connection) -> Iterator[tuple[str, str]]:
    """Identifiers and names of parties, the last ones first."""
    f, j = tables.fact, tables.journal
    registered = (
        select(j.c.n, j.c.event)
        .join_from(f, j, f.c.n == j.c.n)
        .where(f.c.kind == FactKind.PARTY)
        .order_by(f.c.n.desc())
        .limit(NAMES)
    )
    for row in connection.execute(registered, execution_options={"yield_per": _MANY}):
        with stored(f"journal record {row.n}"):
            data = orjson.loads(row.event)["data"]
        yield str(data["id"]), str(data["name"])
    asked = list(connection.execute(select(_S.c.asked).order_by(_S.c.first.desc()).limit(REQUESTS)).scalars())
    for at in range(0, len(asked), _MANY):
        for row in records(connection, asked[at : at + _MANY], "event"):
            with stored(f"journal record {row.n}"):
                yield from _named(orjson.loads(row.event)["data"])


def _named(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The parties of a request, and their parents."""
    several = (data.get(name) for name in ("intermediate_consignees", "end_user", "purchaser", "operator"))
    parties = [data["exporter"], data["ultimate_consignee"]]
    for given in several:
        parties += [given] if isinstance(given, dict) else given or []
    for party in parties:
        for one in (party, party.get("ultimate_parent")):
            if one:
                yield str(one["id"]), str(one["name"])
