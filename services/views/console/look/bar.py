"""The bar: what counts on an account, in the order in which it became certain, as shares of its whole width.

Attested, posted (less credits), pending, asked for, left. No style stands in it: widths are attributes of SVG, in
hundredths of a percent, so that a strict Content-Security-Policy holds.
"""

from collections.abc import Sequence
from typing import NamedTuple

_WHOLE = 10_000


class Part(NamedTuple):
    """A part of a bar: its kind, where it begins, and how wide it is, both as `12.34%`."""

    kind: str
    x: str
    width: str


class Bar(NamedTuple):
    """A bar: its parts, where one meets the next, where ticks stand, and where the limit stands if not at the end."""

    parts: tuple[Part, ...]
    cuts: tuple[str, ...]
    ticks: tuple[str, ...]
    limit: str | None
    room: str
    """How much of the width the limit takes."""


def bar(
    *, limit: int | None, posted: int, pending: int, attested: int = 0, credits: int = 0, asked: int = 0,
    ticks: Sequence[int] = (), bounded: bool = True,
) -> Bar:  # fmt: skip
    """The bar of an account. Amounts are in TPP; `ticks` are amounts at which a threshold stands.

    `asked` is drawn beyond what is used: as far as it fits, and what is too much behind the limit. Unless `bounded`,
    what is asked beyond the limit is cut off at it.
    """
    used = attested + max(0, posted - credits) + pending
    whole = max(used, limit or 0, (used + asked) if asked and bounded else 0, 1)
    parts: list[Part] = []
    cuts: list[str] = []
    at = 0
    for kind, size in (("attested", attested), ("posted", max(0, posted - credits)), ("pending", pending)):
        if size > 0:
            if at:
                cuts.append(_percent(at, whole))
            parts.append(Part(kind, _percent(at, whole), _percent(size, whole)))
            at += size
    if asked > 0:
        room = asked if limit is None else max(0, limit - used)
        fits = min(asked, room) if bounded else min(asked, whole - at)
        kind = "fits" if asked <= room else "asked"
        if fits:
            parts.append(Part(kind, _percent(at, whole), _percent(fits, whole)))
        if bounded and asked > room:
            parts.append(Part("over", _percent(max(at, limit or 0), whole), _percent(asked - fits, whole)))
    marks = tuple(_percent(one, whole) for one in ticks if 0 < one <= whole)
    stands = None if limit is None else _percent(limit, whole)
    return Bar(tuple(parts), tuple(cuts), marks, stands, stands or "100.00%")


def _percent(size: int, whole: int) -> str:
    """A share of the whole, in hundredths of a percent, rounded down."""
    hundredths = min(size * _WHOLE // whole, _WHOLE)
    return f"{hundredths // 100}.{hundredths % 100:02}%"
