"""Registered parties: each new entry of a list that one resembles is an alert, at its registration and at a load."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from ledger.registers.facts import Fact
from schemas.event_types import PARTY_ALERT
from schemas.kinds import FactKind
from schemas.models.facts import PartyRegistered
from schemas.plan import Hit, ListInForce
from services.engine.answers import Answers
from services.engine.context import DecisionContext
from services.engine.parties.clearing import cleared, see_first
from services.engine.parties.named import Named, named, named_parent
from services.engine.parties.screening import hits_of, matches_of, prepared_of

_Pairs = set[tuple[str, str, str, str, str]]
"""Parties and entries: party, its name, list, entry, and the SHA-256 of the entry."""


def new_hits(context: DecisionContext, made: PartyRegistered, day: date) -> list[Hit]:
    """What a party that is being registered resembles, and by its last registration did not; raises Unprepared."""
    lists = context.journal.lists.in_force()
    parties = _named(made)
    see_first(context, parties, prepared_of(context, lists))
    if not lists:
        return []
    earlier = context.journal.facts.of(FactKind.PARTY, made.id)
    known = _pairs(context, lists, _named(earlier[-1].data), day) if earlier else set()
    return _new(context, lists, parties, day, known)


def alert_hits(answers: Answers, hits: Iterable[Hit]) -> None:
    """Raises an alert for each of these hits."""
    for hit in hits:
        message = (
            f"{hit.name} ({hit.party}), {hit.role}, resembles {_listed(hit)}, entry {hit.entry} of the list {hit.list} "
            f"{hit.version}, with a score of {hit.score}. Compare them; if they are two, clear the match, else its "
            "shipments stay held."
        )
        data = {
            "party": hit.party,
            "kind": "screening_hit",
            "name": hit.name,
            "list": hit.list,
            "version": hit.version,
            "entry": hit.entry,
            "listed_name": hit.listed,
            "score": hit.score,
            "causation": answers.causation,
            "caused_by": answers.id,
            "message": message,
        }
        answers.add(PARTY_ALERT, hit.party, data)


def screen_registered(context: DecisionContext, answers: Answers, name: str, after: str, most: int) -> str | None:
    """Compares registered parties with a list that was loaded, and raises an alert for each new hit.

    Looks at those after an identifier, in the order of code points, and at most so many. Returns the last of them, None
    where there are no more. New is what was no hit under the version in force before, at its threshold and with the
    same content of the entry. Raises Unprepared.
    """
    journal = context.journal
    in_force = journal.lists.in_force()
    loaded = next(one for one in in_force if one.name == name)
    before = journal.lists.before(name, loaded.n)
    context.indexes.all_of([one.sha256 for one in (*in_force, *([before] if before else ()))])
    prepared = prepared_of(context, [loaded])
    day = journal.lists.day(loaded.n)
    ids = journal.lists.registered(after, most)
    journal.facts.load(ids)
    journal.facts.load(_parents(context, ids))
    for identifier in ids:
        for made in _standing(journal.facts.of(FactKind.PARTY, identifier), day):
            parties = _named(made)
            see_first(context, parties, prepared)
            known = _pairs(context, [before], parties, journal.lists.day(before.n)) if before else set()
            alert_hits(answers, _new(context, [loaded], parties, day, known))
    return ids[-1] if len(ids) == most else None


def _parents(context: DecisionContext, ids: Sequence[str]) -> Iterator[str]:
    """The ultimate parents that registrations name, and all identifiers of the registered parties."""
    for identifier in ids:
        yield from context.journal.parties.group(identifier)
        for fact in context.journal.facts.of(FactKind.PARTY, identifier):
            yield from context.journal.parties.group(fact.data.owner)


def _standing(facts: Sequence[Fact], day: date) -> Iterator[PartyRegistered]:
    """The registration of a party that is in force on a day, and those that will be."""
    now = [fact for fact in facts if fact.data.valid_from <= day]
    if now:
        yield max(now, key=lambda fact: (fact.data.valid_from, fact.n)).data
    yield from (fact.data for fact in facts if fact.data.valid_from > day)


def _named(made: PartyRegistered) -> list[Named]:
    """A registered party and its ultimate parent as they are compared."""
    found = [named("a registered party", made)]
    parent = made.ultimate_parent
    if parent is not None and parent.id != made.id:
        found.append(named_parent(f"the ultimate parent of the registered party {made.id}", parent))
    return found


def _pairs(context: DecisionContext, lists: Sequence[ListInForce], parties: Iterable[Named], day: date) -> _Pairs:
    """What parties resembled under lists on a day, and were not cleared of."""
    return {
        (party.id, party.name, one.name, match.entry.id, match.entry.digest)
        for party in parties
        for match, one in matches_of(context, lists, party, day)
        if (match.entry.expires is None or match.entry.expires >= day)
        and not cleared(context, one.name, party, match.entry, day, seen=False)[0]
    }


def _new(
    context: DecisionContext, lists: Sequence[ListInForce], parties: Iterable[Named], day: date, known: _Pairs
) -> list[Hit]:
    """The hits of parties that are not known."""
    return [
        hit
        for party in parties
        for hit in hits_of(context, lists, party, day)
        if hit.ended is None and (hit.party, hit.name, hit.list, hit.entry, hit.content) not in known
    ]


def _listed(hit: Hit) -> str:
    return hit.listed if hit.matched == hit.listed else f"{hit.listed}, also known as {hit.matched}"
