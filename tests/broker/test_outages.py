"""The database or the broker away for half a minute: nothing is lost, and it goes on by itself."""

import time

import pytest
from databases import OwnServer
from guarantees import a_load, all_hold, shares
from stream_run import Sending, Stream

from ledger.queries import records as read
from services.stream.up import Part

AWAY_SECONDS = 30
GOES_ON_SECONDS = 60
"""A part is started again 30 seconds after its last end at the latest, and needs a few to start."""


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
    kept = Kept(stream)
    try:
        stream.publish(first)
        stream.wait(lambda: stream.ask(read.last_record) > 0, [kept])
        away.kill()
        if what == "database":
            stream.publish(second)
        _keep_for(AWAY_SECONDS, kept)
        away.start()
        _goes_on(stream, kept, third if what == "database" else second + third)
        stream.wait_decided(kept)
        stream.wait_published(kept)
    finally:
        kept.stop()
        said = capfd.readouterr().err
    assert "Traceback" not in said, said
    if what == "database":
        assert "worker-1 | Error: the ledger's database failed: " in said
        assert "worker-1 ended with exit code 2; starting it again in 1 s" in said
        assert "relay    | " in said and "WARNING tpp.relay: the ledger's database failed: " in said
    else:
        assert "WARNING tpp.relay: the broker does not take what is sent: " in said
        assert "WARNING tpp.worker: the broker does not say how much there is to do: " in said
    assert "relay ended" not in said
    assert len(said.splitlines()) < 150
    all_hold(stream, load, tmp_path)


def _goes_on(stream: Stream, kept: Kept, more: list[Sending]) -> None:
    """Publishes more, and waits until something is decided and published again; not for longer than is promised."""
    back = time.monotonic()
    decided, sent = stream.ask(read.last_record), stream.ask(read.published).n
    stream.publish(more)
    stream.wait(lambda: stream.ask(read.last_record) > decided, [kept])
    stream.wait(lambda: stream.ask(read.published).n > sent, [kept])
    assert time.monotonic() - back < GOES_ON_SECONDS


def _keep_for(seconds: float, kept: Kept) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        kept.keep()
        time.sleep(0.1)
