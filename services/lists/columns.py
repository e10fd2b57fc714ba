"""The columns of a list's file by field: those of its layout, and those that the user names."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.lists.layouts import FIELDS, FORMATS, Joined, Layout
from services.lists.rows import ListError, Rows

_MOST_SHOWN = 40


class Columns(NamedTuple):
    """In which column each field stands, of which layout, how its values are joined, and whether rows are JSON."""

    layout: str
    by_field: Mapping[str, str]
    joined: Joined
    is_json: bool

    @classmethod
    def of(
        cls, name: str, layout: Layout | None, chosen: str | None, rows: Rows, mapped: Mapping[str, str]
    ) -> "Columns":
        """The columns of a file; raises ListError if one that is wanted is missing, or the layout is not known."""
        there = shown(rows.columns)
        if layout is None:
            what = "JSON" if rows.is_json else "CSV"
            if chosen is not None:
                raise ListError(name, f"is {what}, which the format {chosen} is not")
            raise ListError(
                name,
                f"has the columns {there}, which are none of {', '.join(FORMATS)}; name its columns with --map "
                f"FIELD=COLUMN, where FIELD is one of {', '.join(FIELDS)}",
            )
        by_field = {**layout.columns, **mapped}
        if not rows.is_json:
            check_mapped(name, mapped, rows.columns)
            by_field = {field: column for field, column in by_field.items() if column in rows.columns}
            absent = sorted(one for one in layout.marks - set(rows.columns) - _replaced(layout, mapped))
            if absent:
                raise ListError(name, f"has no column {absent[0]!r}; its columns are {there}")
        if "name" not in by_field or not by_field.keys() & {"id", "entry"}:
            field = "name" if "name" not in by_field else "entry"
            raise ListError(
                name, f"has no column for {field}; name it with --map {field}=COLUMN; its columns are {there}"
            )
        return cls(layout.name, by_field, layout.joined, rows.is_json)


def check_mapped(name: str, mapped: Mapping[str, str], columns: Sequence[str]) -> None:
    """Raises ListError if a column that the user names is not there."""
    for field, column in mapped.items():
        if column not in columns:
            raise ListError(name, f"has no column {column!r} for {field}; its columns are {shown(columns)}")


def shown(columns: Sequence[str]) -> str:
    """The columns of a file, as an error names them."""
    return ", ".join(filter(None, columns[:_MOST_SHOWN])) + (", …" if len(columns) > _MOST_SHOWN else "")


def _replaced(layout: Layout, mapped: Mapping[str, str]) -> set[str]:
    """The columns of a layout in whose place the user names others."""
    given = set(mapped) | ({"list", "entry"} if "id" in mapped else set())
    return {column for field, column in layout.columns.items() if field in given}
