"""Every type of event, once: its name, the model of its data, its topic, and the member that is its key in Kafka."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from pydantic import BaseModel
from typing_extensions import TypeVar

from schemas.models import decisions, facts, incoming, outgoing
from schemas.models.parts import Certification, Model

OWN_SOURCES = "//tpp-"
"""How the `source` of the program's own events begins; no other event's may."""
LEDGER_SOURCE, CLOCK_SOURCE, CLI_SOURCE = "//tpp-ledger", "//tpp-clock", "//tpp-cli"
"""The `source` of every outgoing event, of the clock's ticks, and of the requests of commands."""
HTTP_SOURCES = "//tpp-http/"
"""How the `source` begins that a token may use over HTTP; its NAME follows. No other door takes such events."""

SHIPMENTS, FACTS = "tpp.shipments", "tpp.facts"
DECISIONS, ALERTS, SNAPSHOTS, REJECTED = "tpp.decisions", "tpp.alerts", "tpp.snapshots", "tpp.rejected"
INPUTS = (SHIPMENTS, FACTS)
TOPICS = (*INPUTS, DECISIONS, ALERTS, SNAPSHOTS, REJECTED)

SHIPMENT_REQUESTED = "tpp.shipment.requested.v1"
SHIPMENT_AMENDED = "tpp.shipment.amended.v1"
SHIPMENT_DISPATCHED = "tpp.shipment.dispatched.v1"
SHIPMENT_CANCELLED = "tpp.shipment.cancelled.v1"
SHIPMENT_RETURNED = "tpp.shipment.returned.v1"
REVIEW_DECIDED = "tpp.review.decided.v1"
REVIEW_PROPOSED = "tpp.review.proposed.v1"
RECHECK_REQUESTED = "tpp.recheck.requested.v1"
PARTY_REGISTERED = "tpp.party.registered.v1"
PARTY_MERGED = "tpp.party.merged.v1"
CERTIFICATION_RECEIVED = "tpp.certification.received.v1"
LICENSE_ISSUED = "tpp.license.issued.v1"
LICENSE_REVOKED = "tpp.license.revoked.v1"
VEU_AUTHORIZED = "tpp.veu.authorized.v1"
VEU_REVOKED = "tpp.veu.revoked.v1"
ALLOCATION_SET = "tpp.allocation.set.v1"
THRESHOLD_SET = "tpp.threshold.set.v1"
USAGE_ATTESTED = "tpp.usage.attested.v1"
ATTRITION_REPORTED = "tpp.attrition.reported.v1"
ADJUSTMENT_MADE = "tpp.adjustment.made.v1"
ADJUSTMENT_PROPOSED = "tpp.adjustment.proposed.v1"
MATCH_CLEARED = "tpp.match.cleared.v1"
OBLIGATION_MET = "tpp.obligation.met.v1"
POLICY_SET = "tpp.policy.set.v1"
LIST_LOADED = "tpp.list.loaded.v1"
CLOCK_TICKED = "tpp.clock.ticked.v1"
CLOCK_CORRECTED = "tpp.clock.corrected.v1"

SHIPMENT_APPROVED = "tpp.shipment.approved.v1"
SHIPMENT_HELD = "tpp.shipment.held.v1"
SHIPMENT_RELEASED = "tpp.shipment.released.v1"
SHIPMENT_DENIED = "tpp.shipment.denied.v1"
SHIPMENT_EXPIRED = "tpp.shipment.expired.v1"
EVENT_RECORDED = "tpp.event.recorded.v1"
EVENT_REFUSED = "tpp.event.refused.v1"
EVENT_REJECTED = "tpp.event.rejected.v1"
QUOTA_ALERT = "tpp.quota.alert.v1"
SHIPMENT_ALERT = "tpp.shipment.alert.v1"
PARTY_ALERT = "tpp.party.alert.v1"
LIST_ALERT = "tpp.list.alert.v1"
OBLIGATION_DUE = "tpp.obligation.due.v1"
SNAPSHOT_CLOSED = "tpp.snapshot.closed.v1"

M_co = TypeVar("M_co", bound=BaseModel, default=BaseModel, covariant=True)


@dataclass(frozen=True, slots=True)
class EventType(Generic[M_co]):
    """A type of event. `key` is the data's member that is its key in Kafka; the subject, if `subject` or absent."""

    name: str
    model: type[M_co]
    topic: str
    key: str = "subject"


def _by_name(types: Iterable[EventType[M_co]]) -> Mapping[str, EventType[M_co]]:
    return {one.name: one for one in types}


INCOMING: Mapping[str, EventType[Model]] = _by_name(
    (
        EventType(SHIPMENT_REQUESTED, incoming.Requested, SHIPMENTS, "shipment_id"),
        EventType(SHIPMENT_AMENDED, incoming.Requested, SHIPMENTS, "shipment_id"),
        EventType(SHIPMENT_DISPATCHED, incoming.Dispatched, SHIPMENTS, "shipment_id"),
        EventType(SHIPMENT_CANCELLED, incoming.Cancelled, SHIPMENTS, "shipment_id"),
        EventType(SHIPMENT_RETURNED, incoming.Returned, SHIPMENTS, "shipment_id"),
        EventType(REVIEW_DECIDED, incoming.ReviewDecided, SHIPMENTS, "shipment_id"),
        EventType(REVIEW_PROPOSED, incoming.ReviewProposed, SHIPMENTS, "shipment_id"),
        EventType(RECHECK_REQUESTED, incoming.RecheckRequested, SHIPMENTS, "shipment_id"),
        EventType(PARTY_REGISTERED, facts.PartyRegistered, FACTS),
        EventType(PARTY_MERGED, facts.PartyMerged, FACTS),
        EventType(CERTIFICATION_RECEIVED, Certification, FACTS),
        EventType(LICENSE_ISSUED, facts.LicenseIssued, FACTS),
        EventType(LICENSE_REVOKED, facts.LicenseRevoked, FACTS),
        EventType(VEU_AUTHORIZED, facts.VeuAuthorized, FACTS),
        EventType(VEU_REVOKED, facts.VeuRevoked, FACTS),
        EventType(ALLOCATION_SET, facts.AllocationSet, FACTS),
        EventType(THRESHOLD_SET, facts.ThresholdSet, FACTS),
        EventType(USAGE_ATTESTED, facts.UsageAttested, FACTS),
        EventType(ATTRITION_REPORTED, facts.AttritionReported, FACTS),
        EventType(ADJUSTMENT_MADE, facts.AdjustmentMade, FACTS),
        EventType(ADJUSTMENT_PROPOSED, facts.AdjustmentProposed, FACTS),
        EventType(MATCH_CLEARED, facts.MatchCleared, FACTS),
        EventType(OBLIGATION_MET, facts.ObligationMet, FACTS),
        EventType(POLICY_SET, facts.PolicySet, FACTS),
        EventType(CLOCK_TICKED, facts.ClockTicked, FACTS),
        EventType(CLOCK_CORRECTED, facts.ClockCorrected, FACTS),
    )
)
OF_COMMANDS: Mapping[str, EventType[Model]] = _by_name((EventType(LIST_LOADED, facts.ListLoaded, FACTS),))
"""The types of events that only a command of this program makes, by name; from elsewhere they are unknown."""
OUTGOING: Mapping[str, EventType[decisions.Out]] = _by_name(
    (
        EventType(SHIPMENT_APPROVED, decisions.Approved, DECISIONS, "shipment_id"),
        EventType(SHIPMENT_HELD, decisions.Held, DECISIONS, "shipment_id"),
        EventType(SHIPMENT_RELEASED, decisions.Released, DECISIONS, "shipment_id"),
        EventType(SHIPMENT_DENIED, decisions.Denied, DECISIONS, "shipment_id"),
        EventType(SHIPMENT_EXPIRED, decisions.Expired, DECISIONS, "shipment_id"),
        EventType(EVENT_RECORDED, outgoing.Recorded, DECISIONS, "shipment_id"),
        EventType(EVENT_REFUSED, outgoing.EventRefused, DECISIONS, "shipment_id"),
        EventType(EVENT_REJECTED, outgoing.Rejected, REJECTED),
        EventType(QUOTA_ALERT, outgoing.QuotaAlert, ALERTS, "account"),
        EventType(SHIPMENT_ALERT, outgoing.ShipmentAlert, ALERTS, "shipment_id"),
        EventType(PARTY_ALERT, outgoing.PartyAlert, ALERTS, "party"),
        EventType(LIST_ALERT, outgoing.ListAlert, ALERTS, "list"),
        EventType(OBLIGATION_DUE, outgoing.ObligationDue, ALERTS),
        EventType(SNAPSHOT_CLOSED, outgoing.SnapshotClosed, SNAPSHOTS, "period"),
    )
)


def outgoing_destination(event: Mapping[str, Any]) -> tuple[str, str]:
    """The topic and the key of an outgoing event; raises KeyError for an unknown type.

    >>> outgoing_destination({"type": "tpp.shipment.held.v1", "subject": "SHP-1", "data": {"shipment_id": "SHP-1"}})
    ('tpp.decisions', 'SHP-1')
    """
    one = OUTGOING[event["type"]]
    key: str = event["data"].get(one.key) or event["subject"]
    return one.topic, key


def incoming_destination(message: Any) -> tuple[str, str | None]:
    """The topic and the key of a JSON value that was read from an event file; None if it has no key.

    Anything but an event of a known type goes to the topic of shipments, where it is rejected.

    >>> incoming_destination({"type": "tpp.clock.ticked.v1", "subject": "clock"})
    ('tpp.facts', 'clock')
    >>> incoming_destination([])
    ('tpp.shipments', None)
    """
    if not isinstance(message, dict):
        return SHIPMENTS, None
    name, data, subject = message.get("type"), message.get("data"), message.get("subject")
    one = INCOMING.get(name) if isinstance(name, str) else None
    topic, member = (one.topic, one.key) if one else (SHIPMENTS, "shipment_id")
    key = data.get(member) if isinstance(data, dict) and member != "subject" else None
    key = key if isinstance(key, str) else subject
    return topic, key if isinstance(key, str) and key else None


def short_name(type: str) -> str:
    """The name of a type without the common prefix and suffix.

    >>> short_name("tpp.shipment.requested.v1")
    'shipment.requested'
    """
    return type.removeprefix("tpp.").removesuffix(".v1")
