"""A shipment's life: requested, amended, dispatched, cancelled, returned (contract, section 2)."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from ledger.database.store import LedgerCorrupt
from ledger.registers.accounts import Entry
from ledger.registers.shipments import Shipment, ShipmentDebit, ShipmentLine, ShipmentTerms
from schemas import accounts
from schemas.models.incoming import Authorization, Cancelled, Dispatched, Requested, Returned
from schemas.plan import Case, Reason
from schemas.wire.read import Event, parse
from services.engine.alerts import exhaust_all, raise_alerts
from services.engine.answers import RECORDED, Out
from services.engine.context import Refused, Turn
from services.engine.decision import bare_decision, decision, owed, told
from services.engine.judgement import Judgement, judge

APPROVED, HELD, RELEASED = "tpp.shipment.approved.v1", "tpp.shipment.held.v1", "tpp.shipment.released.v1"


def requested(turn: Turn, event: Event, out: Out) -> str:
    """Screens a new shipment and debits it, or holds it."""
    asked: Requested = event.data  # type: ignore[assignment]
    standing = turn.journal.shipments.find(asked.shipment_id)
    if standing is not None:
        message = f"Shipment {standing.id} was already presented; an identifier serves one shipment for ever."
        return stand_still(turn, out, standing.id, standing, "shipment.duplicate", message)
    asks = ShipmentTerms(asked.export_date, asked.ship_to, asked.expires)
    shipment = turn.journal.shipments.present(asked.shipment_id, asks)
    judgement = judge(turn, asked)
    settle(turn, out, shipment, judgement, judgement.entries, APPROVED)
    return shipment.id


def amended(turn: Turn, event: Event, out: Out) -> str:
    """Voids what a shipment has pending and screens it as it is asked now, in one step."""
    asked: Requested = event.data  # type: ignore[assignment]
    shipment = turn.journal.shipments.find(asked.shipment_id)
    if shipment is None or not (shipment.pending or shipment.state == "held"):
        return stand_still(turn, out, asked.shipment_id, shipment)
    voided = void(turn, shipment)
    turn.journal.shipments.amend(shipment)
    judgement = judge(turn, asked)
    settle(turn, out, shipment, judgement, voided + judgement.entries, APPROVED)
    return shipment.id


def cancelled(turn: Turn, event: Event, out: Out) -> str:
    """Voids what a shipment has pending; it will not leave."""
    data: Cancelled = event.data  # type: ignore[assignment]
    shipment = turn.journal.shipments.find(data.shipment_id)
    if shipment is None or not (shipment.pending or shipment.state == "held"):
        return stand_still(turn, out, data.shipment_id, shipment)
    entries = void(turn, shipment)
    turn.journal.shipments.cancel(shipment)
    record(turn, out, shipment.id, shipment.public_state, entries)
    return shipment.id


def dispatched(turn: Turn, event: Event, out: Out) -> str:
    """Posts a shipment that has left; on another day than planned it is screened again under the law of that day."""
    data: Dispatched = event.data  # type: ignore[assignment]
    shipment = turn.journal.shipments.find(data.shipment_id)
    if shipment is None or not shipment.pending:
        return stand_still(turn, out, data.shipment_id, shipment)
    if data.export_date != shipment.terms.export_date:
        return _dispatched_anew(turn, out, shipment, data.export_date)
    withdrawn = _withdrawn(turn, shipment)
    if withdrawn is not None:
        entries = void(turn, shipment)
        settle(turn, out, shipment, withdrawn, entries, APPROVED, posted=True)
        return shipment.id
    entries = [turn.journal.post(debit.account, debit.amount, shipment.id) for debit in shipment.terms.debits]
    entries += post_on_country(turn, shipment)
    turn.journal.shipments.dispatch(shipment)
    record(turn, out, shipment.id, shipment.public_state, entries)
    return shipment.id


def _dispatched_anew(turn: Turn, out: Out, shipment: Shipment, day: date) -> str:
    entries = void(turn, shipment)
    asked = asked_of(turn, shipment).model_copy(update={"export_date": day})
    judgement = judge(turn, asked, shipment.reviewed, posted=True)
    entries += judgement.entries
    if not judgement.passes:
        settle(turn, out, shipment, judgement, entries, APPROVED, posted=True)
        return shipment.id
    turn.journal.shipments.let_go(shipment, terms(judgement), "dispatched")
    entries += post_on_country(turn, shipment)
    oblige(turn, shipment, judgement)
    exhaust_all(turn, out, judgement.shorts, record(turn, out, shipment.id, shipment.public_state, entries))
    return shipment.id


def _withdrawn(turn: Turn, shipment: Shipment) -> Judgement | None:
    """Why a licence or a validated end-user's authorization no longer carries a shipment; None where it does."""
    taken = shipment.terms
    if taken.authorization not in ("LICENSE", "VEU"):
        return None
    claim = Authorization.model_validate({"kind": taken.authorization, "reference": taken.reference})
    asked = asked_of(turn, shipment).model_copy(update={"authorization": claim})
    case = Case(asked, turn.journal.parties.about(asked), frozenset(one.code for one in shipment.reviewed))
    screening = turn.book.screen(case)
    ended = ("license.expired", "license.unknown", "license.mismatch", "veu.not_listed")
    reasons = [reason for option in screening.options for reason in turn.book.reasons(option) if reason.code in ended]
    if not reasons:
        return None
    return Judgement(case, screening, [(option, []) for option in screening.options], None, [], reasons)


def returned(turn: Turn, event: Event, out: Out) -> str:
    """Credits what came back, at most what went out; never where exports made are counted (740.29(d), (h)(2))."""
    data: Returned = event.data  # type: ignore[assignment]
    shipment = turn.journal.shipments.find(data.shipment_id)
    if shipment is None or shipment.state != "dispatched":
        return stand_still(turn, out, data.shipment_id, shipment)
    lines = {line.line: line for line in shipment.terms.lines}
    for index, item in enumerate(data.items):
        if item.line not in lines:
            raise Refused(
                f"/data/items/{index}/line", "line.unknown", f"shipment {shipment.id} has no line {item.line}"
            )
    base = main = 0
    for item in data.items:
        line = lines[item.line]
        tpp = line.unit_tpp * turn.journal.shipments.return_units(shipment, item.line, item.quantity)
        base += tpp
        main += tpp if line.covered else 0
    entries = _credited(turn, shipment, base, main)
    record(turn, out, shipment.id, shipment.public_state, entries)
    return shipment.id


def _credited(turn: Turn, shipment: Shipment, base: int, main: int) -> list[Entry]:
    """The credits of what came back: `base` TPP of all .a lines, `main` of those under the authorization taken.

    No credit takes an account below zero: what attrition or an onward shipment took off already is not credited again.
    """
    credits = []
    for debit in shipment.terms.debits:
        family = debit.account.partition("/")[0]
        if family in ("nveu", "uveu"):
            credits.append((debit.account, base))
        elif family == "facility":
            credits.append((debit.account, -base if debit.amount < 0 else main))
    country = country_of(turn, shipment)
    if country is not None:
        credits.append((country, main))
    capped = [(path, min(amount, max(0, turn.journal.accounts.removable(path)))) for path, amount in credits]
    return [turn.journal.credit(path, amount, shipment.id) for path, amount in capped if amount]


# --- what handlers share ----------------------------------------------------------------------------------------------


def asked_of(turn: Turn, shipment: Shipment) -> Requested:
    """What was asked last of a shipment, with a reviewer's authorization in the place of the claim."""
    turn.journal.transaction.use(shipment.asked)
    event = parse(turn.journal.records.event(shipment.asked))
    if not isinstance(event, Event) or not isinstance(event.data, Requested):
        raise LedgerCorrupt(f"journal record {shipment.asked} is no request of shipment {shipment.id}")
    if shipment.claim is None:
        return event.data
    return event.data.model_copy(update={"authorization": Authorization(**shipment.claim)})


def void(turn: Turn, shipment: Shipment) -> list[Entry]:
    """Gives back all that a shipment has pending, and withdraws what its decision owed."""
    pending = shipment.terms.debits if shipment.pending else ()
    entries = [turn.journal.void(debit.account, debit.amount, shipment.id) for debit in pending]
    turn.journal.shipments.clear_debits(shipment)
    turn.journal.obligations.withdraw(shipment.id)
    return entries


def terms(judgement: Judgement) -> ShipmentTerms:
    """What a shipment that was judged goes by: its dates and amounts, and what it debited where it passes."""
    asked, chosen = judgement.case.asked, judgement.chosen if judgement.passes else None
    authorization = chosen.authorization if chosen else None
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
        asked.export_date, asked.ship_to, asked.expires, judgement.screening.tpp, authorization,
        chosen.reference if chosen else None, tuple(debits), tuple(lines),
    )  # fmt: skip


def oblige(turn: Turn, shipment: Shipment, judgement: Judgement) -> None:
    """Notes what the authorization taken obliges to."""
    for one in owed(judgement):
        subject = f"party/{one.party}" if one.party else f"shipment/{shipment.id}"
        turn.journal.obligations.add(subject, one.kind, one.due, one.citation)


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
    passes, shipments = judgement.passes, turn.journal.shipments
    outcome = passed.split(".")[2] if passes else "held"
    if passes:
        shipments.let_go(shipment, terms(judgement), "dispatched" if posted else outcome)
        oblige(turn, shipment, judgement)
    else:
        codes = [reason.code for reason in judgement.reasons]
        short = [short.debit.account for short in judgement.shorts]
        shipments.hold(shipment, terms(judgement), codes, short, left=posted)
    if passes and posted:
        entries = [*entries, *post_on_country(turn, shipment)]
    obligations = owed(judgement) if passes else []
    data = decision(turn, out.next_id, out.causation, outcome, judgement, entries, obligations)
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
        facts["state"] = shipment.public_state
        message = (
            message or f"Shipment {identifier} is {shipment.state.replace('_', ' ')}, which does not allow this event."
        )
    more: dict[str, Any] = {"state": shipment.public_state} if shipment else {}
    day = shipment.terms.export_date.isoformat() if shipment else None
    reason = Reason(code, "wire contract, section 2", message, facts)
    out.add(
        HELD,
        identifier,
        bare_decision(turn, out.next_id, out.causation, identifier, "held", day, reasons=[reason], **more),
    )
    return identifier


def country_of(turn: Turn, shipment: Shipment) -> str | None:
    """The country's account on which a shipment's licence is committed; None where there is none."""
    taken = shipment.terms
    if taken.authorization != "LICENSE" or taken.reference is None:
        return None
    license = turn.journal.facts.license(taken.reference)
    if license is None:
        raise LedgerCorrupt(f"licence {taken.reference} of shipment {shipment.id} is not known")
    path = accounts.country(taken.ship_to)
    return path if turn.book.limit(path, license.issued.valid_from) is not None else None


def post_on_country(turn: Turn, shipment: Shipment) -> list[Entry]:
    """Posts a licensed shipment that has left on its country; what a revocation gave back is taken anew."""
    path, taken, ledger = country_of(turn, shipment), shipment.terms, turn.journal.accounts
    if path is None or taken.reference is None:
        return []
    own = accounts.license(taken.reference)
    amount = sum(debit.amount for debit in taken.debits if ledger.path(debit.account) == ledger.path(own))
    license = turn.journal.facts.license(taken.reference)
    account = ledger.find(own)
    posted = (account.posted if account else 0) - amount
    lapsed = license is None or license.revoked or license.issued.country != taken.ship_to
    committed = 0 if lapsed or license is None else max(0, license.issued.tpp - posted)
    return [turn.journal.post(path, amount, shipment.id, min(amount, committed))] if amount else []
