"""Answers to events that the state of a shipment does not allow; the ledger does not move."""

from typing import Any

from ledger.registers.shipments import Shipment
from schemas.codes import Outcome, ReasonCode
from schemas.event_types import SHIPMENT_HELD
from schemas.plan import Reason
from services.engine.answers import Answers
from services.engine.context import DecisionContext, HandledEvent
from services.engine.decision import entries_to_json, reasons_to_json


def refuse_duplicate(context: DecisionContext, answers: Answers, shipment: Shipment) -> HandledEvent:
    """The answer to a second request under the identifier of a shipment."""
    message = f"Shipment {shipment.id} was already presented; an identifier serves one shipment for ever."
    return _refused(context, answers, shipment.id, shipment, ReasonCode.SHIPMENT_DUPLICATE, message)


def refuse(context: DecisionContext, answers: Answers, identifier: str, shipment: Shipment | None) -> HandledEvent:
    """The answer to an event of a shipment that does not exist, or whose state does not allow it."""
    if shipment is None:
        message = f"No shipment {identifier} was ever presented."
        return _refused(context, answers, identifier, None, ReasonCode.SHIPMENT_UNKNOWN, message)
    message = f"Shipment {identifier} is {shipment.state.replace('_', ' ')}, which does not allow this event."
    return _refused(context, answers, identifier, shipment, ReasonCode.SHIPMENT_STATE, message)


def _refused(
    context: DecisionContext,
    answers: Answers,
    identifier: str,
    shipment: Shipment | None,
    code: ReasonCode,
    message: str,
) -> HandledEvent:
    facts = {"shipment_id": identifier}
    state: dict[str, Any] = {}
    if shipment is not None:
        facts["state"] = state["state"] = shipment.public_state
    reason = Reason(code, "wire contract, section 2", message, facts)
    data = {
        "decision_id": answers.next_id,
        "shipment_id": identifier,
        "causation": answers.causation,
        "outcome": Outcome.HELD,
        "rulebook": context.book.name,
        "law_as_of": shipment.terms.export_date.isoformat() if shipment else None,
        "authorization": None,
        "tpp": 0,
        "lines": [],
        "debits": entries_to_json(()),
        "reasons": reasons_to_json([reason]),
        "findings": [],
        "obligations": [],
        **state,
        "basis": context.basis(()),
    }
    answers.add(SHIPMENT_HELD, identifier, data)
    return HandledEvent(answers, identifier)
