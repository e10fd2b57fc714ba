"""Real databases for the tests: SQLite files, and a PostgreSQL that is found or started once for each test process."""

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psycopg
import pytest
from containers import docker_answers, missing
from sqlalchemy import URL
from waiting import PATIENCE

from ledger.database.store import Store, ledger_url

KINDS = ("sqlite", "postgresql")
OF_PARTIES = ("list_content", "clearing", "last_hit", "owner", "owner_form")
"""The tables of revision 0011."""
UNDO_PARTIES = (
    "DROP INDEX IF EXISTS account_prefix",
    "DROP INDEX fact_n",
    *(f"DROP TABLE {name}" for name in OF_PARTIES),
)
"""The statements that take revision 0012 back, and 0011."""
_NUMBERS = count()


class Databases:
    """Makes databases of one kind: empty ones, and ones that already hold an empty ledger."""

    def __init__(self, kind: str, folder: Path, server: "Server | None" = None) -> None:
        self.kind = kind
        self._folder = folder
        self._server = server

    def empty(self) -> str:
        """The URL of a new database without tables."""
        if self._server is None:
            return f"sqlite:///{self._folder / f'ledger-{next(_NUMBERS)}.db'}"
        return self._server.create("template1")

    def ledger(self) -> str:
        """The URL of a new database with the tables of a ledger, nothing recorded."""
        if self._server is None:
            url = self.empty()
            make(url)
            return url
        return self._server.create(self._server.template())

    def server(self) -> "Server":
        """The PostgreSQL server of these databases."""
        assert self._server is not None
        return self._server

    def drop(self, url: str) -> None:
        """Throws a database away, whoever is connected to it."""
        if self._server is not None:
            self._server.drop(url)
            return
        database = str(ledger_url(url).database)
        for end in ("", "-wal", "-shm"):
            Path(database + end).unlink(missing_ok=True)


def make(url: str) -> None:
    """Opens a ledger once, which makes its tables."""
    store = Store(url)
    store.open()
    store.close()


def unguarded(file: Path) -> sqlite3.Connection:
    """A connection to a ledger's file as an insider has it: without the triggers that guard its rows."""
    connection = sqlite3.connect(file, isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{name}"')
    return connection


class Server:
    """A PostgreSQL server by the URL of a user who may create databases."""

    def __init__(self, url: str) -> None:
        self.url = ledger_url(url)
        self._prefix = f"tpp_{os.getpid()}"
        self._template = ""
        self._made: set[str] = set()

    def create(self, template: str) -> str:
        """The URL of a new database, a copy of the template."""
        name = f"{self._prefix}_{next(_NUMBERS)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._made.add(name)
        return self.named(name)

    def named(self, database: str) -> str:
        """The URL of one of the server's databases."""
        return self.url.set(database=database).render_as_string(hide_password=False)

    def template(self) -> str:
        """The name of a database that holds an empty ledger."""
        if not self._template:
            url = self.create("template1")
            make(url)
            self._template = str(ledger_url(url).database)
        return self._template

    def drop(self, url: str) -> None:
        """Drops a database of this server."""
        name = str(ledger_url(url).database)
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._made.discard(name)

    def clean(self) -> None:
        """Drops every database that was made."""
        for name in sorted(self._made):
            self.drop(self.named(name))

    def execute(self, statement: str) -> None:
        """Runs one statement outside of a transaction."""
        with psycopg.connect(dsn(self.url), autocommit=True) as connection:
            connection.execute(statement.encode())

    def cut(self, url: str) -> None:
        """Ends every connection to one of the server's databases."""
        database = ledger_url(url).database
        with psycopg.connect(dsn(self.url), autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])

    def connections(self, url: str) -> int:
        """How many connections one of the server's databases has."""
        with psycopg.connect(dsn(self.url), autocommit=True) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            (many,) = connection.execute(query, [ledger_url(url).database]).fetchone() or (0,)
            return int(many)


class OwnServer(Server):
    """A PostgreSQL server that the tests run themselves, from the machine's own binaries, and may kill."""

    def __init__(self, programs: Path, folder: Path) -> None:
        super().__init__(f"postgresql+psycopg://postgres@/postgres?host={folder}")
        self._folder = folder
        self._programs = programs
        self._user = "nobody" if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        if self._user:
            shutil.chown(folder, self._user)
        made = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        made += ["--locale=C", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, user=self._user, cwd=folder)

    def start(self, **settings: str) -> None:
        """Starts the server on the data that it had, with more settings if given, and returns once it answers."""
        told = {"listen_addresses": "", "unix_socket_directories": str(self._folder), "fsync": "on", **settings}
        options = [word for name, value in told.items() for word in ("-c", f"{name}={value}")]
        command = [self._programs / "postgres", "-D", self._folder / "data", *options]
        last = time.monotonic() + PATIENCE
        while not self._answers():
            if time.monotonic() > last:
                pytest.fail(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()}")
            if self._process is None or self._process.poll() is not None:  # those of a killed one may still be ending
                with (self._folder / "log").open("ab") as log:
                    self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._user, cwd=self._folder)
            time.sleep(0.05)

    def kill(self) -> None:
        """Ends the server at once; its connections end within moments."""
        self._end(signal.SIGKILL)

    def kill_all(self) -> None:
        """Ends every process of the server at once: what none of them had handed to the system is lost."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # so that it starts no other while they end
        self._signal_children(signal.SIGKILL)
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stops every process of the server where it is; they keep their connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self._signal_children(signal.SIGSTOP)

    def go_on(self) -> None:
        """Lets a server that was paused go on."""
        assert self._process is not None
        self._signal_children(signal.SIGCONT)
        self._process.send_signal(signal.SIGCONT)

    def _signal_children(self, number: signal.Signals) -> None:
        assert self._process is not None
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
        for pid, parent in (map(int, line.split()) for line in listed.splitlines()):
            if parent == self._process.pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def stop(self) -> None:
        """Ends the server in order."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def dsn(url: URL) -> str:
    """The connection string of psycopg for a URL of SQLAlchemy."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def postgresql() -> Iterator[Server]:
    """A PostgreSQL: the one of TPP_TEST_POSTGRES, else in a container, else of the machine's own binaries.

    Where there is none the test is skipped, and fails where the environment says CI.
    """
    for found in (_named_server, _container, _own_server):
        with found() as server:
            if server is not None:
                yield server
                return
    missing("no PostgreSQL: set TPP_TEST_POSTGRES to a URL, or install Docker or the package postgresql")


@contextmanager
def _named_server() -> Iterator[Server | None]:
    url = os.environ.get("TPP_TEST_POSTGRES")
    server = Server(url) if url else None
    yield server
    if server is not None:
        server.clean()


@contextmanager
def _container() -> Iterator[Server | None]:
    if not docker_answers():
        yield None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from testcontainers.postgres import PostgresContainer

        with PostgresContainer("postgres:17", driver="psycopg") as container:
            yield Server(container.get_connection_url())


def _programs() -> Path | None:
    on_path = shutil.which("initdb")
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True
    )
    candidates = [*([Path(on_path).resolve().parent] if on_path else []), *folders]
    return next((folder for folder in candidates if (folder / "postgres").exists()), None)


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """A PostgreSQL of the test's own, which it may kill and start with other settings."""
    with _own_server() as server:
        if server is None:
            missing("no PostgreSQL on this machine: install the package postgresql")
        yield server


@contextmanager
def _own_server() -> Iterator[OwnServer | None]:
    programs = _programs()
    if programs is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="tpp-pg-"))
    try:
        server = OwnServer(programs, folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


Fresh = Callable[[], str]
"""Makes a database of its own and gives its URL."""
