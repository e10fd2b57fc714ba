"""The database or the broker away for half a minute: nothing is lost, and it goes on by itself."""

import re
import time

import orjson
import pytest
from databases import OwnServer
from guarantees import Load, a_load, all_hold, shares
from soak import much
from stream_run import Sending, Stream, decided
from waiting import wait_until

from ledger.queries import records
from services.engine.message import Message
from services.stream.up import Part

pytestmark = [pytest.mark.kills, pytest.mark.soak]

AWAY_SECONDS = much(30, soak=180)
LONGEST_WAIT = 30
"""In seconds: how long a part that does not last waits for its next start, at the most."""
SAID = {
    "database": [
        "worker-1 | Error: the ledger's database failed: ",
        "worker-1 ended with exit code 2; restarting it in ",
        "relay    | ",
        "WARNING tpp.relay: the ledger's database failed: ",
    ],
    "broker": [
        "WARNING tpp.relay: the broker did not accept messages: ",
        "WARNING tpp.worker: cannot read the lag from the broker: ",
    ],
}
LINES_A_START = 12
"""How many lines a part says, at the most, of each of its starts."""


class Kept:
    """A relay and two workers, kept up as `tpp up` keeps its parts up."""

    def __init__(self, stream: Stream) -> None:
        told = {"TPP_BROKER": stream.address, "TPP_LEDGER_URL": stream.url, "TPP_GROUP": stream.group}
        names = ("relay", "worker-1", "worker-2")
        self._parts = [Part(name, name.partition("-")[0], told) for name in names]

    def keep(self) -> None:
        for part in self._parts:
            part.keep()

    def stop(self) -> None:
        for part in self._parts:
            part.stop()


@pytest.mark.parametrize("what", ["database", "broker"])
def test_an_outage_loses_nothing_and_is_got_over_without_help(broker, postgres, streams, tmp_path, capfd, what) -> None:
    away = {"database": postgres if isinstance(postgres, OwnServer) else None, "broker": broker.local}[what]
    if away is None:
        pytest.skip(f"the {what} is not the tests' own, to be stopped")
    stream, load = streams(4), a_load(900)
    first, second, third = shares(load, 3)
    kept, said = Kept(stream), []

    def is_said() -> bool:
        kept.keep()
        said.append(capfd.readouterr().err)
        return all(words in "".join(said) for words in SAID[what])

    try:
        stream.publish(first)
        stream.wait(lambda: stream.ask(records.last_record) > 0, [kept])
        away.kill()
        if what == "database":
            stream.publish(second)
        else:
            decided(stream.url, [_last_request(load)])  # so that the relay has something to send
        _keep_for(AWAY_SECONDS, kept)
        wait_until(is_said, lambda: "".join(said))
        away.start()
        _goes_on(stream, kept, third if what == "database" else second + third)
        stream.wait_decided(kept)
        stream.wait_published(kept)
    finally:
        kept.stop()
        text = "".join([*said, capfd.readouterr().err])
    assert "Traceback" not in text, text
    assert "relay ended" not in text
    assert max(map(int, re.findall(r"restarting it in (\d+) s", text)), default=0) <= LONGEST_WAIT
    assert len(text.splitlines()) <= LINES_A_START * text.count("started, process")
    all_hold(stream, load, tmp_path)


def _last_request(load: Load) -> Message:
    """A request that comes through another door before it comes through the broker."""
    line = next(line for _, line in reversed(load) if orjson.loads(line)["type"] == "tpp.shipment.requested.v1")
    return Message(line, {"file": "one.jsonl", "line": 1})


def _goes_on(stream: Stream, kept: Kept, more: list[Sending]) -> None:
    """Publishes more, and waits until something is decided and published again."""
    last, sent = stream.ask(records.last_record), stream.ask(records.published).n
    stream.publish(more)
    stream.wait(lambda: stream.ask(records.last_record) > last, [kept])
    stream.wait(lambda: stream.ask(records.published).n > sent, [kept])


def _keep_for(seconds: float, kept: Kept) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        kept.keep()
        time.sleep(0.1)
