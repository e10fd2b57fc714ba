"""Lists page by page: a page begins after the place at which the one before it ended, whatever is written meanwhile."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, tuple_

PAGE = 500
"""The most rows that are read at a time."""


def pages(
    connection: Connection,
    query: Select[Any],
    keys: Sequence[ColumnElement[Any]],
    place: Callable[[Any], Sequence[Any]],
    after: Sequence[Any] | None,
    limit: int | None,
    *,
    descending: bool = False,
    most: int = PAGE,
) -> Iterator[Sequence[Any]]:
    """The rows of a query in the order of keys that no two of them share; those after a place, at most `limit`.

    `place` gives the values of the keys of a row; `most` rows are read at a time. What stays in the list at its place
    comes exactly once.
    """
    while limit is None or limit > 0:
        size = most if limit is None else min(most, limit)
        later = query
        if after is not None:
            later = query.where(tuple_(*keys) < tuple_(*after) if descending else tuple_(*keys) > tuple_(*after))
        order = [key.desc() for key in keys] if descending else keys
        page = connection.execute(later.order_by(*order).limit(size)).all()
        if page:
            yield page
        if len(page) < size:
            return
        after, limit = place(page[-1]), None if limit is None else limit - size


def some_of(values: Collection[str]) -> Iterator[Sequence[str]]:
    """Values, sorted, as many at a time as one condition should name."""
    every = sorted(values)
    return (every[at : at + PAGE] for at in range(0, len(every), PAGE))
