"""One function for each type of event that comes in: `(turn, event, out)` to the shipment it concerns, if any."""

from collections.abc import Callable

from schemas.wire.read import Event
from services.engine.answers import Out
from services.engine.context import Turn
from services.engine.handlers import clock, facts, reviews, shipments

Handler = Callable[[Turn, Event, Out], str | None]

HANDLERS: dict[str, Handler] = {
    "tpp.shipment.requested.v1": shipments.requested,
    "tpp.shipment.amended.v1": shipments.amended,
    "tpp.shipment.dispatched.v1": shipments.dispatched,
    "tpp.shipment.cancelled.v1": shipments.cancelled,
    "tpp.shipment.returned.v1": shipments.returned,
    "tpp.review.decided.v1": reviews.decided,
    "tpp.review.proposed.v1": reviews.proposed,
    "tpp.recheck.requested.v1": reviews.recheck,
    "tpp.party.registered.v1": facts.party_registered,
    "tpp.party.merged.v1": facts.party_merged,
    "tpp.certification.received.v1": facts.certification_received,
    "tpp.license.issued.v1": facts.license_issued,
    "tpp.license.revoked.v1": facts.license_revoked,
    "tpp.veu.authorized.v1": facts.veu_changed,
    "tpp.veu.revoked.v1": facts.veu_changed,
    "tpp.allocation.set.v1": facts.allocation_set,
    "tpp.threshold.set.v1": facts.threshold_set,
    "tpp.usage.attested.v1": facts.usage_attested,
    "tpp.attrition.reported.v1": facts.attrition_reported,
    "tpp.adjustment.made.v1": facts.adjustment_made,
    "tpp.match.cleared.v1": facts.match_cleared,
    "tpp.obligation.met.v1": facts.obligation_met,
    "tpp.clock.ticked.v1": clock.ticked,
}
