"""The whole system with one command: it decides what is published, starts again what dies, stops cleanly and goes on."""

import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

import orjson
import pytest
from brokers import Broker, messages, quiet_port, tpp
from click.testing import CliRunner
from waiting import PATIENCE, wait_until

from schemas.event_types import TOPICS
from services.cli.commands import main
from services.failure import BrokerError
from services.kafka.local_broker import LocalBroker
from services.stream.up import Part

ROOT = Path(__file__).parent.parent.parent
QUICKSTART = ROOT / "examples" / "quickstart.jsonl"
CLUSTERS = ROOT / "examples" / "gpu-clusters.jsonl.gz"
CODE = "import services.stream.up as up; up.PORT = {port}; from services.cli.commands import main; main()"


class System:
    """`tpp up` in a process of its own."""

    def __init__(self, folder: Path, *arguments: str, broker: str | None = None, port: int = 0) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
        environment |= {"TPP_BROKER": broker} if broker else {}
        environment |= {name: os.environ[name] for name in ("TPP_CACHE",) if name in os.environ}
        command = [sys.executable, "-u", "-c", CODE.format(port=port or quiet_port()), "up"]
        command += ["--ledger", f"sqlite:///{folder / 'ledger.db'}", *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self.told: list[str] = []
        pipes = ((self.process.stderr, self.said), (self.process.stdout, self.told))
        self.readers = [threading.Thread(target=read, args=pipe, daemon=True) for pipe in pipes]
        for reader in self.readers:
            reader.start()
        self.wait(lambda: any(line.startswith("follow") for line in self.told) or self.process.poll() is not None)
        found = re.search(r"^broker +(\S+)", "".join(self.told), re.MULTILINE)
        assert found, self.log
        self.address = found[1]
        self.wait(lambda: self.pid("clock") is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kills what still runs; the parts end with their parent."""
        self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join()

    @property
    def log(self) -> str:
        return "".join(self.told) + "".join(self.said)

    def pid(self, part: str) -> int | None:
        found = re.findall(rf"{part} started, process (\d+)", "".join(list(self.said)))
        return int(found[-1]) if found else None

    @property
    def pids(self) -> list[int]:
        return [pid for part in ("worker", "relay", "clock", "serve") if (pid := self.pid(part)) is not None]

    def wait(self, true: Callable[[], object]) -> None:
        wait_until(true, lambda: self.log, 0.1)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        code = self.process.wait(PATIENCE)
        for reader in self.readers:
            reader.join()
        return code


def read(pipe: IO[str], lines: list[str]) -> None:
    with pipe:
        lines.extend(iter(pipe.readline, ""))


def lives(pid: int) -> bool:
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False, text=True).stdout
    return bool(said.strip()) and not said.strip().startswith("Z")


def answers(address: str) -> dict[str, list[tuple[str, bytes]]]:
    """For each event that was published, by id, the answers with their bytes; of what cannot be read, by position.

    The rechecks that an event brings, which name it too, are left out, with their releases.
    """
    found: dict[str, list[tuple[str, bytes]]] = {}
    rechecked: set[str] = set()
    for one in messages(address, "tpp.decisions", "tpp.rejected"):
        event = orjson.loads(one.value)
        cause = event["data"].get("causation", {}).get("id") or event["subject"]
        if "chunk" in event["data"]:
            rechecked |= {f"{cause} {shipment}" for shipment in event["data"]["released"]}
            continue
        if f"{cause} {event['subject']}" in rechecked:
            continue
        found.setdefault(cause, []).append((event["id"], one.value))
    return found


def await_answers(system: System, expected: set[str]) -> dict[str, list[tuple[str, bytes]]]:
    system.wait(lambda: expected <= answers(system.address).keys())
    return answers(system.address)


def ids(lines: list[bytes]) -> set[str]:
    return {orjson.loads(line)["id"] for line in lines}


def is_live(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/live", timeout=PATIENCE) as answer:
            return answer.status == 200
    except OSError:
        return False


@contextmanager
def held_port() -> Iterator[int]:
    """A port of 127.0.0.1 on which another program listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", quiet_port()))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.usefixtures("java_there")
def test_a_new_broker_finds_another_port_where_the_preferred_one_is_taken(tmp_path: Path) -> None:
    with held_port() as taken, LocalBroker(tmp_path, prefer=taken) as broker:
        assert broker.port not in (0, taken)
        assert tpp(broker.address, "topics", "create").stdout.count(": created") == len(TOPICS)


@pytest.mark.usefixtures("java_there")
def test_up_decides_starts_again_what_dies_stops_cleanly_and_goes_on(tmp_path: Path) -> None:
    tmp_path /= "überall"
    tmp_path.mkdir()
    lines = gzip.decompress(CLUSTERS.read_bytes()).splitlines()[:60]
    files = [tmp_path / f"{n}.jsonl" for n in range(3)]
    for n, file in enumerate(files):
        file.write_bytes(b"\n".join(lines[n * 20 : n * 20 + 20]) + b"\n")

    port = quiet_port()
    with System(tmp_path, port=port) as system:
        assert system.address == f"127.0.0.1:{port}"
        assert "is in use" not in system.log
        tpp(system.address, "publish", str(QUICKSTART))
        quick = ids(QUICKSTART.read_bytes().splitlines())
        await_answers(system, quick)

        first = system.pid("worker")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        tpp(system.address, "publish", str(files[0]))
        await_answers(system, ids(lines[:20]))
        system.wait(lambda: system.pid("worker") != first)
        assert re.search(r"worker was killed by signal 9; restarting it in \d+ s", system.log)

        pids = system.pids
        assert (tmp_path / "tpp-data" / "kafka" / "data" / "meta.properties").is_file()
        assert system.stop() == 0, system.log
        assert not any(map(lives, pids)), system.log
        assert system.said[-1].endswith("stopped; run `tpp up` to resume\n")

    with held_port() as taken, System(tmp_path, port=taken) as again:
        assert again.address == system.address
        assert f"port {taken} of 127.0.0.1 is in use by another program; the broker uses port {port}" in again.log
        tpp(again.address, "publish", str(files[1]))
        before = await_answers(again, ids(lines[20:40]) | quick)
        pids = again.pids
        again.process.kill()
        again.process.wait()
        again.wait(lambda: not any(map(lives, pids)))

    other = quiet_port()
    with System(tmp_path, port=other) as last:
        assert "left running by a killed process" in last.log
        assert last.address == f"127.0.0.1:{other}"
        tpp(last.address, "publish", str(files[2]))
        after = await_answers(last, ids(lines[40:60]) | before.keys())
        assert last.stop(signal.SIGINT) == 0, last.log
    for cause in (quick | ids(lines)) - {"evt-0002", "evt-0099"}:
        assert len({one for one, _ in after[cause]}) == len(set(after[cause])) == 1, cause


def test_a_broker_answers_where_one_of_its_addresses_does(broker: Broker) -> None:
    asked = f"answers('127.0.0.1:1, {broker.address}'), answers('127.0.0.1:1,[::1]:1')"
    code = f"from services.kafka.access import answers; print({asked})"
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert told.stdout == b"True False\n", (
        "the client leaves sockets open where an address is dead: not in this process"
    )


@pytest.mark.usefixtures("java_there")
@pytest.mark.parametrize(("folder", "said"), [("file/data", ": Not a directory"), ("a,b", "has a comma in its name")])
def test_a_folder_that_cannot_hold_a_broker_is_refused(tmp_path: Path, folder: str, said: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match=said):
        LocalBroker(tmp_path / folder).start()


def test_up_takes_the_broker_that_is_named_and_several_workers(broker: Broker, tmp_path: Path) -> None:
    broker.fresh()
    with System(tmp_path, "--workers", "2", broker=broker.address) as system:
        assert system.address == broker.address
        assert not (tmp_path / "tpp-data").exists()
        assert {system.pid("worker-1"), system.pid("worker-2")}.isdisjoint({None})
        served = re.search(r"^serve +(http://\S+)$", system.log, re.MULTILINE)
        assert served, system.log
        system.wait(lambda: is_live(served[1]))
        assert system.stop() == 0, system.log


def test_a_part_that_does_not_last_is_started_again_ever_more_slowly(capfd: pytest.CaptureFixture[str]) -> None:
    part = Part("worker", "nonsense", {})
    started: list[tuple[float, float]] = []
    """Before and after the call in which it was started."""
    said: list[str] = []

    def is_started_thrice() -> bool:
        before = time.monotonic()
        part.keep()
        said.append(capfd.readouterr().err)
        started.extend([(before, time.monotonic())] * said[-1].count("worker started, process"))
        return len(started) == 3

    wait_until(is_started_thrice, lambda: "".join(said))
    part.stop()
    said.append(capfd.readouterr().err)
    assert "no part 'nonsense'" in "".join(said)
    assert "ended with exit code 2; restarting it in 1 s" in "".join(said)
    assert "ended with exit code 2; restarting it in 2 s" in "".join(said)
    assert started[1][1] - started[0][0] >= 1
    assert started[2][1] - started[1][0] >= 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ledger", ":memory:"], "cannot share a ledger in memory"),
        (["--ledger", "sqlite://"], "would keep the ledger in memory"),
        (["--ledger", "nonsense"], "is not a database URL"),
        (["--rulebook", "none"], "none"),
    ],
)
def test_up_says_in_one_sentence_what_it_cannot_do(arguments: list[str], said: str, tmp_path: Path) -> None:
    given = arguments if "--ledger" in arguments else [*arguments, "--ledger", f"sqlite:///{tmp_path}/l.db"]
    done = CliRunner().invoke(main, ["up", "--folder", str(tmp_path / "data"), *given], env={"TPP_BROKER": None})
    assert (done.exit_code, said in done.stderr) == (2, True), done.output
