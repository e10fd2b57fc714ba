"""The tables of the books as files: CSV with a data package, XLSX, Parquet, and a journal for hledger."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

import orjson

from schemas.columns import TABLES, Column, Kind, Row, csv_text
from schemas.periods import Period
from services.replacing import put

if TYPE_CHECKING:
    import pyarrow as pa

Tables = Mapping[str, Callable[[], Iterable[Row]]]
"""For each of `accounts`, `entries`, `holds` and `shipments`, a function that returns its rows from the start."""

SNAPSHOT_TABLES = ("accounts", "entries", "holds")
FORMS = ("csv", "xlsx", "parquet", "hledger")

_GROUP = 65_536
_KEYS = {"accounts": ["account"], "entries": ["account", "entry"], "holds": ["shipment_id"]}
_FIELD_TYPES = {
    Kind.TEXT: "string",
    Kind.DAY: "date",
    Kind.INSTANT: "datetime",
    Kind.NUMBER: "integer",
    Kind.AMOUNT: "integer",
}


def export(
    folder: Path, period: Period, form: str, tables: Tables, *, excel: bool = False, law: str = ""
) -> list[Path]:
    """The files of a snapshot in one of FORMS, written into a folder, which is created if it does not exist.

    Files get their names once all are complete. `excel`: as of `csv_text`. `law`: how the law stands, in a sentence for
    the data package. Raises ExportRefused if the format cannot hold the rows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".export-", dir=folder) as scratch:
        names = (
            _csv(Path(scratch), period, tables, excel, law)
            if form == "csv"
            else _WRITERS[form](Path(scratch), period, tables)
        )
        return [put(Path(scratch) / name, folder / name) for name in names]


def file_names(form: str, snapshot: str) -> list[str]:
    """The names of the files of a snapshot in one of FORMS."""
    if form == "csv":
        return [*(f"{table}.csv" for table in SNAPSHOT_TABLES), "datapackage.json"]
    if form == "parquet":
        return [f"{table}.parquet" for table in SNAPSHOT_TABLES]
    return [f"{snapshot}.{'journal' if form == 'hledger' else form}"]


def write(table: str, rows: Iterable[Row], form: str, out: IO[bytes], *, excel: bool = False) -> None:
    """Writes one table in one of FORMS; hledger takes the table `statement` only. Raises ExportRefused."""
    if form == "csv":
        out.writelines(csv_text(table, rows, excel=excel))
    elif form == "parquet":
        _write_parquet(table, rows, out)
    elif form == "xlsx":
        from services.finance.workbook import Sheet, write_workbook

        with TemporaryDirectory() as scratch:
            path = Path(scratch) / "table.xlsx"
            write_workbook(path, [Sheet(table, TABLES[table], rows)])
            with path.open("rb") as made:
                shutil.copyfileobj(made, out)
    else:
        from services.finance.hledger import statement_journal

        out.writelines(piece.encode() for piece in statement_journal(rows))


def totals(accounts: Iterable[Row]) -> list[tuple[str | int, ...]]:
    """Rows of the table `totals`: the sums of the accounts of each family, sorted by family."""
    names = [column.name for column in TABLES["accounts"]]
    summed = [column.name for column in TABLES["totals"] if column.name != "family"]
    sums: dict[str, dict[str, int]] = {}
    for row in accounts:
        account = dict(zip(names, row, strict=True))
        family = sums.setdefault(account["account"].partition("/")[0], dict.fromkeys(summed, 0))
        for name in summed:
            family[name] += account[name]
    return [(family, *sums[family].values()) for family in sorted(sums)]


def _csv(folder: Path, period: Period, tables: Tables, excel: bool, law: str) -> list[str]:
    resources = [_csv_resource(folder, table, tables[table](), excel) for table in SNAPSHOT_TABLES]
    package = {
        "profile": "tabular-data-package",
        "name": f"tpp-snapshot-{period.name.lower()}",
        "id": period.name,
        "title": f"TPP quota ledger: snapshot {period.name}",
        **({"description": law} if law else {}),
        "resources": resources,
    }
    (folder / "datapackage.json").write_bytes(orjson.dumps(package, option=orjson.OPT_INDENT_2) + b"\n")
    return [*(resource["path"] for resource in resources), "datapackage.json"]


def _csv_resource(folder: Path, table: str, rows: Iterable[Row], excel: bool) -> dict[str, Any]:
    """Writes the CSV of a table; the description of that file in a data package."""
    digest = sha256()
    with (folder / f"{table}.csv").open("wb") as file:
        for piece in csv_text(table, rows, excel=excel):
            digest.update(piece)
            file.write(piece)
        size = file.tell()
    schema: dict[str, Any] = {
        "fields": [_field(column) for column in TABLES[table]],
        "missingValues": [""],
        "primaryKey": _KEYS[table],
    }
    if table == "entries":
        schema["foreignKeys"] = [{"fields": ["account"], "reference": {"resource": "accounts", "fields": ["account"]}}]
    return {
        "profile": "tabular-data-resource",
        "name": table,
        "path": f"{table}.csv",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "dialect": {"delimiter": ",", "lineTerminator": "\n", "doubleQuote": True, "skipInitialSpace": False},
        "bytes": size,
        "hash": f"sha256:{digest.hexdigest()}",
        "schema": schema,
    }


def _field(column: Column) -> dict[str, Any]:
    required: dict[str, Any] = {} if column.empty else {"constraints": {"required": True}}
    return {"name": column.name, "type": _FIELD_TYPES[column.kind], **required}


def _xlsx(folder: Path, period: Period, tables: Tables) -> list[str]:
    from services.finance.workbook import Sheet, write_workbook

    sums = Sheet("totals", TABLES["totals"], totals(tables["accounts"]()))
    name = f"{period.name}.xlsx"
    others = (Sheet(table, TABLES[table], tables[table]()) for table in (*SNAPSHOT_TABLES, "shipments"))
    write_workbook(folder / name, [sums, *others])
    return [name]


def _parquet(folder: Path, _: Period, tables: Tables) -> list[str]:
    names = []
    for table in SNAPSHOT_TABLES:
        names.append(f"{table}.parquet")
        with (folder / names[-1]).open("wb") as file:
            _write_parquet(table, tables[table](), file)
    return names


def _write_parquet(table: str, rows: Iterable[Row], out: IO[bytes]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    types = {
        Kind.TEXT: pa.string(),
        Kind.DAY: pa.date32(),
        Kind.INSTANT: pa.timestamp("us", tz="UTC"),
        Kind.NUMBER: pa.int64(),
        Kind.AMOUNT: pa.int64(),
    }
    columns = TABLES[table]
    schema = pa.schema([pa.field(column.name, types[column.kind], nullable=column.empty) for column in columns])
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for group in _groups(rows):
            arrays = [
                _array(values, field.type) for values, field in zip(zip(*group, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), _GROUP)


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while group := list(islice(rest, _GROUP)):
        yield group


def _array(values: tuple[Any, ...], kind: "pa.DataType") -> "pa.Array":
    import pyarrow as pa

    return pa.array(values, pa.string()).cast(kind) if pa.types.is_date(kind) else pa.array(values, kind)


def _hledger(folder: Path, period: Period, tables: Tables) -> list[str]:
    from services.finance.hledger import journal

    name = f"{period.name}.journal"
    pieces = journal(period.first.isoformat(), period.last.isoformat(), tables["accounts"](), tables["entries"])
    with (folder / name).open("wb") as file:
        file.writelines(piece.encode() for piece in pieces)
    return [name]


_WRITERS: dict[str, Callable[[Path, Period, Tables], list[str]]] = {
    "xlsx": _xlsx,
    "parquet": _parquet,
    "hledger": _hledger,
}
