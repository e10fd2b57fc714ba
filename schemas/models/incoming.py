"""The data of each event that comes in (contract, section 2), validated once and frozen.

What one model cannot say of its members together is in `checks.py`, so that it is found together with what it can.
"""

from datetime import UTC, date
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from schemas.models.parts import (
    AccountPath,
    AListOf,
    Authorization,
    AuthorizationKind,
    Certification,
    CertificationKind,
    CreditableAccount,
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
    ReviewKind,
    Threshold,
)
from schemas.models.values import TPP_MAX, Country, Day, Identifier, Instant, Quantity, Text, Tpp

__all__ = [
    "AccountPath", "AdjustmentMade", "AllocationSet",
    "AttritionReported", "Authorization", "AuthorizationKind", "Cancelled", "Certification", "CertificationKind",
    "ClockTicked", "CreditableAccount", "Dispatched", "Facility", "Item", "LicenseIssued", "LicenseRevoked",
    "ListedFacility", "MatchCleared", "Model", "ObligationMet", "Parent", "Parties", "Party", "PartyMerged",
    "PartyRegistered", "ProhibitedUse", "RecheckRequested", "RedFlag", "Requested", "Returned", "ReturnedItem",
    "ReviewDecided", "ReviewKind", "ReviewProposed", "ReviewedAuthorization", "ThresholdSet", "UsageAttested",
    "VeuAuthorized", "VeuRevoked",
]  # fmt: skip

_NATIONAL: dict[str, Any] = {
    "if": {"properties": {"program": {"const": "national"}}},
    "then": {"required": ["country"]},
    "else": {"properties": {"country": False}},
}

_TWO_REVIEWERS: dict[str, Any] = {
    "if": {
        "properties": {
            "authorization": {"properties": {"kind": {"enum": ["SAVING", "NOT_YET_REQUIRED"]}}, "required": ["kind"]}
        },
        "required": ["authorization"],
    },
    "then": {"required": ["second_reviewer"]},
}


def _one_of(*names: str) -> ConfigDict:
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in names]})


class Requested(Model):
    """`tpp.shipment.requested.v1` and `tpp.shipment.amended.v1`: may this shipment go?

    shipment_id: One life of a shipment; unique for ever.
    transaction: A transfer is in-country.
    export_date: The day on which it is to leave, as the exporter writes it; selects the law, the year and the quarter.
    end_user: Default: the ultimate consignee.
    operator: Default: the ultimate consignee.
    from_facility: Where the goods leave from; under ACM they are debited out of it.
    part_744_uses: What the publisher knows of a prohibited end use or user (part 744).
    red_flags: Red flags of Supplement No. 3 to part 732 that the publisher saw.
    facility: Where it will be installed or stored; needed for VEU and ACM.
    authorization: What the publisher claims; absent: the first that fits.
    certifications: Statements that travel with the shipment.
    expires: A pending debit lapses on this day if the shipment has not left.
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
    part_744_uses: Annotated[tuple[ProhibitedUse, ...], AListOf] = ()
    red_flags: Annotated[tuple[RedFlag, ...], AListOf] = ()
    facility: Facility | None = None
    items: Annotated[tuple[Item, ...], AListOf, Field(min_length=1)]
    authorization: Authorization | None = None
    certifications: Annotated[tuple[Certification, ...], AListOf] = ()
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
    """`tpp.shipment.dispatched.v1`: it has left on this day.

    export_date: The day on which it left.
    """

    shipment_id: Identifier
    export_date: Day


class Cancelled(Model):
    """`tpp.shipment.cancelled.v1`: it will not leave."""

    shipment_id: Identifier
    reason: Text


class ReturnedItem(Model):
    """How many units of a line came back."""

    line: LineNumber
    quantity: Quantity


class Returned(Model):
    """`tpp.shipment.returned.v1`: units came back.

    date: The day on which they came back.
    """

    shipment_id: Identifier
    items: Annotated[tuple[ReturnedItem, ...], AListOf, Field(min_length=1)]
    date: Day


class ReviewDecided(Model):
    """`tpp.review.decided.v1`: a reviewer ends a hold.

    second_reviewer: Another person than the reviewer; required with `SAVING` and `NOT_YET_REQUIRED`.
    authorization: Takes the place of the claim.
    """

    model_config = ConfigDict(json_schema_extra=_TWO_REVIEWERS)

    shipment_id: Identifier
    action: Literal["release", "deny"]
    reviewer: Text
    second_reviewer: Text | None = None
    authorization: ReviewedAuthorization | None = None
    reason: Text


class ReviewProposed(Model):
    """`tpp.review.proposed.v1`: what a first reviewer proposes; moves nothing."""

    shipment_id: Identifier
    action: Literal["release", "deny", "withdraw"]
    reviewer: Text
    authorization: ReviewedAuthorization | None = None
    reason: Text


class RecheckRequested(Model):
    """`tpp.recheck.requested.v1`: screen held shipments again; one of the three members is given.

    account: All shipments held for this account.
    all: Every held shipment.
    """

    model_config = _one_of("shipment_id", "account", "all")

    shipment_id: Identifier | None = None
    account: AccountPath | None = None
    all: JustTrue | None = None


class PartyRegistered(Party):
    """`tpp.party.registered.v1`: a party's standing facts from a day on.

    valid_from: The day from which these facts stand.
    """

    valid_from: Day


class PartyMerged(Model):
    """`tpp.party.merged.v1`: two identifiers of one party.

    survivor: The identifier that goes on.
    absorbed: The identifier whose accounts move to the survivor's.
    """

    survivor: Identifier
    absorbed: Identifier
    valid_from: Day
    reason: Text


class LicenseIssued(Model):
    """`tpp.license.issued.v1`: a licence, or its amendment under the same number; `valid_until` is inclusive.

    exporter: A party's identifier.
    consignee: A party's identifier.
    tpp: Of `.a` items.
    valid_until: The last day on which it counts.
    """

    number: Identifier
    exporter: Identifier
    consignee: Identifier
    country: Country
    tpp: Tpp
    valid_from: Day
    valid_until: Day


class LicenseRevoked(Model):
    """`tpp.license.revoked.v1`: nothing ships under it from `date` on."""

    number: Identifier
    date: Day


class VeuAuthorized(Model):
    """`tpp.veu.authorized.v1`: a validated end-user and its facilities.

    holder: A party's identifier.
    country: Of a national authorization.
    """

    model_config = ConfigDict(json_schema_extra=_NATIONAL)

    holder: Identifier
    program: Literal["universal", "national"]
    country: Country | None = None
    facilities: Annotated[tuple[ListedFacility, ...], AListOf]
    valid_from: Day


class VeuRevoked(Model):
    """`tpp.veu.revoked.v1`: the authorization ends on `date`.

    holder: A party's identifier.
    country: Of a national authorization.
    """

    model_config = ConfigDict(json_schema_extra=_NATIONAL)

    holder: Identifier
    program: Literal["universal", "national"]
    country: Country | None = None
    date: Day


class AllocationSet(Model):
    """`tpp.allocation.set.v1`: an account's limit from a day on.

    limit: In TPP.
    citation: Where the limit is set down.
    """

    account: AccountPath
    limit: Tpp
    valid_from: Day
    citation: Text


class ThresholdSet(Model):
    """`tpp.threshold.set.v1`: where alerts are raised, as fractions of the limit or amounts of TPP.

    account: An account path, or a pattern in which `*` stands for any text.
    thresholds: Fractions of the limit such as "0.9", or TPP.
    """

    account: Text
    thresholds: Annotated[tuple[Threshold, ...], AListOf]


class UsageAttested(Model):
    """`tpp.usage.attested.v1`: use that this ledger did not see, as one party attests it.

    tpp: The use that this ledger did not see.
    by: Who attests it; takes the place of the same party's earlier attestation.
    """

    account: AccountPath
    tpp: Tpp
    as_of: Day
    by: Text
    reference: Text


class AttritionReported(Model):
    """`tpp.attrition.reported.v1`: items that no longer count (748.15(a)(2)(iii)(B))."""

    account: CreditableAccount
    tpp: Tpp
    date: Day
    cause: Literal["loss", "damage", "failure", "relocation", "resale"]
    reference: Text


class AdjustmentMade(Model):
    """`tpp.adjustment.made.v1`: a correction by hand, by two reviewers.

    amount: In TPP; a positive one is posted, a negative one credited.
    second_reviewer: Another person than the reviewer.
    """

    account: AccountPath
    amount: Annotated[int, Field(ge=-TPP_MAX, le=TPP_MAX)]
    reason: Text
    reviewer: Text
    second_reviewer: Text
    reference: Text


class MatchCleared(Model):
    """`tpp.match.cleared.v1`: this party is not that listed one.

    list: The list's name.
    entry: The entry's identifier in the list.
    until: The last day on which this holds.
    """

    party: Identifier
    list: Text
    entry: Text
    until: Day | None = None
    reviewer: Text
    reason: Text


class ObligationMet(Model):
    """`tpp.obligation.met.v1`: what was owed has been sent; of a shipment or of a party.

    due: The day on which it was due.
    date: The day on which it was sent.
    """

    model_config = _one_of("shipment_id", "party")

    kind: Text
    shipment_id: Identifier | None = None
    party: Identifier | None = None
    due: Day
    date: Day
    by: Text
    reference: Text


class ClockTicked(Model):
    """`tpp.clock.ticked.v1`: time has passed; nothing else reads a clock.

    now: RFC 3339 with an offset.
    """

    now: Instant

    @property
    def day(self) -> date:
        """The UTC day of the tick."""
        return self.now.astimezone(UTC).date()
