"""Screening of parties: which entries of the lists in force they resemble, less what was cleared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from schemas.kinds import FactKind
from schemas.models.incoming import Requested
from schemas.plan import Facts, Hit, ListInForce
from services.engine.context import DecisionContext
from services.engine.indexes import Prepared
from services.engine.parties.clearing import cleared, see_first
from services.engine.parties.named import Named, named_in
from services.engine.parties.ownership import ownership_of

if TYPE_CHECKING:
    from rulebook.parties.matching import Match

MOST_HITS = 5
"""How many entries are told of one party, those that it resembles most."""
_BY_OWNERSHIP = frozenset({"entity", "meu", "sdn"})
"""The kinds of entries whose ownership of others counts (Supplement No. 8 to 15 CFR part 744)."""
_CITATIONS = {
    "entity": "15 CFR 744.11; Supplement No. 4 to part 744",
    "meu": "15 CFR 744.21; Supplement No. 7 to part 744",
    "denied": "15 CFR 764.3(a)(2)",
    "sdn": "15 CFR 744.8",
}


def known_of(context: DecisionContext, asked: Requested) -> Facts:
    """What is known of a shipment's parties as of its export date, the lists that they were compared with among it."""
    register = context.journal.parties
    ids = register.ids(asked)
    stated, kinds = context.journal.facts.among(ids)
    known = register.about(asked, ids, stated, kinds)
    lists = context.journal.lists.in_force()
    was_cleared = FactKind.CLEARED in kinds
    if not lists and not was_cleared:
        return known
    parties = named_in(asked)
    if was_cleared:
        see_first(context, parties, prepared_of(context, lists))
    if not lists:
        return known
    day = asked.export_date
    found = with_hits(context, known, lists, parties, day)
    ownership = ownership_of(context, asked, known, lambda owner: hits_of(context, lists, owner, day, _BY_OWNERSHIP))
    return found if ownership is None else replace(found, ownership=ownership)


def prepared_of(context: DecisionContext, lists: Sequence[ListInForce]) -> dict[str, Prepared]:
    """Lists as they are searched, by name; raises Unprepared."""
    prepared = context.indexes.all_of([one.sha256 for one in lists])
    return {one.name: each for one, each in zip(lists, prepared, strict=True)}


def with_hits(
    context: DecisionContext, known: Facts, lists: Sequence[ListInForce], parties: Iterable[Named], day: date
) -> Facts:
    """Facts with the lists in force and what was found in them, for an export on a day."""
    by_party: dict[str, list[Hit]] = {}
    for party in parties:
        if some := hits_of(context, lists, party, day):
            by_party.setdefault(party.id, []).extend(some)
    found = [hit for each in by_party.values() for hit in _best(each)]
    if not found:
        return replace(known, lists=tuple(lists))
    hits = tuple(hit for hit in found if hit.ended is None)
    return replace(known, lists=tuple(lists), hits=hits, over=tuple(hit for hit in found if hit.ended is not None))


def _best(found: list[Hit]) -> list[Hit]:
    """The hits of one party, whatever was said of it, each entry once, best first; what counts, then what ended."""
    best: dict[tuple[str, str], Hit] = {}
    for hit in sorted(found, key=lambda hit: -_hundredths(hit.score)):
        best.setdefault((hit.list, hit.entry), hit)
    ordered = sorted(best.values(), key=lambda hit: (-_hundredths(hit.score), hit.list, hit.entry))
    counting = [hit for hit in ordered if hit.ended is None]
    return [*counting[:MOST_HITS], *[hit for hit in ordered if hit.ended is not None][:MOST_HITS]]


def hits_of(
    context: DecisionContext,
    lists: Sequence[ListInForce],
    party: Named,
    day: date,
    kinds: Collection[str] | None = None,
) -> list[Hit]:
    """What a party resembles and is not cleared of, at most so many that still count, best first; of `kinds` if given.

    What counted until before the day is among it, with the day on which it ended. If one counts, what the party is now
    is noted for a clearing. Raises Unprepared.
    """
    found = matches_of(context, lists, party, day)
    if kinds is not None:
        found = [each for each in found if each[0].entry.kind in kinds]
    if not found:
        return []
    hits = _best([hit for match, one in found if (hit := _hit(context, party, one, match, day)) is not None])
    if hits and hits[0].ended is None:
        context.journal.clearings.hit(party.id, party.seen)
    return hits


def matches_of(
    context: DecisionContext, lists: Sequence[ListInForce], party: Named, day: date
) -> list[tuple[Match, ListInForce]]:
    """The entries that a party resembles at their lists' thresholds, cleared or not, best first; raises Unprepared."""
    from rulebook.parties.matching import Asked

    asked = Asked(party.name, party.country or None, party.address, party.lei)
    prepared = context.indexes.all_of([one.sha256 for one in lists])
    found: list[tuple[Match, ListInForce]] = []
    for one, each in zip(lists, prepared, strict=True):
        if matches := each.index.matches(asked, one.threshold):
            found += [
                (match, one) for match in matches if match.entry.effective is None or match.entry.effective <= day
            ]
    found.sort(key=lambda each: (-each[0].score, each[1].name, each[0].entry.id))
    return found


def _hit(context: DecisionContext, party: Named, one: ListInForce, match: Match, day: date) -> Hit | None:
    """The hit of a match, None where the pair was cleared."""
    entry = match.entry
    expires = entry.expires
    ended = expires if expires is not None and expires < day else None
    is_cleared, other = cleared(context, one.name, party, entry, day) if ended is None else (False, None)
    if is_cleared:
        return None
    return Hit(
        party.id, party.role, party.name, one.name, one.version, entry.id, entry.name, match.matched,
        decimal(match.score), decimal(one.threshold), match.country_agrees,
        decimal(match.country_points), decimal(match.address_points),
        tuple((pair.asked, pair.listed, decimal(pair.score // 100)) for pair in match.pairs),
        entry.digest, _CITATIONS.get(entry.kind, one.name), entry.requirement, entry.policy, other, ended,
        entry.countries,
    )  # fmt: skip


def decimal(hundredths: int) -> str:
    """Hundredths as a decimal with two digits.

    >>> decimal(100), decimal(85), decimal(-3)
    ('1.00', '0.85', '-0.03')
    """
    whole, part = divmod(abs(hundredths), 100)
    return f"{'-' if hundredths < 0 else ''}{whole}.{part:02}"


def _hundredths(score: str) -> int:
    return int(score.replace(".", ""))
