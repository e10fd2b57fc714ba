"""A shipment's memo on one screen: the answer, the paragraph that decides, what was near, what is owed, the law."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ledger.database.store import Connection
from ledger.queries.records import ShipmentRecord
from ledger.queries.work_list import departures, ended
from rulebook import Book
from schemas.codes import Outcome, ReasonCode, State
from schemas.event_types import SHIPMENT_ALERT
from schemas.models.incoming import Requested, ReviewDecided
from schemas.wire.read import Event, read_record
from services.views.trace import claimed, duty, under
from services.views.wrapping import SCREEN, counted, wrapped

_LINES = 2
_REASONS = 3
_DUTIES = 5
_LABEL = 11
_GOES = frozenset({State.APPROVED, State.RELEASED})
_MEANINGS = {str(code): code.meaning for code in ReasonCode}
_STATES = frozenset({ReasonCode.SHIPMENT_STATE, ReasonCode.SHIPMENT_DUPLICATE, ReasonCode.SHIPMENT_UNKNOWN})
_LAPSED = "Nothing was screened: what was pending is given back."
_STANDS = {
    State.CANCELLED: "was cancelled, and does not go",
    State.DENIED: "may not go: reviewers denied it",
    State.EXPIRED: "lapsed, since it had not left by its day",
    State.HELD: "may not go",
    State.HELD_AT_DISPATCH: "left and is held",
}

Row = tuple[str, tuple[str, ...]]
"""A label, and the sentences that stand under it."""


@dataclass(frozen=True, slots=True)
class Memo:
    """What a lawyer reads first: the answer in one sentence, then each label with its sentences."""

    title: str
    answer: str
    rows: tuple[Row, ...]


def to_json(records: Sequence[ShipmentRecord]) -> list[dict[str, Any]]:
    """The records of a shipment: each with its number, its event and the answers that are about the shipment."""
    return [{"record": one.n, "event": orjson.loads(one.event), "answers": list(one.answers)} for one in records]


def memo_of(
    connection: Connection, book: Book, shipment: str, state: str | None, records: Sequence[ShipmentRecord]
) -> Memo:
    """The memo of a shipment as it stands, from its records; the ledger says which obligations are met."""
    asked, (decided, cause) = asked_in(records), decided_in(records)
    alerts = [one["data"]["message"] for record in records for one in record.answers if one["type"] == SHIPMENT_ALERT]
    rows: list[Row] = [("Requested", (request_sentence(asked),))] if asked is not None else []
    if decided is not None:
        if isinstance(cause, ReviewDecided) and cause.action == "release":
            rows.append(("Review", (_review(cause.reviewer, cause.second_reviewer, cause.reason),)))
        rows.append(("Decisive", _decisive(decided, book)))
        rows.append(("Near", _near(decided)))
    duties = () if decided is None else _duties(shipment, _owing(decided, records), connection)
    owed = [*_departures(shipment, connection), *duties]
    if decided is not None or owed:
        rows.append(("Owed", _owed(owed)))
    if decided is not None:
        rows.append(("Law", _law(decided)))
    if alerts:
        rows.insert(0, ("Alert", tuple(alerts[-1:])))
    return Memo(f"Shipment {shipment}", verdict(shipment, state, decided), tuple(rows))


def memo_text(one: Memo) -> str:
    """A memo as lines of text that fit a screen."""
    title = wrapped(one.title, "", width=SCREEN)
    lines = [*title, "=" * max(map(len, title)), *wrapped(one.answer, "", width=SCREEN), ""]
    for label, sentences in one.rows:
        for number, sentence in enumerate(sentences):
            first = f"{'' if number else label:{_LABEL}}"
            lines += wrapped(sentence, first, " " * _LABEL, SCREEN)
    return "\n".join(lines)


def asked_in(records: Sequence[ShipmentRecord]) -> Requested | None:
    """The shipment as last requested or amended, and decided."""
    for record in reversed(records):
        if any("outcome" in answer["data"] and "law_as_of" in answer["data"] for answer in record.answers):
            event = read_record(record.event)
            if isinstance(event, Event) and isinstance(event.data, Requested):
                return event.data
    return None


def decided_in(records: Sequence[ShipmentRecord]) -> tuple[dict[str, Any] | None, Any]:
    """The last decision with the data of the event that caused it; not what a state did not allow, in 0.1.0 a hold."""
    for record in reversed(records):
        for answer in reversed(record.answers):
            data = answer["data"]
            if "law_as_of" in data and not any(reason["code"] in _STATES for reason in data["reasons"]):
                event = read_record(record.event)
                return data, event.data if isinstance(event, Event) else None
    return None, None


def _review(reviewer: str, second: str | None, reason: str) -> str:
    names = f"{reviewer} and {second}" if second else reviewer
    return f"{names}: {reason.removesuffix('.')}."


def verdict(shipment: str, state: str | None, decided: Mapping[str, Any] | None) -> str:
    """Whether a shipment may go, in one sentence: its state, and the decision on it as it was published."""
    name = f"Shipment {shipment}"
    if state is None or decided is None:
        return f"{name} does not exist: nothing was requested under this identifier."
    amount = under(decided) + (f", {decided['tpp']:,} TPP" if decided["tpp"] else "")
    if state in _GOES:
        return f"{name} may go{amount}, on {decided['law_as_of']}."
    if state == State.DISPATCHED:
        return f"{name} left{amount}, on {decided['law_as_of']}."
    stands = _STANDS[State(state)]
    if not decided["reasons"]:
        return f"{name} {stands}."
    codes = list(dict.fromkeys(reason["code"] for reason in decided["reasons"]))
    meaning = _MEANINGS.get(codes[0], codes[0]).removesuffix(".")
    return f"{name} {stands}: {meaning[:1].lower()}{meaning[1:]} ({', '.join(codes)})."


def request_sentence(asked: Requested) -> str:
    """What a request asks for: what, from where to where, when, to whom, under what."""
    consignee = asked.ultimate_consignee
    lines = [f"{item.quantity:,} × {item.part_number} ({item.eccn})" for item in asked.items[:_LINES]]
    more = len(asked.items) - _LINES
    goods = ", ".join(lines) + (f" and {counted(more, 'more line')}" if more > 0 else "")
    way = f"{asked.transaction} from {asked.ship_from} to {asked.ship_to} on {asked.export_date}"
    return f"{goods}; {way}, to {consignee.name} ({consignee.id}); claimed: {claimed(asked)}."


def _decisive(decided: dict[str, Any], book: Book) -> tuple[str, ...]:
    reasons = decided["reasons"]
    if reasons:
        said = [f"{one['citation']}: {one['message']}" for one in reasons[:_REASONS]]
        more = len(reasons) - _REASONS
        return (*said, f"And {counted(more, 'more reason')}; see the full trace.") if more > 0 else tuple(said)
    taken = decided["authorization"]
    if taken is None:
        review = decided.get("review")
        if review is None:
            return (_LAPSED,)
        return (_review(review["reviewer"], review.get("second_reviewer"), review["reason"]),)
    citations = book.decisive(taken["kind"])
    passed = [one for one in decided["findings"] if one["result"] == "met"]
    found = [one for one in passed if one["provision"] in citations] or _beside(decided, citations) or passed[-1:]
    latest = {f"{one['provision']}: {one['detail']}.": None for one in reversed(found)}
    return tuple(reversed(list(latest)[:_REASONS]))


def _beside(decided: dict[str, Any], citations: Collection[str]) -> list[dict[str, Any]]:
    """The findings of these paragraphs where none applies."""
    return [one for one in decided["findings"] if one["result"] == "not_applicable" and one["provision"] in citations]


def _near(decided: dict[str, Any]) -> tuple[str, ...]:
    """How near the answer was to another: what would fit instead, what is left."""
    facts = [reason["facts"] for reason in decided["reasons"]]
    others = _each(facts, "others")
    said = [f"{', '.join(others)} would fit instead."] if others else []
    said += [f"{one}." for one in _each(facts, "near")]
    said += [_fits(one) for one in facts if "fits" in one or "fits_from" in one]
    said += _tightest([entry for entry in decided["debits"] if entry["limit"]])
    return tuple(dict.fromkeys(said)) or ("Nothing else.",)


def _tightest(limited: Sequence[dict[str, Any]]) -> list[str]:
    """What was left of the account that came nearest to its limit."""
    if not limited:
        return []
    one = min(limited, key=lambda entry: (entry["limit"] - entry["balance"]) * 1_000_000 // entry["limit"])
    return [f"{one['limit'] - one['balance']:,} of {one['limit']:,} TPP were left on {one['account']}."]


def _each(facts: Collection[Mapping[str, Any]], name: str) -> list[str]:
    return list(dict.fromkeys(one for fact in facts for one in fact.get(name, ())))


def _fits(facts: Mapping[str, Any]) -> str:
    now = f"{counted(facts['fits'], 'unit') if facts['fits'] else 'no unit'} would fit" if "fits" in facts else ""
    later = f"all of it from {facts['fits_from']}" if "fits_from" in facts else ""
    return f"On {facts['account']} {', '.join(filter(None, (now, later)))}."


def _owed(owed: Sequence[str]) -> tuple[str, ...]:
    if not owed:
        return ("Nothing.",)
    more = len(owed) - _DUTIES
    rest = (f"And {counted(more, 'more obligation')}; tpp obligations lists them.",) if more > 0 else ()
    return (*owed[:_DUTIES], *rest)


def _departures(shipment: str, connection: Connection) -> Iterator[str]:
    """What is owed since the shipment left without an approval; it ends by being met alone."""
    for one in departures(connection, shipment):
        yield f"{one['due']} {duty(one)}: {'met' if one['state'] == 'met' else 'open until it is met'}."


def _owing(decided: Mapping[str, Any], records: Sequence[ShipmentRecord]) -> Sequence[Mapping[str, Any]]:
    """What a decision brings, or what stays owed: a hold that keeps its debits, and its release, bring nothing anew."""
    if decided["obligations"] or decided["outcome"] not in (Outcome.HELD, Outcome.RELEASED):
        return list(decided["obligations"])
    for record in reversed(records):
        for data in (answer["data"] for answer in reversed(record.answers)):
            if "law_as_of" in data and data["obligations"]:
                return list(data["obligations"])
            if any(entry["state"] == "voided" for entry in data.get("debits", ())):
                return ()
        if b'"items"' in record.event and isinstance(getattr(read_record(record.event), "data", None), Requested):
            return ()
    return ()


def _duties(shipment: str, owing: Sequence[Mapping[str, Any]], connection: Connection) -> Iterator[str]:
    owed = sorted(owing, key=lambda one: str(one["due"]))
    subjects = [f"party/{one['party']}" if "party" in one else f"shipment/{shipment}" for one in owed]
    states = ended(connection, set(subjects)) if owed else {}
    for subject, one in zip(subjects, owed, strict=True):
        state = states.get((subject, one["kind"], one["due"]))
        yield f"{one['due']} {duty(one)}{f': {state}' if state else ''}."


def _law(decided: dict[str, Any]) -> tuple[str, ...]:
    """How the law stands, and under which readings of it was decided."""
    basis = decided["basis"]
    switches, as_of = basis.get("switches"), f"as of {decided['law_as_of']} " if decided["law_as_of"] else ""
    readings = "" if switches is None else f" Switches: {', '.join(switches) or 'none'}."
    stands = law_in_words(basis.get("law_status"), f"{as_of}({decided['rulebook']})")
    return (f"{stands}.{readings}",)


def law_in_words(status: Mapping[str, Any] | None, as_of: str = "") -> str:
    """How the rule stands.

    >>> law_in_words({"codified": True, "not_enforced_since": "2025-05-13"})
    '90 FR 4544: codified, not enforced since 2025-05-13'
    """
    since = f" since {status['not_enforced_since']}" if status else ""
    return f"90 FR 4544{f' {as_of}' if as_of else ''}: codified, not enforced{since}"
