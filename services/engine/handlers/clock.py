"""Ticks: the only way in which time passes."""

from datetime import date, timedelta

from schemas import accounts
from schemas.models.facts import ClockTicked
from schemas.times import DAY_MICROSECONDS, day_of, microseconds
from schemas.wire.read import Event
from services.engine.alerts import raise_alerts
from services.engine.answers import ALERT, OBLIGATION_DUE, RECORDED, Out
from services.engine.context import Turn
from services.engine.decision import bare_decision
from services.engine.handlers.shipments import void

EXPIRED = "tpp.shipment.expired.v1"
WINDOW_DAYS = 90
HORIZON_DAYS = 365


def ticked(turn: Turn, event: Event, out: Out) -> None:
    """Lets approvals lapse that have not left, announces what is owed, forecasts; an earlier tick changes nothing."""
    data: ClockTicked = event.data  # type: ignore[assignment]
    now = microseconds(data.now)
    last = turn.journal.ticked
    if last is not None and now <= last:
        out.add(RECORDED, event.subject, {"causation": out.causation, "entries": []})
        return
    turn.journal.ticked = now
    lapsed = [
        (shipment, void(turn, shipment))
        for shipment in map(turn.journal.shipments.find, turn.journal.shipments.lapsing(data.day))
        if shipment
    ]
    out.add(RECORDED, event.subject, {"causation": out.causation, "entries": []})
    for shipment, voided in lapsed:
        shipment.state = "expired"
        turn.journal.shipments.put(shipment)
        turn.journal.mail.mention(shipment.id)
        day = shipment.export_date.isoformat()
        lapse = bare_decision(turn, out.next_id, out.causation, shipment.id, "expired", day, shipment.tpp, voided)
        raise_alerts(turn, out, voided, out.add(EXPIRED, shipment.id, lapse))
    _announce(turn, out, data.day)
    if last is None or data.day > day_of(last):
        _forecast(turn, out, now, data.day)


def _announce(turn: Turn, out: Out, day: date) -> None:
    for subject, kind, due, citation, state in turn.journal.shipments.falling_due(day):
        whose, identifier = subject.split("/", 1)
        data = {
            "kind": kind,
            "shipment_id" if whose == "shipment" else "party": identifier,
            "due": due.isoformat(),
            "state": state,
            "citation": citation,
            "contents": turn.book.notice(kind, due),
        }
        out.add(OBLIGATION_DUE, identifier, data)


def _forecast(turn: Turn, out: Out, now: int, day: date) -> None:
    """Projects, once a UTC day, when accounts will be full if they are used as in the last 90 days.

    An account is announced when its exhaustion is first projected within a year (of LPP: within its year), and again
    only after it was no longer projected.
    """
    answer = out.base
    since = now - WINDOW_DAYS * DAY_MICROSECONDS
    grown = turn.journal.growth(since, now)
    for path in sorted(grown):
        account = turn.journal.account(path)
        limit = account.limit
        if limit is None or account.balance >= limit:
            continue
        days = min(HORIZON_DAYS + 1, -(-(limit - account.balance) * WINDOW_DAYS // grown[path]))
        full = day + timedelta(days=days)
        projected = days <= HORIZON_DAYS and accounts.within(path, full)
        if projected and account.forecast is None:
            told = {
                "account": path,
                "kind": "forecast",
                "balance": account.balance,
                "limit": limit,
                "crossed_by": answer,
            }
            out.add(ALERT, path, told | {"projected_exhaustion": full.isoformat()})
        account.forecast = full.isoformat() if projected else None
