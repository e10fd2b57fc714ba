"""One function for each type of incoming event: from the context and the event to its result."""

from collections.abc import Callable, Mapping
from typing import Any

from schemas import event_types
from schemas.wire.read import Event
from services.engine.context import DecisionContext, HandledEvent
from services.engine.handlers import clock, facts, lists, proposals, reviews, shipments

Handler = Callable[[DecisionContext, Event[Any]], HandledEvent]

HANDLERS: Mapping[str, Handler] = {
    event_types.SHIPMENT_REQUESTED: shipments.requested,
    event_types.SHIPMENT_AMENDED: shipments.amended,
    event_types.SHIPMENT_DISPATCHED: shipments.dispatched,
    event_types.SHIPMENT_CANCELLED: shipments.cancelled,
    event_types.SHIPMENT_RETURNED: shipments.returned,
    event_types.REVIEW_DECIDED: reviews.decided,
    event_types.REVIEW_PROPOSED: proposals.proposed,
    event_types.RECHECK_REQUESTED: reviews.recheck,
    event_types.PARTY_REGISTERED: facts.party_registered,
    event_types.PARTY_MERGED: facts.party_merged,
    event_types.CERTIFICATION_RECEIVED: facts.certification_received,
    event_types.LICENSE_ISSUED: facts.license_issued,
    event_types.LICENSE_REVOKED: facts.license_revoked,
    event_types.VEU_AUTHORIZED: facts.veu_changed,
    event_types.VEU_REVOKED: facts.veu_changed,
    event_types.ALLOCATION_SET: facts.allocation_set,
    event_types.THRESHOLD_SET: facts.threshold_set,
    event_types.USAGE_ATTESTED: facts.usage_attested,
    event_types.ATTRITION_REPORTED: facts.attrition_reported,
    event_types.ADJUSTMENT_MADE: facts.adjustment_made,
    event_types.ADJUSTMENT_PROPOSED: facts.adjustment_proposed,
    event_types.MATCH_CLEARED: facts.match_cleared,
    event_types.OBLIGATION_MET: facts.obligation_met,
    event_types.POLICY_SET: facts.policy_set,
    event_types.LIST_LOADED: lists.loaded,
    event_types.CLOCK_TICKED: clock.ticked,
    event_types.CLOCK_CORRECTED: clock.corrected,
}
