"""Statements of another system as files of each kind, and the command that compares one with a ledger."""

import csv
import gzip
import io
import json
import random
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner
from openpyxl import Workbook, load_workbook

from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.queries.reconcile import Line, shipment_lines
from rulebook import load
from services.cli.commands import main
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
ASSUMED = ["encoding", "delimiter", "header_row", "date_format", "decimal", "thousands", "footer"]
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
    done = CliRunner().invoke(main, ["reconcile", *words, "--ledger", url], input=stdin)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Told(done.exit_code, done.stdout_bytes, done.stderr)


def compared(url: str, statement: Path, *words: str) -> dict[str, Any]:
    """The JSON of a comparison, whose exit code must fit it, without how the statement was read."""
    told = call(url, str(statement), "--format", "json", *words)
    assert told.code in (0, 1), told.error
    found = told.json
    assert list(found.pop("assumed")) == ASSUMED
    assert told.code == bool(found["missing_here"] or found["missing_there"] or found["different"])
    return found


def screen(url: str, example: str = "gpu-clusters.jsonl.gz") -> None:
    """Screens an example into a ledger."""
    raw = (EXAMPLES / example).read_bytes()
    lines = (gzip.decompress(raw) if example.endswith(".gz") else raw).splitlines()
    store = Store(url)
    store.open()
    engine = Engine(Ledger(store), load("ai-diffusion"), lambda: 1_751_328_000_000_000, software())
    engine.run([Message(line, {"file": example, "line": number}) for number, line in enumerate(lines, 1)])
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


def plant(lines: list[Line], seed: int) -> tuple[list[Line], dict[str, Any]]:
    """A statement with faults in it, shuffled, and what must be found; rows stand for lines until it is numbered."""
    chance = random.Random(seed)
    apart = list({line[1:]: line for line in {line.shipment_id: line for line in lines}.values()}.values())
    chosen = chance.sample(apart, 36)
    lost, doubled, spelt, amounts, dates, accounts = (chosen[start : start + 6] for start in range(0, 36, 6))
    unlike = [
        *((line, line._replace(amount=line.amount + chance.choice([-1, 1, 1_000]))) for line in amounts),
        *((line, line._replace(date="2024-02-29")) for line in dates),
        *((line, line._replace(account="lpp/CON-9999/2025")) for line in accounts),
        *((line, line._replace(shipment_id=f"{line.shipment_id.lower()} ")) for line in spelt),
    ]
    became = dict(unlike)
    strange = [Line(f"NEW-{number}", "lpp/CON-1/2025", "2025-03-03", 7 + number) for number in range(3)]
    statement = [became.get(line, line) for line in lines if line not in lost] + doubled + strange
    chance.shuffle(statement)
    rows: dict[Line, list[int]] = {}
    for row, line in enumerate(statement, 1):
        rows.setdefault(line, []).append(row)
    here = [(rows[line][1], line, rows[line][0]) for line in doubled] + [
        (rows[line][0], line, None) for line in strange
    ]
    different = [(rows[theirs][0], ours, theirs) for ours, theirs in unlike]
    expected = {
        "matched": len(lines) - len(lost) - len(unlike),
        "missing_here": [{"row": r, **line._asdict(), "duplicate_of": twin} for r, line, twin in sorted(here)],
        "missing_there": [line._asdict() for line in sorted(lost)],
        "different": [
            {
                "row": row,
                "fields": [field for field in Line._fields if getattr(ours, field) != getattr(theirs, field)],
                "here": ours._asdict(),
                "there": theirs._asdict(),
                "difference": theirs.amount - ours.amount,
            }
            for row, ours, theirs in sorted(different)
        ],
    }
    ours, theirs = sum(line.amount for line in lines), sum(line.amount for line in statement)
    return statement, expected | {"totals": {"here": ours, "there": theirs, "difference": theirs - ours}}
