"""The result of a reconciliation as a workbook."""

import tempfile
from pathlib import Path

from ledger.queries.reconcile import Line, Result
from schemas.columns import Column, Kind, Row
from services.failure import Failure
from services.finance.workbook import ExportRefused, Sheet, write_workbook


def workbook(result: Result) -> bytes:
    """The result as a workbook with a sheet for each of its names."""
    with tempfile.TemporaryDirectory(prefix="tpp-") as folder:
        path = Path(folder) / "result.xlsx"
        try:
            write_workbook(path, _sheets(result))
        except ExportRefused as error:
            raise Failure("the result does not fit into the sheets of a workbook: choose json") from error
        return path.read_bytes()


def _sheets(result: Result) -> list[Sheet]:
    kinds = {"row": Kind.NUMBER, "duplicate_of": Kind.NUMBER, "matched": Kind.NUMBER}
    kinds |= dict.fromkeys(("amount", "difference", "here", "there"), Kind.AMOUNT) | {"date": Kind.DAY}

    def columns(*names: str) -> list[Column]:
        return [Column(name, kinds.get(name.rpartition(".")[2], Kind.TEXT)) for name in names]

    fields = ("shipment_id", "account", "date", "amount")
    sides = (f"{side}.{field}" for side in ("here", "there") for field in fields)
    unlike = (
        (one.row, " ".join(one.fields), *_cells(one.here), *_cells(one.there), one.difference)
        for one in result.different
    )
    unknown = ((one.row, *_cells(one.line), one.duplicate_of) for one in result.missing_here)
    return [
        Sheet("matched", columns("matched"), [(result.matched,)]),
        Sheet("missing_here", columns("row", *fields, "duplicate_of"), unknown),
        Sheet("missing_there", columns(*fields), map(_cells, result.missing_there)),
        Sheet("different", columns("row", "fields", *sides, "difference"), unlike),
        Sheet("totals", columns("here", "there", "difference"), [(result.here, result.there, result.difference)]),
    ]


def _cells(line: Line) -> Row:
    return (line.shipment_id, line.account, line.date, line.amount)
