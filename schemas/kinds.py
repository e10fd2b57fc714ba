"""What an identifier is of, and what a fact states."""

from collections.abc import Mapping
from enum import StrEnum

LEFT_WITHOUT_APPROVAL = "left_without_approval"
"""The kind of the alert that goods left which were not allowed to, and of the obligation that it brings."""
LASTING = frozenset({LEFT_WITHOUT_APPROVAL})
"""The kinds of obligations that end only by being met, whatever becomes of their shipment."""


RETENTION = "record_retention"
"""The kind of the obligation to keep records: until its day, not by it."""


class Policy(StrEnum):
    """A rule of the house, which is on or off from the record of the event that says so."""

    FOUR_EYES = "four_eyes"
    AUTO_RECHECK = "auto_recheck"


POLICIES: Mapping[Policy, bool] = {Policy.FOUR_EYES: False, Policy.AUTO_RECHECK: True}
"""Whether each policy is on while no event has set it."""


class IdentifierKind(StrEnum):
    """What an identifier is of."""

    PARTY = "party"
    LICENSE = "license"
    FACILITY = "facility"


class FactKind(StrEnum):
    """What a fact states; the ledger keeps it under this kind and a key.

    `license` is kept under the licence's number, `licenses` under its exporter; `veu` covers revocations too. `holder`
    is kept under the owner of a validated end-user, `notice` under a notification's reference, `met` under what needs
    to be met only once, `apart` under two identifiers that a reviewer has told apart. `proposed` and `adjusted` are
    corrections by hand, under their reference.
    """

    PARTY = "party"
    MERGE = "merge"
    CERTIFICATION = "certification"
    DESIGNER = "designer"
    LICENSE = "license"
    LICENSES = "licenses"
    REVOKED = "revoked"
    VEU = "veu"
    HOLDER = "holder"
    NOTICE = "notice"
    MET = "met"
    LIMIT = "limit"
    THRESHOLD = "threshold"
    CLEARED = "cleared"
    LIST = "list"
    APART = "apart"
    POLICY = "policy"
    PROPOSED = "proposed"
    ADJUSTED = "adjusted"
