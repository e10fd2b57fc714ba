"""What the ledger promises whatever fails around it: append-only, in range, whole transactions, one answer for each event."""

from collections.abc import Iterator
from typing import Any

import orjson
import psycopg
import pytest
from databases import Server, dsn
from events import UNIT
from ledger_checks import JOURNAL, check_ledger, now, opened, rows
from ledger_events import Line, answers, engine, records
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ledger.database.store import Store, retryable
from ledger.database.store import ledger_url as as_url
from schemas.models.values import TPP_MAX
from schemas.wire.read import Event
from services.engine import handlers
from services.engine.context import DecisionContext, HandledEvent

LPP = "lpp/CON-20/2025"
RETURNED = "tpp.shipment.cancelled.v1"


@pytest.fixture
def store(ledger_url: str) -> Iterator[Store]:
    """A ledger in which nothing is recorded."""
    with opened(ledger_url) as store:
        yield store


def some(line: Line, first: int = 1, many: int = 3) -> list[bytes]:
    """Requests of 10 units each, all of which fit."""
    return [line.requested(f"SHP-{number}", "CON-20", 10, "LPP") for number in range(first, first + many)]


@pytest.mark.parametrize("statement", [
    "UPDATE journal SET answers = answers", "DELETE FROM journal", "UPDATE entry SET balance = balance", "DELETE FROM entry",
])  # fmt: skip
def test_journal_and_entries_are_append_only(store: Store, statement: str) -> None:
    engine(store).run(records(some(Line())))
    before = rows(store, JOURNAL)
    with pytest.raises(DBAPIError, match="append-only"), store.begin() as connection:
        connection.execute(text(statement))
    assert rows(store, JOURNAL) == before
    check_ledger(store)


@pytest.mark.parametrize("part", ["pending", "posted", "attested", "credits"])
@pytest.mark.parametrize("amount", [TPP_MAX + 1, -TPP_MAX - 1])
def test_an_amount_out_of_range_is_refused_by_the_database(store: Store, part: str, amount: int) -> None:
    engine(store).run(records(some(Line())))
    for table in ("account", "entry"):
        columns = rows(store, text(f"SELECT * FROM {table}"))[0]._asdict()
        columns |= {part: amount, "entries" if table == "account" else "entry": 99}
        if table == "account":
            columns |= {"id": 99, "path": "lpp/X/2025"}
        names = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(f":{name}" for name in columns)
        with pytest.raises(DBAPIError, match=r"(?i)check"), store.begin() as connection:
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), columns)


def test_text_is_not_taken_for_an_amount(store: Store) -> None:
    engine(store).run(records(some(Line())))
    with pytest.raises(DBAPIError), store.begin() as connection:
        connection.execute(text("UPDATE account SET posted = 'many'"))
    with pytest.raises(DBAPIError), store.begin() as connection:
        connection.execute(text("UPDATE account SET posted = 9223372036854775807 + 1"))


class Planted(Exception):
    """A fault of the program, planted in a handler."""


def plant(monkeypatch: pytest.MonkeyPatch, times: int | None = None) -> list[str]:
    """Makes the handler of cancellations fail after it has moved what it moves; gives the ids of the events it was given."""
    whole, seen = handlers.HANDLERS[RETURNED], []

    def broken(context: DecisionContext, event: Event) -> HandledEvent:
        seen.append(event.id)
        found = whole(context, event)
        if times is None or len(seen) <= times:
            raise Planted("planted")
        return found

    monkeypatch.setitem(handlers.HANDLERS, RETURNED, broken)
    return seen


def test_an_event_that_the_program_fails_on_is_rejected_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    line, runs = Line(), engine(store)
    runs.run(records(some(line)))
    seen = plant(monkeypatch)
    batch = [*some(line, 4, 2), line.cancelled("SHP-2"), *some(line, 6, 1), line.dispatched("SHP-1")]
    told = answers(runs.run(records(batch, 4)))
    kinds = [answer["type"].split(".")[2] for answer in told]
    assert kinds == ["approved", "approved", "rejected", "approved", "recorded"]
    assert [error["code"] for error in told[2]["data"]["errors"]] == ["internal.error"]
    assert len(seen) == 4, "once in the batch, three times alone"
    check_ledger(store)
    assert now(store)[LPP][:2] == (50 * UNIT, 10 * UNIT)
    monkeypatch.undo()
    again = answers(runs.run(records(batch, 4)))
    assert again == told
    assert answers(runs.run(records([batch[2]], 99)))[0]["type"] == "tpp.event.recorded.v1", "its id is not used up"
    assert now(store)[LPP][:2] == (40 * UNIT, 10 * UNIT)
    assert engine(store).run(records(batch, 4))[:2] == runs.run(records(batch, 4))[:2]
    check_ledger(store)


def test_an_event_that_fails_twice_is_decided_the_third_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    line, runs = Line(), engine(store)
    runs.run(records(some(line)))
    plant(monkeypatch, times=3)
    assert answers(runs.run(records([line.cancelled("SHP-2")], 4)))[0]["type"] == "tpp.event.recorded.v1"
    assert now(store)[LPP][0] == 20 * UNIT
    check_ledger(store)


def test_a_batch_that_is_rolled_back_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database fails in the middle of a batch, and everything is as it was, in memory too."""
    line, runs = Line(), engine(store)
    runs.run(records(some(line)))
    before, journal = now(store), rows(store, JOURNAL)
    whole = store.upsert

    def broken(*_: Any) -> None:
        raise DBAPIError("planted", None, Planted("the disk is full"))

    batch = [*some(line, 4, 2), line.cancelled("SHP-1"), line.allotted(LPP, 5), line.merged("CON-21", "CON-20")]
    monkeypatch.setattr(store, "upsert", broken)
    with pytest.raises(DBAPIError):
        runs.run(records(batch, 4))
    monkeypatch.setattr(store, "upsert", whole)
    assert (now(store), rows(store, JOURNAL)) == (before, journal)
    told = answers(runs.run(records(some(line, 7, 1), 9)))[0]
    assert told["data"]["debits"][0]["balance"] == 40 * UNIT
    assert told["data"]["debits"][0]["limit"] == 26_900_000
    check_ledger(store)


def test_a_part_beyond_the_range_is_a_refusal(store: Store) -> None:
    """The balance stays small while posted and credits grow: the sum of a part leaves the range before the balance does."""
    line, runs = Line(), engine(store)
    batch = [
        line.adjusted(LPP, TPP_MAX),
        line.adjusted(LPP, -TPP_MAX),
        line.adjusted(LPP, 1),
        line.requested("SHP-1", "CON-21", 1, "LPP"),
    ]
    told = answers(runs.run(records(batch)))
    assert [answer["type"].split(".")[2] for answer in told] == ["recorded", "recorded", "refused", "approved"]
    assert told[2]["data"]["reasons"][0]["code"] == "amount.overflow"
    check_ledger(store)


@pytest.mark.parametrize("country_limit", [None, 790_000_000])
def test_a_tick_is_taken_however_slowly_an_account_fills(store: Store, country_limit: int | None) -> None:
    """A forecast that lies beyond the calendar must not keep time from passing: nothing would lapse any more."""
    line, runs = Line(), engine(store)
    batch = [line.licensed("LIC-1", 1), line.event("clock.ticked", {"now": "2025-06-10T00:00:00Z"})]
    if country_limit is not None:
        batch.insert(0, line.allotted("country/SA/2025-2027", country_limit))
    told = answers(runs.run(records(batch)))
    assert {answer["type"] for answer in told} == {"tpp.event.recorded.v1"}, [one["data"].get("errors") for one in told]


@pytest.mark.parametrize("first", ["attested", "adjusted"])
def test_a_balance_beyond_the_range_is_a_refusal(store: Store, first: str) -> None:
    line, runs = Line(), engine(store)
    batch = [getattr(line, first)(LPP, TPP_MAX), line.adjusted(LPP, 1), line.requested("SHP-1", "CON-21", 1, "LPP")]
    told = answers(runs.run(records(batch)))
    assert [answer["type"].split(".")[2] for answer in told] == ["recorded", "refused", "approved"]
    assert told[1]["data"]["reasons"][0]["code"] == "amount.overflow"
    check_ledger(store)


@pytest.mark.parametrize("written", ["a\u0000b", "\ud800", "é" * 5_000, "'; DROP TABLE entry; --", "%s %(x)s :x ?"])
def test_odd_text_stops_nobody(store: Store, written: str) -> None:
    """Whatever a publisher writes is decided or rejected, and what stands beside it is decided."""
    line, runs = Line(), engine(store)
    odd = line.attested(LPP, 5, by="PLACE").replace(b"PLACE", orjson_text(written))
    designer = line.event(
        "certification.received",
        {"kind": "authorized_ic_designer", "party": "PLACE", "date": "2025-01-01", "reference": "PLACE"},
    ).replace(b"PLACE", orjson_text(written))
    batch = [odd, designer, *some(line, 1, 1)]
    told = answers(runs.run(records(batch)))
    assert [answer["type"].split(".")[1] for answer in told[:2]] == ["event", "event"]
    assert told[2]["type"] == "tpp.shipment.approved.v1"
    assert answers(engine(store).run(records(batch))) == told
    check_ledger(store)


def orjson_text(written: str) -> bytes:
    """A text within a JSON string, surrogates escaped."""
    import json

    return json.dumps(written)[1:-1].encode()


def kill_connections(server: Server, url: str) -> None:
    """Ends every connection to a database, as a restart of the server would."""
    name = as_url(url).database
    with psycopg.connect(dsn(server.url), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """A ledger on PostgreSQL."""
    url = postgres.create(postgres.template())
    yield url
    postgres.drop(url)


def test_a_connection_lost_between_batches_is_taken_up_again(postgres: Server, postgres_url: str) -> None:
    line = Line()
    with opened(postgres_url) as store:
        runs = engine(store)
        for first in (1, 4, 7):
            kill_connections(postgres, postgres_url)
            told = answers(runs.run(records(some(line, first), first)))
            assert {answer["type"] for answer in told} == {"tpp.shipment.approved.v1"}
        check_after_loss(store, 90)


@pytest.mark.parametrize("kind", ["tpp.shipment.requested.v1", "tpp.certification.received.v1"])
def test_a_connection_lost_within_a_batch_is_taken_up_again(
    postgres: Server, postgres_url: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What is read next, or the rows that are copied at the end, meet a dead connection; the batch is decided all the same."""
    line = Line()
    seen: list[str] = []
    whole = handlers.HANDLERS[kind]

    def cut(context: DecisionContext, event: Event) -> HandledEvent:
        found = whole(context, event)
        if not seen:
            seen.append(event.id)
            kill_connections(postgres, postgres_url)
        return found

    monkeypatch.setitem(handlers.HANDLERS, kind, cut)
    statement = {"kind": "lpp_consignee_statement", "party": "CON-20", "date": "2025-01-01", "reference": "C-1"}
    batch = [*some(line), line.event("certification.received", statement)]
    with opened(postgres_url) as store:
        told = answers(engine(store).run(records(batch)))
        assert [answer["type"].split(".")[2] for answer in told] == ["approved"] * 3 + ["recorded"]
        check_after_loss(store, 30)
    assert seen


def check_after_loss(store: Store, units: int) -> None:
    """Every unit was counted once."""
    assert now(store)[LPP][0] == units * UNIT
    check_ledger(store)


def test_what_is_tried_again(postgres_url: str) -> None:
    """A lost connection, a deadlock and a lock that was not had are tried again; a broken constraint is not."""

    def raised(statement: str) -> bool:
        with opened(postgres_url) as store, pytest.raises(DBAPIError) as error, store.begin() as connection:
            connection.execute(text(statement))
        return retryable(error.value)

    assert raised("DO $x$ BEGIN RAISE SQLSTATE '40001'; END $x$")
    assert raised("DO $x$ BEGIN RAISE SQLSTATE '40P01'; END $x$")
    assert raised("DO $x$ BEGIN RAISE SQLSTATE '55P03'; END $x$")
    assert raised("SELECT pg_terminate_backend(pg_backend_pid())")
    assert not raised("INSERT INTO head VALUES (1, 0, 0, 0, 0)")
    assert not raised("SELECT 1 / 0")


def test_nothing_is_written_by_asking(store: Store) -> None:
    line, runs = Line(), engine(store)
    batch = records(some(line))
    asked = runs.check(batch)
    assert now(store) == {}
    assert rows(store, JOURNAL) == []
    assert runs.run(batch) == asked
    assert orjson.loads(runs.check(records(some(line, 9, 1), 9))[0][0])["data"]["debits"][0]["balance"] == 40 * UNIT
    check_ledger(store)
