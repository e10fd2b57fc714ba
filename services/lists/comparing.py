"""Two versions of a list compared."""

from collections.abc import Iterable
from typing import NamedTuple

from rulebook.parties.entries import ListEntry


class Changes(NamedTuple):
    """The ids of entries that a version has and the one before had not, that it has no longer, and that it changed."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


def compare(old: Iterable[ListEntry], new: Iterable[ListEntry]) -> Changes:
    """What the new version changes: entries are the same by their id, and changed where anything else differs.

    >>> compare([ListEntry("1", "A"), ListEntry("2", "B")], [ListEntry("2", "C"), ListEntry("3", "D")])
    Changes(added=('3',), removed=('1',), changed=('2',))
    """
    before, after = ({one.id: one for one in entries} for entries in (old, new))
    return Changes(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(before.keys() - after.keys())),
        tuple(sorted(one for one in after.keys() & before.keys() if after[one] != before[one])),
    )
