"""What the HTTP interface and the command line list: accounts, entries, shipments, holds, obligations, snapshots.

For the published OpenAPI document and for tests; the program writes plain objects.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from schemas.codes import ReasonCode
from schemas.models.decisions import Counter, Out, ReasonGiven, Signed
from schemas.models.outgoing import SnapshotClosed
from schemas.models.values import Day, Identifier, Instant, Tpp, Words

Count = Annotated[int, Field(ge=0)]
Share = Annotated[int, Field(ge=0)]
"""Millionths of a limit."""
Decimal = Annotated[str, Field(pattern="^(0\\.[0-9]{2}|1\\.00)$")]
"""A score from 0 to 1, with two digits."""
Cursor = Annotated[str, Field(min_length=1)]


class Forecast(Out):
    """When an account is projected to reach its limit.

    exhausted_on: The day last projected, by the pace of the 90 days before the last tick.
    earliest: The least of the days that the paces of 28, 90 and 365 days before the last tick give; null if they give
        none, such as for an account that is full.
    latest: The greatest of these days.
    """

    exhausted_on: Day
    earliest: Day | None
    latest: Day | None


class AccountListed(Out):
    """An account and its balance, in TPP.

    account: The path of the account.
    limit: The limit last known; null where there is none.
    pending: What is approved and has not left.
    posted: What has left.
    attested: What facilities and validated end users have attested.
    credits: What no longer counts.
    balance: pending + posted + attested − credits.
    available: What is left below the limit; negative beyond it, null without a limit.
    entries: The number of entries.
    used: The balance in millionths of the limit, rounded down and never below 0; 1,000,000 where the limit is 0, null
        without one.
    forecast: When the account is projected to reach its limit; null if it is not, and of a moment of the past.
    """

    account: Words
    limit: Tpp | None
    pending: Signed
    posted: Signed
    attested: Signed
    credits: Signed
    balance: Signed
    available: int | None
    entries: Count
    used: Share | None
    forecast: Forecast | None


class AccountShown(AccountListed):
    """An account with the thresholds of its alerts and the holds that wait for room on it.

    thresholds: The thresholds in force: shares of the limit such as `0.8`, or amounts in TPP.
    holds_waiting: The shipments that are held for want of room on this account.
    """

    thresholds: list[str | int]
    holds_waiting: list[Identifier]


class EntryListed(Out):
    """An entry of an account: signed changes of its parts, in TPP.

    kind: The type of the event that caused it, without `tpp.` and `.v1`.
    booked: The day that it counts for.
    happened: The `time` of the event.
    recorded: When the ledger committed it.
    record: The number of the journal record.
    account: The path of the account.
    entry: The number of the entry in its account, counted from 1 without gaps.
    shipment_id: The shipment; null if it is about none.
    source: The `source` of the event.
    event_id: The `id` of the event.
    pending: The change of what is pending.
    posted: The change of what is posted.
    attested: The change of what is attested.
    credits: The change of the credits.
    change: The change of the balance.
    balance: The balance after the entry.
    late_for: The closed period that holds the day of the event; null if its day was open.
    """

    kind: Words
    booked: Day
    happened: Instant
    recorded: Instant
    record: Counter
    account: Words
    entry: Counter
    shipment_id: Identifier | None
    source: Words
    event_id: Words
    pending: Signed
    posted: Signed
    attested: Signed
    credits: Signed
    change: Signed
    balance: Signed
    late_for: str | None


class ShipmentDebit(Out):
    """What a shipment takes up on an account.

    account: The path of the account.
    amount: The amount in TPP.
    """

    account: Words
    amount: Signed


class ObligationListed(Out):
    """Something that must be filed or kept.

    due: The last day on which it is on time.
    kind: The kind of obligation.
    shipment_id: The shipment for which it is owed; absent if it is owed for a party.
    party: The party for which it is owed; absent if it is owed for a shipment.
    citation: The provision that asks for it.
    state: open, met or withdrawn.
    record: The number of the record that it follows from.
    about: The shipment or the party.
    send: What to send.
    to: To whom.
    subject_line: The subject line that the provision asks for; empty if none.
    overdue: Whether it is open and its day is past, by the last tick; null before the first tick.
    retention: Whether it is one to keep records.
    """

    due: Day
    kind: Words
    shipment_id: Identifier | None = None
    party: Identifier | None = None
    citation: str
    state: Words
    record: Counter
    about: Words
    send: str
    to: str
    subject_line: str
    overdue: bool | None
    retention: bool


class ShipmentGoing(Out):
    """The authorization under which a shipment goes.

    kind: The authorization.
    reference: What it refers to, such as the number of a licence; null if nothing.
    """

    kind: Words
    reference: str | None


class ShipmentShown(Out):
    """A shipment as it stands, with every answer about it.

    shipment_id: The shipment.
    state: Its state.
    export_date: Its export date.
    authorization: The authorization under which it goes; null if it is not approved.
    tpp: The TPP of its `.a` commodities.
    debits: What it takes up on accounts now.
    obligations: What is owed for it.
    answers: The answers about it, as published, oldest first.
    """

    shipment_id: Identifier
    state: Words
    export_date: Day
    authorization: ShipmentGoing | None
    tpp: Tpp
    debits: list[ShipmentDebit]
    obligations: list[ObligationListed]
    answers: list[dict[str, Any]]


class LineListed(Out):
    """A line of a shipment.

    line: The line's number.
    part_number: The part.
    quantity: The number of units.
    """

    line: Counter
    part_number: str | None
    quantity: Count


class HoldListed(Out):
    """A held shipment, or one that left without an approval.

    shipment_id: The shipment.
    state: Its state.
    record: The number of the record that holds it.
    happened: The `time` of the event that it was held by.
    export_date: Its export date.
    tpp: The TPP of its `.a` commodities; null if it left without being asked for.
    left_without_approval: The day on which it left without an approval; null if it did not.
    codes: The reason codes.
    reasons: The reasons.
    consignee: The ultimate consignee's name; null, as the next two, if it left without being asked for.
    consignee_id: The ultimate consignee's identifier.
    country: Where it goes.
    lines: Its lines.
    since: The day since which it waits.
    age_days: For how many days, by the last tick; null before the first tick.
    ended_by: What would end the hold.
    """

    shipment_id: Identifier
    state: Words
    record: Counter
    happened: Instant
    export_date: Day
    tpp: Tpp | None
    left_without_approval: Day | None
    codes: list[Annotated[ReasonCode, Field(strict=False)]]
    reasons: list[ReasonGiven]
    consignee: str | None
    consignee_id: str | None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None
    lines: list[LineListed]
    since: Day
    age_days: Count | None
    ended_by: list[str]


class SnapshotListed(SnapshotClosed):
    """A closed period."""


class ListListed(Out):
    """A restricted-party list in force.

    name: The name of the list.
    version: The version in force.
    entries: How many entries it has.
    digest: The digest of its content, as decisions name it.
    loaded: When it was loaded.
    age_days: The days since then, on the day of the last tick; null before the first tick.
    threshold: The score from which a party resembles an entry.
    stale: Whether it is older than was set when it was loaded.
    """

    name: Words
    version: Words
    entries: Count
    digest: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]
    loaded: Instant
    age_days: Count | None
    threshold: Decimal
    stale: bool


class WordsCompared(Out):
    """A word of a name beside the listed one.

    asked: The word that was asked.
    listed: The word of the entry.
    score: How much the two agree, from 0 to 1.
    """

    asked: str
    listed: str
    score: Decimal


class MatchListed(Out):
    """An entry that a name resembles.

    name: The name that was asked.
    list: The name of the list.
    version: The version of the list.
    entry: The identifier of the entry in that list.
    listed_name: The name of the entry.
    matched_alias: The name, the alias, or what else of the entry resembles most what was asked.
    score: How much they resemble each other, from 0 to 1.
    threshold: The score from which a party is held.
    hit: Whether the score reaches it.
    country_agrees: Whether the countries agree; null where one of them is not known.
    country_points: What the countries add to the score.
    address_points: What the addresses add to the score.
    explanation: Which words were compared.
    """

    name: Words
    list: Words
    version: Words
    entry: Words
    listed_name: Words
    matched_alias: Words
    score: Decimal
    threshold: Decimal
    hit: bool
    country_agrees: bool | None
    country_points: Annotated[str, Field(pattern="^-?0\\.0[0-5]$")]
    address_points: Annotated[str, Field(pattern="^-?0\\.0[0-5]$")]
    explanation: Sequence[WordsCompared]


class SearchShown(Out):
    """The entries that a name resembles.

    name: The name that was asked.
    matches: The entries, those first that it resembles most.
    """

    name: Words
    matches: list[MatchListed]


class RequestFault(Out):
    """What is wrong in one place of a request.

    pointer: A JSON pointer into the body, such as `/0` for the first event, or the name of a query parameter.
    code: What is wrong, for programs.
    message: What is wrong, for people.
    """

    pointer: str
    code: Words
    message: Words


class ProblemGiven(Out):
    """A request that is refused (RFC 9457).

    type: The kind of problem, which stays.
    title: The kind of problem, for people.
    status: The status of the response.
    detail: What is wrong with this request.
    instance: The X-Request-Id of the request.
    errors: What is wrong where, if parts of the request are at fault.
    """

    type: Annotated[str, Field(pattern="^/problems/[a-z0-9-]+$")]
    title: Words
    status: Annotated[int, Field(ge=400, le=599)]
    detail: Words
    instance: Words
    errors: list[RequestFault] | None = None
