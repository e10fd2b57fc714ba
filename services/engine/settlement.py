"""What handlers of shipments share: voiding, settling a judgement, posting, recording, and refusing an event."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ledger.database.store import LedgerCorrupt
from ledger.registers.accounts import Entry
from ledger.registers.shipments import Shipment, ShipmentDebit, ShipmentLine, ShipmentTerms
from rulebook import Terms
from schemas.codes import Outcome, State
from schemas.event_types import EVENT_RECORDED, SHIPMENT_APPROVED, SHIPMENT_HELD, SHIPMENT_RELEASED
from schemas.models.incoming import Requested, ReviewedAuthorization
from schemas.plan import License
from schemas.wire.read import Event
from services.engine.alerts import exhaust, raise_alerts
from services.engine.answers import Answers
from services.engine.auto_recheck import notes_of
from services.engine.context import DecisionContext, HandledEvent
from services.engine.decision import decision, entries_to_json
from services.engine.judgement import Judgement
from services.engine.parties.namesakes import note_let_go

_PASSED = {Outcome.APPROVED: SHIPMENT_APPROVED, Outcome.RELEASED: SHIPMENT_RELEASED}


def asked_of(context: DecisionContext, shipment: Shipment) -> Requested:
    """The latest request of a shipment, with a reviewer's authorization in place of the claim."""
    journal = context.journal
    journal.transaction.use(shipment.asked)
    event = journal.records.read(shipment.asked)
    if not isinstance(event, Event) or not isinstance(event.data, Requested):
        raise LedgerCorrupt(f"journal record {shipment.asked} is not a request of shipment {shipment.id}")
    if shipment.claim is None:
        return event.data
    return event.data.model_copy(update={"authorization": ReviewedAuthorization(**shipment.claim)})


def claimed(asked: Requested, terms: ShipmentTerms) -> Requested:
    """A request that claims the authorization under which its shipment was let go."""
    apply_to = asked.authorization.apply_to if asked.authorization else None
    return asked.model_copy(update={"authorization": _had(terms.authorization, terms.reference, apply_to)})


@lru_cache(1 << 10)
def _had(kind: str | None, reference: str | None, apply_to: str | None) -> ReviewedAuthorization:
    had = {"kind": kind, "reference": reference, "apply_to": apply_to}
    return ReviewedAuthorization.model_validate(had)


def void(context: DecisionContext, shipment: Shipment) -> list[Entry]:
    """Voids everything that a shipment has pending, and withdraws the obligations of its decision."""
    journal = context.journal
    pending = shipment.terms.debits if shipment.pending else ()
    entries = [journal.void(debit.account, debit.amount, shipment.id) for debit in pending]
    journal.shipments.clear_debits(shipment)
    journal.obligations.withdraw(shipment.id)
    return entries


def terms_of(judgement: Judgement) -> ShipmentTerms:
    """The terms of a shipment that was judged: its dates and amounts, and what it debited if it passes.

    One that was judged under the authorization that it had, and does not pass, keeps its name.
    """
    asked, chosen = judgement.case.asked, judgement.chosen if judgement.passes else None
    had = asked.authorization if judgement.case.taken is not None else None
    authorization = chosen.authorization if chosen else had.kind if had else None
    reference = chosen.reference if chosen else had.reference if had else None
    quantities = {item.line: item.quantity for item in asked.items}
    covers = chosen.lines if chosen else {}
    lines = [
        ShipmentLine(
            line.line,
            line.unit_tpp if line.tpp else 0,
            quantities[line.line],
            returned=0,
            covered=covers.get(line.line) == authorization,
        )
        for line in judgement.screening.lines
    ]
    debits = [ShipmentDebit(debit.account, debit.amount) for debit in chosen.debits] if chosen else []
    return ShipmentTerms(
        asked.export_date, judgement.screening.destination, asked.expires, judgement.screening.tpp, authorization,
        reference, tuple(debits), tuple(lines),
    )  # fmt: skip


def let_go(context: DecisionContext, shipment: Shipment, judgement: Judgement, state: State) -> list[Entry]:
    """Lets a shipment go as judged, with its obligations; returns the entries of one that left under a licence."""
    journal = context.journal
    journal.shipments.let_go(shipment, terms_of(judgement), state)
    if judgement.screening.counts and judgement.chosen is not None:
        note_let_go(context, judgement.case, judgement.chosen.debits)
    for one in judgement.owed:
        names = journal.parties.group(one.party) if one.party else ()
        subjects = [f"party/{name}" for name in names] or [f"shipment/{shipment.id}"]
        journal.obligations.add(subjects, one.kind, one.due, one.citation, one.once)
    return post_on_allocation(context, shipment) if state is State.DISPATCHED else []


def settle(
    context: DecisionContext,
    answers: Answers,
    shipment: Shipment,
    judgement: Judgement,
    entries: Sequence[Entry],
    outcome: Outcome,
    left: bool = False,
) -> HandledEvent:
    """Decides a shipment that was judged: its new state, the decision, and the alerts.

    `outcome` is the outcome if it passes; `left`: whether the goods have already left.
    """
    passes = judgement.passes
    if passes:
        entries = [*entries, *let_go(context, shipment, judgement, State.DISPATCHED if left else State(outcome))]
    else:
        outcome = Outcome.HELD
        codes = [reason.code for reason in judgement.reasons]
        context.journal.shipments.hold(shipment, terms_of(judgement), codes, notes_of(context, judgement), left=left)
    data = decision(context, answers.next_id, answers.causation, outcome, judgement, entries)
    identifier = answers.add(_PASSED[outcome] if passes else SHIPMENT_HELD, shipment.id, data)
    raise_alerts(context, answers, entries, identifier)
    exhaust(context, answers, judgement.shorts, identifier)
    return HandledEvent(answers, shipment.id)


def record(
    context: DecisionContext, answers: Answers, shipment: Shipment, entries: Sequence[Entry], **more: Any
) -> str:
    """Adds the record of an event about a shipment, and the alerts of its entries. Returns the record's id."""
    data = {
        "causation": answers.causation,
        "shipment_id": shipment.id,
        "state": shipment.public_state,
        "entries": entries_to_json(entries),
        **more,
    }
    identifier = answers.add(EVENT_RECORDED, shipment.id, data)
    raise_alerts(context, answers, entries, identifier)
    return identifier


def license_terms(context: DecisionContext, shipment: Shipment) -> Terms | None:
    """The accounts of the licence that a shipment uses; None if it uses none."""
    terms = shipment.terms
    if not context.book.licensed(terms.authorization) or terms.reference is None:
        return None
    license = context.journal.facts.license(terms.reference)
    if license is None:
        raise LedgerCorrupt(f"licence {terms.reference} of shipment {shipment.id} is not known")
    return context.book.terms(license.issued, terms.ship_to)


def _own_allocation(context: DecisionContext, license: License) -> str | None:
    """The allocation on which a licence is committed now; None if it is on none."""
    return context.book.terms(license.issued, license.issued.country).allocation


def post_on_allocation(context: DecisionContext, shipment: Shipment) -> list[Entry]:
    """Posts a licensed shipment that has left on its allocation; what a revocation gave back is debited again."""
    journal, terms = context.journal, shipment.terms
    accounts = license_terms(context, shipment)
    if accounts is None or accounts.allocation is None or terms.reference is None:
        return []
    own = journal.accounts.path(accounts.account)
    amount = sum(debit.amount for debit in terms.debits if journal.accounts.path(debit.account) == own)
    license = journal.facts.license(terms.reference)
    account = journal.accounts.find(own)
    posted = (account.posted if account else 0) - amount
    lapsed = license is None or license.revoked or _own_allocation(context, license) != accounts.allocation
    committed = 0 if lapsed or license is None else max(0, license.issued.tpp - posted)
    return [journal.post(accounts.allocation, amount, shipment.id, min(amount, committed))] if amount else []
