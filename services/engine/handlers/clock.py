"""Ticks: the only way in which time passes."""

from datetime import UTC, date, datetime, timedelta

from schemas import accounts
from schemas.models.incoming import ClockTicked
from schemas.wire.read import Event
from services.engine.alerts import raise_alerts
from services.engine.answers import ALERT, OBLIGATION_DUE, RECORDED, Out
from services.engine.context import Turn, microseconds
from services.engine.decision import bare_decision
from services.engine.handlers.shipments import void

EXPIRED = "tpp.shipment.expired.v1"
WINDOW_DAYS = 90
HORIZON_DAYS = 365


def ticked(turn: Turn, event: Event, out: Out) -> None:
    """Lets approvals lapse that have not left, announces what is owed, forecasts; an earlier tick changes nothing."""
    data: ClockTicked = event.data  # type: ignore[assignment]
    now = microseconds(data.now)
    last = turn.journal.transaction.ticked
    if last is not None and now <= last:
        out.add(RECORDED, event.subject, {"causation": out.causation, "entries": []})
        return
    turn.journal.transaction.tick(now)
    lapsed = [
        (shipment, void(turn, shipment))
        for shipment in map(turn.journal.shipments.find, turn.journal.shipments.lapsing(data.day))
        if shipment
    ]
    out.add(RECORDED, event.subject, {"causation": out.causation, "entries": []})
    for shipment, voided in lapsed:
        turn.journal.shipments.expire(shipment)
        turn.journal.records.mention(shipment.id)
        day, tpp = shipment.terms.export_date.isoformat(), shipment.terms.tpp
        lapse = bare_decision(turn, out.next_id, out.causation, shipment.id, "expired", day, tpp, voided)
        raise_alerts(turn, out, voided, out.add(EXPIRED, shipment.id, lapse))
    _announce(turn, out, data.day)
    if last is None or data.day > datetime.fromtimestamp(last // 1_000_000, UTC).date():
        _forecast(turn, out, now, data.day)


def _announce(turn: Turn, out: Out, day: date) -> None:
    for one in turn.journal.obligations.falling_due(day):
        whose, identifier = one.subject.split("/", 1)
        data = {
            "kind": one.kind,
            "shipment_id" if whose == "shipment" else "party": identifier,
            "due": one.due.isoformat(),
            "state": one.state,
            "citation": one.citation,
            "contents": turn.book.notice(one.kind, one.due),
        }
        out.add(OBLIGATION_DUE, identifier, data)


def _forecast(turn: Turn, out: Out, now: int, day: date) -> None:
    """Projects, once a UTC day, when accounts will be full if they are used as in the last 90 days.

    An account is announced when its exhaustion is first projected within a year (of LPP: within its year), and again
    only after it was no longer projected.
    """
    answer = out.base
    since = now - WINDOW_DAYS * 86_400_000_000
    ledger = turn.journal.accounts
    grown = ledger.growth(since, now)
    for path in sorted(grown):
        account = ledger.open(path)
        limit = account.limit
        if limit is None or account.balance >= limit:
            continue
        days = min(HORIZON_DAYS + 1, -(-(limit - account.balance) * WINDOW_DAYS // grown[path]))
        full = day + timedelta(days=days)
        year = (accounts.read(path) or accounts.Account("")).year
        projected = days <= HORIZON_DAYS and (not year or str(full.year) == year)
        if projected and account.forecast is None:
            told = {
                "account": path,
                "kind": "forecast",
                "balance": account.balance,
                "limit": limit,
                "crossed_by": answer,
            }
            out.add(ALERT, path, told | {"projected_exhaustion": full.isoformat()})
        ledger.forecast(account, full if projected else None)
