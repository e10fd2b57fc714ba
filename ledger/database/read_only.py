"""An SQLite ledger in a folder that cannot be written: an archive, an auditor's mount."""

import os
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL

from ledger.database.addresses import LedgerError, shown_url, sqlite_file


def is_read_only(url: URL) -> bool:
    """Whether the file of an SQLite URL is there, and its folder cannot be written or its own URI says so."""
    file = sqlite_file(url)
    if file is None or not file.exists():
        return False
    return url.query.get("mode") == "ro" or "immutable" in url.query or not os.access(file.resolve().parent, os.W_OK)


def connectable(url: URL) -> URL:
    """The URL that reads the file of an SQLite URL, and creates no file beside it where that cannot be done.

    Raises LedgerError if changes wait in a write-ahead log beside the file, which SQLite cannot apply there.
    """
    file = Path(str(sqlite_file(url))).resolve()
    query = {"uri": "true", "mode": "ro"}
    if not os.access(file.parent, os.W_OK):
        log = file.with_name(f"{file.name}-wal")
        if log.exists() and log.stat().st_size:
            raise LedgerError(
                f"cannot read ledger {shown_url(url)}: {log} has changes that are not yet in the ledger's file, and "
                "the folder is read-only; copy both files into a writable folder"
            )
        query["immutable"] = "1"
    return URL.create("sqlite", database=f"file:{quote(str(file))}", query=query)
