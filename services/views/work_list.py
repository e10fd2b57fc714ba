"""The work list: held shipments, their reasons, and what would end each hold; and shipments as they stand."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any

import orjson

from ledger.database.rows import stored
from ledger.database.store import Connection
from ledger.queries.records import answer_texts
from ledger.queries.shipment_list import (
    ListedShipment,
    ShipmentFilter,
    ShipmentRequest,
    StandingShipment,
    shipment_list,
)
from ledger.queries.work_list import EVERY, Hold, HoldFilter, HoldOrder, Waits, hold_counts, holds
from rulebook import Book
from schemas import accounts
from schemas.codes import ReasonCode
from schemas.kinds import LEFT_WITHOUT_APPROVAL
from services.views.moments import shown
from services.views.obligations import obligations_of
from services.views.wrapping import counted

_LINES = 3
"""The most lines of a shipment that a cell names."""
_ENDS: Mapping[str, str] = {
    ReasonCode.AUTHORIZATION_NONE: "a licence",
    ReasonCode.AUTHORIZATION_INELIGIBLE: "an amendment, or a claim of another authorization",
    ReasonCode.DESTINATION_DENIED: "a licence",
    ReasonCode.TRANSACTION_INCONSISTENT: "an amendment",
    ReasonCode.LICENSE_MISMATCH: "an amendment, or a licence that names what is shipped",
    ReasonCode.VEU_NOT_LISTED: "a validated end-user authorization",
    ReasonCode.CLASSIFICATION_INCONSISTENT: "an amendment",
    ReasonCode.PARTY_CONFLICT: "an amendment, or a corrected registration",
    ReasonCode.PARTY_SCREENING_HIT: "a cleared match",
    ReasonCode.END_USE_PROHIBITED: "a licence",
}
"""What ends a hold of a code, where its facts add nothing."""
_REVIEW = "a review"
_APART = accounts.uveu("*", "outside-us")
OTHER_SHARES = Waits(accounts.uveu("*", "*"), _APART)
"""Whether a hold waits for another share of a base than the one that a reviewer may set aside."""


class Ends(StrEnum):
    """What a hold waits for: a reviewer's decision, room on an account, a paper or an amendment, a licence."""

    REVIEWER = "reviewer"
    ROOM = "quota"
    PAPER = "fact"
    LICENCE = "licence"


_CLOSING = frozenset({ReasonCode.DESTINATION_DENIED, ReasonCode.END_USE_PROHIBITED})
"""The codes that close every authorization but a licence, whatever else is brought."""
_OF_ROOM = frozenset({ReasonCode.QUOTA_EXHAUSTED, ReasonCode.VEU_SHARE_EXCEEDED, ReasonCode.FACILITY_SHORT})
_OF_LICENCE = frozenset(
    {ReasonCode.AUTHORIZATION_NONE, ReasonCode.LICENSE_UNKNOWN, ReasonCode.LICENSE_EXPIRED, ReasonCode.LICENSE_MISMATCH}
)
_LEFT = f"the obligation {LEFT_WITHOUT_APPROVAL} being met"
_REMEDIES = {str(code): code.remedy for code in ReasonCode} | {
    LEFT_WITHOUT_APPROVAL: "Find out how it left, and send `tpp.obligation.met.v1` when that is done."
}


def work_list(
    connection: Connection,
    book: Book,
    today: date | None,
    wanted: HoldFilter = EVERY,
    order: HoldOrder = HoldOrder.AGE,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Holds as JSON objects, with what would end each; before them those that left without an approval.

    `today` is the day on which ages are counted; they are None where it is None.
    """
    return [hold_to_json(book, hold, today) for hold in holds(connection, wanted, order, limit=limit)]


def hold_to_json(book: Book, hold: Hold, today: date | None) -> dict[str, Any]:
    """A hold as a JSON object."""
    with stored(f"the hold of shipment {hold.id}"):
        ends = list(dict.fromkeys(ending(book, reason) for reason in hold.reasons))
    return {
        "shipment_id": hold.id,
        "state": hold.state or "unknown",
        "record": hold.record,
        "happened": shown(hold.happened),
        "export_date": hold.export_date,
        "tpp": hold.tpp,
        "left_without_approval": hold.left,
        "codes": list(dict.fromkeys(reason["code"] for reason in hold.reasons)),
        "reasons": list(hold.reasons),
        **_consignee(hold.request),
        "country": hold.country,
        "lines": [line._asdict() for line in hold.request.lines] if hold.request else [],
        "since": hold.since.isoformat(),
        "age_days": None if today is None else max(0, (today - hold.since).days),
        "ended_by": [_LEFT, *ends] if hold.left else ends,
    }


def waiting_since(today: date, days: int) -> date:
    """The latest day since which a hold of at least so many days waits."""
    return date.fromordinal(max(1, today.toordinal() - days))


def ending(book: Book, reason: Mapping[str, Any]) -> str:
    """What would end a hold for a reason: a paper, room on an account, a licence, an amendment, a review."""
    code, facts = str(reason["code"]), reason["facts"]
    ways = [_ending(code, facts)]
    if "fits_from" in facts or "possible_from" in facts:
        ways.append(f"export from {facts.get('fits_from') or facts['possible_from']} on")
    if book.may_set_aside(code, facts):
        ways.append(_REVIEW)
    return ", or ".join(filter(None, ways)) or _REMEDIES.get(code, "")


def awaited(book: Book, codes: Sequence[str], other_shares: bool) -> Ends:
    """What a hold with these codes waits for; `other_shares` is the answer to OTHER_SHARES.

    One that a reviewer alone can end waits for him. Of the others, one that the law closes waits for a licence, else
    for what is the least: room, then a paper or an amendment, then a licence.
    """
    facts = {"account": "" if other_shares else _APART}
    return awaited_besides(codes, [code for code in codes if book.may_set_aside(code, facts)])


def awaited_besides(codes: Sequence[str], aside: Collection[str]) -> Ends:
    """As `awaited`, of codes of which a reviewer may set these aside."""
    left = [code for code in codes if code not in aside]
    if not left:
        return Ends.REVIEWER
    if _CLOSING.intersection(left):
        return Ends.LICENCE
    if _OF_ROOM.intersection(left):
        return Ends.ROOM
    return Ends.LICENCE if _OF_LICENCE.issuperset(left) else Ends.PAPER


def set_aside(book: Book, reasons: Sequence[Mapping[str, Any]]) -> list[str]:
    """The codes of which a reviewer may set every reason aside."""
    kept = {reason["code"] for reason in reasons if not book.may_set_aside(reason["code"], reason["facts"])}
    return [code for code in dict.fromkeys(reason["code"] for reason in reasons) if code not in kept]


def _ending(code: str, facts: Mapping[str, Any]) -> str:
    """What would end a hold of a code besides waiting and a review."""
    if "short_by" in facts:
        arrived = code == ReasonCode.FACILITY_SHORT
        return f"{facts['short_by']:,} TPP more {'arriving at' if arrived else 'room on'} {facts['account']}"
    if code in (ReasonCode.CERTIFICATION_MISSING, ReasonCode.CERTIFICATION_EXPIRED) and "kind" in facts:
        by = f", dated {facts['needed_by']} or earlier" if "needed_by" in facts else ""
        return f"{facts['kind']} of {facts.get('party', 'the consignee')}{by}"
    if code in (ReasonCode.LICENSE_UNKNOWN, ReasonCode.LICENSE_EXPIRED):
        renewed = "another licence, or a renewal of" if code == ReasonCode.LICENSE_EXPIRED else "licence"
        return f"{renewed} {facts['number']}" if facts.get("number") else "a licence"
    if code == ReasonCode.VEU_FACILITY_NOT_LISTED:
        return f"the listing of facility {facts['facility']}" if facts.get("facility") else "a listed facility"
    return _ENDS.get(code, "")


def _consignee(request: ShipmentRequest | None) -> dict[str, Any]:
    return {
        "consignee": request.consignee if request else None,
        "consignee_id": request.consignee_id if request else None,
    }


def _named(row: Mapping[str, Any]) -> str | None:
    """A consignee with its identifier, in one text."""
    return f"{row['consignee']} ({row['consignee_id']})" if row["consignee_id"] else None


def in_cells(hold: Mapping[str, Any]) -> dict[str, Any]:
    """A hold with each list as one text; its reasons say first that it left without an approval."""
    left, state = hold["left_without_approval"], hold["state"].replace("_", " ")
    messages = [f"LEFT WITHOUT APPROVAL on {left}; now {state}."] if left else []
    messages += [reason["message"] for reason in hold["reasons"]]
    return {
        **hold,
        "codes": " ".join(hold["codes"]),
        "reasons": " ".join(messages),
        "lines": _lines(hold["lines"]),
        "ended_by": "; ".join(hold["ended_by"]),
        "named": _named(hold),
    }


def _lines(lines: Sequence[Mapping[str, Any]]) -> str:
    """The lines of a shipment, or the first of them and how many more there are."""
    told = [f"line {one['line']}: {one['quantity']:,} × {one['part_number']}" for one in lines[:_LINES]]
    more = len(lines) - _LINES
    return ", ".join([*told, *([f"and {counted(more, 'more line')}"] if more > 0 else [])])


def reasons_held(connection: Connection, today: date | None, wanted: HoldFilter = EVERY) -> list[dict[str, Any]]:
    """Holds by code as JSON objects: how many, their TPP, the age of the oldest, and what to do."""
    return [
        {
            "code": one.code,
            "holds": one.holds,
            "tpp": one.tpp,
            "since": one.since.isoformat(),
            "age_days": None if today is None else max(0, (today - one.since).days),
            "remedy": _REMEDIES.get(one.code, ""),
        }
        for one in hold_counts(connection, wanted)
    ]


def shipments(connection: Connection, wanted: ShipmentFilter, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """Shipments as JSON objects, the latest first by their first request."""
    return map(shipment_to_json, shipment_list(connection, wanted, limit=limit))


def shipment_in_full(
    connection: Connection, book: Book, today: date | None, one: StandingShipment
) -> tuple[dict[str, Any], list[str]]:
    """A shipment as a JSON object, with its debits and obligations; and every answer about it, as published."""
    answers = answer_texts(connection, one.id)
    decided = [owed for answer in answers for owed in orjson.loads(answer)["data"].get("obligations", ())]
    found = {
        "shipment_id": one.id,
        "state": one.state,
        "export_date": one.export_date,
        "authorization": _authorization(one.authorization, one.reference),
        "tpp": one.tpp,
        "debits": [{"account": account, "amount": amount} for account, amount in one.debits],
        "obligations": obligations_of(connection, book, today, one.id, decided),
    }
    return found, answers


def _authorization(kind: str | None, reference: str | None) -> dict[str, Any] | None:
    """An authorization as decisions name it; None without one."""
    return {"kind": kind, "reference": reference} if kind else None


def shipment_to_json(one: ListedShipment) -> dict[str, Any]:
    """A shipment as a JSON object; `authorization` is None, or its kind and reference as decisions name them."""
    return {
        "shipment_id": one.id,
        "state": one.state,
        **_consignee(one.request),
        "country": one.country,
        "export_date": one.export_date,
        "tpp": one.tpp,
        "authorization": _authorization(one.authorization, one.reference),
    }


def shipment_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """A shipment with its authorization and its consignee each as one text."""
    taken = row["authorization"]
    return {
        **row,
        "authorization": " ".join(filter(None, (taken["kind"], taken["reference"]))) if taken else None,
        "named": _named(row),
    }
