"""`tpp audit intake`: a message without an answer is found, one with two, and a key that stands in two partitions."""

import json

import orjson
import pytest
from brokers import tpp
from sqlalchemy import text
from stream_run import Sending, shipments

from ledger.database.store import Store
from ledger.queries import records
from services.failure import Failure
from services.stream.intake import intake


def test_what_has_no_answer_or_two_is_named(streams) -> None:
    stream = streams(2)
    lines = list(shipments(20))
    stream.publish(Sending(line, partition=0) for line in lines)
    worker = stream.start("worker")
    stream.wait_decided(worker)
    assert worker.end() == 0
    stream.publish([Sending(b"{broken", partition=0), Sending(lines[3], partition=0)])
    found = intake(stream.settings, stream.url)
    assert found["topics"]["tpp.shipments"] == {
        "messages": 22,
        "answered": 21,
        "missing": 1,
        "doubled": 0,
        "expired": 0,
    }
    position = {"topic": "tpp.shipments", "partition": 0, "offset": 20}
    assert found["missing"] == [{"position": position, "passed": False}]
    store = Store(stream.url)
    with store.begin() as connection:
        connection.execute(text("UPDATE head SET n = n + 1"))
        connection.execute(
            text(
                "INSERT INTO journal SELECT n + 20, source, id || '-again', type, shipment_id, happened, recorded, "
                "position, event, answers, rests_on FROM journal WHERE n = 1"
            )
        )
    store.close()
    found = intake(stream.settings, stream.url)
    assert [one["place"] for one in found["doubled"]] == ["tpp.shipments/0/0"]
    assert found["doubled"][0]["records"] == [1, 21]
    assert found["topics"]["tpp.facts"]["messages"] == 0
    json.dumps(found)


def test_topics_that_were_made_anew_double_nothing(broker, streams) -> None:
    stream = streams(1)
    lines = list(shipments(60))
    for share in (lines[:40], lines[40:]):
        broker.fresh(1)
        stream.publish(Sending(line, partition=0) for line in share)
        worker = stream.start("worker")
        stream.wait_decided(worker)
        assert worker.end() == 0
    found = intake(stream.settings, stream.url)
    assert found["missing"] == found["doubled"] == []
    assert found["topics"]["tpp.shipments"]["answered"] == 20
    assert stream.ask(records.last_record) == 60


def test_a_key_in_two_partitions_and_the_shipment_that_it_overtook_are_named(streams) -> None:
    """As of two clients whose partitioners differ: the dispatch is decided before the request."""
    stream = streams(3)
    requested = orjson.loads(next(shipments(1)))
    requested["data"]["shipment_id"] = requested["subject"] = "PM-1"
    dispatched = requested | {"id": "left", "type": "tpp.shipment.dispatched.v1"}
    dispatched["data"] = {"shipment_id": "PM-1", "export_date": "2025-06-20"}
    stream.publish([Sending(orjson.dumps(dispatched), "PM-1", partition=0)])
    worker = stream.start("worker")
    stream.wait_decided(worker)
    stream.publish([Sending(orjson.dumps(requested), "PM-1", partition=2)])
    stream.publish(Sending(line, f"key-{n % 4}") for n, line in enumerate(shipments(12)))
    stream.wait_decided(worker)
    assert worker.end() == 0
    told = tpp(stream.address, "audit", "intake", "--ledger", stream.url, code=1, TPP_GROUP=stream.group)
    found = orjson.loads(told.stdout)
    assert found["missing"] == found["doubled"] == []
    assert found["split_keys"] == [{"topic": "tpp.shipments", "key": "PM-1", "partitions": [0, 2]}]
    assert found["overtaken"] == [{"shipment_id": "PM-1", "records": [1]}]
    assert (found["split_keys_total"], found["overtaken_total"]) == (1, 1)
    listed = orjson.loads(tpp(None, "holds", "--format", "json", "--ledger", stream.url).stdout)
    assert "PM-1" in orjson.dumps(listed).decode()


def test_a_message_that_was_passed_by_is_told_apart(streams) -> None:
    stream = streams(1)
    stream.publish(Sending(line, partition=0) for line in shipments(4))
    worker = stream.start("worker")
    stream.wait_decided(worker)
    worker.end()
    empty = f"sqlite:///{stream.folder / 'other.db'}"
    with pytest.raises(Failure, match="no ledger at"):
        intake(stream.settings, empty)
    store = Store(empty)
    store.open()
    store.close()
    found = intake(stream.settings, empty)
    assert [one["passed"] for one in found["missing"]] == [True] * 4
    assert found["missing"][0]["id"] == "load-0"
