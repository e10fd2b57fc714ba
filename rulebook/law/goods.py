"""What is shipped, without how much, to whom and when: what is found of it alone is found once for a period."""

from typing import Any

from rulebook.law.law import Law
from schemas.plan import Finding, Line

_MOST_LINES = 8
"""How many lines goods may have to be kept: those of more are hardly met again, and take room."""


class Goods:
    """The lines that need a licence, as paragraphs read them that look at nothing else; their amounts are 0.

    `found`: what such paragraphs gave, by provision.
    """

    __slots__ = ("found", "needing")

    def __init__(self, needing: tuple[Line, ...]) -> None:
        self.needing = tuple([line._replace(tpp=0, unit_tpp=0) for line in needing])
        self.found: dict[Any, tuple[Finding, ...]] = {}


def goods_of(needing: tuple[Line, ...], law: Law) -> Goods:
    """The goods of these lines: the same object for lines that differ in their amounts alone."""
    if len(needing) > _MOST_LINES:
        return Goods(needing)
    key = ("goods", *[line[:4] + line[6:] for line in needing])
    known: Goods | None = law.worked_out.get(key)
    if known is None:
        known = Goods(needing)
        law.remember(key, known)
    return known
