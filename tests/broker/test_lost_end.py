"""A ledger that has lost its end, or was restored: the relay and the workers notice, say it, and go on from there."""

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from brokers import tpp
from databases import KINDS, Databases
from ledger_copies import restored
from stream_run import Sending, Stream, decided, shipments

from ledger.queries import records
from services.engine.message import Message


@pytest.fixture(params=KINDS)
def stream(request, broker, postgres, tmp_path):
    """A stream whose ledger can be taken back to an earlier moment."""
    databases = Databases(request.param, tmp_path, postgres if request.param == "postgresql" else None)
    made = Stream(broker.fresh(1), databases.ledger(), tmp_path)
    yield made, databases
    made.kill_all()
    databases.drop(made.url)


def sent(stream: Stream, lines: list[bytes]) -> None:
    stream.publish(Sending(line, "key") for line in lines)


def published(stream: Stream) -> list[str]:
    return [one.value.decode() for one in stream.out()["tpp.decisions"]]


def test_a_lost_end_is_noticed_and_decided_anew(stream) -> None:
    stream, databases = stream
    lines = list(shipments(12))
    sent(stream, lines[:5])
    worker, relay = stream.start("worker"), stream.start("relay")
    stream.wait_decided(worker)
    stream.wait_published(worker, relay)
    with restored(databases, stream.url) as go_back:
        sent(stream, lines[5:9])
        stream.wait_decided(worker)
        stream.wait_published(worker, relay)
        before, out = stream.answers(), published(stream)
        go_back()
    assert len(stream.answers()) == 5

    told = tpp(stream.address, "relay", "--ledger", stream.url, code=2).stderr
    assert told.startswith("Error: the ledger has lost its end: event ")
    assert "the ledger ends before it, at record 5; stop every part" in told
    assert len(told.splitlines()) == 1
    if relay.process.poll() is None:
        stream.wait(lambda: relay.process.poll() is not None)
    assert "the ledger has lost its end" in relay.said or "records up to 9 were published" in relay.said

    sent(stream, lines[9:])
    stream.wait(lambda: worker.process.poll() is not None)
    assert "has lost records since this process wrote record 9 (it now ends at record 5)" in worker.said
    assert "ending" in worker.said
    worker = _again(stream)
    stream.wait_decided(worker)
    assert "tpp.shipments/0: the ledger has lost answers; deciding anew from offset 5 on" in worker.said
    assert stream.answers()[: len(before)] == before
    assert len(stream.answers()) == len(lines)

    relay = stream.start("relay")
    stream.wait_published(worker, relay)
    assert [worker.end(), relay.end()] == [0, 0]
    assert list(dict.fromkeys([*out, *published(stream)])) == stream.answers()


def _again(stream: Stream) -> Any:
    """A worker, started once the group no longer has the one that ended."""
    stream.wait(lambda: stream.members() == 0)
    return stream.start("worker")


def test_another_history_is_published_once_the_lost_end_is_given_up(stream) -> None:
    stream, databases = stream
    lines = list(shipments(9))
    positions = [{"file": "one.jsonl", "line": n} for n in range(9)]
    messages = [Message(line, at) for line, at in zip(lines, positions, strict=True)]
    decided(stream.url, messages[:3])
    relay = stream.start("relay")
    stream.wait_published(relay)
    with restored(databases, stream.url) as go_back:
        decided(stream.url, messages[3:6])
        stream.wait_published(relay)
        assert relay.end() == 0
        go_back()
    decided(stream.url, messages[6:])
    decided(stream.url, messages[3:6])
    told = tpp(stream.address, "relay", "--ledger", stream.url, code=2).stderr
    lost = max(int(orjson.loads(text)["sequence"]) for text in published(stream))
    assert told.startswith("Error: the ledger is not the one whose events were published: tpp.decisions has event ")
    assert f"with sequence number {lost}" in told
    assert tpp(stream.address, "relay", "--ledger", stream.url, "--give-up", str(lost - 1), code=2).stderr == told
    before = "import functools, services.stream.relay as r; "
    before += f"run = r.run; r.run = functools.partial(run, give_up={lost})"
    relay = stream.start("relay", before)
    stream.wait_published(relay)
    assert relay.end() == 0
    relay = stream.start("relay")
    stream.wait(lambda: "publishes the ledger's answers" in relay.said, [relay])
    assert relay.end() == 0
    assert published(stream)[6:] == stream.answers()[3:]
    assert stream.ask(records.published).lost == lost


def test_a_file_that_was_put_in_the_place_of_the_ledger_is_the_one_that_is_read(tmp_path: Path) -> None:
    from ledger.database.store import Store

    first, second = tmp_path / "ledger.db", tmp_path / "other.db"
    lines = list(shipments(3))
    for file, many in ((first, 1), (second, 3)):
        decided(f"sqlite:///{file}", [Message(line, {"line": n}) for n, line in enumerate(lines[:many])])
    store = Store(f"sqlite:///{first}")
    with store.read() as connection:
        assert records.last_record(connection) == 1
    first.unlink()
    shutil.move(second, first)
    with store.read() as connection:
        assert records.last_record(connection) == 3
    store.close()
