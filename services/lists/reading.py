"""A restricted-party list's file read into entries, exactly or not at all."""

from collections.abc import Mapping
from typing import NamedTuple

from rulebook.parties.entries import ListEntry
from services.lists.columns import Columns, check_mapped
from services.lists.entries import EntryReader, Found
from services.lists.layouts import FIELDS, layout_of
from services.lists.rows import MOST_BYTES, ListError, rows_of

__all__ = ["FIELDS", "MOST_BYTES", "ListError", "ReadList", "UnreadCountry", "read_list"]


class UnreadCountry(NamedTuple):
    """A country that could not be read: its row's line, and the text; it counts as not known."""

    line: int
    text: str


class ReadList(NamedTuple):
    """A list: the name of its layout, its entries in the order of the file, and the countries that were not read."""

    layout: str
    entries: tuple[ListEntry, ...]
    unread: tuple[UnreadCountry, ...]


def read_list(
    name: str, content: bytes, *, layout: str | None = None, columns: Mapping[str, str] | None = None
) -> ReadList:
    """The list in a file's bytes, which are not packed.

    `name` names the file in errors. `layout`: one of FORMATS; None tells it from the content. `columns`: columns by
    field, which go before those of the layout. Raises ListError, with the line, for a file or a row that cannot be
    read; a row without a name, with a date that is none, or with the id of another row is one.
    """
    rows = rows_of(name, content)
    told = layout_of(layout, rows.columns, rows.is_json, bool(columns))
    reader = EntryReader(name, Columns.of(name, told, layout, rows, columns or {}))
    members: dict[str, None] = {}
    found = []
    for row in rows.rows:
        found.append(reader.read(row))
        if rows.is_json:
            members |= dict.fromkeys(row.cells)
    if not found:
        raise ListError(name, "has no entries")
    if rows.is_json:
        check_mapped(name, columns or {}, tuple(members))
    unread = tuple(UnreadCountry(one.line, text) for one in found for text in one.unread)
    return ReadList(told.name if told else "", _with_own_ids(name, found), unread)


def _with_own_ids(name: str, found: list[Found]) -> tuple[ListEntry, ...]:
    """The entries; where several lists of a file give one id to different entries, with the list's sign before it."""
    by_id: dict[str, list[Found]] = {}
    for one in found:
        by_id.setdefault(one.entry.id, []).append(one)
    made: dict[str, Found] = {}
    for one in found:
        others = by_id[one.entry.id]
        alone = len(others) == 1 or one.sign is None
        own = one.entry.id if alone else f"{one.sign}/{one.entry.id}"
        if own in made:
            raise ListError(name, f"the id {own!r} stands in line {made[own].line:,} already", one.line)
        made[own] = one._replace(entry=one.entry._replace(id=own))
    return tuple(one.entry for one in made.values())
