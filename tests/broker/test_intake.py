"""`tpp audit intake`: a message without an answer is found, and one with two."""

import json

import pytest
from sqlalchemy import text
from stream_run import Sending, shipments

from ledger.database.store import Store
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


def test_a_message_that_was_passed_by_is_told_apart(streams) -> None:
    stream = streams(1)
    stream.publish(Sending(line, partition=0) for line in shipments(4))
    worker = stream.start("worker")
    stream.wait_decided(worker)
    worker.end()
    empty = f"sqlite:///{stream.folder / 'other.db'}"
    with pytest.raises(Failure, match="there is no ledger"):
        intake(stream.settings, empty)
    store = Store(empty)
    store.open()
    store.close()
    found = intake(stream.settings, empty)
    assert [one["passed"] for one in found["missing"]] == [True] * 4
    assert found["missing"][0]["id"] == "load-0"
