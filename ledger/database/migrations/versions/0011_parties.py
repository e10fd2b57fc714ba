"""Restricted-party lists, what was cleared of them, and the names of owners, those of existing shipments among them."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from ledger.registers.names.owners import MOST, Owner
from schemas import accounts
from schemas.models.facts import PartyRegistered
from schemas.models.incoming import Requested
from schemas.models.parts import Party
from schemas.wire.read import Event, read_record

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


_LET_GO = (
    "SELECT e.n, e.shipment_id, a.path FROM entry AS e JOIN account AS a ON a.id = e.account "
    "JOIN shipment AS s ON s.id = e.shipment_id WHERE e.pending + e.posted > 0 ORDER BY e.n, s.first"
)
_LET_GO_UNDEBITED = (
    "SELECT MIN(j.n) AS n, s.id AS shipment_id, '' AS path FROM shipment AS s JOIN ("
    "SELECT shipment_id, n FROM journal WHERE shipment_id IS NOT NULL UNION ALL SELECT shipment_id, n FROM mention"
    ") AS r ON r.shipment_id = s.id JOIN journal AS j ON j.n = r.n "
    "WHERE s.tpp > 0 AND s.ship_to <> 'US' AND s.state IN ('approved', 'released', 'dispatched') "
    "AND (j.answers LIKE '%\"tpp.shipment.approved.v1\"%' OR j.answers LIKE '%\"tpp.shipment.released.v1\"%') "
    "AND NOT EXISTS (SELECT 1 FROM entry AS e WHERE e.shipment_id = s.id AND e.pending + e.posted > 0) "
    "GROUP BY s.id, s.first ORDER BY MIN(j.n), s.first"
)
"""Shipments whose TPP left the country and that debited nothing, as a reviewer may release one."""
_REGISTERED = "SELECT j.n, j.event FROM fact AS f JOIN journal AS j ON j.n = f.n WHERE f.kind = 'party' ORDER BY j.n"
_REQUESTS = (
    "SELECT n, event, answers FROM journal WHERE shipment_id = :shipment AND n <= :n "
    "AND type IN ('tpp.shipment.requested.v1', 'tpp.shipment.amended.v1') ORDER BY n DESC"
)
_FILLED = {"owner": ("id", "name", "lei", "n"), "owner_form": ("form", "owner")}
_REFUSED = '"type":"tpp.event.refused.v1"'


def _text(name: str, *, null: bool = False, **more: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null, **more)


def upgrade() -> None:
    """Adds the tables, of which that of the lists is append-only, and an index; fills those of owners."""
    op.create_table(
        "list_content",
        _text("sha256", primary_key=True),
        sa.Column(
            "content", sa.LargeBinary(), nullable=False, comment="entries in canonical JSON, one a line, as zlib"
        ),
        comment="append-only: the restricted-party lists that were loaded",
        sqlite_strict=True,
    )
    op.create_table(
        "clearing",
        _text("list", primary_key=True),
        _text("entry", primary_key=True),
        _text("party", primary_key=True),
        sa.Column("n", _BIG, nullable=False, comment="the record that states it"),
        _text("until", null=True, comment="the last export date for which it stands"),
        _text("seen", null=True, comment="JSON: name, country, LEI that were compared; null until they are seen"),
        _text("content", null=True, comment="SHA-256 of the entry that was compared; null until it is seen"),
        comment="parties that are not the listed ones that they resemble",
        sqlite_strict=True,
    )
    op.create_table(
        "last_hit",
        _text("party", primary_key=True),
        sa.Column("n", _BIG, nullable=False, comment="the record in which it resembled an entry last"),
        _text("seen", comment="JSON: the name, country and LEI that it had there"),
        comment="parties that resemble an entry of a list, each with the last time",
        sqlite_strict=True,
    )
    op.create_table(
        "owner",
        _text("id", primary_key=True),
        _text("name"),
        _text("lei", null=True),
        sa.Column(
            "n", _BIG, nullable=True, comment="the record that first let one of its shipments go as of an owner, if any"
        ),
        comment="ultimate parents, holders and registered parties by their latest name",
        sqlite_strict=True,
    )
    op.create_table(
        "owner_form",
        _text("form", primary_key=True, comment="what its name, LEI or id shares with those that resemble it"),
        _text("owner", primary_key=True),
        comment="what the names of the table owner are compared by",
        sqlite_strict=True,
    )
    op.create_index("fact_n", "fact", ["n"])
    postgresql = op.get_bind().dialect.name == "postgresql"
    for verb in ("UPDATE", "DELETE"):
        name = f"list_content_no_{verb.lower()}"
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {verb} ON list_content FOR EACH ROW EXECUTE FUNCTION tpp_append_only()"
            if postgresql
            else f"CREATE TRIGGER {name} BEFORE {verb} ON list_content "
            "BEGIN SELECT RAISE(ABORT, 'list_content is append-only'); END"
        )
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """Notes the owners of all shipments that were let go, and the registered parties, as the engine does since."""
    owners, having = dict[str, Owner](), dict[str, list[str]]()
    for one in sorted((*_let_go(connection), *_registered(connection)), key=lambda one: one[0]):
        _name(owners, having, *one)
    tables = [sa.table(name, *map(sa.column, columns)) for name, columns in _FILLED.items()]
    rows: list[list[dict[str, Any]]] = [
        [{"id": one.id, "name": one.name, "lei": one.lei, "n": one.n} for one in owners.values()],
        [{"form": form, "owner": owner} for form, found in having.items() for owner in found],
    ]
    for table, made in zip(tables, rows, strict=True):
        if made:
            op.bulk_insert(table, made)


_Noted = tuple[int, str, str, str | None, bool]
"""A record, and what it says of an owner: its identifier, name and LEI, and whether a shipment of it was let go."""


def _let_go(connection: sa.Connection) -> Iterator[_Noted]:
    """The owners of shipments that were let go, and the holders on whose accounts they count."""
    rows = [row for query in (_LET_GO, _LET_GO_UNDEBITED) for row in connection.execute(sa.text(query))]
    for (n, shipment), entries in groupby(rows, key=lambda row: (row.n, row.shipment_id)):
        consignee = _consignee(connection, n, shipment)
        if consignee is None:
            continue
        owner = consignee.ultimate_parent or consignee
        yield n, owner.id, owner.name, owner.lei, True
        paths = [entry.path for entry in entries if entry.path.startswith(accounts.OWNED)]
        if consignee.id != owner.id and consignee.id in map(accounts.party, paths):
            yield n, consignee.id, consignee.name, consignee.lei, False


def _consignee(connection: sa.Connection, n: int, shipment: str) -> Party | None:
    """The consignee of a shipment by the request or amendment in force at a record."""
    for row in connection.execute(sa.text(_REQUESTS), {"n": n, "shipment": shipment}):
        if not row.answers.partition("\n")[0].count(_REFUSED):
            event = read_record(bytes(row.event))
            if isinstance(event, Event) and isinstance(event.data, Requested):
                return event.data.ultimate_consignee
    return None


def _registered(connection: sa.Connection) -> Iterator[_Noted]:
    """The registered parties, and the ultimate parents that their registrations name."""
    for n, raw in connection.execute(sa.text(_REGISTERED)):
        event = read_record(bytes(raw))
        if isinstance(event, Event) and isinstance(event.data, PartyRegistered):
            made = event.data
            yield n, made.id, made.name, made.lei, False
            if made.ultimate_parent is not None and made.ultimate_parent.id != made.id:
                yield n, made.ultimate_parent.id, made.ultimate_parent.name, made.ultimate_parent.lei, False


def _name(
    owners: dict[str, Owner], having: dict[str, list[str]], n: int, identifier: str, name: str, lei: str | None,
    let_go: bool,
) -> None:  # fmt: skip
    """Notes the name of an owner, and by what it is found."""
    from rulebook.parties.namesakes import compared

    before, record = owners.get(identifier), n if let_go else None
    made = Owner(identifier, name, lei, record)
    if before is not None:
        made = replace(before, name=name, lei=lei or before.lei, n=record if before.n is None else before.n)
    owners[identifier] = made
    found = compared(identifier, name, lei)
    for form in found.forms:
        known = having.setdefault(form, [])
        bounded = form in found.loose or made.n is None
        if identifier not in known and not (bounded and len(known) > MOST):
            known.append(identifier)
