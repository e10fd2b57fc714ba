"""The data of the facts that decisions rest on, and of ticks; validated once and frozen."""

from datetime import UTC, date
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from schemas.models.parts import (
    MAX_ENTRIES,
    MAX_NAMED,
    MAX_THRESHOLDS,
    MAX_USES,
    ListedFacility,
    Model,
    NamedItems,
    NamedParties,
    Party,
    ProhibitedUse,
    list_of,
    one_of,
)
from schemas.models.paths import AccountPath, CreditableAccount, Threshold
from schemas.models.values import SHA256, TPP_MAX, Country, Day, Identifier, Instant, Reason, Text, Tpp

ListName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
"""The name or the version of a list; together they are the id of its load."""
Sha256 = Annotated[str, Field(pattern=SHA256)]
Count = Annotated[int, Field(ge=0, le=TPP_MAX)]
Score = Annotated[str, Field(pattern=r"^(0\.[5-9][0-9]?|1(\.00?)?)$")]
"""A threshold: a decimal from 0.50 to 1.00 with at most two digits."""

_NATIONAL: dict[str, Any] = {
    "if": {"properties": {"program": {"const": "national"}}},
    "then": {"required": ["country"]},
    "else": {"properties": {"country": False}},
}


class PartyRegistered(Party):
    """The standing facts of a party from a day on: `tpp.party.registered.v1`.

    valid_from: The first export date for which these facts stand.
    """

    valid_from: Day


class PartyMerged(Model):
    """Two identifiers turn out to be of one party: `tpp.party.merged.v1`.

    survivor: The identifier that remains.
    absorbed: The identifier whose accounts move to those of the survivor.
    valid_from: The day on which the merger took effect, for the record; the accounts move at once.
    reason: Why the two are one party, for the record.
    """

    survivor: Identifier
    absorbed: Identifier
    valid_from: Day
    reason: Reason


class LicenseIssued(Model):
    """A licence was issued, or amended under the same number: `tpp.license.issued.v1`.

    number: The licence's number, which is part of its account's path.
    exporter: The identifier of the party that may export under it.
    consignee: The identifier of the ultimate consignee.
    country: The country of destination.
    tpp: The TPP of `.a` items that may be shipped under it.
    valid_from: The first day on which it counts.
    valid_until: The last day on which it counts.
    items: The items that it names; if omitted, it covers `.a` commodities alone.
    end_users: The identifiers of the end users that it names; if omitted, the ultimate consignee alone.
    operators: The identifiers of the operators that it names; if omitted, those with the ultimate consignee's owner.
    others: The identifiers of other parties that it names; if omitted, none.
    part_744_uses: The end uses and users of part 744 for which it was issued; if omitted, none.
    """

    number: Identifier
    exporter: Identifier
    consignee: Identifier
    country: Country
    tpp: Tpp
    valid_from: Day
    valid_until: Day
    items: NamedItems | None = None
    end_users: NamedParties | None = None
    operators: NamedParties | None = None
    others: Annotated[tuple[Identifier, ...], list_of(MAX_NAMED)] = ()
    part_744_uses: Annotated[tuple[ProhibitedUse, ...], list_of(MAX_USES)] = ()


class LicenseRevoked(Model):
    """A licence was revoked: `tpp.license.revoked.v1`.

    number: The licence's number.
    date: The first day on which nothing ships under it.
    """

    number: Identifier
    date: Day


class VeuAuthorized(Model):
    """A validated end-user was authorized, with its facilities: `tpp.veu.authorized.v1`.

    holder: The identifier of the party that holds the authorization.
    program: Whether the authorization is universal or national.
    country: The country of a national authorization; a universal one has none.
    facilities: The facilities that may receive, which take the place of those of an earlier authorization.
    valid_from: The first export date on which the authorization counts.
    items: The items that it names; if omitted, it covers `.a` and `.b` commodities alone.
    owner: The identifier of the holder's ultimate parent; if omitted, the one that is registered, else the one that a
        shipment to the holder names.
    """

    model_config = ConfigDict(json_schema_extra=_NATIONAL)

    holder: Identifier
    program: Literal["universal", "national"]
    country: Country | None = None
    facilities: Annotated[tuple[ListedFacility, ...], list_of(MAX_ENTRIES)]
    valid_from: Day
    items: NamedItems | None = None
    owner: Identifier | None = None


class VeuRevoked(Model):
    """The authorization of a validated end-user ends: `tpp.veu.revoked.v1`.

    holder: The identifier of the party that holds the authorization.
    program: Whether the authorization is universal or national.
    country: The country of a national authorization; a universal one has none.
    date: The first day on which the authorization does not count.
    """

    model_config = ConfigDict(json_schema_extra=_NATIONAL)

    holder: Identifier
    program: Literal["universal", "national"]
    country: Country | None = None
    date: Day


class AllocationSet(Model):
    """The limit of an account from a day on: `tpp.allocation.set.v1`.

    account: The account whose limit is set.
    limit: The limit in TPP.
    valid_from: The first export date for which this limit stands.
    citation: Where the limit is laid down.
    """

    account: AccountPath
    limit: Tpp
    valid_from: Day
    citation: Text


class ThresholdSet(Model):
    """Where alerts are raised: `tpp.threshold.set.v1`.

    account: The path of an account, or a pattern in which `*` matches any text.
    thresholds: The fractions of the limit or the amounts of TPP at which alerts are raised; an empty list raises none.
    """

    account: Text
    thresholds: Annotated[tuple[Threshold, ...], list_of(MAX_THRESHOLDS)]


class UsageAttested(Model):
    """Use that this ledger did not see, as one party attests it: `tpp.usage.attested.v1`.

    account: The account on which the use counts.
    tpp: The use that this ledger did not see, in TPP.
    as_of: The day for which the use is attested.
    by: Who attests it; the amount takes the place of the one that the same party attested before on this account.
    reference: The number or name under which the attestation is on file.
    """

    account: AccountPath
    tpp: Tpp
    as_of: Day
    by: Text
    reference: Text


class AttritionReported(Model):
    """Items that no longer count (748.15(a)(2)(iii)(B)): `tpp.attrition.reported.v1`.

    account: The account on which the items are credited.
    tpp: The TPP of the items, all units together.
    date: The day on which they stopped counting.
    cause: Why they no longer count.
    reference: The number or name under which the report is on file.
    """

    account: CreditableAccount
    tpp: Tpp
    date: Day
    cause: Literal["loss", "damage", "failure", "relocation", "resale"]
    reference: Text


class AdjustmentMade(Model):
    """A correction by hand, made by two persons: `tpp.adjustment.made.v1`.

    account: The account that is corrected.
    amount: The correction in TPP; a positive one is posted, a negative one credited.
    reason: Why the account is corrected, for the record.
    reviewer: Who makes the correction.
    second_reviewer: Who confirms it, another person than the reviewer.
    reference: The number or name under which the correction is on file.
    """

    account: AccountPath
    amount: Annotated[int, Field(ge=-TPP_MAX, le=TPP_MAX)]
    reason: Reason
    reviewer: Text
    second_reviewer: Text
    reference: Text


class AdjustmentProposed(Model):
    """A correction by hand that a first person proposes and a second one makes: `tpp.adjustment.proposed.v1`.

    account: The account to be corrected.
    amount: The correction in TPP; a positive one is to be posted, a negative one credited.
    reason: Why the account is to be corrected, for the record.
    reviewer: Who proposes the correction.
    reference: The number or name under which the correction is on file.
    """

    account: AccountPath
    amount: Annotated[int, Field(ge=-TPP_MAX, le=TPP_MAX)]
    reason: Reason
    reviewer: Text
    reference: Text


class MatchCleared(Model):
    """A party is not the listed one that it resembles: `tpp.match.cleared.v1`.

    party: The identifier of the party.
    list: The name of the restricted-party list.
    entry: The identifier of the entry in that list.
    until: The last day on which this holds; if omitted, it holds until an event says otherwise.
    reviewer: Who compared the two.
    reason: Why they are not the same, for the record.
    """

    party: Identifier
    list: Text
    entry: Text
    until: Day | None = None
    reviewer: Text
    reason: Reason


class ObligationMet(Model):
    """An obligation has been met: `tpp.obligation.met.v1`; the shipment or the party is named, and not both.

    kind: The kind of obligation, as the decision and `tpp obligations` name it.
    shipment_id: The shipment for which it was owed.
    party: The identifier of the party for which it was owed.
    due: The day on which it was due; with the kind it says which obligation is meant.
    date: The day on which it was sent.
    by: Who sent it.
    reference: The number or name under which the proof is on file.
    """

    model_config = one_of("shipment_id", "party")

    kind: Text
    shipment_id: Identifier | None = None
    party: Identifier | None = None
    due: Day
    date: Day
    by: Text
    reference: Text


class PolicySet(Model):
    """A rule of the house, on or off from now on: `tpp.policy.set.v1`.

    name: The rule.
    value: Whether it is on.
    by: Who sets it.
    reason: Why, for the record.
    """

    name: Literal["four_eyes", "auto_recheck"]
    value: bool
    by: Text
    reason: Reason


class ListLoaded(Model):
    """A version of a restricted-party list is in force from this record on: `tpp.list.loaded.v1`.

    name: The name of the list.
    version: The version, as whoever loaded it calls it.
    sha256: The SHA-256 of the list's content: its entries in canonical JSON, one a line, sorted by entry.
    file_sha256: The SHA-256 of the file that was read.
    entries: How many entries it has.
    added: How many of them the version before did not have.
    removed: How many entries of the version before it does not have.
    changed: How many entries both have, with other content.
    threshold: The score from which a party resembles an entry.
    max_age_days: After how many days the list is out of date; if omitted, never.
    """

    name: ListName
    version: ListName
    sha256: Sha256
    file_sha256: Sha256
    entries: Count
    added: Count
    removed: Count
    changed: Count
    threshold: Score
    max_age_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    @property
    def least(self) -> int:
        """The threshold in hundredths."""
        whole, _, part = self.threshold.partition(".")
        return 100 * int(whole) + int(part.ljust(2, "0") or 0)


class ClockTicked(Model):
    """Time has passed: `tpp.clock.ticked.v1`; no decision reads another clock.

    now: The time, RFC 3339 with an offset; a time that is not later than the last one changes nothing.
    """

    now: Instant

    @property
    def day(self) -> date:
        """The UTC day of the tick."""
        return self.now.astimezone(UTC).date()


class ClockCorrected(Model):
    """The ledger's time stands too far ahead and is set back, by two persons: `tpp.clock.corrected.v1`.

    now: The time that it is, RFC 3339 with an offset, before the ledger's last tick.
    reviewer: Who sets the time back.
    second_reviewer: Who confirms it, another person than the reviewer.
    reason: Why the ledger's time was wrong, for the record.
    """

    now: Instant
    reviewer: Text
    second_reviewer: Text
    reason: Reason
