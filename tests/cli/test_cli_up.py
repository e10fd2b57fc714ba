"""`tpp up --no-broker`: the parts that need nothing but Python, kept running until it is told to stop."""

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from brokers import quiet_port
from click.testing import CliRunner
from installed import INSTALLED
from waiting import PATIENCE, wait_until

from services.cli.commands import main

RECEIVERS = '[[to]]\nname = "desk"\nurl = "https://hooks.example/tpp"\nsecret_env = "DESK_SECRET"\n'
SECRET = f"whsec_{'A' * 32}"


@dataclass
class Up:
    """A running `tpp up --no-broker`, and what it wrote."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        return "".join(list(self.lines))

    @property
    def url(self) -> str:
        found = re.search(r"^serve +(http://\S+)$", self.log, re.MULTILINE)
        return found[1] if found else ""

    def pids(self, part: str = r"\w+") -> list[int]:
        return [int(pid) for pid in re.findall(rf"\| {part} started, process (\d+)", self.log)]

    def wait_answers(self) -> None:
        wait_until(lambda: answers(self.url) or self.process.poll() is not None, lambda: self.log)
        assert self.process.poll() is None, self.log


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.HTTPError:
        return False


def lives(pid: int) -> bool:
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False, text=True).stdout
    return bool(said.strip()) and not said.strip().startswith("Z")


@contextmanager
def up(folder: Path, **settings: str) -> Iterator[Up]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TPP_", "JAVA"))}
    (folder / "bin").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [INSTALLED, "up", "--no-broker", "--ledger", f"sqlite:///{folder}/l.db"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=plain | {"PATH": str(folder / "bin"), "TPP_LISTEN": f"127.0.0.1:{quiet_port()}"} | settings,
    )
    running = Up(process)
    assert process.stdout is not None
    reader = threading.Thread(target=running.lines.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        reader.join(PATIENCE)
        process.stdout.close()


def test_it_serves_and_ticks_with_nothing_but_python(tmp_path: Path) -> None:
    address = f"127.0.0.1:{quiet_port()}"
    with up(tmp_path, TPP_METRICS=address) as system:
        system.wait_answers()
        host, port = address.split(":")
        assert f"clock    http://{address}/metrics" in system.log
        assert f"serve    http://{host}:{int(port) + 1}/metrics" in system.log
        wait_until(
            lambda: "tpp_last_tick_timestamp_seconds" in metrics(f"http://{host}:{int(port) + 1}"), lambda: system.log
        )
        assert "broker" not in system.log
        assert len(system.pids()) == 2
        assert not (tmp_path / "tpp-data").exists()

        [first] = system.pids("serve")
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(system.pids("serve")) == 2, lambda: system.log)
        system.wait_answers()
        assert "serve was killed by signal 9; restarting it" in system.log

        system.process.send_signal(signal.SIGTERM)
        assert system.process.wait(PATIENCE) == 0
        assert not any(map(lives, system.pids()))
    assert "stopped; run `tpp up --no-broker` to resume" in system.log


def metrics(url: str) -> str:
    try:
        return httpx.get(f"{url}/metrics").text
    except httpx.HTTPError:
        return ""


def test_it_takes_another_port_where_one_is_taken_and_no_part_outlives_it(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", quiet_port()))
        other.listen()
        taken = other.getsockname()[1]
        (tmp_path / "notify.toml").write_text(RECEIVERS, "utf-8")
        with up(tmp_path, TPP_LISTEN=f"127.0.0.1:{taken}", TPP_NOTIFY="notify.toml", DESK_SECRET=SECRET) as system:
            system.wait_answers()
            assert system.pids("notify"), "notices are sent where TPP_NOTIFY is set"
            used = system.url.rpartition(":")[2]
            assert used != str(taken)
            said = f"port {taken} of 127.0.0.1 is in use by another program; tpp serve uses port {used}"
            assert said in system.log
            pids = system.pids()
            system.process.kill()
            wait_until(lambda: not any(map(lives, pids)), lambda: system.log)


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (["--workers", "2"], {}, "Give --no-broker or --workers, not both."),
        (["--folder", "x"], {}, "Give --no-broker or --folder, not both."),
        ([], {"TPP_LISTEN": "nowhere"}, "'nowhere' is not HOST:PORT"),
        ([], {"TPP_LISTEN": "127.0.0.1:99999"}, "'127.0.0.1:99999' is not HOST:PORT"),
        ([], {"TPP_LISTEN": "192.0.2.1:8080"}, "192.0.2.1 can be reached from other machines"),
        (
            [],
            {"TPP_LISTEN": "192.0.2.1:8080", "TPP_INSECURE": "1"},
            "TPP_LISTEN: cannot listen on 192.0.2.1:8080: ",
        ),
        ([], {"TPP_HOSTS": "a@b"}, "TPP_HOSTS: 'a@b' is not the name of a host"),
        ([], {"TPP_OIDC_ISSUER": "http://elsewhere.example"}, "TPP_OIDC_ISSUER"),
        ([], {"TPP_NOTIFY": "missing.toml"}, "cannot read missing.toml of TPP_NOTIFY"),
        ([], {"TPP_METRICS": "host"}, "TPP_METRICS: 'host' is not host:port"),
    ],
)
def test_it_says_in_one_sentence_what_it_cannot_do(
    arguments: list[str], env: Mapping[str, str], said: str, tmp_path: Path
) -> None:
    words = ["up", "--no-broker", "--ledger", f"sqlite:///{tmp_path}/l.db", *arguments]
    done = CliRunner().invoke(main, words, env={"TPP_LISTEN": f"127.0.0.1:{quiet_port()}", **env})
    assert (done.exit_code, said in done.stderr) == (2, True), done.output


def test_with_a_broker_the_file_of_sources_is_read_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "sources.toml").write_text("[[allow]]\ntopic = 'x'\n", "utf-8")
    words = ["up", "--ledger", f"sqlite:///{tmp_path}/l.db", "--folder", str(tmp_path / "data")]
    env = {"TPP_LISTEN": f"127.0.0.1:{quiet_port()}", "TPP_SOURCES": str(tmp_path / "sources.toml")}
    done = CliRunner().invoke(main, words, env=env)
    assert (done.exit_code, "TPP_SOURCES" in done.stderr, "started" in done.stderr) == (2, True, False), done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sources.toml"]
