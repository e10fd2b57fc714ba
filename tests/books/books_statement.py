"""Statements of another system as files of each kind, and the command that compares one with a ledger."""

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner
from openpyxl import Workbook, load_workbook

from ledger.journal import Ledger
from ledger.read import shipment_lines
from ledger.reconcile import Line
from ledger.store import Store
from rulebook import load
from services.cli_reconcile import reconcile
from services.engine import Engine, Record

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
NAMES = dict(zip(Line._fields, Line._fields, strict=True))


class Told(NamedTuple):
    """What a call gave: its exit code, standard output and standard error."""

    code: int
    out: bytes
    error: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON document on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def call(url: str, *words: str, stdin: bytes = b"") -> Told:
    """Runs `reconcile` on a ledger; anything but a plain end is an error."""
    done = CliRunner().invoke(reconcile, [*words, "--ledger", url], input=stdin)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Told(done.exit_code, done.stdout_bytes, done.stderr)


def compared(url: str, statement: Path, *words: str) -> dict[str, Any]:
    """The JSON of a comparison, whose exit code must fit it."""
    told = call(url, str(statement), "--format", "json", *words)
    assert told.code in (0, 1), told.error
    found = told.json
    assert told.code == bool(found["missing_here"] or found["missing_there"] or found["different"])
    return found


def screen(url: str, example: str = "gpu-clusters.jsonl.gz") -> None:
    """Screens an example into a ledger."""
    raw = (EXAMPLES / example).read_bytes()
    lines = (gzip.decompress(raw) if example.endswith(".gz") else raw).splitlines()
    store = Store(url)
    store.open()
    engine = Engine(Ledger(store), load("ai-diffusion"), clock=lambda: 1_751_328_000_000_000)
    engine.run([Record(line, {"file": example, "line": number}) for number, line in enumerate(lines, 1)])
    store.close()


def ledger_lines(url: str, pattern: str | None = None) -> list[Line]:
    """The ledger's side, sorted."""
    store = Store(url)
    with store.read() as connection:
        found = sorted(shipment_lines(connection, pattern))
    store.close()
    return found


def as_csv(lines: Sequence[Line], delimiter: str = ",", names: Mapping[str, str] = NAMES, bom: bool = False) -> bytes:
    """A CSV with a column besides, CR LF, and a blank line after the header and at the end."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["remark", *(names[field] for field in reversed(Line._fields))])
    text.write("\r\n")
    writer.writerows(['said, "so"; it\tis', *reversed(line)] for line in lines)
    text.write("\r\n")
    return text.getvalue().encode("utf-8-sig" if bom else "utf-8")


def as_json(lines: Sequence[Line], names: Mapping[str, str] = NAMES) -> bytes:
    """A JSON list, in which every other amount is a text."""
    found = [{names[field]: value for field, value in line._asdict().items()} for line in lines]
    for item in found[::2]:
        item[names["amount"]] = str(item[names["amount"]])
    return json.dumps([{"remark": None} | item for item in found]).encode()


def as_xlsx(lines: Sequence[Line], names: Mapping[str, str] = NAMES) -> bytes:
    """A workbook with typed cells; every other amount is a float, every third date a text; a second sheet besides."""
    book = Workbook()
    sheet = book.active
    sheet.append([*(names[field] for field in Line._fields), "remark"])
    sheet.append([])
    for number, line in enumerate(lines):
        day: Any = line.date if number % 3 == 0 else date.fromisoformat(line.date)
        sheet.append([line.shipment_id, line.account, day, float(line.amount) if number % 2 else line.amount, "=1+1"])
    book.create_sheet("other").append(["shipment_id"])
    return saved(book)


def saved(book: Workbook) -> bytes:
    """The bytes of a workbook."""
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def sheets(content: bytes) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each sheet of a workbook."""
    book = load_workbook(io.BytesIO(content))
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}
