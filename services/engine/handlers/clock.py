"""Ticks: the only way in which time passes; and the way back where it stands too far ahead."""

from datetime import date, timedelta

from ledger.registers.accounts import growth
from schemas import accounts
from schemas.codes import Outcome, ReasonCode
from schemas.event_types import EVENT_RECORDED, OBLIGATION_DUE, QUOTA_ALERT, SHIPMENT_EXPIRED
from schemas.models.facts import ClockCorrected, ClockTicked
from schemas.times import DAY_MICROSECONDS, day_of, instant_text, microseconds
from schemas.wire.read import Event
from services.engine.alerts import raise_alerts
from services.engine.answers import Answers
from services.engine.context import DecisionContext, HandledEvent
from services.engine.decision import unscreened_decision
from services.engine.message import Refusal
from services.engine.settlement import void

WINDOW_DAYS = 90
HORIZON_DAYS = 365


def ticked(context: DecisionContext, event: Event[ClockTicked]) -> HandledEvent:
    """Expires approvals that have lapsed, announces obligations, forecasts; an earlier tick changes nothing."""
    data, answers, journal = event.data, context.answer(event), context.journal
    now, last, yesterday = microseconds(data.now), journal.transaction.ticked, context.today
    if last is not None and now <= last:
        answers.add(EVENT_RECORDED, event.subject, {"causation": answers.causation, "entries": []})
        return HandledEvent(answers)
    journal.transaction.tick(now)
    lapsing = [journal.shipments.find(identifier) for identifier in journal.shipments.lapsing(data.day)]
    lapsed = [(shipment, void(context, shipment)) for shipment in lapsing if shipment]
    answers.add(EVENT_RECORDED, event.subject, {"causation": answers.causation, "entries": []})
    for shipment, voided in lapsed:
        journal.shipments.expire(shipment)
        journal.records.mention(shipment.id)
        lapse = unscreened_decision(context, answers.next_id, answers.causation, Outcome.EXPIRED, shipment, voided)
        raise_alerts(context, answers, voided, answers.add(SHIPMENT_EXPIRED, shipment.id, lapse))
    _announce(context, answers, data.day)
    if yesterday is None or data.day > yesterday:
        _forecast(context, answers, now, data.day)
    return HandledEvent(answers)


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


def _announce(context: DecisionContext, answers: Answers, day: date) -> None:
    for one in context.journal.obligations.falling_due(day):
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


def _forecast(context: DecisionContext, answers: Answers, now: int, day: date) -> None:
    """Projects, once a UTC day, when accounts will be full if they are used as in the last 90 days.

    An account is announced when its exhaustion is first projected within a year (of LPP: within its year), and again
    only after it was no longer projected.
    """
    ledger = context.journal.accounts
    grown = growth(context.journal.transaction, now - WINDOW_DAYS * DAY_MICROSECONDS, now)
    for path in sorted(grown):
        account = ledger.open(path)
        limit = account.limit
        if limit is None or account.balance >= limit:
            continue
        days = min(HORIZON_DAYS + 1, -(-(limit - account.balance) * WINDOW_DAYS // grown[path]))
        full = day + timedelta(days=days)
        projected = days <= HORIZON_DAYS and accounts.within(path, full)
        if projected and account.forecast is None:
            alert = {
                "account": path,
                "kind": "forecast",
                "balance": account.balance,
                "limit": limit,
                "crossed_by": answers.id,
                "projected_exhaustion": full.isoformat(),
            }
            answers.add(QUOTA_ALERT, path, alert)
        ledger.forecast(account, full if projected else None)
