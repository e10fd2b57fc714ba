"""A shipment's life: requested, amended, dispatched, cancelled, returned (contract, section 2)."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from ledger.database.store import LedgerCorrupt
from ledger.registers.accounts import Entry
from ledger.registers.shipments import Shipment
from rulebook import Terms
from schemas.models.incoming import Authorization, Cancelled, Dispatched, Requested, Returned
from schemas.plan import Case, Reason
from schemas.wire.read import Event, parse
from services.engine.alerts import exhaust_all, raise_alerts
from services.engine.answers import RECORDED, Out
from services.engine.context import Refused, Turn
from services.engine.decision import bare_decision, decision, told
from services.engine.judgement import Judgement, judge

APPROVED, HELD, RELEASED = "tpp.shipment.approved.v1", "tpp.shipment.held.v1", "tpp.shipment.released.v1"


def requested(turn: Turn, event: Event, out: Out) -> str:
    """Screens a new shipment and debits it, or holds it."""
    asked: Requested = event.data  # type: ignore[assignment]
    standing = turn.journal.shipments.find(asked.shipment_id)
    if standing is not None:
        message = f"Shipment {standing.id} was already presented; an identifier serves one shipment for ever."
        return stand_still(turn, out, standing.id, standing, "shipment.duplicate", message)
    n = turn.journal.n
    shipment = Shipment(asked.shipment_id, "", n, n, n, None, "", asked.export_date, asked.ship_to, asked.expires, 0)
    judgement = judge(turn, asked)
    turn.journal.facts.note_said_owner(asked)
    settle(turn, out, shipment, judgement, judgement.entries, APPROVED)
    return shipment.id


def amended(turn: Turn, event: Event, out: Out) -> str:
    """Voids what a shipment has pending and screens it as it is asked now, in one step."""
    asked: Requested = event.data  # type: ignore[assignment]
    shipment = turn.journal.shipments.find(asked.shipment_id)
    if shipment is None or not (shipment.pending or shipment.state == "held"):
        return stand_still(turn, out, asked.shipment_id, shipment)
    voided = void(turn, shipment)
    shipment.asked, shipment.claim, shipment.reviewed = turn.journal.n, None, []
    judgement = judge(turn, asked)
    turn.journal.facts.note_said_owner(asked)
    settle(turn, out, shipment, judgement, voided + judgement.entries, APPROVED)
    return shipment.id


def cancelled(turn: Turn, event: Event, out: Out) -> str:
    """Voids what a shipment has pending; it will not leave."""
    data: Cancelled = event.data  # type: ignore[assignment]
    shipment = turn.journal.shipments.find(data.shipment_id)
    if shipment is None or not (shipment.pending or shipment.state == "held"):
        return stand_still(turn, out, data.shipment_id, shipment)
    entries = void(turn, shipment)
    shipment.state, shipment.codes = "cancelled", ""
    turn.journal.shipments.put(shipment)
    record(turn, out, shipment.id, shipment.told_state, entries)
    return shipment.id


def dispatched(turn: Turn, event: Event, out: Out) -> str:
    """Posts a shipment that has left; on another day than planned it is screened again under the law of that day."""
    data: Dispatched = event.data  # type: ignore[assignment]
    shipment = turn.journal.shipments.find(data.shipment_id)
    if shipment is None or not shipment.pending:
        return stand_still(turn, out, data.shipment_id, shipment)
    if data.export_date != shipment.export_date:
        return _dispatched_anew(turn, out, shipment, data.export_date)
    withdrawn = _withdrawn(turn, shipment)
    if withdrawn is not None:
        entries = void(turn, shipment)
        settle(turn, out, shipment, withdrawn, entries, APPROVED, posted=True)
        return shipment.id
    entries = [turn.journal.post(path, amount, shipment.id) for path, amount in shipment.debits]
    entries += post_on_country(turn, shipment)
    shipment.state = "dispatched"
    turn.journal.shipments.put(shipment)
    record(turn, out, shipment.id, shipment.told_state, entries)
    return shipment.id


def _dispatched_anew(turn: Turn, out: Out, shipment: Shipment, day: date) -> str:
    entries = void(turn, shipment)
    asked = asked_of(turn, shipment).model_copy(update={"export_date": day})
    judgement = judge(turn, asked, shipment.reviewed, posted=True)
    entries += judgement.entries
    if not judgement.passes:
        settle(turn, out, shipment, judgement, entries, APPROVED, posted=True)
        return shipment.id
    stand(shipment, judgement, "dispatched")
    entries += post_on_country(turn, shipment)
    turn.journal.shipments.put(shipment)
    duties(turn, shipment, judgement)
    exhaust_all(turn, out, judgement.shorts, record(turn, out, shipment.id, shipment.told_state, entries))
    return shipment.id


def _withdrawn(turn: Turn, shipment: Shipment) -> Judgement | None:
    """Why a licence or a validated end-user's authorization no longer carries a shipment; None where it does."""
    if not turn.book.may_end(shipment.authorization):
        return None
    claim = Authorization.model_validate({"kind": shipment.authorization, "reference": shipment.reference})
    asked = asked_of(turn, shipment).model_copy(update={"authorization": claim})
    case = Case(asked, turn.journal.facts.about(asked), frozenset(code for code, _ in shipment.reviewed))
    screening = turn.book.screen(case)
    reasons = list(turn.book.ended(screening))
    if not reasons:
        return None
    return Judgement(case, screening, [(option, []) for option in screening.options], None, [], reasons)


def returned(turn: Turn, event: Event, out: Out) -> str:
    """Credits what came back, at most what went out; never where exports made are counted (740.29(d), (h)(2))."""
    data: Returned = event.data  # type: ignore[assignment]
    shipment = turn.journal.shipments.find(data.shipment_id)
    if shipment is None or shipment.state != "dispatched":
        return stand_still(turn, out, data.shipment_id, shipment)
    lines = {line[0]: line for line in shipment.lines}
    for index, item in enumerate(data.items):
        if item.line not in lines:
            raise Refused(
                f"/data/items/{index}/line", "line.unknown", f"shipment {shipment.id} has no line {item.line}"
            )
    base = main = 0
    for item in data.items:
        line = lines[item.line]
        back = min(item.quantity, line[2] - line[3])
        line[3] += back
        base += back * line[1]
        main += back * line[1] * line[4]
    entries = _credited(turn, shipment, base, main)
    turn.journal.shipments.put(shipment)
    record(turn, out, shipment.id, shipment.told_state, entries)
    return shipment.id


def _credited(turn: Turn, shipment: Shipment, base: int, main: int) -> list[Entry]:
    """The credits of what came back: `base` TPP of all .a lines, `main` of those under the authorization taken.

    No credit takes an account below zero: what attrition or an onward shipment took off already is not credited again.
    """
    credits = list(turn.book.credits_of([(path, amount) for path, amount in shipment.debits], base, main))
    terms = terms_of(turn, shipment)
    if terms is not None and terms.allocation is not None:
        credits.append((terms.allocation, main))
    capped = [(path, min(amount, max(0, turn.journal.there(path)))) for path, amount in credits]
    return [turn.journal.credit(path, amount, shipment.id) for path, amount in capped if amount]


# --- what handlers share ----------------------------------------------------------------------------------------------


def asked_of(turn: Turn, shipment: Shipment) -> Requested:
    """What was asked last of a shipment, with a reviewer's authorization in the place of the claim."""
    turn.journal.used.add(shipment.asked)
    event = parse(turn.journal.mail.event(shipment.asked))
    if not isinstance(event, Event) or not isinstance(event.data, Requested):
        raise LedgerCorrupt(f"journal record {shipment.asked} is no request of shipment {shipment.id}")
    if shipment.claim is None:
        return event.data
    return event.data.model_copy(update={"authorization": Authorization(**shipment.claim)})


def void(turn: Turn, shipment: Shipment) -> list[Entry]:
    """Gives back all that a shipment has pending, and withdraws what its decision owed."""
    entries = (
        [turn.journal.void(path, amount, shipment.id) for path, amount in shipment.debits] if shipment.pending else []
    )
    shipment.debits = []
    turn.journal.shipments.withdraw(shipment.id)
    return entries


def stand(shipment: Shipment, judgement: Judgement, state: str) -> None:
    """Writes into a shipment what was judged: its state, its authorization, what it debited."""
    asked, chosen = judgement.case.asked, judgement.chosen if judgement.passes else None
    shipment.state = state
    shipment.export_date, shipment.ship_to, shipment.expires = asked.export_date, asked.ship_to, asked.expires
    shipment.tpp = judgement.screening.tpp
    shipment.codes = " ".join(dict.fromkeys(reason.code for reason in judgement.reasons))
    shipment.authorization = chosen.authorization if chosen else None
    shipment.reference = chosen.reference if chosen else None
    shipment.debits = [[d.account, d.amount] for d in chosen.debits] if chosen else []
    quantities = {item.line: item.quantity for item in asked.items}
    covers = chosen.lines if chosen else {}
    shipment.lines = [
        [
            line.line,
            line.unit_tpp if line.tpp else 0,
            quantities[line.line],
            0,
            int(covers.get(line.line) == shipment.authorization),
        ]
        for line in judgement.screening.lines
    ]


def duties(turn: Turn, shipment: Shipment, judgement: Judgement) -> None:
    """Notes what the authorization taken obliges to."""
    for duty in judgement.owed:
        subject = f"party/{duty.party}" if duty.party else f"shipment/{shipment.id}"
        once = [names[0] for names in duty.once]
        turn.journal.shipments.owe(subject, duty.kind, duty.due, duty.citation, once)


def settle(
    turn: Turn,
    out: Out,
    shipment: Shipment,
    judgement: Judgement,
    entries: Sequence[Entry],
    passed: str,
    posted: bool = False,
) -> str:
    """Decides a shipment that was judged: its new standing, the decision, and the alerts. Returns the decision's id."""
    passes = judgement.passes
    outcome = passed.split(".")[2] if passes else "held"
    state = ("dispatched" if posted else outcome) if passes else ("held_at_dispatch" if posted else "held")
    stand(shipment, judgement, state)
    if not passes:
        shipment.held = turn.journal.n
    if passes and posted:
        entries = [*entries, *post_on_country(turn, shipment)]
    turn.journal.shipments.put(shipment, [short.debit.account for short in judgement.shorts] if not passes else ())
    if passes:
        duties(turn, shipment, judgement)
    data = decision(turn, out.next_id, out.causation, outcome, judgement, entries, judgement.owed)
    identifier = out.add(passed if passes else HELD, shipment.id, data)
    raise_alerts(turn, out, entries, identifier)
    exhaust_all(turn, out, judgement.shorts, identifier)
    return identifier


def record(turn: Turn, out: Out, shipment: str, state: str, entries: Sequence[Entry]) -> str:
    """Gives out the record of an event about a shipment, and the alerts of its entries. Returns the record's id."""
    data = {"causation": out.causation, "shipment_id": shipment, "state": state, "entries": told(entries)}
    identifier = out.add(RECORDED, shipment, data)
    raise_alerts(turn, out, entries, identifier)
    return identifier


def stand_still(
    turn: Turn, out: Out, identifier: str, shipment: Shipment | None, code: str = "shipment.state", message: str = ""
) -> str:
    """Answers an event that a shipment's state does not allow; the ledger does not move."""
    facts = {"shipment_id": identifier}
    if shipment is None:
        code, message = "shipment.unknown", f"No shipment {identifier} was ever presented."
    else:
        facts["state"] = shipment.told_state
        message = (
            message or f"Shipment {identifier} is {shipment.state.replace('_', ' ')}, which does not allow this event."
        )
    more: dict[str, Any] = {"state": shipment.told_state} if shipment else {}
    day = shipment.export_date.isoformat() if shipment else None
    reason = Reason(code, "wire contract, section 2", message, facts)
    out.add(
        HELD,
        identifier,
        bare_decision(turn, out.next_id, out.causation, identifier, "held", day, reasons=[reason], **more),
    )
    return identifier


def terms_of(turn: Turn, shipment: Shipment) -> Terms | None:
    """The accounts of the licence that a shipment draws on; None where it draws on none."""
    if not turn.book.licensed(shipment.authorization) or shipment.reference is None:
        return None
    license = turn.journal.facts.license(shipment.reference)
    if license is None:
        raise LedgerCorrupt(f"licence {shipment.reference} of shipment {shipment.id} is not known")
    return turn.book.terms(license.issued, shipment.ship_to)


def post_on_country(turn: Turn, shipment: Shipment) -> list[Entry]:
    """Posts a licensed shipment that has left on its country; what a revocation gave back is taken anew."""
    terms = terms_of(turn, shipment)
    if terms is None or terms.allocation is None or shipment.reference is None:
        return []
    own = terms.account
    amount = sum(amount for account, amount in shipment.debits if turn.journal.path(account) == turn.journal.path(own))
    license = turn.journal.facts.license(shipment.reference)
    account = turn.journal.find(own)
    posted = (account.posted if account else 0) - amount
    lapsed = license is None or license.revoked or license.issued.country != shipment.ship_to
    committed = 0 if lapsed or license is None else max(0, license.issued.tpp - posted)
    return [turn.journal.post(terms.allocation, amount, shipment.id, min(amount, committed))] if amount else []
