"""A real receiver on loopback, a ledger that gives out events, and `tpp notify` as it is installed."""

import base64
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import orjson
from events import Line
from installed import INSTALLED
from prometheus_client import CollectorRegistry
from waiting import PATIENCE, wait_until

from ledger.database.store import Store
from ledger.doors.notices import add_receivers
from ledger.journal import Ledger as Journal
from rulebook import load
from services.engine.engine import Engine
from services.engine.message import Message
from services.notify.delivery import Delivery
from services.notify.receivers import Receiver, read_receivers
from services.notify.sending import sender
from services.notify.tries import Tries
from services.resources import software
from services.telemetry.notices import NoticeMetrics

NOW = 1_748_856_600_000_000
"""A reading of the clock in June 2025, in microseconds."""
KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
ENVIRONMENT = {"HOOK_SECRET": SECRET}


@dataclass(frozen=True, slots=True)
class Got:
    """A request that a receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The id of the event that it holds."""
        found: str = orjson.loads(self.body)["id"]
        return found


Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    """An answer of this status."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


class Hook:
    """A receiver on a port of its own; `answer` is what it answers, and may be changed."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answer: Answer = status(204)
        hook = self

        class _Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                hook.got.append(Got(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                hook.answer(self)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                """Logs nothing."""

        class _Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Clients that give up are part of the tests."""

        self.server = _Server(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        """The ids of the events that it got, in order."""
        return [one.id for one in self.got]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


class Ledger:
    """A ledger that gives out events: a record for each attestation, and alerts of the account's thresholds."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = Store(url)
        self.now = NOW
        self.engine = Engine(Journal(self.store), load("ai-diffusion"), lambda: NOW, software())
        self.line = Line()
        self.metrics = CollectorRegistry()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def run(self, *events: bytes) -> list[dict[str, Any]]:
        """The answers to events, and what follows from them."""
        answers = self.engine.run([Message(one, {"file": "-", "line": n}) for n, one in enumerate(events, 1)])
        return [orjson.loads(text) for given in answers for text in given]

    def attest(self, *amounts: int, account: str = "lpp/CON-1/2025") -> list[dict[str, Any]]:
        """Has the use of an account attested, again and again; what was given out."""
        return self.run(*(self.line.attested(account, amount) for amount in amounts))

    def deliveries(self, *receivers: Receiver, begin: bool = True, **more: Any) -> list[Delivery]:
        """The deliveries of receivers, whose clock is `now`."""
        metrics, turn = NoticeMetrics(CollectorRegistry()), threading.Lock()
        add_receivers(self.store, [one.name for one in receivers])
        made = [
            Delivery(Tries(self.store, one, sender(one, None, **more), lambda: self.now, metrics, turn))
            for one in receivers
        ]
        for one in made if begin else ():
            one.begin()
        return made

    def passes(self, seconds: float) -> None:
        """Has time pass."""
        self.now += round(seconds * 1_000_000)


def run_due(delivery: Delivery) -> float | None:
    """Has a delivery do all that is due now; returns when more is."""
    while (wait := delivery.step()) == 0:
        pass
    return wait


def table(name: str, url: str, *more: str) -> str:
    """A receiver of the file."""
    return "\n".join(["[[to]]", f'name = "{name}"', f'url = "{url}"', *more, ""])


def webhook(name: str, hook: Hook, *more: str) -> str:
    """A receiver of the file that is a webhook on loopback."""
    return table(name, hook.url, 'secret_env = "HOOK_SECRET"', "allow_private = true", *more)


def receivers(folder: Path, *tables: str) -> tuple[Receiver, ...]:
    """The receivers of a file with these tables."""
    file = folder / "notify.toml"
    file.write_text("\n".join(tables), "utf-8")
    return read_receivers(str(file), ENVIRONMENT)


@dataclass
class Notifying:
    """A running `tpp notify`, and the lines that it has written."""

    process: subprocess.Popen[str]
    lines: list[str]

    def says(self, text: str) -> bool:
        """Whether a line has a text."""
        return any(text in line for line in self.lines)

    def wait_for(self, text: str) -> None:
        """Returns once a line has a text."""
        wait_until(lambda: self.says(text), lambda: "".join(self.lines))

    def stop(self) -> int:
        """Asks it to stop; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Ends it at once."""
        self.process.kill()
        self.process.wait()


@contextmanager
def notifying(ledger: str, folder: Path, tables: Sequence[str], **env: str) -> Iterator[Notifying]:
    """`tpp notify` on a ledger, until the end of the block; killed if it still runs."""
    file = folder / "notify.toml"
    file.write_text("\n".join(tables), "utf-8")
    process = subprocess.Popen(
        [INSTALLED, "notify", "--ledger", ledger],
        stderr=subprocess.PIPE,
        text=True,
        env=plain() | {"TPP_NOTIFY": str(file)} | ENVIRONMENT | env,
    )
    assert process.stderr is not None
    running = Notifying(process, [])
    reader = threading.Thread(target=running.lines.extend, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        yield running
    finally:
        if process.poll() is None:
            running.kill()
        reader.join()
        process.stderr.close()


def plain() -> dict[str, str]:
    """The environment without settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
