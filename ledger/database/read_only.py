"""An SQLite ledger in a folder that cannot be written: an archive, an auditor's mount."""

import os
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL

from ledger.database.addresses import LedgerError, shown_url, sqlite_file


def is_read_only(url: URL) -> bool:
    """Whether the file of an SQLite URL is there and can only be read: it, its folder, or its own URI says so."""
    file = sqlite_file(url)
    if file is None or not file.exists():
        return False
    if url.query.get("mode") == "ro" or "immutable" in url.query or not _may_write(file):
        return True
    return not (_may_write(file.resolve().parent) or _beside(file, "-wal").exists())


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _beside(file: Path, end: str) -> Path:
    return file.with_name(f"{file.name}{end}")


def connectable(url: URL) -> URL:
    """The URL that reads the file of an SQLite URL, and creates no file beside it where that cannot be done.

    While somebody writes to it, its `-wal` and `-shm` stand beside it and are read too. Raises LedgerError if changes
    wait in a `-wal` alone, or on a read-only file system.
    """
    file = Path(str(sqlite_file(url))).resolve()
    query = {"uri": "true", "mode": "ro"}
    log, index = _beside(file, "-wal"), _beside(file, "-shm")
    changed = log.exists() and log.stat().st_size > 0
    live = changed and index.exists() and not os.statvfs(file.parent).f_flag & os.ST_RDONLY
    if not _may_write(file.parent) and not live:
        if changed:
            raise LedgerError(
                f"cannot read ledger {shown_url(url)}: {log} has changes that are not yet in the ledger's file, and "
                "the folder is read-only; copy both files into a writable folder"
            )
        query["immutable"] = "1"
    return URL.create("sqlite", database=f"file:{quote(str(file))}", query=query)
