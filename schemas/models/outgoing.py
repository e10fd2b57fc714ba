"""The data of outgoing events besides decisions: records, refusals, rejections, alerts, obligations and snapshots."""

from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.codes import Outcome, RejectionCode
from schemas.kinds import IdentifierKind
from schemas.models.decisions import (
    Causation,
    Counter,
    DebitDone,
    Digest,
    Out,
    ReasonGiven,
    Signed,
    StateGiven,
    Taken,
)
from schemas.models.values import Day, Identifier, Instant, Sha256, Tpp, Words
from schemas.periods import PERIOD


class Proposal(Out):
    """What a first reviewer proposed.

    action: What was proposed, or that an earlier proposal is withdrawn.
    reviewer: Who proposed it.
    authorization: The authorization to try in the place of the claimed one; absent if the claim stands.
    reason: Why, as the reviewer wrote it.
    """

    action: Literal["release", "deny", "withdraw"]
    reviewer: Words
    authorization: Taken | None = None
    reason: Words


class Unexplained(Out):
    """Units that were reported as returned and cannot have come back: more than went out, or before they left.

    line: The line's number in the shipment.
    quantity: The number of units.
    """

    line: Counter
    quantity: Counter


class Recorded(Out):
    """The answer to an accepted event that no decision answers: `tpp.event.recorded.v1`.

    causation: The event that was recorded.
    shipment_id: The shipment that the event is about; absent if it is about none.
    state: The state of that shipment after the event; absent if the event is about none.
    entries: The entries that the event made, in order; empty if no balance changed.
    proposal: What a first reviewer proposed; of `tpp.review.proposed.v1` only.
    released: The shipments that were released; of a recheck only.
    held: The shipments that are still held, of a recheck; of the last record of a rescreening, those that it held, up
        to 1,000.
    held_count: How many shipments a rescreening held; of its last record only.
    recheck: The held shipments of which a screening hit no longer stands, up to 1,000; of the last record of a
        rescreening only.
    recheck_count: How many these are; of the last record of a rescreening only.
    alerts: How many alerts of registered parties a rescreening raised; of its last record only.
    unscreened: The shipments and registered parties on which the program failed, as `shipment/…` and `party/…`, up to
        1,000; of the last record of a rescreening only, and absent if there are none.
    skipped: The shipments that were not screened because their export date is past; of a recheck only.
    unexplained: The returned units that exceed those that went out, or all of a return dated before the shipment left,
        in the order in which they were reported; of `tpp.shipment.returned.v1` only, and absent if there are none.
    """

    causation: Causation
    shipment_id: Identifier | None = None
    state: StateGiven | None = None
    entries: list[DebitDone]
    proposal: Proposal | None = None
    released: list[Identifier] | None = None
    held: list[Identifier] | None = None
    held_count: Annotated[int, Field(ge=0)] | None = None
    recheck: list[Identifier] | None = None
    recheck_count: Annotated[int, Field(ge=0)] | None = None
    alerts: Annotated[int, Field(ge=0)] | None = None
    unscreened: Annotated[list[str], Field(min_length=1)] | None = None
    skipped: list[Identifier] | None = None
    unexplained: Annotated[list[Unexplained], Field(min_length=1)] | None = None


class EventRefused(Out):
    """The answer to an event that cannot be taken as the ledger stands: `tpp.event.refused.v1`; no balance changes.

    causation: The event that was refused.
    shipment_id: The shipment that the event is about; absent if it is about none.
    outcome: That the event was refused.
    state: The state of the shipment, unchanged; null if the shipment does not exist.
    reasons: Why the event was refused.
    """

    causation: Causation
    shipment_id: Identifier | None = None
    outcome: Literal[Outcome.REFUSED]
    state: StateGiven | None
    reasons: Annotated[list[ReasonGiven], Field(min_length=1)]


class Fault(Out):
    """One thing that is wrong with a message.

    pointer: The place: a JSON pointer (RFC 6901) into the message; empty for the whole message.
    code: The rejection code.
    message: A sentence that says what is wrong, with the value.
    """

    pointer: Annotated[str, Field(pattern="^(/[^/]*)*$")]
    code: Annotated[RejectionCode, Field(strict=False)]
    message: Words


class InFile(Out):
    """The position of a message in a file.

    file: The name of the file, as the command was given it; `-` for standard input.
    line: The number of the line, counted from 1.
    """

    file: str
    line: Counter


class InTopic(Out):
    """The position of a message in a topic.

    topic: The name of the topic.
    partition: The number of the partition, counted from 0.
    offset: The offset in the partition, counted from 0.
    """

    topic: Words
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]


class InBody(Out):
    """The position of an event that came over HTTP.

    request: The `X-Request-Id` of the request.
    index: The number of the event in the body, counted from 0.
    """

    request: str
    index: Annotated[int, Field(ge=0)]


class InRequest(Out):
    """The position of a message that a command made itself.

    request: The command, and the number of the message in it.
    """

    request: str


class Rejected(Out):
    """A message that could not be read or accepted: `tpp.event.rejected.v1`.

    original: The bytes of the message in base64; the first 256 KiB of a longer one.
    size: The length of the whole message in bytes.
    sha256: The SHA-256 digest of the whole message.
    position: The position of the message.
    errors: Everything that is wrong with it, sorted by pointer.
    causation: The message's own `source` and `id`; absent if they could not be read.
    """

    original: Annotated[str, Field(pattern="^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]
    size: Annotated[int, Field(ge=0)]
    sha256: Sha256
    position: InFile | InTopic | InBody | InRequest
    errors: Annotated[list[Fault], Field(min_length=1)]
    causation: Causation | None = None


class QuotaAlert(Out):
    """A change in the quota of an account: `tpp.quota.alert.v1`.

    account: The path of the account.
    kind: What happened: a threshold was crossed, a debit was refused for lack of quota, the balance went over the
        limit, room came back, or the limit is expected to be reached.
    threshold: The threshold as it was set, a fraction of the limit or an amount of TPP; of the kind `threshold` only.
    balance: The balance of the account in TPP.
    limit: The limit of the account in TPP; null if it has none.
    crossed_by: The id of the decision that caused it, or of the answer if no decision did.
    projected_exhaustion: The day on which the limit is expected to be reached; of the kind `forecast` only, null if it
        is expected no longer.
    holds_waiting: The held shipments that a recheck would try; of the kind `replenished` only.
    """

    account: Words
    kind: Literal["threshold", "exhausted", "over_limit", "replenished", "forecast"]
    threshold: str | Tpp | None = None
    balance: Signed
    limit: Tpp | None
    crossed_by: Words | None = None
    projected_exhaustion: Day | Instant | None = None
    holds_waiting: list[Identifier] | Tpp | None = None


class ShipmentAlert(Out):
    """A shipment left although it was not allowed to, or more came back than left: `tpp.shipment.alert.v1`.

    shipment_id: The shipment that left.
    kind: What happened: it left without an approval, or units came back that cannot have.
    state: The state of the shipment after the event; null if the shipment does not exist.
    export_date: The day on which the shipment left; absent if it is not known.
    causation: The event that reported the dispatch or the return.
    caused_by: The id of the answer to that event.
    message: A sentence that a compliance officer can act on.
    """

    shipment_id: Identifier
    kind: Literal["left_without_approval", "returned_too_much"]
    state: StateGiven | None
    export_date: Day | None = None
    causation: Causation
    caused_by: Words
    message: Words


class PartyAlert(Out):
    """A party is to be looked at: `tpp.party.alert.v1`.

    party: The party, or the identifier that appeared with an account or facts of its own.
    kind: What happened: an identifier or a name resembles one of before, or a party resembles an entry of a
        restricted-party list.
    of: What the identifier identifies; of identifiers that cannot be told apart only.
    other: The identifier of before; of the kind `resembles` only.
    name: The party's name; absent if only the identifiers resemble each other.
    other_name: The name of the party of before; of names that resemble each other only.
    list: The name of the list; of the kind `screening_hit` only, as are the three that follow.
    version: The version of the list.
    entry: The identifier of the entry in that list.
    listed_name: The name of the entry.
    score: How much the two resemble each other, from 0 to 1.
    causation: The event by which it appeared.
    caused_by: The id of the answer to that event.
    message: A sentence that a compliance officer can act on.
    """

    party: Identifier
    kind: Literal["resembles", "screening_hit"]
    of: Annotated[IdentifierKind, Field(strict=False)] | None = None
    other: Identifier | None = None
    name: Words | None = None
    other_name: Words | None = None
    list: Words | None = None
    version: Words | None = None
    entry: Words | None = None
    listed_name: Words | None = None
    score: Words
    causation: Causation
    caused_by: Words
    message: Words


class ListAlert(Out):
    """A restricted-party list is out of date: `tpp.list.alert.v1`.

    list: The name of the list.
    version: The version in force.
    kind: What happened: the list is older than was set when it was loaded.
    age_days: The days since it was loaded, on the day of the last tick.
    max_age_days: After how many days it is out of date.
    causation: The event by which it became so.
    caused_by: The id of the answer to that event.
    message: A sentence that a compliance officer can act on.
    """

    list: Words
    version: Words
    kind: Literal["stale"]
    age_days: Annotated[int, Field(ge=0)]
    max_age_days: Annotated[int, Field(ge=1)]
    causation: Causation
    caused_by: Words
    message: Words


class ObligationDue(Out):
    """An obligation is due or overdue: `tpp.obligation.due.v1`.

    kind: The kind of obligation.
    shipment_id: The shipment for which it is owed; absent if it is owed for a party.
    party: The identifier of the party for which it is owed; absent if it is owed for a shipment.
    due: The last day on which it is on time.
    state: Whether it is due or overdue.
    citation: The provision that asks for it.
    contents: What to send, to whom, with which subject line.
    """

    kind: Words
    shipment_id: Identifier | None = None
    party: Identifier | None = None
    due: Day
    state: Literal["due", "overdue"]
    citation: Words
    contents: dict[str, Any]


class SnapshotClosed(Out):
    """A period was closed and never changes again: `tpp.snapshot.closed.v1`.

    snapshot_id: The name of the snapshot, which is that of its period.
    period: The period: a year, a quarter or a month.
    as_of: The last day of the period.
    record: The number of the last journal record that the snapshot saw.
    accounts: The number of rows of the table of accounts.
    entries: The number of rows of the table of entries.
    digest: The SHA-256 digest of the snapshot's tables.
    previous_digest: The digest of the snapshot that was closed before this one; null for the first.
    """

    snapshot_id: Words
    period: Annotated[str, Field(pattern=PERIOD)]
    as_of: Day
    record: Annotated[int, Field(ge=0)] | None = None
    accounts: Annotated[int, Field(ge=0)]
    entries: Annotated[int, Field(ge=0)]
    digest: Digest
    previous_digest: Digest | None
