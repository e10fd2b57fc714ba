"""What a licence commits on its country is posted, given back and credited where the goods went."""

from collections.abc import Iterator

import orjson
import pytest
from events import UNIT
from ledger_checks import check_ledger, now, opened
from ledger_events import Line, answers, engine, records

from ledger.database.store import Store

SA, AE = "country/SA/2025-2027", "country/AE/2025-2027"


@pytest.fixture
def store(ledger_url: str) -> Iterator[Store]:
    """A ledger in which nothing is recorded."""
    with opened(ledger_url) as store:
        yield store


def counted(store: Store, path: str) -> int:
    """The balance of an account."""
    pending, posted, attested, credits, _ = now(store).get(path, (0, 0, 0, 0, 0))
    return pending + posted + attested - credits


def test_what_comes_back_is_credited_to_the_country_that_it_went_to(store: Store) -> None:
    """The licence is amended to another country after the shipment has left; the other country's room is not its own."""
    line = Line()
    batch = [
        line.licensed("LIC-1", 10 * UNIT),
        line.requested("SHP-1", "CON-40", 10, "LICENSE"),
        line.dispatched("SHP-1"),
        line.licensed("LIC-2", 10 * UNIT, "AE", "CON-50"),
        line.requested("SHP-2", "CON-50", 10, "LICENSE"),
        line.dispatched("SHP-2"),
        line.licensed("LIC-1", 10 * UNIT, "AE"),
        line.returned("SHP-1", 10),
    ]
    told = answers(engine(store).run(records(batch)))
    assert {answer["type"].split(".")[2] for answer in told} == {"recorded", "approved"}
    assert (counted(store, SA), counted(store, AE)) == (0, 10 * UNIT)
    check_ledger(store)


def test_what_leaves_is_posted_on_the_country_that_it_goes_to(store: Store) -> None:
    """The licence is amended to another country while the shipment waits: it is held, or counts where it goes."""
    line = Line()
    batch = [
        line.licensed("LIC-1", 10 * UNIT),
        line.requested("SHP-1", "CON-40", 10, "LICENSE"),
        line.licensed("LIC-1", 10 * UNIT, "AE"),
        line.dispatched("SHP-1"),
    ]
    engine(store).run(records(batch))
    _, posted, *_ = now(store).get(AE, (0, 0, 0, 0, 0))
    assert posted == 0, "the goods went to SA"
    check_ledger(store)


def test_a_licence_lowered_below_what_is_pending_gives_back_once(store: Store) -> None:
    line, runs = Line(), engine(store)
    batch = [
        line.licensed("LIC-1", 10 * UNIT),
        line.requested("SHP-1", "CON-40", 8, "LICENSE"),
        line.licensed("LIC-1", 2 * UNIT),
        line.dispatched("SHP-1"),
        line.event("license.revoked", {"number": "LIC-1", "date": "2025-06-10"}),
    ]
    runs.run(records(batch))
    assert now(store)[SA][:4] == (0, 8 * UNIT, 0, 0)
    assert now(store)["license/LIC-1"][:4] == (0, 8 * UNIT, 0, 0)
    check_ledger(store)


def test_a_revoked_licence_that_ships_before_its_end_is_taken_anew(store: Store) -> None:
    line, runs = Line(), engine(store)
    batch = [
        line.licensed("LIC-1", 10 * UNIT),
        line.requested("SHP-1", "CON-40", 8, "LICENSE"),
        line.requested("SHP-2", "CON-40", 2, "LICENSE", day="2025-07-01"),
        line.event("license.revoked", {"number": "LIC-1", "date": "2025-06-20"}),
        line.dispatched("SHP-1"),
        line.dispatched("SHP-2", "2025-07-01"),
    ]
    told = answers(runs.run(records(batch)))
    assert [reason["code"] for reason in told[-1]["data"]["reasons"]] == ["license.expired"]
    assert now(store)[SA][:4] == (0, 8 * UNIT, 0, 0)
    assert now(store)["license/LIC-1"][:4] == (0, 8 * UNIT, 0, 0)
    check_ledger(store)


def test_a_licence_issued_again_releases_a_shipment_that_has_left(store: Store) -> None:
    """Held at dispatch, its licence revoked; the licence is issued again, and its recheck posts it on both accounts."""
    line, runs = Line(), engine(store)
    batch = [
        line.licensed("LIC-1", 10 * UNIT),
        line.requested("SHP-1", "CON-40", 8, "LICENSE"),
        line.requested("SHP-2", "CON-20", 1, "LPP"),
        line.event("license.revoked", {"number": "LIC-1", "date": "2025-06-10"}),
        line.dispatched("SHP-1"),
        line.licensed("LIC-1", 10 * UNIT),
    ]
    told = runs.run(records(batch))
    assert answers(told)[4]["type"] == "tpp.shipment.held.v1"
    issued, recheck, *_ = map(orjson.loads, told[-1])
    assert (issued["type"], recheck["type"]) == ("tpp.event.recorded.v1", "tpp.event.recorded.v1")
    assert recheck["data"]["released"] == ["SHP-1"]
    assert now(store)[SA][:4] == (2 * UNIT, 8 * UNIT, 0, 0)
    assert now(store)["license/LIC-1"][:4] == (0, 8 * UNIT, 0, 0)
    check_ledger(store)
