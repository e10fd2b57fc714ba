"""Sums that stay exact beyond 64 bits, at which a sum of SQLite fails."""

from typing import Any

from sqlalchemy import ColumnElement, Text, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_LOW_BITS = 32


class _Whole(TypeDecorator[int]):
    """A whole number of any size: of PostgreSQL its digits, of SQLite its high and its low part."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> int | None:  # noqa: ARG002
        """The number."""
        if value is None:
            return None
        *high, low = [int(part) for part in value.split()]
        return (high[0] << _LOW_BITS) + low if high else low


class ExactSum(FunctionElement[int]):
    """The exact sum of integers of 64 bits over the rows of a group; to be read, not compared or sorted by."""

    name = "exact_sum"
    type = _Whole()
    inherit_cache = True

    def __init__(self, amount: ColumnElement[Any]) -> None:
        super().__init__(amount)


@compiles(ExactSum)
def _one_number(element: ExactSum, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(sum({compiler.process(element.clauses, **options)}) AS TEXT)"


@compiles(ExactSum, "sqlite")
def _two_parts(element: ExactSum, compiler: SQLCompiler, **options: Any) -> str:
    """Shifting rounds down, so that the low parts are never negative; 2^31 rows of them fit 64 bits."""
    parts = (f">> {_LOW_BITS}", f"& {2**_LOW_BITS - 1}")
    high, low = (f"sum(({compiler.process(element.clauses, **options)}) {part})" for part in parts)
    return f"({high} || ' ' || {low})"
