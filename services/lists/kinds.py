"""Of which kind an entry is, told from the list on which it stands and its sanctions programs."""

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from rulebook.parties.entries import ListKind

_ORDER = (ListKind.ENTITY, ListKind.DENIED, ListKind.MEU, ListKind.SDN)
"""Which kind an entry has that stands on several lists."""
_PROGRAM = re.compile(r"[A-Z0-9]+(?:-[A-Z0-9]+)*", re.ASCII)


def kind_of(lists: Iterable[str], programs: Iterable[str]) -> ListKind:
    """The kind of an entry that stands on these lists: the strictest of them.

    An entry of the SDN list is of kind `sdn` under a program of 15 CFR 744.8, and else `other`.

    >>> str(kind_of(["Entity List (EL) - Bureau of Industry and Security"], []))
    'entity'
    >>> str(kind_of(["ofac-sdn"], ["RUSSIA-EO14024"])), str(kind_of(["ofac-sdn"], ["GLOMAG"]))
    ('sdn', 'other')
    """
    names, tags = _tables()
    found = {kind for text in lists for name, kind in names if text.strip().casefold().startswith(name)}
    if not tags & {tag for one in programs for tag in _PROGRAM.findall(one)}:
        found.discard(ListKind.SDN)
    return next((kind for kind in _ORDER if kind in found), ListKind.OTHER)


@cache
def _tables() -> tuple[list[tuple[str, ListKind]], frozenset[str]]:
    found = tomllib.loads(Path(__file__).with_name("kinds.toml").read_text("utf-8"))
    names = [(name.casefold(), ListKind(kind)) for kind, some in found["lists"].items() for name in some]
    return names, frozenset(found["programs"]["sdn"])
