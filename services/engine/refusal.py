"""Answers to events that the ledger, as it stands, does not let be taken; and alerts of what happened all the same."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from ledger.registers.shipments import Shipment
from schemas.codes import Outcome, ReasonCode, State
from schemas.event_types import EVENT_REFUSED, SHIPMENT_ALERT
from schemas.kinds import LEFT_WITHOUT_APPROVAL
from schemas.models.incoming import Dispatched, Returned
from schemas.plan import Reason
from schemas.wire.read import Event
from services.engine.answers import Answers
from services.engine.chunks import IN_CHUNKS, answers_of, is_chunk, work_of
from services.engine.context import DecisionContext, HandledEvent
from services.engine.decision import reasons_to_json
from services.engine.life import allowed_steps
from services.engine.message import Refusal

CITATION = "docs/contract/events-in.md"
"""Where the life of a shipment is described."""


DISCLOSURE = "15 CFR 764.5"
"""Which paragraph speaks of telling BIS what should not have left."""


def refuse_duplicate(answers: Answers, shipment: Shipment) -> HandledEvent:
    """The answer to a second request under the identifier of a shipment."""
    message = f"Shipment {shipment.id} already exists; every shipment needs an identifier of its own."
    return _refused_shipment(answers, shipment.id, shipment, ReasonCode.SHIPMENT_DUPLICATE, message)


def refuse(answers: Answers, identifier: str, shipment: Shipment | None) -> HandledEvent:
    """The answer to an event of a shipment that does not exist, or whose state does not allow it."""
    if shipment is None:
        message = f"Shipment {identifier} does not exist; request it first."
        return _refused_shipment(answers, identifier, None, ReasonCode.SHIPMENT_UNKNOWN, message)
    message = f"Shipment {identifier} is {_in_words(shipment)}; {allowed_steps(shipment)}."
    return _refused_shipment(answers, identifier, shipment, ReasonCode.SHIPMENT_STATE, message)


def refuse_event(context: DecisionContext, event: Event[Any], refusal: Refusal) -> HandledEvent:
    """The answer to an event that the ledger, as it stands, does not let be taken; its shipment, if any, stays.

    The work of a chunk that is refused ends.
    """
    answers = context.answer(event)
    if event.type in IN_CHUNKS and is_chunk(event):
        work = work_of(context, event)
        answers = answers_of(context, event, work)
        context.journal.unfinished.go_on(work, None)
    identifier: str | None = getattr(event.data, "shipment_id", None)
    shipment = None if identifier is None else context.journal.shipments.find(identifier)
    reason = Reason(refusal.code, CITATION, refusal.message, refusal.facts)
    return _refused(answers, event.subject, identifier, shipment, reason)


def sentence(text: str) -> str:
    """A clause as a sentence.

    >>> sentence("no licence L-1 was issued")
    'No licence L-1 was issued.'
    """
    return f"{text[:1].upper()}{text[1:]}."


def refuse_dispatch(
    context: DecisionContext, answers: Answers, event: Event[Dispatched], shipment: Shipment | None
) -> HandledEvent:
    """The answer to a dispatch that is not allowed, with an alert unless the shipment was already dispatched."""
    refused = refuse(answers, event.data.shipment_id, shipment)
    if shipment is None or shipment.state != State.DISPATCHED:
        alert_departure(context, answers, event, shipment)
    return refused


def alert_departure(
    context: DecisionContext, answers: Answers, event: Event[Dispatched], shipment: Shipment | None
) -> None:
    """Adds the alert that goods left which were not allowed to (15 CFR 764.2), and the obligation that stays of it."""
    data = event.data
    what = "which does not exist" if shipment is None else f"which is {_in_words(shipment)}"
    message = f"Goods of shipment {data.shipment_id}, {what}, left on {data.export_date} without an approval."
    state = None if shipment is None else shipment.public_state
    _alert(answers, LEFT_WITHOUT_APPROVAL, data.shipment_id, state, data.export_date, message)
    subjects = [f"shipment/{data.shipment_id}"]
    context.journal.obligations.add(subjects, LEFT_WITHOUT_APPROVAL, data.export_date, DISCLOSURE)


def alert_return(
    answers: Answers, event: Event[Returned], shipment: Shipment, unexplained: Sequence[Mapping[str, int]]
) -> None:
    """Adds the alert that units are said to have come back which cannot have: too many of a line, or too early."""
    left = shipment.terms.export_date
    lines = ", ".join(f"{one['quantity']:,} of line {one['line']}" for one in unexplained)
    why = f"before it left on {left}" if event.data.date < left else "which are more than went out"
    message = f"Units of shipment {shipment.id} are said to have come back on {event.data.date}, {why}: {lines}."
    _alert(answers, "returned_too_much", shipment.id, shipment.public_state, left, message)


def _alert(answers: Answers, kind: str, shipment: str, state: str | None, left: date, message: str) -> None:
    alert = {
        "shipment_id": shipment,
        "kind": kind,
        "state": state,
        "export_date": left.isoformat(),
        "causation": answers.causation,
        "caused_by": answers.id,
        "message": message,
    }
    answers.add(SHIPMENT_ALERT, shipment, alert)


def _in_words(shipment: Shipment) -> str:
    return shipment.state.replace("_", " ")


def _refused_shipment(
    answers: Answers, identifier: str, shipment: Shipment | None, code: ReasonCode, message: str
) -> HandledEvent:
    state = None if shipment is None else shipment.public_state
    facts: dict[str, Any] = {"shipment_id": identifier}
    if state:
        facts["state"] = state
    return _refused(answers, identifier, identifier, shipment, Reason(code, CITATION, message, facts))


def _refused(
    answers: Answers, subject: str, identifier: str | None, shipment: Shipment | None, reason: Reason
) -> HandledEvent:
    data = {
        "causation": answers.causation,
        **({} if identifier is None else {"shipment_id": identifier}),
        "outcome": Outcome.REFUSED,
        "state": None if shipment is None else shipment.public_state,
        "reasons": reasons_to_json([reason]),
    }
    answers.add(EVENT_REFUSED, identifier or subject, data)
    return HandledEvent(answers, identifier)
