"""Rescreening: after the load of a list, what is open is screened again for names, in chunks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ledger.registers.names.compared import compared
from ledger.registers.shipments import Shipment
from schemas.event_types import EVENT_RECORDED
from schemas.models.facts import ListLoaded
from schemas.wire.read import Event
from services.engine.chunks import answers_of, work_of
from services.engine.context import DecisionContext, HandledEvent
from services.engine.handlers.kept import Names, as_of_export, hold, names_of, same_text
from services.engine.handlers.reviews import present_reasons
from services.engine.parties.registered import screen_registered

CHUNK = 50
"""How many shipments one record looks at, then parties: a name that was not seen before takes about a millisecond."""

NAMED = 1_000
"""How many shipments the last record names at most, of each kind."""


@dataclass(frozen=True, slots=True)
class Rescreening:
    """What is left of a rescreening of what records until that of the load have presented, and what it found so far.

    `after`: the record that first presented the shipment that was looked at last, None once all have been; `party`: the
    registered party that was looked at last, None once all have been. `held`: the shipments that were held, `recheck`:
    held ones of which a hit no longer stands; the first ones, and how many. `alerts`: how many parties' hits were told.
    """

    list: str
    until: int
    after: int | None = 0
    party: str | None = ""
    held: Sequence[str] = ()
    held_count: int = 0
    recheck: Sequence[str] = ()
    recheck_count: int = 0
    alerts: int = 0


@dataclass(slots=True)
class _Found:
    """What a chunk found: the shipments that are to be held, with all that says so, and those to be rechecked."""

    held: list[tuple[Shipment, Names]] = field(default_factory=list)
    recheck: list[str] = field(default_factory=list)


def rescreen(context: DecisionContext, event: Event[ListLoaded]) -> HandledEvent:
    """Does the next chunk of a rescreening: first shipments, then registered parties; the last one says what it found.

    What was presented since the load was screened with the list already.
    """
    work = work_of(context, event)
    answers, left = answers_of(context, event, work), Rescreening(**work.left)
    recorded: dict[str, Any] = {"causation": answers.causation, "entries": [], "chunk": work.chunk}
    if left.after is None and left.party is None:
        totals = ("held", "held_count", "recheck", "recheck_count", "alerts")
        answers.add(EVENT_RECORDED, event.subject, recorded | {name: getattr(left, name) for name in totals})
        context.journal.unfinished.go_on(work, None)
        return HandledEvent(answers)
    transaction = context.journal.transaction
    ids = [] if left.after is None else compared(transaction, left.after, left.until, CHUNK)
    found = _screened(context, ids)
    held = [shipment.id for shipment, _ in found.held]
    answers.add(EVENT_RECORDED, event.subject, recorded)
    for shipment, names in found.held:
        hold(context, answers, shipment, names)
    left = replace(
        left,
        after=_first(context, ids[-1]) if len(ids) == CHUNK else None,
        held=[*left.held, *held][:NAMED],
        held_count=left.held_count + len(held),
        recheck=[*left.recheck, *found.recheck][:NAMED],
        recheck_count=left.recheck_count + len(found.recheck),
    )
    if left.after is None and left.party is not None:
        before = len(answers.texts)
        party = screen_registered(context, answers, left.list, left.party, CHUNK - len(ids))
        left = replace(left, party=party, alerts=left.alerts + len(answers.texts) - before)
    context.journal.unfinished.go_on(work, asdict(left))
    return HandledEvent(answers)


def _first(context: DecisionContext, identifier: str) -> int | None:
    shipment = context.journal.shipments.find(identifier)
    return None if shipment is None else shipment.first


def _screened(context: DecisionContext, ids: Sequence[str]) -> _Found:
    """Screens shipments for names: those that are open, and those that are held for names already."""
    found, shipments = _Found(), context.journal.shipments
    shipments.load(ids)
    loaded = [shipment for shipment in map(shipments.find, ids) if shipment is not None]
    wanted = [one for one in loaded if one.open or any(map(context.book.names.may_give, one.codes.split()))]
    context.journal.records.load_events(one.asked for one in wanted)
    asked = {one.id: as_of_export(context, one) for one in wanted}
    context.journal.facts.load({key for one in asked.values() for key in context.journal.parties.keys(one)})
    for shipment in wanted:
        names = names_of(context, asked[shipment.id])
        if shipment.open:
            new = names.without(context, shipment.reviewed)
            if new.reasons:
                found.held.append((shipment, new))
        elif not _stands(context, shipment, names):
            found.recheck.append(shipment.id)
    return found


def _stands(context: DecisionContext, shipment: Shipment, names: Names) -> bool:
    """Whether each hit of a held shipment still stands."""
    now = {same_text(context, one.code, one.facts) for one in names.reasons}
    told = [one for one in present_reasons(context, shipment) if context.book.names.gives(one["code"], one["facts"])]
    return all(same_text(context, one["code"], one["facts"]) in now for one in told)
