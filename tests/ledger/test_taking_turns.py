"""Engines that take turns on one ledger answer as one engine does, whatever each has in memory of earlier turns."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle, groupby
from typing import Any
from unittest.mock import patch

import events
import pytest
from databases import Databases
from events import party
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ledger_checks import check_ledger, opened, rows
from ledger_events import PARTIES, Line, engine, licence, records, request
from soak import much
from sqlalchemy.exc import DBAPIError

from ledger.cache import Cache
from ledger.database import tables
from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError
from ledger.registers.accounts import Account
from ledger.registers.facts import Stated
from ledger.registers.identifiers import Known
from ledger.registers.names.clearings import OfEntry, Sighting
from ledger.registers.names.owned import Paths
from ledger.registers.names.owners import Having, Owner
from ledger.registers.obligations import Noted
from ledger.registers.shipments import Shipment
from rulebook.parties.entries import ListEntry, ListKind, content_of, digest_of
from schemas.periods import period
from services.engine.commands.list_load import NotLoaded, load_list
from services.engine.commands.period_close import close_period
from services.engine.engine import Engine

CLOCK = 1_750_000_000_000_000
SHIPMENTS = [f"SHP-{n}" for n in range(1, 7)]
CONSIGNEES = ["CON-20", "CON-21", "CON-22"]
DAYS = ["2025-06-16", "2025-07-01"]
TABLES = [one for one in tables.metadata.sorted_tables if one not in (tables.journal, tables.head)]
Batch = list[tuple[str, Any]]


def asks(shipment: str, quantity: int, day: str = DAYS[0]) -> tuple[str, dict[str, Any]]:
    """A request of one consignee."""
    return "shipment.requested", request(shipment, "CON-20", quantity, "LPP", day)


def leaves(shipment: str, day: str = DAYS[0]) -> tuple[str, dict[str, Any]]:
    """A dispatch."""
    return "shipment.dispatched", {"shipment_id": shipment, "export_date": day}


def named(shipment: str, owner: str, name: str, quantity: int = 1) -> tuple[str, dict[str, Any]]:
    """A request of a consignee of a name."""
    words = {"id": shipment, "consignee": party(owner, "PL", name=name), "quantity": quantity, "claim": "LPP"}
    return "shipment.requested", events.shipment({**words, "papers": ["lpp 2025-01-20"]})


def named_party(owner: str, name: str) -> tuple[str, dict[str, Any]]:
    """A registration under a name."""
    return "party.registered", {**party(owner, "PL", name=name), "valid_from": "2025-01-01"}


def cleared(party: str) -> tuple[str, dict[str, Any]]:
    """A clearing of a party for the one entry of the list."""
    told = {"party": party, "list": "us", "entry": "E-1", "reviewer": "r.one", "reason": "another person"}
    return "match.cleared", told


def registers(identifier: str) -> tuple[str, dict[str, Any]]:
    """A registration."""
    return named_party(identifier, f"Party {identifier}")


def done(one: Engine, what: str, of: str) -> tuple[str, ...]:
    """Closes a period, or loads a list of one name, and says what was given out."""
    if what == "close":
        return (str(close_period(one.ledger, period(of), CLOCK).to_json()),)
    text = content_of([ListEntry.read({"id": "E-1", "kind": ListKind.ENTITY, "name": of})])
    wanted = {
        "name": "us", "version": of.replace(" ", "-"), "sha256": digest_of(text), "file_sha256": "0" * 64, "entries": 1,
        "threshold": "0.85",
    }  # fmt: skip
    try:
        return tuple(load_list(one.ledger, one, wanted, text, events.START, CLOCK, lambda _: (0, 0, 0)).texts)
    except NotLoaded as error:
        return (str(error),)


LIMIT = ("allocation.set", {"account": "lpp/CON-20/2025", "limit": 0})


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
    st.builds(
        named, SHIPMENT, st.sampled_from(["TOP-1", "TOP-l", "TOP-3"]), st.sampled_from(["Zebra Looms", "Okapi Mills"])
    ),
    st.builds(
        named_party, st.sampled_from(["TOP-1", "TOP-l", "TOP-3"]), st.sampled_from(["Zebra Looms", "Okapi Mills"])
    ),
    st.sampled_from([("close", "2025-05"), ("close", "2025-06")]),
    st.sampled_from([("load", "Zebra Looms"), ("load", "Okapi Mills")]),
)
BATCHES = st.lists(st.lists(EVENTS, min_size=1, max_size=5), min_size=2, max_size=10)
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
CLOSED: list[Batch] = [
    [asks("SHP-1", 1)], [("close", "2025-06")], [leaves("SHP-1")], [("close", "2025-07")], [asks("SHP-2", 1)],
]  # fmt: skip
"""Days that are closed by another engine than the one that books on them."""


STALE: dict[type, list[Batch]] = {
    Account: [[asks("SHP-1", 700)], [asks("SHP-2", 700)], [asks("SHP-3", 700)]],
    Shipment: [[asks("SHP-1", 1)], [("shipment.cancelled", {"shipment_id": "SHP-1"})], [leaves("SHP-1")]],
    Stated: [[asks("SHP-1", 1)], [LIMIT], [asks("SHP-2", 1)]],
    Known: [[registers("CON-10")], [registers("con-1O")], [registers("Con-1O")]],
    Owner: [
        [named_party("TOP-1", "Zebra Looms")], [named("SHP-1", "TOP-1", "Zebra Looms")],
        [named("SHP-2", "TOP-1", "Zebra Looms")],
    ],
    Having: [
        [named_party("TOP-1", "Zebra Looms")], [named_party("TOP-2", "Zebra Looms")],
        [named("SHP-1", "TOP-2", "Zebra Looms")],
    ],
    Paths: [
        [named("SHP-1", "TOP-1", "Zebra Looms", 1), named("SHP-2", "TOP-2", "Zebra Looms")],
        [("adjustment.made", {"account": "lpp/TOP-1/2026", "amount": 20_000_000})],
        [named("SHP-3", "TOP-3", "Zebra Looms")],
    ],
    Noted: LEFT,
    OfEntry: [
        [("load", "Zebra Looms")], [], [cleared("TOP-1")],
        [named("SHP-1", "TOP-2", "Zebra Looms Ltd"), cleared("TOP-2")], [named("SHP-2", "TOP-2", "Zebra Looms")],
    ],
    Sighting: [
        [("load", "Zebra Looms")], [], [named("SHP-1", "TOP-1", "Zebra Looms")],
        [("shipment.amended", named("SHP-1", *to)[1]) for to in (("TOP-1", "Zebra Looms Ltd"), ("TOP-2", "Okapi"))],
        [cleared("TOP-1")],
    ],
}  # fmt: skip
"""For each kind of rows what two engines are told of which the second has changed what the first one has read."""


def told(databases: Databases | None, batches: list[Batch], engines: int) -> list[tuple[Any, ...]]:
    """The answers to batches by so many engines in turn on a ledger of their own, then its tables.

    In memory if there are no databases, of one engine.
    """
    url = databases.ledger() if databases else ":memory:"
    with ExitStack() as stack:
        if databases:
            stack.callback(databases.drop, url)
        stores = [stack.enter_context(opened(url)) for _ in range(engines)]
        turns = cycle([engine(store, lambda: CLOCK) for store in stores])
        line, start, found = Line(), 1, list[tuple[Any, ...]]()
        for batch in batches:
            one = next(turns)
            for apart, some in groupby(batch, lambda each: each[0] in ("close", "load")):
                if apart:
                    found += [done(one, *each) for each in some]
                    continue
                raws = [line.event(kind, data, data.get("now")) for kind, data in some]
                found += [tuple(texts) for texts in one.run(records(raws, start))]
                start += len(raws)
        check_ledger(stores[0])
        for table in TABLES:
            found += sorted(map(repr, rows(stores[0], table.select())))
    return found


@settings(max_examples=much(4, 100), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(batches=BATCHES, engines=st.integers(2, 3))
@example(batches=ROOM, engines=2)
@example(batches=ROOM, engines=3)
@example(batches=LEFT, engines=2)
@example(batches=[batch for story in (CLOSED, *STALE.values()) for batch in (*story, [])][:24], engines=2)
def test_turns_change_no_answer(databases: Databases, batches: list[Any], engines: int) -> None:
    """The same batches by one engine, by several in turn, and as single events: the same bytes."""
    alone = told(None, batches, 1)
    assert told(databases, batches, engines) == alone
    assert told(databases, [[event] for batch in batches for event in batch], engines) == alone


def differs(databases: Databases, batches: list[Batch]) -> bool:
    """Whether two engines in turn answer something else than one, or fail."""
    alone = told(None, batches, 1)
    try:
        return told(databases, batches, 2) != alone
    except (DatabaseError, LedgerError, LedgerCorrupt, DBAPIError, AssertionError):
        return True


@contextmanager
def kept_all(kind: type) -> Iterator[None]:
    """Rows of a kind stay in memory whatever others write."""
    follow = Cache.follow

    def follows(self: Cache, *told: Any) -> None:
        before = dict(self.rows(kind))
        follow(self, *told)
        self.rows(kind).update(before)

    with patch.object(Cache, "follow", follows):
        yield


@contextmanager
def kept_member(name: str) -> Iterator[None]:
    """A member of the cache stays what it was whatever others write."""
    follow = Cache.follow

    def follows(self: Cache, *told: Any) -> None:
        before = getattr(self, name)
        follow(self, *told)
        setattr(self, name, before)

    with patch.object(Cache, "follow", follows):
        yield


@pytest.mark.parametrize("kind", STALE, ids=lambda kind: kind.__name__)
def test_rows_that_others_have_changed_would_be_found(databases: Databases, kind: type) -> None:
    assert not differs(databases, STALE[kind])
    with kept_all(kind):
        assert differs(databases, STALE[kind])


def test_closes_of_others_would_be_found(databases: Databases) -> None:
    assert not differs(databases, CLOSED)
    with kept_member("closed"):
        assert differs(databases, CLOSED)


def begun_by_one(databases: Databases, engines: int) -> list[Any]:
    """What is answered where the first of engines begins work in chunks, and the last one is told of more."""
    url, line = databases.ledger(), Line()
    with ExitStack() as stack:
        stack.callback(databases.drop, url)
        stack.enter_context(patch("services.engine.handlers.reviews.CHUNK", 1))
        each = [engine(stack.enter_context(opened(url)), lambda: CLOCK) for _ in range(engines)]
        raws = [line.event(*asks(shipment, 1)) for shipment in SHIPMENTS[:2]]
        raws = [
            line.event(*LIMIT),
            *raws,
            line.event("recheck.requested", {"all": True}),
            line.event(*asks("SHP-3", 1)),
        ]
        *before, begins, follows = records(raws)
        found: list[Any] = [*each[-1].run(before)]
        found += each[0].take_turn(lambda: each[0].read([begins]))
        assert each[0].pending
        while not (some := each[-1].take_turn(lambda: each[-1].read([follows]))):
            found.append(each[-1].go_on())
        return [*found, *some]


def test_work_that_another_has_begun_is_finished_first(databases: Databases) -> None:
    alone = begun_by_one(databases, 1)
    assert begun_by_one(databases, 2) == alone
    with kept_member("unfinished"):
        assert begun_by_one(databases, 2) != alone
