"""The work list: a reviewer's decision on a hold, and holds screened again."""

from collections.abc import Sequence
from typing import Any

import orjson

from ledger.registers.accounts import Entry
from ledger.registers.shipments import Shipment
from schemas.models.incoming import RecheckRequested, ReviewDecided, ReviewProposed
from schemas.times import day_of
from schemas.wire.read import Event
from services.engine.alerts import exhaust_all, raise_alerts
from services.engine.answers import RECORDED, Out
from services.engine.context import Turn
from services.engine.decision import bare_decision, decision
from services.engine.handlers.shipments import RELEASED, asked_of, duties, post_on_country, settle, stand, stand_still
from services.engine.judgement import Judgement, judge

DENIED = "tpp.shipment.denied.v1"


def decided(turn: Turn, event: Event, out: Out) -> str:
    """Ends a hold: denies the shipment, or screens it again without the reasons that a reviewer may set aside."""
    data: ReviewDecided = event.data  # type: ignore[assignment]
    shipment = turn.journal.shipments.find(data.shipment_id)
    if shipment is None or not shipment.holding:
        return stand_still(turn, out, data.shipment_id, shipment)
    if data.action == "deny":
        _deny(turn, out, shipment, data)
        return shipment.id
    left = shipment.state == "held_at_dispatch"
    if data.authorization is not None:
        shipment.claim = data.authorization.model_dump(exclude_none=True)
    shipment.reviewed = [*shipment.reviewed, *_releasable(turn, shipment)]
    asked = asked_of(turn, shipment).model_copy(update={"export_date": shipment.export_date})
    judgement = judge(turn, asked, shipment.reviewed, posted=left)
    settle(turn, out, shipment, judgement, judgement.entries, RELEASED, posted=left)
    return shipment.id


def _deny(turn: Turn, out: Out, shipment: Shipment, data: ReviewDecided) -> None:
    shipment.state = "denied"
    turn.journal.shipments.put(shipment)
    review = data.model_dump(include={"reviewer", "second_reviewer", "reason"}, exclude_none=True)
    day = shipment.export_date.isoformat()
    told = bare_decision(turn, out.next_id, out.causation, shipment.id, "denied", day, shipment.tpp, review=review)
    out.add(DENIED, shipment.id, told)


def _releasable(turn: Turn, shipment: Shipment) -> list[list[Any]]:
    """The reasons of the present hold that a reviewer may set aside: each its code and its facts."""
    return [
        [reason["code"], reason["facts"]]
        for reason in present_reasons(turn, shipment)
        if turn.book.may_set_aside(reason["code"], reason["facts"])
    ]


def present_reasons(turn: Turn, shipment: Shipment) -> list[dict[str, Any]]:
    """The reasons of a shipment's present hold, as they were given out."""
    if shipment.held is None:
        return []
    for line in turn.journal.mail.answers(shipment.held).split("\n"):
        data = orjson.loads(line)["data"]
        if data.get("shipment_id") == shipment.id and data.get("outcome") == "held":
            return list(data["reasons"])
    return []


def proposed(turn: Turn, event: Event, out: Out) -> str:
    """Records what a first reviewer proposes; nothing moves until a second one decides."""
    data: ReviewProposed = event.data  # type: ignore[assignment]
    shipment = turn.journal.shipments.find(data.shipment_id)
    if shipment is None or not shipment.holding:
        return stand_still(turn, out, data.shipment_id, shipment)
    proposal = data.model_dump(exclude={"shipment_id"}, exclude_none=True)
    told = {
        "causation": out.causation,
        "shipment_id": shipment.id,
        "state": shipment.told_state,
        "entries": [],
        "proposal": proposal,
    }
    out.add(RECORDED, shipment.id, told)
    return shipment.id


def recheck(turn: Turn, event: Event, out: Out) -> str | None:
    """Screens held shipments again with what is known now, oldest first; each that passes is released."""
    data: RecheckRequested = event.data  # type: ignore[assignment]
    journal = turn.journal
    if data.shipment_id is not None:
        shipment = journal.shipments.find(data.shipment_id)
        if shipment is None or not shipment.holding:
            return stand_still(turn, out, data.shipment_id, shipment)
        ids = [data.shipment_id]
    else:
        ids = journal.shipments.held(journal.path(data.account) if data.account else None)
    today = None if journal.ticked is None else day_of(journal.ticked)
    released: list[tuple[Shipment, Judgement, list[Entry]]] = []
    held, skipped, shorts = [], [], []
    for identifier in ids:
        shipment = journal.shipments.find(identifier)
        if shipment is None:
            continue
        left = shipment.state == "held_at_dispatch"
        if not left and today is not None and shipment.export_date < today:
            skipped.append(identifier)
            continue
        asked = asked_of(turn, shipment).model_copy(update={"export_date": shipment.export_date})
        judgement = judge(turn, asked, shipment.reviewed, posted=left)
        if not judgement.passes:
            held.append(identifier)
            shorts += judgement.shorts
            continue
        stand(shipment, judgement, "dispatched" if left else "released")
        entries = [*judgement.entries, *(post_on_country(turn, shipment) if left else ())]
        journal.shipments.put(shipment)
        duties(turn, shipment, judgement)
        released.append((shipment, judgement, entries))
    done = [shipment.id for shipment, _, _ in released]
    subject = data.shipment_id or event.subject
    told = {"causation": out.causation, "entries": [], "released": done, "held": held, "skipped": skipped}
    record = out.add(RECORDED, subject, ({"shipment_id": data.shipment_id} if data.shipment_id else {}) | told)
    exhaust_all(turn, out, shorts, record)
    for shipment, judgement, entries in released:
        _release(turn, out, shipment, judgement, entries)
    return data.shipment_id


def _release(turn: Turn, out: Out, shipment: Shipment, judgement: Judgement, entries: Sequence[Entry]) -> None:
    turn.journal.mail.mention(shipment.id)
    told = decision(turn, out.next_id, out.causation, "released", judgement, entries, judgement.owed)
    identifier = out.add(RELEASED, shipment.id, told)
    raise_alerts(turn, out, entries, identifier)
