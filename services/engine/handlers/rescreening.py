"""Rescreening: after the load of a list, what is open is screened again for names, in chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ledger.journal import Journal
from ledger.registers.names.compared import compared
from ledger.registers.shipments import Shipment
from schemas.event_types import EVENT_RECORDED
from schemas.models.facts import ListLoaded
from schemas.models.incoming import Requested
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
    `alone`: how many records more look at one shipment or party each, since the program failed on a chunk.
    `unscreened`: on which of them it failed, the first ones.
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
    alone: int = 0
    unscreened: Sequence[str] = ()

    @property
    def most(self) -> int:
        """How many shipments or parties the next record looks at."""
        return 1 if self.alone else CHUNK


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
        failed = {"unscreened": left.unscreened} if left.unscreened else {}
        totalled = {name: getattr(left, name) for name in totals}
        answers.add(EVENT_RECORDED, event.subject, recorded | totalled | failed)
        context.journal.unfinished.go_on(work, None)
        return HandledEvent(answers)
    most, transaction = left.most, context.journal.transaction
    ids = [] if left.after is None else compared(transaction, left.after, left.until, most)
    found = _screened(context, ids)
    held = [shipment.id for shipment, _ in found.held]
    answers.add(EVENT_RECORDED, event.subject, recorded)
    for shipment, names in found.held:
        hold(context, answers, shipment, names)
    left = replace(
        left,
        after=_first(context.journal, ids[-1]) if len(ids) == most else None,
        held=[*left.held, *held][:NAMED],
        held_count=left.held_count + len(held),
        recheck=[*left.recheck, *found.recheck][:NAMED],
        recheck_count=left.recheck_count + len(found.recheck),
        alone=max(0, left.alone - 1),
    )
    if left.after is None and left.party is not None:
        before = len(answers.texts)
        party = screen_registered(context, answers, left.list, left.party, most - len(ids))
        left = replace(left, party=party, alerts=left.alerts + len(answers.texts) - before)
    context.journal.unfinished.go_on(work, asdict(left))
    return HandledEvent(answers)


def after_failure(journal: Journal, left: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What is left of work after a chunk on which the program has failed: of a rescreening all but what it failed on.

    That is found by looking at one shipment or party at a time. Other work ends; None.
    """
    if "party" not in left or (left["after"] is None and left["party"] is None):
        return None
    work = Rescreening(**left)
    return asdict(_without_next(journal, work) if work.alone else replace(work, alone=CHUNK))


def _without_next(journal: Journal, work: Rescreening) -> Rescreening:
    """A rescreening without the shipment or party that comes next, which is said not to have been screened."""
    ids = [] if work.after is None else compared(journal.transaction, work.after, work.until, 1)
    parties = [] if ids else journal.lists.registered(work.party or "", 1)
    skipped = [*(f"shipment/{one}" for one in ids), *(f"party/{one}" for one in parties)]
    return replace(
        work,
        after=_first(journal, ids[0]) if ids else None,
        party=work.party if ids else next(iter(parties), None),
        alone=work.alone - 1,
        unscreened=[*work.unscreened, *skipped][:NAMED],
    )


def _first(journal: Journal, identifier: str) -> int | None:
    shipment = journal.shipments.find(identifier)
    return None if shipment is None else shipment.first


def _screened(context: DecisionContext, ids: Sequence[str]) -> _Found:
    """Screens shipments for names: those that are open, and those that are held for names already."""
    found, shipments = _Found(), context.journal.shipments
    context.journal.transaction.read(shipments.loading(ids))
    loaded = [shipment for shipment in map(shipments.find, ids) if shipment is not None]
    wanted = [one for one in loaded if one.open or any(map(context.book.names.may_give, one.codes.split()))]
    context.journal.records.load_events(one.asked for one in wanted)
    asked = {one.id: as_of_export(context, one) for one in wanted}
    context.journal.facts.load({key for one in asked.values() for key in context.journal.parties.keys(one)})
    for shipment in wanted:
        if shipment.open:
            new = names_of(context, asked[shipment.id]).without(context, shipment.reviewed)
            if new.reasons:
                found.held.append((shipment, new))
        elif not _stands(context, shipment, asked[shipment.id]):
            found.recheck.append(shipment.id)
    return found


def _stands(context: DecisionContext, shipment: Shipment, asked: Requested) -> bool:
    """Whether each hit of a held shipment still stands; what else it resembles now is not told, and not noted."""
    with context.journal.clearings.unnoted():
        names = names_of(context, asked)
    now = {same_text(context, one.code, one.facts) for one in names.reasons}
    told = [one for one in present_reasons(context, shipment) if context.book.names.gives(one["code"], one["facts"])]
    return all(same_text(context, one["code"], one["facts"]) in now for one in told)
