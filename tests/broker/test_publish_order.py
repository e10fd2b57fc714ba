"""`tpp publish` keeps the order of its files between facts and shipments: it waits for the workers, and ends without them."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from brokers import Broker, commit, messages, tpp
from events import Line, shipment
from stream_run import ROOT, Stream, answers_of, example
from waiting import PATIENCE, wait_until

from schemas.event_types import FACTS, SHIPMENTS
from services.stream.publish import destination

MIXED = b'{"type":"x","n":1}\n{"type":"tpp.clock.ticked.v1","n":2}\n{"type":"x","n":3}\n'
PUBLISH = [sys.executable, "-c", "from services.cli.commands import main; main()", "publish"]
WAITED = re.compile(r"waited for the workers (\d+) times?, \d+\.\d s in all\n")


@pytest.fixture
def mixed(tmp_path: Path) -> str:
    """A file with a shipment, a fact and a shipment."""
    (tmp_path / "mixed.jsonl").write_bytes(MIXED)
    return str(tmp_path / "mixed.jsonl")


@dataclass(frozen=True)
class Workers:
    """A group that commits offsets, as workers do who have decided what is before them; topics of one partition."""

    address: str
    group: str

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a command that waits for this group."""
        return {"TPP_BROKER": self.address, "TPP_GROUP": self.group}

    def decide(self, topic: str, end: int) -> None:
        """Commits the offset after the last decided message of a topic."""
        commit(self.address, self.group, (topic, 0), end)

    def sent(self) -> tuple[int, int]:
        """How many shipments and facts are on the topics."""
        there = Counter(one.topic for one in messages(self.address, SHIPMENTS, FACTS))
        return there[SHIPMENTS], there[FACTS]


@pytest.fixture
def workers(broker: Broker) -> Workers:
    """A group of its own, which has decided nothing."""
    return Workers(broker.fresh(partitions=1), f"publish-{time.monotonic_ns()}")


@contextmanager
def publishing(workers: Workers, *words: str, stdin: int | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """`tpp publish` in a process of its own, which waits for these workers."""
    with subprocess.Popen(
        [*PUBLISH, *words], cwd=ROOT, env=workers.settings, stdin=stdin, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("option", "stops"),
    [
        ((), [((1, 0), (SHIPMENTS, 1)), ((1, 1), (FACTS, 1)), ((2, 1), None)]),
        (("--facts-first",), [((0, 1), (FACTS, 1)), ((2, 1), None)]),
    ],
)
def test_facts_and_shipments_wait_until_the_workers_decided_what_was_sent(
    workers: Workers, mixed: str, option: Sequence[str], stops: Sequence[tuple[tuple[int, int], Any]]
) -> None:
    with publishing(workers, *option, mixed) as sending:
        for there, decided in stops:
            wait_until(lambda there=there: workers.sent() == there or sending.poll() is not None)
            time.sleep(0.5)  # in which nothing may go
            assert workers.sent() == there
            if decided:
                topic, end = decided
                workers.decide(topic, end)
        _, said = sending.communicate(timeout=PATIENCE)
    assert sending.returncode == 0, said
    found = WAITED.search(said.decode())
    assert found, said
    assert int(found[1]) == len(stops) - 1


def test_without_a_worker_it_ends_and_says_what_was_sent(
    workers: Workers, mixed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.stream.publish.PATIENCE_SECONDS", 0.5)
    address, group = workers.address, workers.group
    done = tpp(address, "publish", mixed, code=1, TPP_GROUP=group)
    assert f"no worker of group {group} has decided anything for 0 s" in done.stderr
    assert f"{mixed}:2 and later lines were not sent" in done.stderr
    assert done.stderr.endswith("1 event acknowledged: 1 to tpp.shipments\n")
    assert workers.sent() == (1, 0)
    done = tpp(address, "publish", "--facts-first", mixed, code=1, TPP_GROUP=group)
    assert f"{mixed}:1 and later lines were not sent" in done.stderr
    assert workers.sent() == (1, 1)


def test_it_waits_as_long_as_the_workers_get_on(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "many.jsonl").write_bytes(b'{"type":"tpp.clock.ticked.v1"}\n' * 5 + b'{"type":"x"}\n')
    now = 0.0

    def sleep(_: float) -> None:
        """Forty seconds, in which the workers decide one more event."""
        nonlocal now
        now += 40
        workers.decide(FACTS, int(now / 40))

    monkeypatch.setattr("services.stream.publish.time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    done = tpp(workers.address, "publish", str(tmp_path / "many.jsonl"), TPP_GROUP=workers.group)
    assert "waited for the workers 1 time, 200.0 s in all" in done.stderr
    assert workers.sent() == (1, 5)


def test_a_broker_that_dies_meanwhile_is_said(
    broker: Broker, workers: Workers, mixed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broker.local is None:
        pytest.skip("the broker is not the tests' own")
    local, now = broker.local, 0.0

    def sleep(_: float) -> None:
        """Forty seconds, in which the broker dies."""
        nonlocal now
        now += 40
        local.kill()

    monkeypatch.setattr("services.stream.publish.time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    try:
        done = tpp(broker.address, "publish", mixed, code=2, TPP_GROUP=workers.group)
    finally:
        local.start()
    assert "1 event acknowledged: 1 to tpp.shipments" in done.stderr
    assert "Error: the broker does not say what the workers have decided: " in done.stderr


def test_as_it_stands_and_standard_input_do_not_wait(workers: Workers, mixed: str) -> None:
    with publishing(workers, "--as-it-stands", mixed) as sending:
        _, said = sending.communicate(timeout=PATIENCE)
    assert (sending.returncode, said) == (0, b"3 events acknowledged: 2 to tpp.shipments, 1 to tpp.facts\n")
    done = subprocess.run(
        [*PUBLISH, "-"], input=MIXED, capture_output=True, cwd=ROOT, env=workers.settings, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, said)
    assert workers.sent() == (4, 2)
    assert "not both" in tpp(None, "publish", "--as-it-stands", "--facts-first", mixed, code=2).stderr


def test_a_file_after_standard_input_waits_for_the_facts_of_both(workers: Workers, tmp_path: Path) -> None:
    (tmp_path / "last.jsonl").write_bytes(b'{"type":"x"}\n')
    with publishing(workers, "-", str(tmp_path / "last.jsonl"), stdin=subprocess.PIPE) as sending:
        assert sending.stdin
        sending.stdin.write(b'{"type":"tpp.clock.ticked.v1"}\n{"type":"x"}\n')
        sending.stdin.close()
        sending.stdin = None
        wait_until(lambda: workers.sent() == (1, 1) or sending.poll() is not None)
        time.sleep(0.5)  # in which nothing may go
        assert workers.sent() == (1, 1)
        workers.decide(FACTS, 1)
        workers.decide(SHIPMENTS, 1)
        _, said = sending.communicate(timeout=PATIENCE)
    assert (sending.returncode, workers.sent()) == (0, (2, 1)), said


def test_on_a_terminal_it_shows_that_it_waits_and_terminated_it_says_what_was_acknowledged(
    workers: Workers, mixed: str
) -> None:
    seen, terminal = pty.openpty()
    told = workers.settings | {"COLUMNS": "160", "TERM": "xterm"}
    with subprocess.Popen([*PUBLISH, mixed], cwd=ROOT, env=told, stderr=terminal) as sending:
        os.close(terminal)
        said = b""
        try:
            while b"waiting for the workers" not in said:
                said += os.read(seen, 1 << 16)
            sending.send_signal(signal.SIGTERM)
            with suppress(OSError):
                while piece := os.read(seen, 1 << 16):
                    said += piece
        finally:
            sending.kill()
            os.close(seen)
    assert sending.returncode == 1
    assert WAITED.search(said.decode().replace("\r", "")), said
    assert b"1 event acknowledged: 1 to tpp.shipments" in said
    assert b"Traceback" not in said


def test_a_file_is_decided_as_screen_decides_it(streams: Callable[..., Stream], tmp_path: Path) -> None:
    stream = streams(partitions=1)
    stream.start("worker")
    line, usual, lpp = Line(), {"to": "AE", "date": "2025-06-20"}, {"claim": "LPP", "papers": ["lpp 2025-05-20"]}
    taken = [
        line.event("license.issued", {"number": "L-1", "country": "AE", "tpp": 300_000}),
        line.event("shipment.requested", shipment({**usual, "id": "LICENSED", "claim": "LICENSE L-1"})),
        line.event("license.revoked", {"number": "L-1", "date": "2025-06-10"}),
        line.event("shipment.requested", shipment({**usual, "id": "REVOKED", "claim": "LICENSE L-1"})),
        line.event("shipment.requested", shipment({**lpp, "id": "UNLIMITED"})),
        line.event("allocation.set", {"account": "lpp/CON-1/2025", "limit": 130_000}),
        line.event("shipment.requested", shipment({**lpp, "id": "LIMITED"})),
    ]
    quick = example("quickstart.jsonl")
    tick = next(at for at, event in enumerate(quick) if b"tpp.clock.ticked.v1" in event)  # which the stream rejects
    file, url = tmp_path / "mixed.jsonl", f"sqlite:///{tmp_path}/screened.db"
    taken += quick[:tick]
    file.write_bytes(b"\n".join(taken))
    tpp(None, "screen", str(file), "--ledger", url, "--out", str(tmp_path / "answers.jsonl"))

    done = tpp(stream.address, "publish", str(file), TPP_GROUP=stream.group)

    topics = [destination(event)[0] for event in taken]
    assert int(WAITED.search(done.stderr)[1]) == sum(one != after for one, after in pairwise(topics)) > 10
    stream.wait_decided(*stream.parts)
    answers = stream.answers()
    outcomes = {one["subject"]: one["data"].get("outcome") for one in map(orjson.loads, answers)}
    assert [outcomes[name] for name in ("LICENSED", "REVOKED")] == ["approved", "held"]
    assert [outcomes[name] for name in ("UNLIMITED", "LIMITED")] == ["approved", "held"]
    assert answers == answers_of(url)
