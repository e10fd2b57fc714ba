"""The answer of `check` as a page shows it: the memo that the event would get, and what else would follow."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from importlib.resources import files
from itertools import groupby
from typing import Any, NamedTuple

import orjson
from markupsafe import Markup, escape

from ledger.database.store import Connection
from ledger.queries.records import ShipmentRecord
from rulebook import Book
from schemas.event_types import EVENT_REJECTED, QUOTA_ALERT, SHIPMENT_ALERT
from schemas.wire.read import Event, Rejection
from services.engine.message import ReadMessage
from services.views.accounts import balance_list, quota_sentence
from services.views.answers import answered
from services.views.console.look.bar import Bar, bar
from services.views.event_lines import line
from services.views.memo import memo_of, verdict
from services.visible import visible

WORSE = ("not_met", "unknown", "met", "not_applicable")
"""The results of findings, the worst first."""
_WORDS = {
    "approved": "done ok",
    "released": "done ok",
    "recorded": "done ok",
    "held": "open bad",
    "denied": "open bad",
    "expired": "open warn",
    "refused": "open warn",
    "rejected": "open bad",
}
"""What may become of an event, and how the word for it looks."""


class Check(NamedTuple):
    """An event that was checked: as it was read, and its answer with what follows, each a line of JSON.

    `wrapped`: only its data was given, and the event around it was made.
    """

    read: ReadMessage
    texts: Sequence[str]
    wrapped: bool


class Measure(NamedTuple):
    """The account that an answer rests on: its bar, its figures, what was asked, and what would be left."""

    bar: Bar
    account: str
    used: int
    asked: int
    limit: int
    pending: int
    posted: int
    attested: int
    fits: bool


def example(today: date) -> str:
    """The data of a shipment that leaves on a day."""
    text = files(__package__).joinpath("words", "ask.json").read_text("utf-8")
    return text.replace("EXPORT_DATE", today.isoformat()).rstrip()


def shown_text(text: str) -> Markup:
    """A text for a field of several lines: its lines stay, and what would not be visible is escaped as JSON does it."""
    return escape(visible(text, "\n\r\t"))


def answers(connection: Connection, book: Book, checked: Sequence[Check], reads: bool) -> dict[str, Any]:
    """What the page says of events that were checked: of one the memo, of several a row each.

    `reads`: whether the person may read accounts; who may not is shown what the answer itself says.
    """
    if len(checked) == 1:
        return {"memo": _memo(connection, book, checked[0], reads), "rows": ()}
    return {"memo": None, "rows": [_row(number, one) for number, one in enumerate(checked, 1)]}


def errors_of(one: Check) -> list[str]:
    """The errors of an event that would be rejected, each with its pointer into what was given."""
    first = orjson.loads(one.texts[0])
    if first["type"] != EVENT_REJECTED:
        return []
    return [_error(error, one.wrapped) for error in first["data"]["errors"]]


def _error(error: Mapping[str, Any], wrapped: bool) -> str:
    pointer, message = str(error["pointer"]), str(error["message"]).removesuffix(".")
    if wrapped:
        pointer = pointer.removeprefix("/data")
    return f"{pointer}: {message}." if pointer else f"{message[:1].upper()}{message[1:]}."


def _memo(connection: Connection, book: Book, one: Check, reads: bool) -> dict[str, Any]:
    first = orjson.loads(one.texts[0])
    data, word = first["data"], _word(first)
    found = {"word": word, "css": _WORDS[word], "errors": errors_of(one)}
    decided = _decided(data)
    if decided is None:
        return {**found, "decided": None, "sentences": _said(one), "follows": ()}
    shipment, event = data["shipment_id"], one.read.message.raw
    record = ShipmentRecord(0, None, event, (first,))
    memo = memo_of(connection, book, shipment, data["outcome"], [record])
    rows = dict(memo.rows)
    return {
        **found,
        "decided": decided,
        "sentences": (memo.answer,),
        "requested": rows.get("Requested", ()),
        "decisive": rows.get("Decisive", ()),
        "near": rows.get("Near", ()),
        "law": rows.get("Law", ()),
        "debits": decided["debits"],
        "owed": [_owed(book, duty) for duty in sorted(decided["obligations"], key=lambda duty: str(duty["due"]))],
        "tried": list(tried(book, decided["findings"])),
        "reasons": decided["reasons"],
        "measure": _measure(connection, decided) if reads else None,
        "follows": [_follows(orjson.loads(text)) for text in one.texts[1:]],
    }


def _row(number: int, one: Check) -> dict[str, Any]:
    first = orjson.loads(one.texts[0])
    word, event = _word(first), one.read.event
    about = event.subject if isinstance(event, (Event, Rejection)) else None
    return {
        "number": number,
        "about": about or "",
        "word": word,
        "css": _WORDS[word],
        "sentences": errors_of(one) or _said(one)[:1],
    }


def _follows(event: Mapping[str, Any]) -> str:
    """What an event says that follows from the answer."""
    if event["type"] == QUOTA_ALERT:
        return quota_sentence(event["data"])
    return str(event["data"]["message"]) if event["type"] == SHIPMENT_ALERT else line(event)


def _word(first: Mapping[str, Any]) -> str:
    """What would become of an event: the last part but one of the type of its answer."""
    return str(first["type"]).removesuffix(".v1").rpartition(".")[2]


def _decided(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The decision on a shipment in an answer; None where there is none, as where its state does not allow it."""
    screened = "outcome" in data and data.get("law_as_of") and "findings" in data
    return dict(data) if screened else None


def _said(one: Check) -> Sequence[str]:
    first = orjson.loads(one.texts[0])
    decided = _decided(first["data"])
    if decided is not None:
        return (verdict(decided["shipment_id"], decided["outcome"], decided),)
    return answered(one.read.message.raw, one.texts).sentences


def _owed(book: Book, duty: Mapping[str, Any]) -> dict[str, Any]:
    notice = book.notice(duty["kind"], date.fromisoformat(duty["due"]))
    return {**duty, "what": notice.get("what") or duty["kind"].replace("_", " ")}


def tried(book: Book, findings: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The findings of a decision by authorization, in the order of trying; each with what decided it.

    `kind` is empty for what is tried before any authorization.
    """
    kinds = [kind for kind, _ in book.text.tried_in([one["provision"] for one in findings])]
    for kind, group in groupby(zip(kinds, findings, strict=True), key=lambda pair: pair[0]):
        found = [one for _, one in group]
        result = min((one["result"] for one in found), key=WORSE.index)
        deciding = [one for one in found if one["result"] == result]
        at = deciding[-1 if result == "met" else 0]
        yield {"kind": kind, "result": result, "detail": at["detail"], "citation": at["provision"], "findings": found}


def _measure(connection: Connection, decided: Mapping[str, Any]) -> Measure | None:
    """The account that came nearest to its limit, or has no room; None where the answer rests on no limit."""
    short = [one["facts"] for one in decided["reasons"] if {"account", "asked", "short_by"} <= one["facts"].keys()]
    limited = [one for one in decided["debits"] if one["limit"] and one["amount"] > 0]
    if short:
        account, asked = short[0]["account"], short[0]["asked"]
    elif limited:
        nearest = min(limited, key=lambda one: (one["limit"] - one["balance"]) / one["limit"])
        account, asked = nearest["account"], nearest["amount"]
    else:
        return None
    rows = balance_list(connection, [account])
    row = rows[0] if rows else dict.fromkeys(("pending", "posted", "attested", "credits", "balance"), 0)
    limit = row.get("limit") or (short[0].get("limit") if short else nearest["limit"])
    if not limit:
        return None
    drawn = bar(
        limit=limit, posted=row["posted"], pending=row["pending"], attested=row["attested"], credits=row["credits"],
        asked=asked,
    )  # fmt: skip
    return Measure(
        drawn, account, row["balance"], asked, limit, row["pending"], row["posted"], row["attested"],
        row["balance"] + asked <= limit,
    )  # fmt: skip
