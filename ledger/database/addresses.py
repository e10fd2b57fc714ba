"""What a user's text for a ledger means: the database URL, and the file if it is SQLite's."""

import re
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL, make_url

MEMORY = ":memory:"
"""The only text that means a ledger which is not stored."""

_ESCAPES = "in a password, write @ : / # % as %40 %3A %2F %23 %25"
_HIDES_PASSWORD = re.compile(r"[:@=?#\s]")
SECRET = re.compile("password|secret", re.IGNORECASE)
_BESIDE = ("-wal", "-shm", "-journal")


class LedgerError(Exception):
    """A ledger cannot be opened or used; the message says why and what to do."""


def ledger_url(text: str) -> URL:
    """The database URL that a user's text means: `:memory:`, and plain `postgresql://` for psycopg.

    Raises LedgerError for a text that is not a URL, which it repeats only if no password can be in it, and for an
    SQLite database that would be kept in memory or in a temporary file.
    """
    if text == MEMORY:
        return make_url("sqlite://")
    if not text.strip():
        raise LedgerError("the ledger's URL is empty; for a file write sqlite:///ledger.db")
    try:
        url = make_url(text)
    except Exception:  # noqa: BLE001  the URL's parts raise errors of several kinds, which repeat them
        given = "the ledger's URL" if _HIDES_PASSWORD.search(text) else repr(text)
        told = f"; {_ESCAPES}" if "@" in text else ""
        raise LedgerError(f"{given} is not a database URL; for a file use sqlite:///path/to/ledger.db{told}") from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise LedgerError(f"{url.get_backend_name()} is not supported; use SQLite or PostgreSQL")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise LedgerError(f"driver {url.drivername} is not supported; use {url.get_backend_name()}://")
    if url.get_backend_name() == "sqlite":
        _check_sqlite(url)
    elif "@" in (url.host or ""):
        raise LedgerError(f"the ledger's URL has two @; {_ESCAPES}")
    return url


def _check_sqlite(url: URL) -> None:
    if url.host or url.username or url.password or url.port:
        path = "/".join(filter(None, (url.host, url.database)))
        raise LedgerError(f"an SQLite URL has three slashes; for a file write sqlite:///{path}")
    if sqlite_file(url) is None:
        raise LedgerError(
            f"{url.render_as_string()!r} would keep the ledger in memory or in a temporary file; "
            f"for a file write sqlite:///ledger.db, for a ledger that is not stored {MEMORY}"
        )


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite URL; None if SQLite would keep the database in memory or in a temporary file.

    >>> sqlite_file(make_url("sqlite:///a.db")), sqlite_file(make_url("sqlite:///file:b%2520c.db?uri=true"))
    (PosixPath('a.db'), PosixPath('b c.db'))
    >>> sqlite_file(make_url("sqlite:///file::memory:?uri=true"))
    """
    name = url.database or ""
    if url.query.get("mode") == "memory" or url.query.get("vfs") == "memdb":
        return None
    if is_uri(url) and name.startswith("file:"):
        name = name.removeprefix("file:")
        if name.startswith("//"):
            name = "/" + name[2:].partition("/")[2]
        name = unquote(re.split("[?#]", name)[0]).partition("\0")[0]
    return None if name in ("", "/", MEMORY) else Path(name)


def is_uri(url: URL) -> bool:
    """Whether an SQLite URL passes a URI of SQLite's own."""
    return str(url.query.get("uri", "")).lower() in ("true", "yes", "on", "y", "t", "1")


def ledger_files(text: str) -> list[Path]:
    """The file of a ledger on SQLite, and those that SQLite keeps beside it; none for another ledger."""
    url = ledger_url(text)
    file = sqlite_file(url) if url.get_backend_name() == "sqlite" else None
    return [] if file is None else [file, *(file.with_name(file.name + end) for end in _BESIDE)]


def shown_url(url: URL) -> str:
    """A database URL for people, without its passwords."""
    hidden = {name: "***" for name in url.query if SECRET.search(name)}
    return url.update_query_dict(hidden).render_as_string().replace("%2A%2A%2A", "***")
