"""Clearings: whether a party was found not to be the listed one that it resembles."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ledger.registers.names.clearings import Seen
from services.engine.context import DecisionContext
from services.engine.parties.named import Named

if TYPE_CHECKING:
    from rulebook.parties.entries import ListEntry


def cleared(context: DecisionContext, name: str, party: Named, entry: ListEntry, day: date) -> tuple[bool, str | None]:
    """Whether a party is cleared of an entry of a list on a day; and another party of that name that was cleared.

    A clearing stands while the party's name, country and LEI and the entry's content are what they were. What has not
    been seen when it was stated is what is seen first.
    """
    journal = context.journal
    known = journal.clearings.of(name, entry.id)
    if not known:
        return False, None
    group, now = journal.parties.group(party.id), Seen(party.name, party.country, party.lei)
    other = None
    for one in known:
        if one.until is not None and one.until < day:
            continue
        if one.party not in group:
            if one.seen is not None and one.seen.name == party.name:
                other = other or one.party
            continue
        compared = journal.clearings.see(one, now, entry.digest)
        if (compared.seen, compared.content) == (now, entry.digest):
            journal.transaction.use(one.n)
            return True, None
    return False, other
