"""The words of the contract that have a fixed meaning: codes, kinds of facts."""

from enum import StrEnum


class ReasonCode(StrEnum):
    """Why a shipment is held."""

    QUOTA_EXHAUSTED = "quota.exhausted"
    AUTHORIZATION_NONE = "authorization.none"
    AUTHORIZATION_INELIGIBLE = "authorization.ineligible"
    DESTINATION_DENIED = "destination.denied"
    CERTIFICATION_MISSING = "certification.missing"
    CERTIFICATION_EXPIRED = "certification.expired"
    LICENSE_UNKNOWN = "license.unknown"
    LICENSE_EXPIRED = "license.expired"
    LICENSE_MISMATCH = "license.mismatch"
    VEU_NOT_LISTED = "veu.not_listed"
    VEU_FACILITY_NOT_LISTED = "veu.facility_not_listed"
    VEU_SHARE_EXCEEDED = "veu.share_exceeded"
    CLASSIFICATION_INCONSISTENT = "classification.inconsistent"
    PARTY_CONFLICT = "party.conflict"
    PARTY_SCREENING_HIT = "party.screening_hit"
    END_USE_PROHIBITED = "end_use.prohibited"
    FACILITY_SHORT = "facility.short"
    REVIEW_NEEDED = "review.needed"
    RED_FLAG = "red_flag"
    SHIPMENT_UNKNOWN = "shipment.unknown"
    SHIPMENT_DUPLICATE = "shipment.duplicate"
    SHIPMENT_STATE = "shipment.state"


class FactKind(StrEnum):
    """What a fact states; together with a key it says where the ledger keeps it.

    `license` is kept under the licence's number, `licenses` under its exporter; `veu` covers revocations too.
    """

    PARTY = "party"
    MERGE = "merge"
    CERTIFICATION = "certification"
    DESIGNER = "designer"
    LICENSE = "license"
    LICENSES = "licenses"
    REVOKED = "revoked"
    VEU = "veu"
    LIMIT = "limit"
    THRESHOLD = "threshold"
    CLEARED = "cleared"
