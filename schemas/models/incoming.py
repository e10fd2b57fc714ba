"""The data of each event about a shipment, validated once and frozen.

Rules between members are in `schemas/wire/checks.py`, so that their errors are found together with those of members.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict

from schemas.models.parts import (
    MAX_CERTIFICATIONS,
    MAX_ENTRIES,
    MAX_RED_FLAGS,
    MAX_USES,
    Authorization,
    AuthorizationKind,
    Certification,
    CertificationKind,
    Facility,
    Item,
    JustTrue,
    LineNumber,
    ListedFacility,
    Model,
    Parent,
    Parties,
    Party,
    ProhibitedUse,
    RedFlag,
    ReviewedAuthorization,
    list_of,
    one_of,
)
from schemas.models.paths import AccountPath
from schemas.models.values import Country, Day, Identifier, Quantity, Reason, Text

__all__ = [
    "AccountPath",
    "Authorization",
    "AuthorizationKind",
    "Cancelled",
    "Certification",
    "CertificationKind",
    "Dispatched",
    "Facility",
    "Item",
    "ListedFacility",
    "Model",
    "Parent",
    "Parties",
    "Party",
    "RecheckRequested",
    "RedFlag",
    "Requested",
    "Returned",
    "ReturnedItem",
    "ReviewDecided",
    "ReviewProposed",
    "ReviewedAuthorization",
]


class Requested(Model):
    """Asks whether a shipment may go: `tpp.shipment.requested.v1` and `tpp.shipment.amended.v1`.

    shipment_id: The identifier of one life of a shipment; it is never used for another.
    transaction: What kind of movement it is; a transfer is in-country.
    export_date: The day on which the shipment is to leave, as the exporter writes it, without a time zone; it selects
        the law, the quota year and the quarter.
    ship_from: The country that the goods leave.
    ship_to: The country of destination; Macau is `MO`, Hong Kong `HK`, Taiwan `TW`.
    exporter: The party that exports, reexports or transfers the goods.
    ultimate_consignee: The party that the goods are for.
    intermediate_consignees: The parties that receive the goods on the way; none if omitted.
    end_user: The parties that use the goods; if omitted, the ultimate consignee.
    purchaser: The parties that buy the goods; none if omitted.
    operator: The parties that operate the goods; if omitted, the ultimate consignee.
    end_use: What the goods are for.
    from_facility: The facility that the goods leave, whose account they are debited out of; none if omitted.
    part_744_uses: What the publisher knows of a prohibited end use or end user; any entry closes every authorization
        but `LICENSE`; none if omitted.
    red_flags: The red flags of Supplement No. 3 to part 732 that the publisher saw; any entry holds the shipment;
        none if omitted.
    facility: Where the goods will be installed or stored; `VEU` and `ACM` do not fit if it is omitted.
    items: The lines of the shipment.
    authorization: The authorization that the publisher claims; if omitted, the first one that fits is taken.
    certifications: The statements that travel with this shipment, besides those on file; none if omitted.
    expires: The day on which the pending debits lapse if the shipment has not left; if omitted, they do not lapse.
    """

    shipment_id: Identifier
    transaction: Literal["export", "reexport", "transfer"]
    export_date: Day
    ship_from: Country
    ship_to: Country
    exporter: Party
    ultimate_consignee: Party
    intermediate_consignees: Parties | None = None
    end_user: Parties | None = None
    purchaser: Parties | None = None
    operator: Parties | None = None
    end_use: Literal["data_center", "development", "production", "storage", "research", "consumer", "other"]
    from_facility: Identifier | None = None
    part_744_uses: Annotated[tuple[ProhibitedUse, ...], list_of(MAX_USES)] = ()
    red_flags: Annotated[tuple[RedFlag, ...], list_of(MAX_RED_FLAGS)] = ()
    facility: Facility | None = None
    items: Annotated[tuple[Item, ...], list_of(MAX_ENTRIES, least=1)]
    authorization: Authorization | None = None
    certifications: Annotated[tuple[Certification, ...], list_of(MAX_CERTIFICATIONS)] = ()
    expires: Day | None = None

    @property
    def receiving(self) -> tuple[Party, ...]:
        """Every party that receives: the ultimate consignee first; all but the exporter."""
        others = (self.end_user, self.operator, self.purchaser, self.intermediate_consignees)
        return (self.ultimate_consignee, *(party for parties in others if parties for party in parties))

    @property
    def parties(self) -> tuple[Party, ...]:
        """Every party that is named, the exporter first."""
        return (self.exporter, *self.receiving)


class Dispatched(Model):
    """A shipment has left: `tpp.shipment.dispatched.v1`.

    shipment_id: The shipment that has left.
    export_date: The day on which it left, as the exporter writes it; if it is not the planned one, the shipment is
        screened again under the law of that day.
    """

    shipment_id: Identifier
    export_date: Day


class Cancelled(Model):
    """A shipment will not leave: `tpp.shipment.cancelled.v1`.

    shipment_id: The shipment that will not leave.
    reason: Why it will not leave, for the record.
    """

    shipment_id: Identifier
    reason: Reason


class ReturnedItem(Model):
    """The units of a line that came back.

    line: The line's number in the shipment.
    quantity: The number of units that came back; what exceeds the units that went out is not
        credited, and the record says so.
    """

    line: LineNumber
    quantity: Quantity


class Returned(Model):
    """Units of a shipment came back: `tpp.shipment.returned.v1`.

    shipment_id: The shipment of which units came back.
    items: What came back, line by line.
    date: The day on which they came back, for the record.
    """

    shipment_id: Identifier
    items: Annotated[tuple[ReturnedItem, ...], list_of(MAX_ENTRIES, least=1)]
    date: Day


_TWO_REVIEWERS: dict[str, Any] = {
    "if": {
        "properties": {
            "authorization": {"properties": {"kind": {"enum": ["SAVING", "NOT_YET_REQUIRED"]}}, "required": ["kind"]}
        },
        "required": ["authorization"],
    },
    "then": {"required": ["second_reviewer"]},
}


class ReviewDecided(Model):
    """A reviewer ends a hold: `tpp.review.decided.v1`.

    shipment_id: The held shipment.
    action: Whether the shipment is screened again without the reasons that a reviewer may set aside, or will not go.
    reviewer: Who decides.
    second_reviewer: Who confirms it, another person than the reviewer; required with `SAVING` and `NOT_YET_REQUIRED`,
        else none if omitted.
    authorization: The authorization to try in the place of the claimed one; if omitted, the claim stands.
    reason: Why the reviewer decides so, for the record.
    """

    model_config = ConfigDict(json_schema_extra=_TWO_REVIEWERS)

    shipment_id: Identifier
    action: Literal["release", "deny"]
    reviewer: Text
    second_reviewer: Text | None = None
    authorization: ReviewedAuthorization | None = None
    reason: Reason


class ReviewProposed(Model):
    """A first reviewer proposes what a second one decides: `tpp.review.proposed.v1`; no balance changes.

    shipment_id: The held shipment.
    action: What the reviewer proposes, or that an earlier proposal is withdrawn.
    reviewer: Who proposes it.
    authorization: The authorization to try in the place of the claimed one; if omitted, the claim stands.
    reason: Why the reviewer proposes it, for the record.
    """

    shipment_id: Identifier
    action: Literal["release", "deny", "withdraw"]
    reviewer: Text
    authorization: ReviewedAuthorization | None = None
    reason: Reason


class RecheckRequested(Model):
    """Has held shipments screened again: `tpp.recheck.requested.v1`; exactly one of the three members is given.

    shipment_id: This shipment alone.
    account: Every shipment that is held for lack of room on this account.
    all: Every held shipment.
    """

    model_config = one_of("shipment_id", "account", "all")

    shipment_id: Identifier | None = None
    account: AccountPath | None = None
    all: JustTrue | None = None
