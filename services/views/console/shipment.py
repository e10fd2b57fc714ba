"""The page of a shipment: its life as a line of time, what counts now, what is owed, who takes part."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import orjson

from ledger.database.store import Connection
from ledger.queries.records import ShipmentRecord, records
from ledger.queries.shipment_list import StandingShipment, find_shipment
from ledger.queries.shipment_list import records as journal_records
from rulebook import Book
from schemas import accounts
from schemas.codes import State
from schemas.kinds import LEFT_WITHOUT_APPROVAL
from schemas.models.incoming import Requested
from schemas.times import day_of
from schemas.wire.read import Event, read_record
from services.views.console.look.render import Touched, fragment
from services.views.console.look.words import say
from services.views.memo import Memo, memo_of, request_sentence
from services.views.obligations import obligations_of
from services.views.trace import MARKS, section, title

PAGE = 40
"""The most records on a page, those of the last days first."""
_MOST = 200
"""The most records, the last ones, of which decisions are asked what parties owe."""
_GOES = frozenset({State.APPROVED, State.RELEASED})
_HELD = frozenset({State.HELD, State.HELD_AT_DISPATCH})
_COUNTS = _GOES | {State.DISPATCHED}
_RESULTS = {"met": "met", "not_met": "not", "not_applicable": "na", "unknown": "unknown"}
_COLUMNS = {"pending": ("pending", 1), "voided": ("pending", -1), "credits": ("posted", -1)}
"""Where the amount of an entry stands, and its sign; every other is posted."""

Sees = Callable[[str], bool]
"""Whether who looks may see what an event of a source says, and not only what came of it."""


def anything(_: str) -> bool:
    """As `Sees` of who may read all."""
    return True


def shipment_page(
    connection: Connection, book: Book, today: date, one: StandingShipment, sees: Sees, before: int | None
) -> dict[str, Any]:
    """What the page of a shipment says; `before`: its life before this record."""
    found = records(connection, one.id, before, PAGE + 1)
    earlier, shown = found[0].n if len(found) > PAGE else None, found[-PAGE:]
    recent = shown if before is None and earlier is None else records(connection, one.id, None, _MOST)
    asked, owed = _request(connection, one.asked), _owed(connection, book, today, one, recent)
    return {
        "shipment": _stands(one),
        "held": one.state in _HELD,
        "name": asked.ultimate_consignee.name,
        "verdict": shipment_memo(connection, book, one, recent).answer,
        "asked": request_sentence(asked),
        "steps": list(_life(shown, today, sees, is_whole=before is None)),
        "earlier": None if earlier is None else shown[0].n,
        "before": before,
        "counts": _counts(one),
        "owed": owed,
        "left": any(duty["kind"] == LEFT_WITHOUT_APPROVAL and duty["state"] == "open" for duty in owed),
        "parties_named": _parties(asked),
        "lists": _lists(recent),
    }


def shipment_memo(
    connection: Connection, book: Book, one: StandingShipment, found: Sequence[ShipmentRecord] = ()
) -> Memo:
    """The memo of a shipment, from these records if one of them decides it, else from all."""
    decided = any("law_as_of" in answer["data"] for record in found for answer in record.answers)
    return memo_of(connection, book, one.id, one.state, found if decided else records(connection, one.id))


def events_jsonl(connection: Connection, shipment: str, sees: Sees) -> Iterator[bytes]:
    """Every record of a shipment as a line of JSON, part by part: its event, if it may be seen, and its answers."""
    before: int | None = None
    parts: list[list[ShipmentRecord]] = []
    while part := records(connection, shipment, before, _MOST):
        parts.append(part)
        before = part[0].n
    for part in reversed(parts):
        for record in part:
            event = orjson.loads(record.event)
            seen = {"event": event} if sees(str(event.get("source"))) else {}
            yield orjson.dumps({"record": record.n, **seen, "answers": list(record.answers)}) + b"\n"


def parts(connection: Connection, book: Book, today: date, about: str, touched: Touched) -> list[str]:  # noqa: ARG001
    """The state, what counts, and that there is more to read, of a shipment that was touched."""
    one = find_shipment(connection, about) if about in touched.shipments else None
    if one is None:
        return []
    last = records(connection, about, None, 1)
    return [
        fragment("shipment_parts", "state", _stands(one)),
        fragment("shipment_parts", "now", _counts(one)),
        *(fragment("shipment_parts", "more", record.n, title(record)) for record in last),
    ]


def _stands(one: StandingShipment) -> dict[str, Any]:
    kind = {State.DISPATCHED: "done ok", State.HELD: "warn", State.HELD_AT_DISPATCH: "bad", State.DENIED: "done bad"}
    css = "open ok" if one.state in _GOES else kind.get(State(one.state), "done")
    return {"id": one.id, "css": css, "word": say(f"shipment.states.{one.state}")}


def _request(connection: Connection, record: int) -> Requested:
    event = read_record(journal_records(connection, [record], "event")[0].event)
    if not isinstance(event, Event) or not isinstance(event.data, Requested):
        raise TypeError(f"journal record {record} does not request a shipment")
    return event.data


def _life(found: Sequence[ShipmentRecord], today: date, sees: Sees, *, is_whole: bool) -> Iterator[dict[str, Any]]:
    """The records in order, and the planned day where it passed without a departure."""
    planned: date | None = None
    for record in found:
        event = read_record(record.event)
        if planned is not None and record.happened is not None and day_of(record.happened) > planned:
            yield {"kind": "passed", "day": planned.isoformat()}
            planned = None
        yield _step(record, event, sees)
        planned = _planned(record, event.data if isinstance(event, Event) else None, planned)
    if planned is not None and is_whole:
        yield {"kind": "passed" if planned < today else "ahead", "day": planned.isoformat()}


def _planned(record: ShipmentRecord, data: Any, planned: date | None) -> date | None:
    """The day on which a shipment is to leave after a record; None if it may not, has left, or the day is unknown."""
    for answer in record.answers:
        state = answer["data"].get("outcome") or answer["data"].get("state")
        if state in _GOES and isinstance(data, Requested):
            planned = data.export_date
        elif state in _GOES and answer["data"].get("law_as_of"):
            planned = date.fromisoformat(answer["data"]["law_as_of"])
        elif state is not None and state not in _GOES:
            planned = None
    return planned


def _step(record: ShipmentRecord, event: Any, sees: Sees) -> dict[str, Any]:
    source = event.source if isinstance(event, Event) else None
    seen = isinstance(source, str) and sees(source)
    made = section(record.n, record, whole=seen)
    told = () if made is None else made.says[1:] if seen else made.says
    data = [answer["data"] for answer in record.answers]
    return {
        "kind": "record",
        "n": record.n,
        "id": event.id if seen else None,
        "happened": record.happened,
        "title": title(record),
        "says": [one for one in told if one.kind in ("said", "line")],
        "decided": [one.text for one in told if one.kind == "decided"],
        "reasons": [one for one in told if one.kind == "reason"],
        "owed": [one for one in told if one.kind == "due"],
        "entries": [_entry(one) for each in data for one in (each.get("debits") or each.get("entries") or ())],
        "findings": [_finding(one) for each in data for one in each.get("findings") or ()],
    }


def _entry(one: dict[str, Any]) -> dict[str, Any]:
    column, sign = _COLUMNS.get(one["state"], ("posted", 1))
    amounts = {"pending": None, "posted": None} | {column: sign * one["amount"]}
    return {"account": one["account"], "entry": one["entry"], "balance": one["balance"], **amounts}


def _finding(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "css": f"r-{_RESULTS[one['result']]}",
        "result": MARKS[one["result"]].lower(),
        "detail": one["detail"],
        "provision": one["provision"],
    }


def _counts(one: StandingShipment) -> list[dict[str, Any]]:
    """What of a shipment counts on which account; the flow is a report."""
    found = [{"account": account, "amount": amount, "report": False} for account, amount in one.debits]
    if (one.state in _COUNTS or one.kept) and one.tpp:
        path = accounts.flow(one.country, one.export_date[:4])
        found.append({"account": path, "amount": one.tpp, "report": True})
    return found


def _owed(
    connection: Connection, book: Book, today: date, one: StandingShipment, found: Sequence[ShipmentRecord]
) -> list[dict[str, Any]]:
    decided = [
        owed for record in found for answer in record.answers for owed in answer["data"].get("obligations") or ()
    ]
    return obligations_of(connection, book, today, one.id, decided)


def _parties(asked: Requested) -> list[dict[str, Any]]:
    """The parties of a request by their part, each once."""
    named = [("exporter", asked.exporter), ("consignee", asked.ultimate_consignee)]
    for part in ("end_user", "operator", "purchaser", "intermediate_consignees"):
        named += [(part, party) for party in getattr(asked, part) or ()]
    return [
        {
            "part": say(f"shipment.parts.{part}"),
            "id": party.id,
            "name": party.name,
            "country": party.country,
            "parent": party.ultimate_parent.name if party.ultimate_parent else None,
        }
        for part, party in named
    ]


def _lists(found: Sequence[ShipmentRecord]) -> list[str]:
    """The restricted-party lists that the last decision rests on."""
    for record in reversed(found):
        for answer in reversed(record.answers):
            if "basis" in answer["data"]:
                return [str(one["name"]) for one in answer["data"]["basis"].get("lists") or ()]
    return []
