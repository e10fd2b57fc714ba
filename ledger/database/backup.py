"""Back-ups of a ledger: one file of one moment, taken while others write, and put back whole.

Of SQLite a back-up is a database (https://sqlite.org/backup.html), of PostgreSQL an archive of pg_dump in its custom
format. A file gets its name when it is complete, and only its owner may read it.
"""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, cast
from urllib.parse import quote

from sqlalchemy import URL, select
from sqlalchemy.exc import DBAPIError

from ledger.database import tables
from ledger.database.addresses import SECRET, LedgerError, ledger_files, shown_url, sqlite_file
from ledger.database.connections import BUSY_MS, private_file
from ledger.database.door_tables import link, session
from ledger.database.migrate import upgrade
from ledger.database.store import VERSION, LedgerCorrupt, Store, check_own, check_server, database_message, unreadable

_SQLITE, _ARCHIVE = b"SQLite format 3\0", b"PGDMP"
_WITHOUT_OWNERS = ("--no-owner", "--no-privileges")
_MARK = """
DO $$ BEGIN UPDATE "{schema}".head SET epoch = {now}; EXCEPTION WHEN undefined_column THEN NULL; END $$;
DO $$ BEGIN
  DELETE FROM "{schema}".session; DELETE FROM "{schema}".link;
EXCEPTION WHEN undefined_table THEN NULL; END $$;
COMMIT;
"""


def back_up(store: Store, target: Path) -> None:
    """Writes a back-up of one moment of an open ledger to a new file; nobody who writes waits for it.

    Raises LedgerError if the file exists or cannot be written, or the ledger is damaged.
    """
    if target.exists() or target.is_symlink():
        raise LedgerError(f"{target} exists; a back-up replaces no file")
    try:
        with _beside(target) as made:
            if store.postgresql:
                _run(store.url, "pg_dump", "--format=custom", *_WITHOUT_OWNERS, f"--file={made}", _libpq(store.url))
            else:
                _copy_sqlite(store, made)
            with made.open("rb") as written:
                os.fsync(written.fileno())
            made.rename(target)
            _sync_folder(target)
    except OSError as error:
        raise LedgerError(f"cannot write {target}: {error.strerror or error}") from error


def put_back(file: Path, url: str, now: int, *, force: bool) -> None:
    """Restores a back-up into a ledger that has no records, or with `force` in the place of one that has.

    Tables of an earlier program are upgraded. The mark of a restore becomes `now`, in microseconds since 1970 (UTC), by
    which running parts notice. Sessions and links end; tokens are those of the back-up. Raises LedgerError if the file
    is not a back-up of such a ledger, or the ledger has records or cannot be written; it is then as it was.
    """
    store = Store(url)
    try:
        _check_kind(file, store)
        check_server(store)
        had = _check_free(store, force)
        if store.postgresql:
            _restore_archive(store, file, now, replace=had)
            _mark(url, now)
        else:
            _restore_file(store, file, now)
    finally:
        store.close()


def _check_kind(file: Path, store: Store) -> None:
    """Raises LedgerError if a file does not begin as a back-up of the ledger's database does."""
    try:
        with file.open("rb") as stream:
            begins = stream.read(len(_SQLITE))
    except OSError as error:
        raise LedgerError(f"cannot read {file}: {error.strerror}") from error
    kinds = {"SQLite": begins == _SQLITE, "PostgreSQL": begins.startswith(_ARCHIVE)}
    here, other = ("PostgreSQL", "SQLite") if store.postgresql else ("SQLite", "PostgreSQL")
    if kinds[other]:
        raise LedgerError(f"{file} is a back-up of {other}, and {shown_url(store.url)} is {here}")
    if not kinds[here]:
        raise LedgerError(f"{file} is not a back-up of a ledger")


def _check_free(store: Store, force: bool) -> bool:
    """Whether a ledger is there; raises LedgerError if it may not be replaced, or something else is there."""
    address = shown_url(store.url)
    if store.read_only:
        raise LedgerError(f"cannot write ledger {address}: it is read-only")
    try:
        if not store.exists():
            if not store.postgresql and Path(str(sqlite_file(store.url))).exists():
                with store.read() as connection:
                    check_own(store, connection)
            return False
        with store.read() as connection:
            records = connection.execute(select(tables.head.c.n)).scalar()
    except (LedgerCorrupt, DBAPIError) as error:
        if isinstance(error, DBAPIError) and not unreadable(error):
            raise
        why = database_message(error) if isinstance(error, DBAPIError) else error
        raise LedgerError(
            f"what is at {address} cannot be read ({why}); move it away, or name another ledger to restore into"
        ) from error
    if records and not force:
        raise LedgerError(
            f"the ledger at {address} has {records:,} records; name another ledger to restore into, "
            "or add --force to replace it"
        )
    return True


def _copy_sqlite(store: Store, made: Path) -> None:
    """Copies one moment, in one step, so that no writer makes it begin anew."""
    with store.read() as connection, closing(sqlite3.connect(made)) as target:
        source = cast("sqlite3.Connection", connection.connection.driver_connection)
        try:
            source.backup(target)
        except sqlite3.Error as error:
            raise LedgerError(f"cannot copy the ledger: {error}") from error
        _check_pages(target, "the ledger is damaged")


def _check_pages(connection: sqlite3.Connection, what: str) -> None:
    """Raises LedgerError if SQLite finds damage in a database."""
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise LedgerError(f"{what}: {' '.join(str(found).split())}; see docs/operate/index.md")


def _restore_file(store: Store, file: Path, now: int) -> None:
    """Puts the back-up, checked and marked, in the place of the ledger in one transaction."""
    target = Path(str(sqlite_file(store.url)))
    new = not target.exists()
    try:
        with _beside(target) as made:
            _copy_file(file, made)
            _mark(f"sqlite:///{made}", now)
            store.close()
            if new:
                for left in ledger_files(store.url.render_as_string()):
                    left.unlink(missing_ok=True)
            private_file(str(target))
            with _opened(made) as source, closing(sqlite3.connect(target)) as ledger:
                ledger.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
                ledger.execute("PRAGMA synchronous = FULL")
                source.backup(ledger)
    except (OSError, sqlite3.Error) as error:
        if new:
            target.unlink(missing_ok=True)
        why = error.strerror if isinstance(error, OSError) else error
        raise LedgerError(f"cannot write ledger {shown_url(store.url)}: {why}") from error


def _copy_file(file: Path, made: Path) -> None:
    """Copies a back-up on SQLite; raises LedgerError if it is damaged or not of a ledger."""
    try:
        with _opened(file) as source, closing(sqlite3.connect(made)) as copy:
            source.backup(copy)
            _check_pages(copy, f"the back-up {file} is damaged")
    except sqlite3.Error as error:
        raise LedgerError(f"the back-up {file} cannot be read: {error}") from error


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads an SQLite file which nobody writes, and creates no file beside it."""
    address = f"file:{quote(str(file.resolve()))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        yield connection


def _mark(url: str, now: int) -> None:
    """Brings the tables of a restored ledger to at least this program's revision, and notes that it was restored.

    Ends the sessions and links that came with it.
    """
    store = Store(url)
    try:
        found = store.version() if store.exists() else None
        if found is None:
            raise LedgerError("the back-up is not one of a ledger: it has no tables of one")
        if found < VERSION:
            upgrade(url)
        with store.begin() as connection:
            connection.execute(tables.head.update().values(epoch=now))
            connection.execute(session.delete())
            connection.execute(link.delete())
    except LedgerCorrupt as error:
        raise LedgerError(f"the back-up is not one of a whole ledger: {error}") from error
    finally:
        store.close()


def _restore_archive(store: Store, file: Path, now: int, *, replace: bool) -> None:
    """Puts an archive of pg_dump into the database, and marks it, in one transaction of psql.

    It commits only what pg_restore has read to its end. Tables of before the mark have none until they are upgraded.
    With `replace`, tables of the ledger that the archive does not have go too: its upgrade creates them.
    """
    listed = _run(store.url, "pg_restore", "--list", str(file))
    found = {name: re.search(rf" TABLE (\S+) {name} ", listed) for name in ("alembic_version", "head", "journal")}
    if (head := found["head"]) is None or not all(found.values()):
        raise LedgerError(f"{file} is not a back-up of a ledger: it has no tables of one")
    clean = ("--clean", "--if-exists") if replace else ()
    script = ("pg_restore", *_WITHOUT_OWNERS, *clean, "--file=-", str(file))
    psql = ("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={_libpq(store.url)}")
    schema = head[1].replace('"', '""')
    later = [name for name in tables.metadata.tables if replace and not re.search(rf" TABLE (\S+) {name} ", listed)]
    begin = ["BEGIN;", *(f'DROP TABLE IF EXISTS "{schema}"."{name}";' for name in later), ""]
    _run_into(store.url, script, psql, "\n".join(begin).encode(), _MARK.format(schema=schema, now=now).encode())


def _run_into(url: URL, script: Sequence[str], psql: Sequence[str], before: bytes, after: bytes) -> None:
    """Gives psql the output of a program between two texts; the second one only if the program succeeds."""
    pipe, nowhere, given = subprocess.PIPE, subprocess.DEVNULL, _environment(url)
    with TemporaryFile() as unread, TemporaryFile() as refused, _installed():
        with (
            subprocess.Popen(psql, stdin=pipe, stdout=nowhere, stderr=refused, env=given) as into,  # noqa: S603
            subprocess.Popen(script, stdout=pipe, stderr=unread, env=given) as out,  # noqa: S603
        ):
            source, target = cast("IO[bytes]", out.stdout), cast("IO[bytes]", into.stdin)
            with suppress(BrokenPipeError), target:
                target.write(before)
                shutil.copyfileobj(source, target)
                if out.wait() == 0:
                    target.write(after)
        for command, code, told in ((script, out.returncode, unread), (psql, into.returncode, refused)):
            if code not in (0, -signal.SIGPIPE):  # a program whose output psql no longer reads ends by SIGPIPE
                told.seek(0)
                raise _failed(command[0], code, told.read().decode(errors="replace"))


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """An empty file in a folder of its own beside `target`, both only for their owner; they are deleted at the end."""
    with TemporaryDirectory(prefix=".tpp-", dir=target.resolve().parent) as scratch:
        made = Path(scratch) / "made"
        private_file(str(made))
        yield made


def _sync_folder(target: Path) -> None:
    """Makes the name of a new file durable, where the folder can be opened."""
    with suppress(OSError):
        folder = os.open(target.resolve().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _libpq(url: URL) -> str:
    """The URL for libpq, without its password: every user of the machine can read the arguments of a program."""
    plain = url.set(drivername="postgresql")._replace(password=None)
    if any(SECRET.search(name) for name in plain.query):
        raise LedgerError("a password among the options of the ledger's URL cannot be handed on; write it before the @")
    return plain.render_as_string()


def _run(url: URL, *command: str) -> str:
    """Runs a program of PostgreSQL; returns what it prints."""
    with _installed():
        done = subprocess.run(  # noqa: S603  a program of PostgreSQL, whose arguments no shell reads
            command, check=False, capture_output=True, text=True, errors="replace", env=_environment(url)
        )
    if done.returncode:
        raise _failed(command[0], done.returncode, done.stderr)
    return done.stdout


def _environment(url: URL) -> dict[str, str]:
    """The environment of a program of PostgreSQL, with the password of the URL."""
    return {**os.environ, **({} if url.password is None else {"PGPASSWORD": str(url.password)})}


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise LedgerError(f"{error.filename} is not installed; it comes with PostgreSQL's client programs") from error


def _failed(program: str, code: int, stderr: str) -> LedgerError:
    """What to say of a program of PostgreSQL that failed: its first error."""
    told = stderr.strip().splitlines() or [f"exit code {code}"]
    why = next((line for line in told if "error:" in line.lower()), told[-1])
    where = rf"{program}:(<stdin>:[0-9]+:)? *error: *"
    return LedgerError(f"{program} failed: {re.sub(where, '', why, count=1, flags=re.IGNORECASE)}")
