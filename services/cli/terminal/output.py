"""Where commands write: a file that destroys nothing else, or standard output."""

import gzip
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, cast

from schemas.columns import TABLES
from services.failure import Failure
from services.printing import standard_output
from services.replacing import beside
from services.resources import settings

ANSWERS = re.compile(rb'\{"specversion":"1\.0","id":"[^"]*","source":"//tpp-ledger"')
CHECKPOINT = re.compile(rb"[^\n]+\n\d+\n[A-Za-z0-9+/]{43}=\n\n")
WORKBOOK = re.compile(rb"PK\x03\x04.{6}\0\0\x3f\0.{16}\[Content_Types\]\.xml", re.DOTALL)
PARQUET = re.compile(rb"PAR1")
JOURNAL = re.compile(rb"commodity 1000\. TPP\n")
BAD_CELLS = re.compile(rb"row,line,column,value,why\n")
VERIFIER = re.compile(rb"\"\"\"Verifies an evidence pack: ")
PACKAGE = re.compile(rb'\{\n  "profile": "tabular-data-package"')

LIST_CONTENT = re.compile(rb'\{"(?:addresses|aliases|countries|effective|expires|id)":')
"""How the content of a restricted-party list begins: an entry's first member."""

RECONCILIATION = {
    "table": re.compile(rb"[\d,]+ matched, "),
    "json": re.compile(rb'\{\n  "(?:matched|assumed)"'),
    "xlsx": WORKBOOK,
}

_BEGINNING = 4096
"""How many bytes of a file show whether a command wrote it."""


def of_statement(form: str) -> re.Pattern[bytes]:
    """How a statement begins in a format."""
    return {
        "table": re.compile(rb"\s*account\b"),
        "json": re.compile(rb'\[(?:\]|\n  \{\n    "kind")'),
        "csv": _header("statement"),
        "xlsx": WORKBOOK,
        "parquet": PARQUET,
        "hledger": JOURNAL,
    }[form]


def of_snapshot(file: str) -> re.Pattern[bytes]:
    """How a file of a snapshot begins."""
    name, _, form = file.rpartition(".")
    if form == "csv":
        return _header(name)
    return {"json": PACKAGE, "xlsx": WORKBOOK, "parquet": PARQUET, "journal": JOURNAL}[form]


def _header(table: str) -> re.Pattern[bytes]:
    names = ",".join(column.name for column in TABLES[table])
    return re.compile(re.escape(f"{names}\n".encode()))


def output(
    name: str | None,
    begins: re.Pattern[bytes],
    *,
    inputs: Sequence[str] = (),
    ledger: str | None = None,
    force: bool = False,
    in_place: bool = False,
) -> AbstractContextManager[IO[bytes]]:
    """The stream for a command's output: a file, compressed if its name ends in .gz, or standard output.

    The file is checked at once (`check_output`) and opened when the context is entered. It gets its name when it is
    complete; `in_place`: it is emptied and written from the start, so that others can follow it.
    """
    if name is None or name in ("-", "/dev/stdout"):
        _check_redirected(inputs)
        return _standard()
    check_output(name, begins, inputs=inputs, ledger=ledger, force=force)
    return _file(name, in_place)


def check_output(
    name: str, begins: re.Pattern[bytes], *, inputs: Sequence[str] = (), ledger: str | None = None, force: bool = False
) -> None:
    """Raises Failure if writing this file would destroy something.

    That is an input, the ledger's files, the signing key or `.env`, through links too; and without `force`, a regular
    file that is not empty and does not begin as `begins` says.
    """
    path = Path(name)
    for other, what in _kept(inputs, ledger):
        if _same(path, other):
            raise Failure(f"{name} is {what}; name another file for the output")
    if path.is_dir():
        raise Failure(f"cannot write {name}: it is a directory")
    if not path.resolve().parent.is_dir():
        raise Failure(f"cannot write {name}: {path.resolve().parent} is not a directory")
    if force or not path.is_file():
        return
    beginning = _beginning(path, unpacked=_packed(name))
    if beginning is None or (beginning and not begins.match(beginning)):
        raise Failure(f"{name} exists and is not an output of this command; to replace it, add --force")


def _kept(inputs: Iterable[str], ledger: str | None) -> Iterator[tuple[Path | int, str]]:
    """The files that no output may replace, each with what it is."""
    from ledger.database.addresses import LedgerError, ledger_files

    for name in inputs:
        yield (0, "standard input") if name == "-" else (Path(name), "an input of this command")
    chosen = settings()
    try:
        of_ledger = ledger_files(chosen.ledger_url if ledger is None else ledger)
    except LedgerError as error:
        raise Failure(str(error)) from error
    for file in of_ledger:
        yield file, "a file of the ledger"
    yield Path(chosen.signing_key), "the signing key"
    yield Path(".env"), "the file of settings"


def _same(path: Path, other: Path | int) -> bool:
    """Whether two names mean one file; of files that do not exist, whether they are one path."""
    try:
        mine, theirs = path.stat(), _status(other)
    except OSError:
        return isinstance(other, Path) and path.resolve() == other.resolve()
    return stat.S_ISREG(mine.st_mode) and os.path.samestat(mine, theirs)


def _status(file: Path | int) -> os.stat_result:
    return os.fstat(file) if isinstance(file, int) else file.stat()


def _check_redirected(inputs: Iterable[str]) -> None:
    """Raises Failure if standard output goes to a file that is read at the same time."""
    try:
        mine = os.fstat(sys.stdout.fileno())
        same = [name for name in inputs if os.path.samestat(mine, _status(0 if name == "-" else Path(name)))]
    except (AttributeError, OSError):
        return
    if same and stat.S_ISREG(mine.st_mode):
        raise Failure(f"{same[0]} is both input and output; name another file for the output")


def _beginning(path: Path, *, unpacked: bool) -> bytes | None:
    """The first bytes of a file; None if they cannot be unpacked."""
    try:
        with path.open("rb") as file:
            raw = file.read(_BEGINNING)
        return zlib.decompressobj(31).decompress(raw, _BEGINNING) if unpacked and raw else raw
    except zlib.error:
        return None
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from error


def _packed(name: str) -> bool:
    return name.lower().endswith(".gz")


@contextmanager
def _standard() -> Iterator[IO[bytes]]:
    stream = standard_output()
    yield stream
    stream.flush()


@contextmanager
def _file(name: str, in_place: bool) -> Iterator[IO[bytes]]:
    path = Path(name)
    regular = path.is_file() or not path.exists()
    try:
        with path.open("wb") if in_place or not regular else beside(path) as file:
            if _packed(name):
                with _Packed(fileobj=file, mode="wb", filename="", mtime=0) as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield file
    except OSError as error:
        raise Failure(f"cannot write {name}: {error.strerror or error}") from error


class _Packed(gzip.GzipFile):
    """A gzip file whose bytes depend only on what is written, not on when it is flushed."""

    def flush(self, zlib_mode: int = zlib.Z_SYNC_FLUSH) -> None:
        """Does nothing: a flush would show in the bytes."""
