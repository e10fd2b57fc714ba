"""Engines that take turns on one ledger answer as one engine does, whatever each has in memory of earlier turns."""

from contextlib import ExitStack
from itertools import cycle
from typing import Any

from databases import Databases
from events import party
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ledger_checks import check_ledger, opened, rows
from ledger_events import PARTIES, Line, engine, licence, records, request
from soak import much

from ledger.database import tables

CLOCK = 1_750_000_000_000_000
SHIPMENTS = [f"SHP-{n}" for n in range(1, 7)]
CONSIGNEES = ["CON-20", "CON-21", "CON-22"]
DAYS = ["2025-06-16", "2025-07-01"]


def _ask(kind: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.builds(
        lambda *asked: (kind, request(*asked)),
        st.sampled_from(SHIPMENTS), st.sampled_from(CONSIGNEES), st.sampled_from([1, 700, 1_699]), st.just("LPP"),
        st.sampled_from(DAYS),
    )  # fmt: skip


def _about(kind: str, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.fixed_dictionaries(members).map(lambda data: (kind, data))


SHIPMENT, ACCOUNT = st.sampled_from(SHIPMENTS), st.sampled_from([f"lpp/{one}/2025" for one in CONSIGNEES])
EVENTS = st.one_of(
    _ask("shipment.requested"),
    _ask("shipment.requested"),
    _ask("shipment.amended"),
    _about("shipment.dispatched", shipment_id=SHIPMENT, export_date=st.sampled_from(DAYS)),
    _about("shipment.dispatched", shipment_id=SHIPMENT, export_date=st.sampled_from(DAYS)),
    _about("shipment.cancelled", shipment_id=SHIPMENT),
    _about("allocation.set", account=ACCOUNT, limit=st.sampled_from([0, 15_832, 26_900_000])),
    _about("adjustment.made", account=ACCOUNT, amount=st.sampled_from([26_800_000, -15_832])),
    _about("party.merged", survivor=st.just("CON-20"), absorbed=st.just("CON-21")),
    _about("policy.set", name=st.just("auto_recheck"), value=st.booleans()),
    _about("clock.ticked", now=st.sampled_from(["2025-06-17T00:00:00Z", "2025-12-01T00:00:00Z"])),
    st.sampled_from(sorted(PARTIES)).map(
        lambda one: ("party.registered", {**party(one, "PL"), "valid_from": "2025-01-01"})
    ),
    st.just(("license.issued", licence("LIC-1", 15_832, "PL", "CON-20"))),
    st.just(("license.revoked", {"number": "LIC-1", "date": "2025-06-17"})),
)
BATCHES = st.lists(st.lists(EVENTS, min_size=1, max_size=5), min_size=2, max_size=12)
ROOM = [
    [("policy.set", {"name": "auto_recheck", "value": True}), ("shipment.requested", request("SHP-1", "CON-20", 1_699, "LPP"))],
    [("shipment.requested", request("SHP-2", "CON-20", 700, "LPP")), ("shipment.dispatched", {"shipment_id": "SHP-2", "export_date": DAYS[0]})],
    [("shipment.cancelled", {"shipment_id": "SHP-1"}), ("shipment.dispatched", {"shipment_id": "SHP-2", "export_date": DAYS[0]})],
    [("allocation.set", {"account": "lpp/CON-20/2025", "limit": 0}), ("shipment.requested", request("SHP-3", "CON-20", 1, "LPP"))],
    [("party.merged", {"survivor": "CON-20", "absorbed": "CON-21"}), ("shipment.requested", request("SHP-4", "CON-21", 1, "LPP"))],
    [("allocation.set", {"account": "lpp/CON-20/2025", "limit": 26_900_000}), ("shipment.requested", request("SHP-5", "CON-21", 1, "LPP"))],
]  # fmt: skip
"""Holds that wait, leave and are let go, a limit and a merger, each batch upon what the one before has changed."""


LEFT = [[("shipment.dispatched", {"shipment_id": "SHP-6", "export_date": day})] for day in (*DAYS, DAYS[1], DAYS[0])]
"""What leaves without an approval twice, on the days that another engine has noted."""


def told(databases: Databases, batches: list[list[tuple[str, dict[str, Any]]]], engines: int) -> list[tuple[Any, ...]]:
    """The answers to batches by so many engines in turn on a ledger of their own, then what is owed and waited for."""
    url, line = databases.ledger(), Line()
    made = [[line.event(kind, data, data.get("now")) for kind, data in batch] for batch in batches]
    with ExitStack() as stack:
        stack.callback(databases.drop, url)
        stores = [stack.enter_context(opened(url)) for _ in range(engines)]
        turns = cycle([engine(store, lambda: CLOCK) for store in stores])
        start, found = 1, list[tuple[Any, ...]]()
        for batch in made:
            found += [tuple(texts) for texts in next(turns).run(records(batch, start))]
            start += len(batch)
        check_ledger(stores[0])
        for table in (tables.obligation, tables.waiting, tables.noted):
            found += sorted(tuple(row) for row in rows(stores[0], table.select()))
    return found


@settings(max_examples=much(8, 100), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(batches=BATCHES, engines=st.integers(2, 3))
@example(batches=ROOM, engines=2)
@example(batches=ROOM, engines=3)
@example(batches=LEFT, engines=2)
def test_turns_change_no_answer(databases: Databases, batches: list[Any], engines: int) -> None:
    """The same batches by one engine, by several in turn, and as single events: the same bytes."""
    alone = told(databases, batches, 1)
    assert told(databases, batches, engines) == alone
    assert told(databases, [[event] for batch in batches for event in batch], engines) == alone
