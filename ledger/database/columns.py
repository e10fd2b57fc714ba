"""Kinds of columns that both databases have."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Dialect, Integer, Text, TypeDecorator

from schemas.models.values import TPP_MAX

STRICT: dict[str, Any] = {"sqlite_strict": True}

BIG = BigInteger().with_variant(Integer, "sqlite")
"""64 bits everywhere; SQLite's STRICT tables know only the name INTEGER."""


def lines_of(value: Any) -> Any:
    """The lines of a stored text; a value that is not text unchanged."""
    return tuple(value.split("\n")) if isinstance(value, str) else value


class Lines(TypeDecorator[tuple[str, ...]]):
    """Texts without line breaks: a tuple in Python, one text with a line for each in the database.

    A value that is not text, which only an insider can have written, is read unchanged.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The lines as one text."""
        return None if value is None else "\n".join(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """The text as its lines."""
        return lines_of(value)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:  # noqa: ARG002
        """The type of a value in a condition: a search text is not a tuple of lines."""
        return self if isinstance(value, tuple) else Text()


def amount(name: str) -> Column[int]:
    """A column of TPP that is always there."""
    return Column(name, BIG, CheckConstraint(f"{name} BETWEEN -{TPP_MAX} AND {TPP_MAX}"), nullable=False)
