"""Clearings: whether a party was found not to be the listed one that it resembles, and what was compared then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING

import orjson

from ledger.database.rows import stored
from ledger.database.store import LedgerCorrupt
from ledger.registers.facts import Fact
from ledger.registers.names.clearings import Clearing, Seen, Sighting
from ledger.registers.names.naming import last_naming
from schemas.kinds import FactKind
from schemas.models.facts import MatchCleared
from schemas.models.incoming import Requested
from schemas.wire.read import Event, read_record
from services.engine.context import DecisionContext
from services.engine.parties.named import Named, named_in

if TYPE_CHECKING:
    from rulebook.parties.entries import ListEntry
    from services.engine.indexes import Prepared


def cleared(
    context: DecisionContext, name: str, party: Named, entry: ListEntry, day: date, *, seen: bool = True
) -> tuple[bool, str | None]:
    """Whether a party is cleared of an entry of a list on a day; and another party of that name that was cleared.

    A clearing stands while the party's name, country and LEI and the entry's content are what they were. What had not
    been seen when it was stated is what is seen first; `seen`: whether this counts as seeing it.
    """
    journal = context.journal
    known = journal.clearings.of(name, entry.id)
    if not known:
        return False, None
    group, now, content = journal.parties.group(party.id), party.seen, entry.digest
    other = None
    for one in known:
        if one.until is not None and one.until < day:
            continue
        if one.party not in group:
            if one.seen is not None and one.seen.name == party.name:
                other = other or one.party
            continue
        compared = journal.clearings.see(one, now, content) if seen else one
        if (compared.seen, compared.content) == (now, content):
            journal.transaction.use(one.n)
            return True, None
    return False, other


def see_first(context: DecisionContext, parties: Iterable[Named], prepared: Mapping[str, Prepared]) -> None:
    """Notes what parties are that were cleared before they were seen, and what the entries say; `prepared` by list."""
    journal = context.journal
    for party in parties:
        for key in journal.parties.group(party.id):
            for fact in journal.facts.of(FactKind.CLEARED, key):
                _see(context, fact, party, prepared.get(fact.data.list))


def _see(context: DecisionContext, fact: Fact, party: Named, prepared: Prepared | None) -> None:
    """Notes what was not seen yet; of a ledger that is older than the table, the clearing too."""
    clearings, made = context.journal.clearings, fact.data
    stated = Clearing(made.list, made.entry, made.party, fact.n, made.until)
    one = next((one for one in clearings.of(made.list, made.entry) if one.party == made.party), stated)
    if one.n < fact.n:
        one = stated
    if one.n == fact.n and (one.seen is None or one.content is None):
        entry = None if prepared is None else prepared.entries.get(made.entry)
        clearings.see(one, party.seen, None if entry is None else entry.digest)


def clear(context: DecisionContext, made: MatchCleared) -> None:
    """States a clearing, with what was compared: what the party was last, and what the entry said then.

    The party was last what it was at its last registration, shipment or hit, under any of its identifiers. A registered
    party is screened at every load, so that of a registration the entry as it is now was compared.
    """
    journal = context.journal
    n = journal.transaction.n
    group = journal.parties.group(made.party)
    registered, others = _registered(context, group), [*_hit(context, group), *_shipped(context, group)]
    last = max((*registered, *others), key=lambda one: one.n, default=None)
    content = None if last is None else _content(context, made, n if last in registered else last.n)
    seen = None if last is None else last.seen
    journal.clearings.put(Clearing(made.list, made.entry, made.party, n, made.until, seen, content))


def _registered(context: DecisionContext, group: Sequence[str]) -> list[Sighting]:
    """The last registration under each identifier."""
    stated = [context.journal.facts.of(FactKind.PARTY, key) for key in group]
    return [
        Sighting(facts[-1].n, Seen(facts[-1].data.name, facts[-1].data.country, facts[-1].data.lei))
        for facts in stated
        if facts
    ]


def _hit(context: DecisionContext, group: Sequence[str]) -> list[Sighting]:
    """The last hit under each identifier."""
    return [one for one in map(context.journal.clearings.last_hit, group) if one is not None]


def _shipped(context: DecisionContext, group: Sequence[str]) -> Iterator[Sighting]:
    """The last shipment that names the party, if it is found among the latest."""
    n = last_naming(context.journal.transaction, group)
    if n is None:
        return
    event = read_record(context.journal.records.event(n))
    if not isinstance(event, Event) or not isinstance(event.data, Requested):
        raise LedgerCorrupt(f"journal record {n} is not a request")
    for party in named_in(event.data):
        if party.id in group:
            yield Sighting(n, party.seen)
            return


def _content(context: DecisionContext, made: MatchCleared, n: int) -> str | None:
    """What an entry said when a record was made: the SHA-256 of its line, None where its list did not have it."""
    lists = context.journal.lists
    found = lists.before(made.list, n)
    if found is None:
        return None
    with stored(f"the list {found.sha256}"):
        for line in lists.content(found.sha256).splitlines(keepends=True):
            if orjson.loads(line)["id"] == made.entry:
                return sha256(line).hexdigest()
    return None
