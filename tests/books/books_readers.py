"""The exported files of a snapshot read back by programs that are not ours, and the whole command called in this process."""

import csv
import io
import shutil
import subprocess
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import openpyxl
import orjson
import pytest
from click.testing import CliRunner
from pyarrow import parquet
from waiting import PATIENCE

from services.cli.commands import main

COLUMNS = ("pending", "posted", "attested", "credits", "closing")
Figures = dict[str, tuple[int, ...]]
"""By account: the four parts, and the balance."""


class Told(NamedTuple):
    """What a call gave: its exit code, standard output and standard error."""

    code: int
    out: bytes
    error: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output; nothing is wrong, but a gap between periods may be named."""
        said = [line for line in self.error.splitlines() if not line.startswith("this also closes ")]
        assert (self.code, said) == (0, [])
        return orjson.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one sentence on standard error of what could not be done; nothing on standard output."""
        assert self.out == b""
        lines = [line for line in self.error.splitlines() if line and not line.startswith(("Usage: ", "Try '"))]
        assert len(lines) == 1, self.error
        assert lines[0].startswith("Error: ")
        return lines[0].removeprefix("Error: ")


def caller(url: str, folder: Path) -> Callable[..., Told]:
    """Calls `tpp` on a ledger with a signing key in a folder; anything but a plain end is an error."""

    def call(*words: str) -> Told:
        done = CliRunner().invoke(main, words, env={"TPP_LEDGER_URL": url, "TPP_SIGNING_KEY": str(folder / "key")})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Told(done.exit_code, done.stdout_bytes, done.stderr)

    return call


def of_csv(folder: Path, _: str) -> Figures:
    """By frictionless, which must find the package valid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import frictionless

        report = frictionless.validate(folder / "datapackage.json")
        assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "message"])
        rows = frictionless.Package(str(folder / "datapackage.json")).get_resource("accounts").read_rows()
        return _figures(rows)


def of_parquet(folder: Path, _: str) -> Figures:
    """By pyarrow."""
    return _figures(parquet.read_table(folder / "accounts.parquet").to_pylist())


def of_xlsx(folder: Path, name: str) -> Figures:
    """By openpyxl; the sheet of totals must hold the sums."""
    book = openpyxl.load_workbook(folder / f"{name}.xlsx", read_only=True)
    read = {}
    for sheet in book:
        head, *rows = ([cell.value for cell in row] for row in sheet.rows)
        read[sheet.title] = [dict(zip(head, row, strict=True)) for row in rows]
    book.close()
    found = _figures(read["accounts"])
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * len(COLUMNS))
    for account, figures in found.items():
        sums[account.split("/")[0]] = [a + b for a, b in zip(sums[account.split("/")[0]], figures, strict=True)]
    assert {row["family"]: [int(row[name]) for name in COLUMNS] for row in read["totals"]} == sums
    return found


def of_hledger(folder: Path, name: str) -> Figures:
    """By hledger, which must accept the journal; what it leaves out is 0."""
    if shutil.which("hledger") is None:
        pytest.skip("hledger is not installed")
    path = folder / f"{name}.journal"
    subprocess.run(["hledger", "-f", path, "check", "--strict"], capture_output=True, timeout=PATIENCE, check=True)
    done = subprocess.run(
        ["hledger", "-f", path, "bal", "used", "--flat", "-N", "-E", "-O", "csv"],
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    rows: dict[str, dict[str, Any]] = defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
    for row in csv.DictReader(io.StringIO(done.stdout.decode())):
        _, *names, part = row["account"].split(":")
        account, amount = unquote("/".join(names)), int(row["balance"].removesuffix(" TPP"))
        rows[account][part] = -amount if part == "credits" else amount
        rows[account]["closing"] += amount
    return _figures({"account": account, **row} for account, row in rows.items())


def _figures(rows: Any) -> Figures:
    return {row["account"]: tuple(int(row[name]) for name in COLUMNS) for row in rows}


READERS = {"csv": of_csv, "parquet": of_parquet, "xlsx": of_xlsx, "hledger": of_hledger}
