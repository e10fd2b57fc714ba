"""Opens what a command works on: a ledger by URL, a rulebook by name, an engine; failures are one sentence.

The clock and the version of the program are created here and passed down. Imports are delayed until they are needed,
so that help is quick.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from services.failure import Failure

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from ledger.database.store import Connection, DatabaseError, Store
    from rulebook import Book
    from services.engine.context import Observer
    from services.engine.engine import Engine
    from services.settings import Settings

_INSUFFICIENT_PRIVILEGE = "42501"
"""SQLSTATE of what a role may not do."""


def wall_clock() -> int:
    """The time now, in microseconds since 1970 (UTC); it dates records and is read by no decision."""
    from schemas.times import microseconds

    return microseconds(datetime.now(UTC))


def software() -> str:
    """The version of the program, which decisions state."""
    from importlib.metadata import version

    return version("tpp-quota-ledger")


def settings() -> "Settings":
    """The settings of the environment and the `.env` file."""
    from pydantic import ValidationError

    from services.settings import Settings, check_file

    check_file()
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "TPP_" + "_".join(str(part) for part in first["loc"]).upper()
        raise Failure(f"{name}: {_problem(first)}") from error


def _problem(error: "ErrorDetails") -> str:
    """What is wrong with a setting, in our words where pydantic has its own."""
    context = error.get("ctx", {})
    if error["type"] == "literal_error":
        return f"must be {context['expected'].replace(chr(39), '')}, not {error['input']!r}"
    if error["type"].startswith("int_"):
        return f"must be a whole number, not {error['input']!r}"
    if error["type"] == "greater_than_equal":
        return f"must be at least {context['ge']}, not {error['input']!r}"
    if error["type"].startswith("bool_"):
        return f"must be 1 or 0, not {error['input']!r}"
    return str(context.get("error", error["msg"]))


def book(name: str | None) -> "Book":
    """The rulebook of this name, or of the settings, with the switches of the settings."""
    import rulebook

    chosen = settings()
    try:
        return rulebook.load(name or chosen.rulebook, chosen.switches)
    except (LookupError, ValueError) as error:
        raise Failure(str(error.args[0])) from error


def ledger_address(url: str | None) -> str:
    """The URL of a ledger, or of the settings, with the password of TPP_LEDGER_PASSWORD_FILE if it has none.

    Raises Failure if the file cannot be read, LedgerError if the URL is invalid.
    """
    from ledger.database.store import ledger_url

    chosen = settings()
    given, file = chosen.ledger_url if url is None else url, chosen.ledger_password_file
    parsed = ledger_url(given)
    if file is None or parsed.get_backend_name() != "postgresql" or parsed.password is not None:
        return given
    try:
        password = Path(file).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a text"
        raise Failure(f"cannot read the password in TPP_LEDGER_PASSWORD_FILE {file}: {why}") from error
    if not password:
        raise Failure(f"the file of TPP_LEDGER_PASSWORD_FILE {file} is empty")
    return parsed.set(password=password).render_as_string(hide_password=False)


def _database_failure(error: "DatabaseError") -> Failure:
    """A failure of the ledger's database, as a sentence; of a missing privilege, with what to do."""
    from ledger.database.store import database_message

    if getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
        why = getattr(getattr(error.orig, "diag", None), "message_primary", None) or database_message(error)
        return Failure(
            f"the role of the ledger's URL may not do this ({why}); "
            "create or upgrade the tables by `tpp migrate` with the role that owns the schema"
        )
    return Failure(f"the ledger's database failed: {database_message(error)}")


@contextmanager
def _store(url: str | None, *, memory: bool = False) -> Iterator["Store"]:
    """The database of a ledger's URL, or of the settings; it may not contain a ledger yet.

    `memory`: whether it may be one that is not stored. Errors of the ledger and its database become one sentence on
    standard error, exit 2.
    """
    from ledger.database.rows import FAILURES
    from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError, Store

    store = None
    try:
        store = Store(ledger_address(url))
        if store.memory and not memory:
            raise Failure("a ledger in :memory: ends with its command; only screen and check take it")
        yield store
    except (LedgerError, LedgerCorrupt) as error:
        raise Failure(str(error)) from error
    except DatabaseError as error:
        damaged = _damage(store, error)
        raise (Failure(damaged) if damaged else _database_failure(error)) from error
    except FAILURES as error:
        from ledger.proof.notes import NoteError

        note = f"a checkpoint of the ledger cannot be read: {error}" if isinstance(error, NoteError) else None
        damaged = _damage(store, None) or note
        if damaged is None:
            raise
        raise Failure(damaged) from error
    finally:
        if store is not None:
            store.close()


def _damage(store: "Store | None", error: "DatabaseError | None") -> str | None:
    """What is damaged in a ledger of which reading failed; None if nothing is, and the failure is of another kind."""
    from ledger.database.store import unreadable
    from ledger.queries.damage import damage

    if store is None or (error is not None and not unreadable(error)):
        return None
    found = damage(store)
    return found and f"the ledger is damaged: {found}; see docs/operate/index.md"


@contextmanager
def opened(url: str | None) -> Iterator["Store"]:
    """A ledger, which is created if it does not exist."""
    with _store(url) as store:
        store.open()
        yield store


@contextmanager
def engine(
    url: str | None,
    rulebook: str | None,
    *,
    existing: bool = False,
    memory: bool = False,
    observer: "Observer | None" = None,
) -> Iterator["Engine"]:
    """An engine on a ledger, which is created if it does not exist.

    At the end, the new records are hashed into the tree. `existing`: nothing will be written; if the ledger does not
    exist, an empty one in memory takes its place, so that no file is created, and a copy that of a read-only one.
    `memory`: as of `_store`. `observer` is told of each transaction.
    """
    from ledger.proof.leaves import seal

    law = book(rulebook)
    with ExitStack() as opened:
        store = opened.enter_context(_store(url, memory=memory))
        if existing and not store.exists():
            store = opened.enter_context(_store(":memory:", memory=True))
        elif existing and store.read_only:
            store = opened.enter_context(_store(opened.enter_context(_copied(store))))
        store.open()
        yield engine_on(store, law, observer)
        if not (existing or store.memory):
            seal(store)


@contextmanager
def _copied(store: "Store") -> Iterator[str]:
    """The URL of a copy of a ledger on SQLite, in a folder of its own that is deleted at the end."""
    import shutil
    from tempfile import TemporaryDirectory

    from ledger.database.store import sqlite_file

    with TemporaryDirectory(prefix="tpp-") as folder:
        shutil.copyfile(str(sqlite_file(store.url)), f"{folder}/ledger.db")
        yield f"sqlite:///{folder}/ledger.db"


def engine_on(store: "Store", law: "Book", observer: "Observer | None" = None) -> "Engine":
    """An engine on an open ledger, with the machine's clock; `observer` is told of each transaction."""
    from ledger.journal import Ledger
    from services.engine.engine import Engine

    _tune()
    if observer is None:
        return Engine(Ledger(store), law, wall_clock, software())
    store.observe(observer.timed)
    return Engine(Ledger(store, observer.turn), law, wall_clock, software(), observer)


def _tune() -> None:
    """Makes cyclic garbage collection rare: reference counting frees a batch's objects, and the rest stays in use."""
    import gc

    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def there(url: str | None) -> bool:
    """Whether a ledger exists. Creates no file."""
    with _store(url) as store:
        return store.exists()


@contextmanager
def standing(url: str | None) -> Iterator["Store"]:
    """An existing ledger; raises Failure if it does not exist."""
    from ledger.database.store import shown_url

    with _store(url) as store:
        if not store.exists():
            address = shown_url(store.url)
            raise Failure(f"no ledger at {address}; create it with `tpp migrate --ledger {address}`")
        store.open()
        yield store


@contextmanager
def reading(url: str | None) -> Iterator["Connection"]:
    """A connection to an existing ledger, which sees one moment of it."""
    with standing(url) as store, store.read() as connection:
        yield connection


def backed_up(url: str | None, target: Path) -> None:
    """Writes a back-up of a ledger to a new file."""
    from ledger.database.backup import back_up

    with standing(url) as store:
        back_up(store, target)


def restored(url: str | None, file: Path, *, force: bool) -> None:
    """Puts a back-up into a ledger that has no records, or with `force` in the place of one that has."""
    from ledger.database.backup import put_back

    with _store(url):
        put_back(file, ledger_address(url), wall_clock(), force=force)


def migrated(url: str | None) -> str:
    """Brings a ledger's tables to this version; returns a sentence that says what was done."""
    from ledger.database.migrate import upgrade

    with _store(url):
        before, after = upgrade(ledger_address(url))
    if before is None:
        return f"created the ledger at revision {after}"
    return (
        f"the ledger is already at revision {after}"
        if before == after
        else f"upgraded the ledger from revision {before} to {after}"
    )
