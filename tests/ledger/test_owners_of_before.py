"""A ledger of before the table of owners knows them once it is migrated, as if the table had always been there."""

from contextlib import closing
from typing import Any

import events
from databases import UNDO_PARTIES
from events import facility, party
from ledger_events import Line, engine, records
from sqlalchemy import text
from two_names_events import asks, merges, of, raws_of

from ledger.database import migrate, tables
from ledger.database.store import VERSION, Store

LONG = [
    asks("A-1"), asks("A-2"), asks("B-1"), asks("A-2"), of("recheck", 1), of("release", 1), asks("A-3"),
    of("deny", 6), merges("B-1", "B-2"), of("leave", 0), asks("C-1"), of("cancel", 5), asks("B-2"),
]  # fmt: skip


SITES = {"facilities": [facility("FAC-1", "AE", "2025-06-01")], "valid_from": "2025-06-01"}


def asked(shipment: str, owner: str, **members: Any) -> dict[str, Any]:
    """A request of an owner, whose consignee may be another."""
    consignee = party(
        members.pop("consignee", owner), members.pop("country", "PL"), name=members.pop("name", f"Party {owner}")
    )
    if consignee["id"] != owner:
        consignee["ultimate_parent"] = {"id": owner, "name": f"Parent {owner} Ltd", "headquarters": "PL"}
    return events.shipment({"id": shipment, "consignee": consignee, "quantity": 1, "claim": "LPP"} | members)


def others(line: Line) -> list[bytes]:
    """Registrations, amendments that pass and that are refused, another day of dispatch, a holder that is no owner."""
    papers = {"papers": ["lpp 2025-01-20"]}
    registered = {"country": "PL", "headquarters": "PL", "valid_from": "2025-01-01"}
    return [
        line.event("party.registered", {"id": "REG-1", "name": "Zebra Looms", **registered}),
        line.event(
            "party.registered",
            {
                "id": "REG-2", "name": "Okapi Looms",
                "ultimate_parent": {"id": "TOP-2", "name": "Okapi Holdings", "headquarters": "PL"}, **registered,
            },
        ),
        line.event("shipment.requested", asked("X-1", "REG-1", name="Zebra Looms Ltd", **papers)),
        line.event("shipment.requested", asked("X-2", "TOP-9", consignee="CON-9", **papers)),
        line.event("shipment.amended", asked("X-2", "TOP-8", consignee="CON-8", **papers)),
        line.dispatched("X-2", "2025-06-05"),
        line.event("shipment.amended", asked("X-2", "TOP-7", consignee="CON-7", **papers)),
        line.event("shipment.requested", asked("X-3", "TOP-6", consignee="CON-6")),
        line.event("shipment.requested", asked("X-4", "TOP-5", name="Gazelle Looms", **papers)),
        line.event("shipment.requested", asked("X-5", "TOP-5", name="Gazelle Mills", **papers)),
        line.event("veu.authorized", {"holder": "CON-50", "program": "national", "country": "AE", **SITES}),
        line.requested("X-6", "CON-50", 1, "VEU"),
        line.event("shipment.requested", asked("X-7", "TOP-50", consignee="CON-50", to="AE", country="AE", claim="VEU", facility="FAC-1")),
    ]  # fmt: skip


def owners_in(store: Store) -> list[list[tuple[Any, ...]]]:
    """The rows of the tables of owners."""
    with store.read() as connection:
        return [sorted(map(tuple, connection.execute(one.select()))) for one in (tables.owner, tables.owner_form)]


def migrated_again(store: Store, url: str) -> None:
    """Takes away the tables of the revision, and migrates to it."""
    with store.begin() as connection:
        for statement in UNDO_PARTIES:
            connection.execute(text(statement))
        connection.execute(text("UPDATE alembic_version SET version_num = '0010'"))
    assert migrate.upgrade(url) == ("0010", VERSION)


def test_owners_of_before_are_those_that_the_table_would_have(ledger_url: str) -> None:
    line = Line("//erp.example")
    with closing(Store(ledger_url)) as store:
        for raw in [*raws_of(LONG), *others(line)]:
            engine(store).run(records([raw]))
        made = owners_in(store)
        migrated_again(store, ledger_url)
        assert owners_in(store) == made
    names = {row[0]: (row[1], row[3] is not None) for row in made[0]}
    assert {"A-1", "A-2", "B-1", "REG-2", "TOP-9", "TOP-8", "TOP-5"} <= names.keys()
    assert not {"TOP-7", "TOP-6", "CON-6"} & names.keys()
    assert names["REG-1"] == ("Zebra Looms Ltd", True)
    assert names["TOP-2"] == ("Okapi Holdings", False)
    assert names["CON-50"] == ("Party TOP-50", True)
    assert names["TOP-50"] == ("Parent TOP-50 Ltd", True)
