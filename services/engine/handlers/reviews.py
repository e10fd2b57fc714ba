"""The work list: a reviewer's decision on a hold, and holds screened again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ledger.registers.accounts import Entry, Overflow
from ledger.registers.shipments import SetAside, Shipment
from ledger.registers.unfinished import Work
from ledger.registers.waiting import Notes
from schemas.codes import Outcome, State
from schemas.event_types import EVENT_RECORDED, SHIPMENT_DENIED, SHIPMENT_HELD, SHIPMENT_RELEASED
from schemas.kinds import FactKind, Policy
from schemas.models.incoming import RecheckRequested, ReviewDecided
from schemas.plan import Short
from schemas.wire.read import Event
from services.engine.alerts import exhaust, raise_alerts
from services.engine.answers import Answers
from services.engine.auto_recheck import Left, awaited, notes_of, recheck_left
from services.engine.chunks import CHUNK, answers_of, is_chunk, work_of
from services.engine.context import DecisionContext, HandledEvent
from services.engine.decision import decision, published, unscreened_decision
from services.engine.handlers import kept
from services.engine.handlers.proposals import check_review
from services.engine.judgement import Judgement, judge
from services.engine.life import Step, allows
from services.engine.parties.namesakes import pair
from services.engine.refusal import refuse
from services.engine.settlement import asked_of, claimed, let_go, settle, terms_of, void


def decided(context: DecisionContext, event: Event[ReviewDecided]) -> HandledEvent:
    """Ends a hold: denies the shipment, or screens it again without the reasons that a reviewer may set aside."""
    data, answers, shipments = event.data, context.answer(event), context.journal.shipments
    shipment = shipments.find(data.shipment_id)
    if not allows(shipment, Step.REVIEW):
        return refuse(answers, data.shipment_id, shipment)
    check_review(context, shipment, data)
    if data.action == "deny":
        return _deny(context, answers, shipment, data)
    claim = None if data.authorization is None else data.authorization.model_dump(exclude_none=True)
    stays = shipment.kept is not None and not kept.another(context, shipment, claim)
    set_aside = _releasable(context, shipment)
    shipments.review(shipment, None if stays else claim, set_aside)
    _tell_apart(context, shipment, data, set_aside)
    if stays:
        return kept.release(context, answers, shipment)
    entries = void(context, shipment) if shipment.kept is not None else []
    judgement = _judged_again(context, shipment)
    left = _has_left(shipment)
    return settle(context, answers, shipment, judgement, entries + judgement.entries, Outcome.RELEASED, left=left)


def _has_left(shipment: Shipment) -> bool:
    return shipment.state == State.HELD_AT_DISPATCH


def _judged_again(context: DecisionContext, shipment: Shipment, explained: bool = True) -> Judgement:
    """A held shipment, judged with what is known now, as of its export date."""
    asked = asked_of(context, shipment).model_copy(update={"export_date": shipment.terms.export_date})
    left, named = _has_left(shipment), shipment.claim is not None
    return judge(context, asked, shipment.reviewed, posted=left, named=named, explained=explained)


def _rejudged(context: DecisionContext, shipment: Shipment) -> Judgement:
    """A held shipment, judged without a reviewer: one that left as planned only under the authorization that it had.

    Why it stays held is not asked.
    """
    if shipment.terms.authorization is None or not _has_left(shipment):
        return _judged_again(context, shipment, explained=False)
    asked = claimed(asked_of(context, shipment), shipment.terms)
    named = shipment.claim is not None
    return judge(context, asked, shipment.reviewed, posted=True, named=named, taken={}, explained=False)


def _deny(context: DecisionContext, answers: Answers, shipment: Shipment, data: ReviewDecided) -> HandledEvent:
    entries = void(context, shipment) if shipment.kept is not None else []
    context.journal.shipments.deny(shipment)
    review = data.model_dump(include={"reviewer", "second_reviewer", "reason"}, exclude_none=True)
    denial = unscreened_decision(
        context, answers.next_id, answers.causation, Outcome.DENIED, shipment, entries, review=review
    )
    raise_alerts(context, answers, entries, answers.add(SHIPMENT_DENIED, shipment.id, denial))
    return HandledEvent(answers, shipment.id)


def _releasable(context: DecisionContext, shipment: Shipment) -> list[SetAside]:
    """The reasons of the present hold that a reviewer may set aside."""
    return [
        SetAside(reason["code"], reason["facts"])
        for reason in present_reasons(context, shipment)
        if context.book.may_set_aside(reason["code"], reason["facts"])
    ]


def _tell_apart(
    context: DecisionContext, shipment: Shipment, review: ReviewDecided, set_aside: Sequence[SetAside]
) -> None:
    """States that a shipment's owner is none of those whose name it has, as a reviewer who sets that aside says."""
    others = [other for one in set_aside if (other := context.book.told_apart(one.code, one.facts)) is not None]
    if others:
        owner = asked_of(context, shipment).ultimate_consignee.owner
        for key in dict.fromkeys(pair(owner, other) for other in others):
            context.journal.facts.add(FactKind.APART, key, review)


def present_reasons(context: DecisionContext, shipment: Shipment) -> list[dict[str, Any]]:
    """The reasons of a shipment's present hold, as they were published."""
    held = None if shipment.held is None else published(context, shipment.held, shipment.id, Outcome.HELD)
    return [] if held is None else list(held["reasons"])


_Decided = tuple[Shipment, Judgement, list[Entry]]


@dataclass(slots=True)
class _Rechecked:
    """The results of a recheck; `given_up`: those of `held` that were held by list, and lost what they had pending."""

    released: list[_Decided] = field(default_factory=list)
    given_up: list[_Decided] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    shorts: list[Short] = field(default_factory=list)


def recheck(context: DecisionContext, event: Event[RecheckRequested]) -> HandledEvent:
    """Screens held shipments again with what is known now, oldest first; each that passes is released.

    Of many the event's own record decides the first chunk, and says how many shipments it looks at in all.
    """
    if is_chunk(event):
        return _recheck_chunk(context, event)
    data, answers, journal = event.data, context.answer(event), context.journal
    if data.shipment_id is not None:
        shipment = journal.shipments.find(data.shipment_id)
        if not allows(shipment, Step.RECHECK):
            return refuse(answers, data.shipment_id, shipment)
        found = _rechecked(context, [data.shipment_id])
        if (more := _with_room(context, None)) is not None:
            journal.unfinished.begin(more)
        _record(context, answers, data.shipment_id, {"shipment_id": data.shipment_id}, found, {"holds": 1})
        return HandledEvent(answers, data.shipment_id)
    account, until = data.account, journal.transaction.n
    path = journal.accounts.path(account) if account else None
    ids = journal.shipments.held(path, 0, until, CHUNK)
    holds = journal.shipments.count_held(path)
    found = _rechecked(context, ids)
    left = {"account": account, "after": _first(context, ids), "until": until} if holds > len(ids) else None
    if (more := _with_room(context, left)) is not None:
        journal.unfinished.begin(more)
    _record(context, answers, event.subject, {}, found, {"holds": holds})
    return HandledEvent(answers)


def _recheck_chunk(context: DecisionContext, event: Event[RecheckRequested]) -> HandledEvent:
    work, journal = work_of(context, event), context.journal
    answers = answers_of(context, event, work)
    if "keys" in work.left:
        return _auto_recheck(context, event, answers, work)
    account, after, until = work.left["account"], work.left["after"], work.left["until"]
    path = journal.accounts.path(account) if account else None
    ids = journal.shipments.held(path, after, until, CHUNK)
    found = _rechecked(context, ids)
    left = {**work.left, "after": _first(context, ids)} if len(ids) == CHUNK else None
    journal.unfinished.go_on(work, _with_room(context, left, work.left.get("room", ())))
    _record(context, answers, event.subject, {}, found, {"chunk": work.chunk})
    return HandledEvent(answers)


def _auto_recheck(
    context: DecisionContext, event: Event[RecheckRequested], answers: Answers, work: Work
) -> HandledEvent:
    """Rechecks the next holds that wait for what a record has brought; none once the policy is off."""
    left, journal = Left(**work.left), context.journal
    on = journal.policies.on(Policy.AUTO_RECHECK)
    ids = journal.shipments.waiting_for(left.keys, left.before, left.after, CHUNK + 1) if on else []
    found = _rechecked(context, ids[:CHUNK])
    more = asdict(replace(left, after=_first(context, ids[:CHUNK]))) if len(ids) > CHUNK else None
    journal.unfinished.go_on(work, _with_room(context, more, left.room))
    _record(context, answers, event.subject, {}, found, {"chunk": work.chunk})
    return HandledEvent(answers)


def _with_room(
    context: DecisionContext, left: Mapping[str, Any] | None, room: Sequence[str] = ()
) -> Mapping[str, Any] | None:
    """What is left of a recheck: more of its own work, then the recheck of what waits for what holds by list gave up.

    `room`: the accounts to which it had brought room before, for which holds wait.
    """
    room = sorted({*room, *awaited(context)})
    if left is None:
        return recheck_left(context, room)
    return {**left, "room": room} if room else left


def _first(context: DecisionContext, ids: Sequence[str]) -> int:
    """The record that first presented the last of these shipments; 0 where there are none."""
    shipment = context.journal.shipments.find(ids[-1]) if ids else None
    return shipment.first if shipment else 0


def _record(
    context: DecisionContext,
    answers: Answers,
    subject: str,
    named: Mapping[str, Any],
    found: _Rechecked,
    more: Mapping[str, Any],
) -> None:
    """Adds the record of a recheck, and what follows from it."""
    recorded = {
        "causation": answers.causation,
        "entries": [],
        "released": [shipment.id for shipment, _, _ in found.released],
        "held": found.held,
        "skipped": found.skipped,
    }
    record = answers.add(EVENT_RECORDED, subject, {**named, **recorded, **more})
    exhaust(context, answers, found.shorts, record)
    for outcome, decided in ((Outcome.RELEASED, found.released), (Outcome.HELD, found.given_up)):
        for one in decided:
            _tell(context, answers, outcome, *one)


def _rechecked(context: DecisionContext, ids: Sequence[str]) -> _Rechecked:
    today, waiting = context.today, context.journal.waiting
    found, noted = _Rechecked(), waiting.of(ids)
    context.journal.transaction.read(
        context.journal.shipments.loading(ids),
        context.journal.facts.loading({key for notes in noted.values() for key in notes.keys}),
    )
    for identifier in ids:
        shipment = context.journal.shipments.find(identifier)
        if shipment is None:
            continue
        left = _has_left(shipment)
        if not left and today is not None and shipment.terms.export_date < today:
            found.skipped.append(identifier)
            continue
        if shipment.kept is not None:
            _rechecked_kept(context, shipment, noted.get(identifier), found)
            continue
        try:
            judgement = _rejudged(context, shipment)
        except Overflow:
            found.held.append(identifier)
            continue
        if not judgement.passes:
            found.held.append(identifier)
            found.shorts += judgement.shorts
            waiting.renew(identifier, noted.get(identifier), notes_of(context, judgement))
            continue
        entries = judgement.entries + let_go(context, shipment, judgement, State.DISPATCHED if left else State.RELEASED)
        found.released.append((shipment, judgement, entries))
    return found


def _rechecked_kept(context: DecisionContext, shipment: Shipment, noted: Notes | None, found: _Rechecked) -> None:
    """Judges a hold by list: one that still stands is left as it is."""
    names = kept.names_of(context, kept.as_of_export(context, shipment)).without(context, shipment.reviewed)
    if names.reasons:
        context.journal.waiting.renew(shipment.id, noted, Notes(keys=names.keys))
        found.held.append(shipment.id)
        return
    debited = kept.debited_by(context, shipment)
    judgement = kept.as_let_go(context, shipment, debited)
    if judgement.passes:
        context.journal.shipments.let_go(shipment, shipment.terms, State.RELEASED)
        found.released.append((shipment, judgement, []))
        return
    found.held.append(shipment.id)
    voided, again = kept.give_up(context, shipment, debited)
    codes = [reason.code for reason in again.reasons]
    context.journal.shipments.hold(shipment, terms_of(again), codes, notes_of(context, again), left=False)
    found.given_up.append((shipment, again, voided))


def _tell(
    context: DecisionContext, answers: Answers, outcome: Outcome, shipment: Shipment, judgement: Judgement,
    entries: Sequence[Entry],
) -> None:  # fmt: skip
    """Adds a decision of a recheck, and the alerts of its entries."""
    context.journal.records.mention(shipment.id)
    data = decision(context, answers.next_id, answers.causation, outcome, judgement, entries)
    kind = SHIPMENT_RELEASED if outcome is Outcome.RELEASED else SHIPMENT_HELD
    raise_alerts(context, answers, entries, answers.add(kind, shipment.id, data))
