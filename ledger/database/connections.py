"""How each connection to a ledger's database is set up."""

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DisconnectionError, ProgrammingError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

log = logging.getLogger("tpp.ledger")

BUSY_MS = 60_000
_SAFE = ("fsync", "full_page_writes")
_SETTINGS = (
    """SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
    WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false), set_config('jit', 'off', false)""",
    """DO $$ BEGIN SET default_toast_compression = 'lz4';
    EXCEPTION WHEN invalid_parameter_value OR undefined_object THEN NULL; END $$""",
)
"""Durable commits. A statement is over before it is compiled, and LZ4, where the server has it, takes half of the time
that the server's own compression takes to store a record (89 instead of 190 µs an event, on a busy machine)."""
_NOT_ALLOWED = "42501"
_LEDGER = {"head", "journal"}
"""Tables that every revision of a ledger has."""

_when_free = Retrying(
    retry=retry_if_exception(lambda error: "locked" in str(error)),
    stop=stop_after_delay(BUSY_MS / 1_000),
    wait=wait_random(0.005, 0.05),
    reraise=True,
)
"""Waits while another process switches a file to WAL, for which SQLite itself does not wait."""


def _identity(file: Path | None) -> tuple[int, int] | None:
    """What tells the ledger's file from another one of its name; None of a ledger in memory and a missing file."""
    try:
        found = file.stat() if file is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def private_file(path: str) -> None:
    """Creates a missing file that nobody but its owner may use; whoever opens it reports why it cannot be created.

    An existing one is not opened: to close it would drop the locks of every connection of this process (SQLite, "How To
    Corrupt An SQLite Database File", 2.2), and another process could delete the -wal that they still read and write.
    """
    with suppress(OSError, ValueError):
        if not Path(path).exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))


def _may_change(cursor: Any) -> bool:
    """Whether a file is empty or a ledger, not the database of another program, whose header must stay as it is."""
    found = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master").fetchall()}
    return not found or found >= _LEDGER


def prepare_sqlite(engine: Engine, file: Path | None, *, read_only: bool) -> None:
    """Sets up connections to SQLite: durable commits, and transactions that begin with the writers' turn.

    `file`: the ledger's, None of one in memory.
    """
    writes = file is not None and not read_only

    @event.listens_for(engine, "do_connect")
    def do_connect(*_: Any) -> None:
        if writes:
            private_file(str(file))  # its -wal and -shm get the same mode

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        record.info["file"] = _identity(file)
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        if writes:
            if _when_free(_may_change, cursor):
                _when_free(cursor.execute, "PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA cache_size = -65536")
        cursor.close()

    @event.listens_for(engine, "checkout")
    def checkout(_connection: Any, record: Any, _proxy: Any) -> None:
        """Opens the file anew if another one was put in its place, such as a back-up."""
        if record.info["file"] != _identity(file):
            raise DisconnectionError

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def prepare_postgresql(engine: Engine) -> None:
    """Sets up connections to PostgreSQL: durable commits."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        """Confirms a commit only once it is on disk, whatever the role or the database has as its default."""
        connection.autocommit = True
        for setting in _SETTINGS:
            connection.execute(setting)
        connection.autocommit = False


def unsafe(connection: Connection) -> str | None:
    """Why the PostgreSQL server may lose in a crash what it has confirmed; None if it may not.

    Logs a warning if the role may not read the settings.
    """
    query = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
    found: dict[str, str] = {}
    try:
        found = {row.name: row.setting for row in connection.execute(query, {"names": list(_SAFE)})}
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _NOT_ALLOWED:
            raise
    if unknown := [name for name in _SAFE if name not in found]:
        log.warning("this role may not read %s of the PostgreSQL server: both must be on", " and ".join(unknown))
    if off := [name for name in _SAFE if found.get(name, "on") != "on"]:
        return f"the PostgreSQL server may lose confirmed records in a crash: {' and '.join(off)} must be on, not off"
    return None


class Observed:
    """A database of which it can be measured how long it works."""

    engine: Engine
    _timed: Callable[[], AbstractContextManager[None]] = nullcontext

    def observe(self, timed: Callable[[], AbstractContextManager[None]]) -> None:
        """Surrounds each statement and each commit by what `timed` makes; a statement that fails is not left again."""
        self._timed = timed

        @event.listens_for(self.engine, "before_cursor_execute")
        def _before(_c: Any, _cursor: Any, _text: Any, _values: Any, context: Any, _many: Any) -> None:
            context.tpp_timed = timed()
            context.tpp_timed.__enter__()

        @event.listens_for(self.engine, "after_cursor_execute")
        def _after(_c: Any, _cursor: Any, _text: Any, _values: Any, context: Any, _many: Any) -> None:
            context.tpp_timed.__exit__(None, None, None)
