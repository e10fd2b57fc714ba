"""Ticks: the only way in which time passes; and the way back if it stands too far ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from ledger.registers.accounts import WINDOW_DAYS, growth, limited, projected
from schemas.codes import Outcome, ReasonCode
from schemas.event_types import EVENT_RECORDED, OBLIGATION_DUE, QUOTA_ALERT, SHIPMENT_EXPIRED
from schemas.models.facts import ClockCorrected, ClockTicked
from schemas.times import DAY_MICROSECONDS, day_of, instant_text, microseconds
from schemas.wire.read import Event
from services.engine.alerts import raise_alerts
from services.engine.answers import Answers
from services.engine.auto_recheck import awaited, recheck_left
from services.engine.chunks import CHUNK, answers_of, is_chunk, work_of
from services.engine.context import DecisionContext, HandledEvent
from services.engine.decision import unscreened_decision
from services.engine.message import Refusal
from services.engine.parties.age import alert_if_stale, out_of_date
from services.engine.settlement import void

MOVED_DAYS = 7
"""A forecast is raised again when its day has moved by more than this."""


def ticked(context: DecisionContext, event: Event[ClockTicked]) -> HandledEvent:
    """Expires approvals that have lapsed, announces obligations, forecasts; an earlier tick changes nothing."""
    if is_chunk(event):
        return _tick_chunk(context, event)
    data, answers, journal = event.data, context.answer(event), context.journal
    now, last, yesterday = microseconds(data.now), journal.transaction.ticked, context.today
    recorded = {"causation": answers.causation, "entries": []}
    if last is not None and now <= last:
        answers.add(EVENT_RECORDED, event.subject, recorded)
        return HandledEvent(answers)
    before = out_of_date(context)
    journal.transaction.tick(now)
    phase = _Phase(now=now, forecasts=yesterday is None or data.day > yesterday)
    left = _left(context, phase, _pass_time(context, answers, event.subject, recorded, phase))
    if left is not None:
        journal.unfinished.begin(left)
    alert_if_stale(context, answers, answers.id, out_of_date(context) - before)
    return HandledEvent(answers)


def _tick_chunk(context: DecisionContext, event: Event[ClockTicked]) -> HandledEvent:
    """Does the next chunk of a tick's work; none of it is left once time was set back before the tick."""
    work = work_of(context, event)
    answers = answers_of(context, event, work)
    phase, last = _Phase(**work.left), context.journal.transaction.ticked
    recorded = {"causation": answers.causation, "entries": [], "chunk": work.chunk}
    if last is not None and phase.now > last:
        answers.add(EVENT_RECORDED, event.subject, {**recorded, "expired": []})
        left = None
    else:
        left = _pass_time(context, answers, event.subject, recorded, phase, names_expired=True)
    context.journal.unfinished.go_on(work, _left(context, phase, left))
    return HandledEvent(answers)


def _left(context: DecisionContext, phase: "_Phase", more: "_Phase | None") -> dict[str, Any] | None:
    """What is left of a tick after a chunk: more of its own work, then the recheck of what waits for what lapsed."""
    room = sorted({*phase.room, *awaited(context)})
    return recheck_left(context, room) if more is None else asdict(replace(more, room=room))


@dataclass(frozen=True, slots=True)
class _Phase:
    """How far the work of a tick has come: its instant, whether it forecasts, and what comes next.

    `after` is the path of the account that was forecast last, None while shipments lapse or obligations fall due.
    `room`: the accounts to which it has brought room for which holds wait.
    """

    now: int
    forecasts: bool
    after: str | None = None
    room: Sequence[str] = ()

    @property
    def day(self) -> date:
        """The UTC day of the tick."""
        return day_of(self.now)


def _pass_time(
    context: DecisionContext,
    answers: Answers,
    subject: str,
    recorded: Mapping[str, Any],
    phase: _Phase,
    *,
    names_expired: bool = False,
) -> _Phase | None:
    """Does a chunk of what a tick asks for: first expiries, then obligations, then forecasts. Returns what is left."""
    journal = context.journal
    lapsing = [] if phase.after is not None else journal.shipments.lapsing(phase.day, CHUNK)
    journal.transaction.read(journal.shipments.loading(lapsing))
    lapsed = [(shipment, void(context, shipment)) for shipment in map(journal.shipments.find, lapsing) if shipment]
    expired = {"expired": [shipment.id for shipment, _ in lapsed]} if names_expired else {}
    answers.add(EVENT_RECORDED, subject, {**recorded, **expired})
    for shipment, voided in lapsed:
        journal.shipments.expire(shipment)
        journal.records.mention(shipment.id)
        lapse = unscreened_decision(context, answers.next_id, answers.causation, Outcome.EXPIRED, shipment, voided)
        raise_alerts(context, answers, voided, answers.add(SHIPMENT_EXPIRED, shipment.id, lapse))
    if len(lapsed) == CHUNK:
        return phase
    room = CHUNK - len(lapsed)
    if phase.after is None:
        announced = _announce(context, answers, phase.day, room)
        if announced == room:
            return phase
        room -= announced
    if not phase.forecasts:
        return None
    last = _forecast(context, answers, phase, room)
    return None if last is None else replace(phase, after=last)


def corrected(context: DecisionContext, event: Event[ClockCorrected]) -> HandledEvent:
    """Sets the ledger's time back, so that ticks count again; what has lapsed by a wrong tick stays lapsed."""
    now, journal = microseconds(event.data.now), context.journal
    last = journal.transaction.ticked
    if last is None or now >= last:
        stands = "no tick has come yet" if last is None else f"the last tick was at {instant_text(last)}"
        message = f"The ledger's time is not after {instant_text(now)}: {stands}."
        raise Refusal(ReasonCode.CLOCK_STATE, message, now=instant_text(now))
    journal.transaction.tick(now)
    journal.obligations.set_back(day_of(now))
    answers = context.answer(event)
    answers.add(EVENT_RECORDED, event.subject, {"causation": answers.causation, "entries": []})
    return HandledEvent(answers)


def _announce(context: DecisionContext, answers: Answers, day: date, most: int) -> int:
    """Announces obligations that fall due or are overdue, at most so many; returns how many."""
    due = context.journal.obligations.falling_due(day, most)
    for one in due:
        whose, identifier = one.subject.split("/", 1)
        data = {
            "kind": one.kind,
            "shipment_id" if whose == "shipment" else "party": identifier,
            "due": one.due.isoformat(),
            "state": one.state,
            "citation": one.citation,
            "contents": context.book.notice(one.kind, one.due),
        }
        answers.add(OBLIGATION_DUE, identifier, data)
    return len(due)


def _forecast(context: DecisionContext, answers: Answers, phase: _Phase, most: int) -> str | None:
    """Projects, once a UTC day, when accounts will be full if they are used as in the last 90 days.

    An account is announced when its exhaustion is projected within a year (of LPP: within its year), again when that
    day has moved by more than a week, and once more, with no day, when it is no longer projected. Looks at so many
    accounts at most; the path of the last one, None where there are no more.
    """
    ledger, transaction = context.journal.accounts, context.journal.transaction
    paths = limited(transaction, phase.after or "", most)
    grown = growth(transaction, paths, phase.now - WINDOW_DAYS * DAY_MICROSECONDS, phase.now)
    ledger.load(paths)
    for account in filter(None, map(ledger.find, paths)):
        if account.limit is None or account.balance >= account.limit:
            continue
        full = projected(account.path, account.limit - account.balance, grown.get(account.path, 0), phase.day)
        if not _announces(account.forecast, full):
            continue
        ledger.forecast(account, full)
        alert = {
            "account": account.path,
            "kind": "forecast",
            "balance": account.balance,
            "limit": account.limit,
            "crossed_by": answers.id,
            "projected_exhaustion": None if full is None else full.isoformat(),
        }
        answers.add(QUOTA_ALERT, account.path, alert)
    return paths[-1] if len(paths) == most else None


def _announces(announced: str | None, full: date | None) -> bool:
    """Whether a projection is to be announced: a new one, one that has gone, one that has moved by more than a week."""
    if announced is None or full is None:
        return (announced is None) != (full is None)
    return abs((full - date.fromisoformat(announced)).days) > MOVED_DAYS
