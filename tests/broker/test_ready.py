"""A part is not ready once its database or its broker has died or hangs, idle too, and is ready again once it is back."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from brokers import Broker, quiet_port
from databases import Databases, OwnServer, own_server
from stream_run import Crew, Sending, Stream, ready, shipments

pytestmark = pytest.mark.kills

NEEDS = {"worker": {"broker", "database"}, "relay": {"broker", "database"}, "clock": {"database"}}


class Idle:
    """A worker, a relay and a clock that have nothing left to do, kept up, each with the address of its health."""

    def __init__(self, stream: Stream) -> None:
        self.addresses = {name: f"127.0.0.1:{quiet_port()}" for name in NEEDS}
        self._crews = [Crew(stream, [name], TPP_METRICS=address) for name, address in self.addresses.items()]
        self._stream = stream

    def keep(self) -> None:
        for crew in self._crews:
            crew.keep()

    def wait_ready(self) -> None:
        for address in self.addresses.values():
            self._stream.wait(lambda address=address: ready(address) == (200, "ready\n"), [self])

    def wait_unready(self, what: str) -> dict[str, float]:
        """Waits until every part that needs it says that it is not ready; how long it took, in seconds."""
        begun, took = time.monotonic(), {}
        waiting = {name for name, needs in NEEDS.items() if what in needs}

        def all_told() -> bool:
            for name in sorted(waiting - set(took)):
                code, _ = ready(self.addresses[name])
                if code != 200:
                    took[name] = time.monotonic() - begun
            return len(took) == len(waiting)

        self._stream.wait(all_told)
        return took


@pytest.fixture
def parts(broker: Broker, tmp_path) -> Iterator[tuple[OwnServer, Idle]]:
    """Idle parts over a database of the test's own."""
    with own_server() as server:
        stream = Stream(broker.fresh(1), Databases("postgresql", tmp_path, server).ledger(), tmp_path)
        stream.publish(Sending(line, partition=0) for line in shipments(3))
        try:
            idle = Idle(stream)
            stream.wait_decided(idle)
            stream.wait_published(idle)
            idle.wait_ready()
            yield server, idle
        finally:
            stream.kill_all()


def test_no_part_is_ready_while_the_database_or_the_broker_is_dead_or_hangs(broker: Broker, parts, capsys) -> None:
    if broker.local is None:
        pytest.skip("the broker is not the tests' own, to be stopped")
    server, idle = parts
    local = broker.local

    def signalled(number: signal.Signals) -> Callable[[], None]:
        return lambda: os.kill(local.process_id or 0, number)

    away: list[tuple[str, str, Callable[[], object], Callable[[], object]]] = [
        ("database", "killed", server.kill, server.start),
        ("database", "hangs", server.pause, server.go_on),
        ("broker", "hangs", signalled(signal.SIGSTOP), signalled(signal.SIGCONT)),
        ("broker", "killed", local.kill, local.start),
    ]
    for what, how, goes, comes_back in away:
        goes()
        try:
            took = idle.wait_unready(what)
            if what == "broker":
                assert ready(idle.addresses["clock"])[0] == 200
        finally:
            comes_back()
        with capsys.disabled():
            print(f"\n{what} {how}: not ready after", {name: round(seconds, 1) for name, seconds in took.items()})
        idle.wait_ready()
