"""A shipment's life: requested, amended, dispatched, cancelled, returned (docs/contract/events-in.md)."""

from ledger.registers.accounts import Entry
from ledger.registers.shipments import Shipment, ShipmentTerms
from schemas.codes import Outcome, ReasonCode, State
from schemas.models.incoming import Cancelled, Dispatched, Requested, Returned
from schemas.wire.read import Event
from services.engine.alerts import exhaust
from services.engine.answers import Answers
from services.engine.context import DecisionContext, HandledEvent
from services.engine.handlers.kept import as_let_go, debited_by
from services.engine.judgement import Judgement, judge
from services.engine.life import Step, allows
from services.engine.message import Refusal
from services.engine.refusal import alert_departure, alert_return, refuse, refuse_dispatch, refuse_duplicate
from services.engine.settlement import (
    asked_of,
    let_go,
    license_terms,
    post_on_allocation,
    record,
    settle,
    void,
)


def requested(context: DecisionContext, event: Event[Requested]) -> HandledEvent:
    """Screens a new shipment and debits it, or holds it."""
    asked, answers, shipments = event.data, context.answer(event), context.journal.shipments
    existing = shipments.find(asked.shipment_id)
    if existing is not None:
        return refuse_duplicate(answers, existing)
    terms = ShipmentTerms(asked.export_date, asked.ship_to, asked.expires)
    shipment = shipments.present(asked.shipment_id, terms, asked.parties)
    context.journal.records.keep(event)
    judgement = judge(context, asked)
    context.journal.parties.holders.ship(asked)
    return settle(context, answers, shipment, judgement, judgement.entries, Outcome.APPROVED)


def amended(context: DecisionContext, event: Event[Requested]) -> HandledEvent:
    """Voids what a shipment has pending and screens the amended request, in one step."""
    asked, answers, shipments = event.data, context.answer(event), context.journal.shipments
    shipment = shipments.find(asked.shipment_id)
    if not allows(shipment, Step.AMEND):
        return refuse(answers, asked.shipment_id, shipment)
    voided = void(context, shipment)
    shipments.amend(shipment, asked.parties)
    context.journal.records.keep(event)
    judgement = judge(context, asked)
    context.journal.parties.holders.ship(asked)
    return settle(context, answers, shipment, judgement, voided + judgement.entries, Outcome.APPROVED)


def cancelled(context: DecisionContext, event: Event[Cancelled]) -> HandledEvent:
    """Voids what a shipment has pending; it will not leave."""
    answers, shipments = context.answer(event), context.journal.shipments
    shipment = shipments.find(event.data.shipment_id)
    if not allows(shipment, Step.CANCEL):
        return refuse(answers, event.data.shipment_id, shipment)
    entries = void(context, shipment)
    shipments.cancel(shipment)
    record(context, answers, shipment, entries)
    return HandledEvent(answers, shipment.id)


def dispatched(context: DecisionContext, event: Event[Dispatched]) -> HandledEvent:
    """Posts a shipment that has left, if the gates and its authorization still let it go; quotas are not tested again.

    On another day than planned it is screened again under the law of that day.
    """
    data, answers, journal = event.data, context.answer(event), context.journal
    shipment = journal.shipments.find(data.shipment_id)
    if not allows(shipment, Step.DISPATCH):
        return refuse_dispatch(context, answers, event, shipment)
    if data.export_date != shipment.terms.export_date:
        return _dispatched_on_another_day(context, answers, event, shipment)
    debited = debited_by(context, shipment)
    if not as_let_go(context, shipment, debited).passes:
        voided = void(context, shipment)
        again = as_let_go(context, shipment, debited)
        return _held_at_dispatch(context, answers, event, shipment, again, voided)
    entries = [journal.post(debit.account, debit.amount, shipment.id) for debit in shipment.terms.debits]
    entries += post_on_allocation(context, shipment)
    journal.shipments.dispatch(shipment)
    record(context, answers, shipment, entries)
    return HandledEvent(answers, shipment.id)


def _dispatched_on_another_day(
    context: DecisionContext, answers: Answers, event: Event[Dispatched], shipment: Shipment
) -> HandledEvent:
    entries = void(context, shipment)
    asked = asked_of(context, shipment).model_copy(update={"export_date": event.data.export_date})
    judgement = judge(context, asked, shipment.reviewed, posted=True, named=shipment.claim is not None)
    entries += judgement.entries
    if not judgement.passes:
        return _held_at_dispatch(context, answers, event, shipment, judgement, entries)
    entries += let_go(context, shipment, judgement, State.DISPATCHED)
    exhaust(context, answers, judgement.shorts, record(context, answers, shipment, entries))
    return HandledEvent(answers, shipment.id)


def _held_at_dispatch(
    context: DecisionContext,
    answers: Answers,
    event: Event[Dispatched],
    shipment: Shipment,
    judgement: Judgement,
    entries: list[Entry],
) -> HandledEvent:
    """Holds a shipment that has left and no longer fits, and raises the alarm."""
    handled = settle(context, answers, shipment, judgement, entries, Outcome.APPROVED, left=True)
    alert_departure(context, answers, event, shipment)
    return handled


def returned(context: DecisionContext, event: Event[Returned]) -> HandledEvent:
    """Credits what came back, up to what went out; never on accounts that count exports made (740.29(d), (h)(2)).

    Units that exceed what went out, and those of a return dated before the shipment left, are said to be unexplained.
    """
    data, answers, shipments = event.data, context.answer(event), context.journal.shipments
    shipment = shipments.find(data.shipment_id)
    if not allows(shipment, Step.RETURN):
        return refuse(answers, data.shipment_id, shipment)
    lines = {line.line: line for line in shipment.terms.lines}
    unknown = [item.line for item in data.items if item.line not in lines]
    if unknown:
        message = f"Shipment {shipment.id} has no line {unknown[0]}."
        raise Refusal(ReasonCode.LINE_UNKNOWN, message, shipment_id=shipment.id, line=unknown[0])
    every = covered = 0
    earlier = sum(line.unit_tpp * line.returned for line in lines.values())
    early, unexplained = data.date < shipment.terms.export_date, list[dict[str, int]]()
    for item in data.items:
        line = lines[item.line]
        units = shipments.return_units(shipment, item.line, item.quantity)
        tpp = line.unit_tpp * units
        every += tpp
        covered += tpp if line.covered else 0
        if over := item.quantity if early else item.quantity - units:
            unexplained.append({"line": item.line, "quantity": over})
    entries = _credited(context, shipment, every, covered, earlier)
    record(context, answers, shipment, entries, **({"unexplained": unexplained} if unexplained else {}))
    if unexplained:
        alert_return(answers, event, shipment, unexplained)
    return HandledEvent(answers, shipment.id)


def _credited(context: DecisionContext, shipment: Shipment, every: int, covered: int, earlier: int) -> list[Entry]:
    """The credits for returned units: the TPP of every .a line, and of the lines under the authorization taken.

    `earlier` is the TPP of every .a line that came back before.

    No credit takes an account below zero: what attrition or an onward shipment has already removed is not credited
    again.
    """
    journal = context.journal
    debits = [(debit.account, debit.amount) for debit in shipment.terms.debits]
    credits = list(context.book.credits_of(debits, every, covered, earlier))
    terms = license_terms(context, shipment)
    if terms is not None and terms.allocation is not None:
        credits.append((terms.allocation, covered))
    capped = [(path, min(amount, max(0, journal.accounts.removable(path)))) for path, amount in credits]
    return [journal.credit(path, amount, shipment.id) for path, amount in capped if amount]
