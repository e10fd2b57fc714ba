"""Who may send which event, with which source and in whose name (docs/contract/http.md, Tokens, roles)."""

from collections.abc import Iterator, Sequence
from typing import Any

from schemas import event_types as types
from schemas.models.facts import AdjustmentMade, AdjustmentProposed, MatchCleared, ObligationMet, PolicySet
from schemas.models.incoming import ReviewDecided, ReviewProposed
from schemas.wire.errors import shown
from schemas.wire.read import Event, Rejection
from schemas.wire.sources import is_of_http, is_reserved
from services.engine.message import ReadMessage
from services.web.access import Caller, Role
from services.web.problems import Fault, Kind, Problem

SENDERS = frozenset(Role) - {Role.CALENDAR}
"""Who may send events of some type."""
CHECKERS = frozenset({Role.PUBLISHER, Role.REVIEWER, Role.ADMIN})
"""Who may ask what an event would be answered."""

_PUBLISHER = frozenset({Role.PUBLISHER, Role.ADMIN})
_REVIEWER = frozenset({Role.REVIEWER, Role.ADMIN})
_FINANCE = frozenset({Role.FINANCE, Role.ADMIN})
_NOBODY: frozenset[Role] = frozenset()

MAY_SEND: dict[str, frozenset[Role]] = {
    types.SHIPMENT_REQUESTED: _PUBLISHER,
    types.SHIPMENT_AMENDED: _PUBLISHER,
    types.SHIPMENT_DISPATCHED: _PUBLISHER,
    types.SHIPMENT_CANCELLED: _PUBLISHER,
    types.SHIPMENT_RETURNED: _PUBLISHER,
    types.CERTIFICATION_RECEIVED: _PUBLISHER,
    types.PARTY_REGISTERED: _PUBLISHER,
    types.USAGE_ATTESTED: _PUBLISHER,
    types.ATTRITION_REPORTED: _PUBLISHER,
    types.REVIEW_DECIDED: _REVIEWER,
    types.REVIEW_PROPOSED: _REVIEWER,
    types.RECHECK_REQUESTED: _REVIEWER,
    types.MATCH_CLEARED: _REVIEWER,
    types.PARTY_MERGED: _REVIEWER,
    types.LICENSE_ISSUED: _REVIEWER,
    types.LICENSE_REVOKED: _REVIEWER,
    types.VEU_AUTHORIZED: _REVIEWER,
    types.VEU_REVOKED: _REVIEWER,
    types.ALLOCATION_SET: _REVIEWER,
    types.OBLIGATION_MET: _REVIEWER | _FINANCE,
    types.THRESHOLD_SET: _REVIEWER | {Role.MONITOR},
    types.ADJUSTMENT_MADE: _FINANCE,
    types.ADJUSTMENT_PROPOSED: _FINANCE,
    types.POLICY_SET: frozenset({Role.ADMIN}),
    types.CLOCK_TICKED: _NOBODY,
    types.CLOCK_CORRECTED: _NOBODY,
}
"""The roles that may send each type of event. Of a corrected clock no proposal stands, so nobody may say so here."""


def check_events(caller: Caller, read: Sequence[ReadMessage]) -> None:
    """Raises Problem if the caller may not send one of the events of a request; its `errors` name each by pointer.

    What of an event cannot be read is not looked at, for the event is rejected: its type, its source, its persons.
    """
    faults = [fault for index, one in enumerate(read) for fault in _faults(caller, f"/{index}", one.event)]
    if faults:
        count = len({fault.pointer for fault in faults})
        what = "an event" if count == 1 else f"{count:,} events"
        sentence = f"The token {caller.id} may not send {what} of this request; nothing of it was decided."
        raise Problem(Kind.EVENT_FORBIDDEN, sentence, faults)


def check_trials(caller: Caller, read: Sequence[ReadMessage]) -> None:
    """As `check_events`, of events that are tried and not kept: publishers try what they may send, others any."""
    if caller.role is Role.PUBLISHER:
        check_events(caller, read)


def may_use(caller: Caller, source: str) -> bool:
    """Whether a source is the caller's: one of its patterns fits, or it is `//tpp-http/NAME` and not a publisher's.

    No pattern reaches a source that is the program's own. Sources are compared as they are written, as the ledger
    compares them.
    """
    if is_reserved(source):
        named = is_of_http(source) and source == f"{types.HTTP_SOURCES}{caller.name}"
        return named and caller.role is not Role.PUBLISHER
    return any(fits(source, pattern) for pattern in caller.sources)


def fits(text: str, pattern: str) -> bool:
    """Whether a text fits a pattern in which `*` stands for any text and all else for itself.

    >>> fits("//erp.example/pl", "//erp.example/*"), fits("//ERP.example/pl", "//erp.example/*"), fits("//a", "//a*")
    (True, False, True)
    """
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *between, last = rest
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in between:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _faults(caller: Caller, pointer: str, event: Event[Any] | Rejection) -> Iterator[Fault]:
    """What of one event the caller may not send."""
    type, source = event.type, event.source
    if type is not None and caller.role not in MAY_SEND[type]:
        yield Fault(pointer, "type.forbidden", f"The role {caller.role} may not send {type}.")
    if source is not None and not may_use(caller, source):
        yield Fault(pointer, "source.forbidden", f"{_whose(caller)}; the source is {shown(source)}.")
    if isinstance(event, Event) and (person := _person(event.data)) is not None and person[1] != caller.name:
        member, name = person
        sentence = f"{member} must be {caller.name}, the name of the token, not {shown(name)}."
        yield Fault(pointer, "person.forbidden", sentence)


def _whose(caller: Caller) -> str:
    if caller.role is Role.PUBLISHER:
        return "The source must fit a pattern of the token"
    return f"The source must be {types.HTTP_SOURCES}{caller.name}, or fit a pattern of the token"


def _person(data: Any) -> tuple[str, str] | None:
    """The member of an event's data that says who sends it, and what it says; None where no member does."""
    if isinstance(data, (ReviewDecided, AdjustmentMade)) and data.second_reviewer is not None:
        return "second_reviewer", data.second_reviewer
    if isinstance(data, (ReviewDecided, ReviewProposed, MatchCleared, AdjustmentProposed)):
        return "reviewer", data.reviewer
    if isinstance(data, (ObligationMet, PolicySet)):
        return "by", data.by
    return None
