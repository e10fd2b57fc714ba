"""Ticks: the only way in which time passes."""

from datetime import date
from typing import TYPE_CHECKING

from schemas.envelope import Event
from schemas.events import ClockTicked
from services.alerts import raise_alerts
from services.decide import bare_decision, told
from services.handlers.shipments import void
from services.out import OBLIGATION_DUE, RECORDED, Out

if TYPE_CHECKING:
    from services.engine import Turn

EXPIRED = "tpp.shipment.expired.v1"


def ticked(turn: "Turn", event: Event, out: Out) -> None:
    """Lets approvals lapse that have not left, and announces what is owed; an earlier tick than the last changes nothing."""
    from services.engine import microseconds

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
    entries = [entry for _, voided in lapsed for entry in voided]
    answer = out.add(RECORDED, event.subject, {"causation": out.causation, "entries": told(entries)})
    for shipment, voided in lapsed:
        shipment.state = "expired"
        turn.journal.shipments.put(shipment)
        turn.journal.mail.mention(shipment.id)
        day = shipment.export_date.isoformat()
        lapse = bare_decision(turn, out.next_id, out.causation, shipment.id, "expired", day, shipment.tpp, voided)
        out.add(EXPIRED, shipment.id, lapse)
    raise_alerts(turn, out, entries, answer)
    _announce(turn, out, data.day)


def _announce(turn: "Turn", out: Out, day: date) -> None:
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
