"""The whole system on one machine: a broker, unless one is configured, and every part as a supervised child process."""

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.database.store import MEMORY, ledger_url, shown_url
from services.failure import BrokerError, Failure
from services.kafka.access import address, client_options
from services.kafka.local_broker import LocalBroker
from services.kafka.topics import BROKERS_OWN, create_topics
from services.resources import engine
from services.stream.signals import Ended, until_signal
from services.visible import visible

if TYPE_CHECKING:
    from services.settings import Settings

PORT, MOST_PORT = 9092, 65_535
LOOK_SECONDS = 0.2
STOP_SECONDS = 20.0
COMMANDS = ("serve", "notify")
"""The parts that are commands of `tpp`, since they import what the stream may not."""
FIRST_WAIT, LONGEST_WAIT, SOUND_SECONDS = 1.0, 30.0, 60.0


def run(
    settings: "Settings",
    url: str | None,
    rulebook: str | None,
    *,
    partitions: int = 4,
    workers: int = 1,
    folder: str = "tpp-data",
    no_broker: bool = False,
) -> int:
    """Runs the system until SIGINT or SIGTERM and returns 0; unfinished work resumes at the next start.

    `no_broker`: only the parts that need none. Raises BrokerError or Failure if the broker or the ledger is not
    available.
    """
    url = _checked(settings.ledger_url if url is None else url, rulebook)
    home = Path(folder) / "kafka"
    with until_signal() as ended, _broker(settings, None if no_broker else home) as (address, local):
        listen = _listen(settings.listen)
        environment = {"TPP_LEDGER_URL": url, "TPP_LISTEN": listen}
        environment |= {"TPP_RULEBOOK": rulebook} if rulebook else {}
        names: list[str] = []
        if address is not None:
            create_topics(address, partitions, BROKERS_OWN, client_options(settings))
            environment["TPP_BROKER"] = address
            _print("broker", f"{address}  ({'of TPP_BROKER' if local is None else f'data in {home}'})")
            names = ["relay", *(["worker"] if workers == 1 else [f"worker-{n}" for n in range(1, workers + 1)])]
        names += ["clock", "serve", *(["notify"] if settings.notify else [])]
        parts = list(_parts(names, environment, settings.metrics))
        _print_addresses(address, listen, url, parts)
        _supervise(parts, local, ended)
    _log("stopped; run `tpp up` to resume" if address else "stopped; run `tpp up --no-broker` to resume")
    return 0


def _supervise(parts: "Sequence[Part]", local: LocalBroker | None, ended: Ended) -> None:
    """Keeps the parts and the broker running until `ended` is set; then ends the parts, the last one first."""
    try:
        while not ended.is_set():
            if local is not None:
                _keep(local)
            for part in parts:
                part.keep()
            ended.wait(LOOK_SECONDS)
    finally:
        if sys.stderr.isatty():
            click.echo(err=True)  # after the ^C that the terminal shows
        _log("stopping")
        for part in reversed(parts):
            part.stop()


class Part:
    """A part of the system as a child process: `python -m services.stream PART`, or `python -m services.cli COMMAND`.

    It is restarted when it ends, after a wait that doubles while it keeps ending early.
    """

    def __init__(self, name: str, part: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self._words = ["services.cli" if part in COMMANDS else "services.stream", part]
        self.metrics = environment.get("TPP_METRICS")
        self._environment = {**os.environ, **environment}
        if self.metrics is None:
            self._environment.pop("TPP_METRICS", None)
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._started = 0.0
        self._due = 0.0
        self._wait = FIRST_WAIT

    def keep(self) -> None:
        """Starts the part if it is not running and its wait is over."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._due:
                self._start(now)
            return
        code = self._process.poll()
        if code is None:
            return
        self._forget(self._process)
        self._wait = FIRST_WAIT if now - self._started >= SOUND_SECONDS else self._wait
        self._due = now + self._wait
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        _log(f"{self.name} {how}; restarting it in {self._wait:.0f} s")
        self._wait = min(2 * self._wait, LONGEST_WAIT)

    def stop(self) -> None:
        """Stops the part in order; kills it if it does not stop in time."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _log(f"{self.name} did not stop within {STOP_SECONDS:.0f} s; killing it")
            process.kill()
            process.wait()
        self._forget(process)
        if self._reader is not None:
            self._reader.join(1.0)

    def _forget(self, process: "subprocess.Popen[bytes]") -> None:
        if process.stdin is not None:
            process.stdin.close()
        self._process = None

    def _start(self, now: float) -> None:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-u", "-m", *self._words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )
        self._process = process
        self._started = now
        self._reader = threading.Thread(target=_repeat, args=(self.name, process), daemon=True)
        self._reader.start()
        _log(f"{self.name} started, process {process.pid}")


def _parts(names: Sequence[str], environment: Mapping[str, str], metrics: str | None) -> Iterator[Part]:
    """The parts of these names, each with the next port for its metrics. Raises Failure if TPP_METRICS is invalid."""
    for number, name in enumerate(names):
        own = {}
        if metrics is not None:
            host, _, port = metrics.rpartition(":")
            if not port.isdecimal():
                raise Failure(f"TPP_METRICS: {metrics!r} is not host:port")
            own = {"TPP_METRICS": f"{host}:{int(port) + number}"}
        yield Part(name, name.partition("-")[0], {**environment, **own})


def _checked(url: str, rulebook: str | None) -> str:
    """The ledger's URL, once the ledger exists and the rulebook is known to load."""
    if url == MEMORY:
        raise Failure("the parts cannot share a ledger in memory; use a file or a PostgreSQL database")
    with engine(url, rulebook):
        return url


def _listen(wanted: str) -> str:
    """Where `tpp serve` listens: at this address or, where its port is taken, at another port of the same host.

    Raises Failure if the address is invalid.
    """
    host, _, port = wanted.rpartition(":")
    if not port.isdecimal() or int(port) > MOST_PORT:
        raise Failure(f"TPP_LISTEN: {wanted!r} is not host:port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in (int(port), 0):
        try:
            with socket.create_server((host.strip("[]"), number), family=family) as bound:
                found = bound.getsockname()[1]
        except OSError as error:
            if number == 0 or error.errno != errno.EADDRINUSE:
                raise Failure(f"TPP_LISTEN: cannot listen on {wanted}: {error.strerror}") from error
            continue
        if number == 0 and port != "0":
            _log(f"port {port} of {host} is in use by another program; tpp serve uses port {found}")
        break
    return f"{host}:{found}"


@contextmanager
def _broker(settings: "Settings", folder: Path | None) -> Iterator[tuple[str | None, LocalBroker | None]]:
    """The broker's address, and the broker if it was started here; neither without a folder for it."""
    if folder is None:
        yield None, None
        return
    if settings.broker:
        yield address(settings), None
        return
    local = LocalBroker(folder, prefer=PORT)
    _log("starting the broker")
    local.start()
    if local.port != PORT:
        _log(f"port {PORT} of 127.0.0.1 is in use by another program; the broker uses port {local.port}")
    try:
        yield local.address, local
    finally:
        local.stop()


def _keep(local: LocalBroker) -> None:
    if local.process_id is not None:
        return
    _log("the broker ended; restarting it")
    local.kill()
    try:
        local.start()
    except BrokerError as error:
        _log(str(error))
        time.sleep(FIRST_WAIT)


def _print_addresses(address: str | None, listen: str, url: str, parts: Sequence[Part]) -> None:
    """Prints where everything is, on standard output."""
    _print("ledger", shown_url(ledger_url(url)))
    _print("serve", f"http://{listen}")
    for part in parts:
        if part.metrics is not None:
            _print(part.name, f"http://{part.metrics}/metrics, /health/live, /health/ready")
    if address is not None:
        _print("send", f"TPP_BROKER={address} tpp publish FILE...")
        _print("follow", f"TPP_BROKER={address} tpp watch")
    sys.stdout.flush()


def _print(name: str, text: str) -> None:
    click.echo(f"{name:<8} {text}")


def _log(text: str) -> None:
    click.echo(f"{click.style('up      ', bold=True)} | {visible(text)}", err=True)


def _repeat(name: str, process: "subprocess.Popen[bytes]") -> None:
    """Copies a part's output to standard error, each line after the part's name."""
    if process.stdout is None:
        return
    with process.stdout as lines:
        for line in lines:
            click.echo(f"{name:<8} | {visible(line.decode(errors='replace').rstrip())}", err=True)
