"""The data of each event that goes out (contract, sections 1 and 3).

For the published schemas and for tests; the engine writes plain objects. Members beyond these may be added.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.codes import Outcome, ReasonCode, Result, State
from schemas.models.parts import ReviewKind
from schemas.models.values import TPP_MAX, Day, Identifier, Instant, Sha256, Text, Tpp

Signed = Annotated[int, Field(ge=-TPP_MAX, le=TPP_MAX)]
Counter = Annotated[int, Field(ge=1)]
StateGiven = Literal[
    State.APPROVED,
    State.HELD,
    State.RELEASED,
    State.DISPATCHED,
    State.CANCELLED,
    State.DENIED,
    State.EXPIRED,
]
"""A state as answers give it."""
Digest = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


class Out(BaseModel):
    """An object that goes out; members may be added to it."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class Causation(Out):
    """The event that caused this one."""

    source: Text
    id: Text


class Taken(Out):
    """The authorization under which a shipment goes.

    reference: A licence's number.
    apply_to: The election of 740.29(a).
    """

    kind: ReviewKind
    reference: str | None = None
    apply_to: str | None = None


class LineDecided(Out):
    """One line of a shipment as decided.

    class: The ECCN in force.
    authorization: What covers the line; null where nothing does.
    tpp: Quantity times TPP of an `.a` commodity, else 0.
    """

    line: Counter
    class_: Annotated[str, Field(alias="class")]
    authorization: ReviewKind | None = None
    tpp: Tpp


class DebitDone(Out):
    """One movement on an account.

    amount: The size of the movement, in TPP.
    state: The part of the balance that it went to; voided where pending only falls.
    balance: After the movement.
    limit: Null where none was tested.
    entry: The number of the entry in its account, without gaps.
    """

    account: Text
    amount: Signed
    state: Literal["pending", "posted", "voided", "attested", "credits"]
    balance: Signed
    limit: Tpp | None
    entry: Counter


class ReasonGiven(Out):
    """Why a shipment is held.

    citation: The provision.
    message: A sentence that a compliance officer can act on, with the figures.
    facts: The figures, by name.
    """

    code: Annotated[ReasonCode, Field(strict=False)]
    citation: str
    message: Text
    facts: dict[str, Any]


class FindingGiven(Out):
    """One provision that was tried."""

    provision: Text
    result: Annotated[Result, Field(strict=False)]
    detail: str
    facts: dict[str, Any]


class ObligationOwed(Out):
    """Something to be sent or kept.

    due: The last day on which it is in time.
    contents: What to send, to whom, with which subject line.
    """

    kind: Text
    due: Day
    citation: Text
    party: Identifier | None = None
    contents: dict[str, Any] | None = None


class ListUsed(Out):
    """A restricted-party list that was searched."""

    name: Text
    version: Text
    digest: Digest | None = None


class Basis(Out):
    """What a decision rests on.

    software: The version of the program.
    """

    rulebook_digest: Digest
    lists: list[ListUsed]
    software: Text


class Decision(Out):
    """A decision on a shipment: `tpp.shipment.approved.v1`, `.held.v1`, `.released.v1`, `.denied.v1`, `.expired.v1`.

    law_as_of: The export date: the day whose law was applied; null where the shipment is not known.
    authorization: Null or absent where none was taken.
    tpp: The controlled TPP of the shipment.
    state: The unchanged state, where the shipment's state did not allow the event.
    reasons: Empty on an approval; one or more on a hold.
    findings: Each provision that was tried, in order.
    """

    decision_id: Text
    shipment_id: Identifier
    causation: Causation
    outcome: Literal[Outcome.APPROVED, Outcome.HELD, Outcome.RELEASED, Outcome.DENIED, Outcome.EXPIRED]
    rulebook: Text
    law_as_of: Day | None
    authorization: Taken | None = None
    tpp: Tpp
    lines: list[LineDecided]
    debits: list[DebitDone]
    reasons: list[ReasonGiven]
    findings: list[FindingGiven]
    obligations: list[ObligationOwed]
    basis: Basis
    state: StateGiven | None = None


class Approved(Decision):
    """`tpp.shipment.approved.v1`: the shipment may go."""

    outcome: Literal[Outcome.APPROVED]
    reasons: Annotated[list[ReasonGiven], Field(max_length=0)]


class Held(Decision):
    """`tpp.shipment.held.v1`: the shipment may not go, and why."""

    outcome: Literal[Outcome.HELD]
    reasons: Annotated[list[ReasonGiven], Field(min_length=1)]


class Released(Decision):
    """`tpp.shipment.released.v1`: a held shipment may go."""

    outcome: Literal[Outcome.RELEASED]


class Denied(Decision):
    """`tpp.shipment.denied.v1`: a reviewer ended the hold, and the shipment will not go."""

    outcome: Literal[Outcome.DENIED]


class Expired(Decision):
    """`tpp.shipment.expired.v1`: the shipment had not left by its day, and its pending debits lapsed."""

    outcome: Literal[Outcome.EXPIRED]


class Recorded(Out):
    """`tpp.event.recorded.v1`: the answer to an accepted event that is not answered by a decision.

    state: Of the shipment, after the event.
    entries: What moved.
    released: Shipments that a recheck released.
    held: Shipments that a recheck left held.
    skipped: Shipments that a recheck passed over because their export date is past.
    """

    causation: Causation
    shipment_id: Identifier | None = None
    state: StateGiven | None = None
    entries: list[DebitDone]
    released: list[Identifier] | None = None
    held: list[Identifier] | None = None
    skipped: list[Identifier] | None = None


class EventRefused(Out):
    """`tpp.event.refused.v1`: the answer to an event that the state of its shipment does not allow; nothing moves.

    state: Where the shipment stands, unchanged; null where there is no such shipment.
    reasons: One, with the code `shipment.state`, `shipment.unknown` or `shipment.duplicate`.
    """

    causation: Causation
    shipment_id: Identifier
    outcome: Literal[Outcome.REFUSED]
    state: StateGiven | None
    reasons: Annotated[list[ReasonGiven], Field(min_length=1)]


class Fault(Out):
    """One thing that is wrong with a message.

    pointer: RFC 6901, into the message.
    """

    pointer: Annotated[str, Field(pattern="^(/[^/]*)*$")]
    code: Text
    message: Text


class InFile(Out):
    """A line of a file."""

    file: str
    line: Counter


class InTopic(Out):
    """A message of a topic."""

    topic: Text
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]


class InRequest(Out):
    """A request over HTTP."""

    request: str


class Rejected(Out):
    """`tpp.event.rejected.v1`: a message that cannot be read.

    original: The bytes in base64; the first 256 KiB of a longer one.
    size: Of the whole message, in bytes.
    sha256: Of the whole message.
    errors: All of them, sorted by pointer.
    causation: Where `source` and `id` could be read.
    """

    original: Annotated[str, Field(pattern="^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]
    size: Annotated[int, Field(ge=0)]
    sha256: Sha256
    position: InFile | InTopic | InRequest
    errors: Annotated[list[Fault], Field(min_length=1)]
    causation: Causation | None = None


class QuotaAlert(Out):
    """`tpp.quota.alert.v1`: an account reached a threshold or its limit, went over it, has room again, or will run out.

    threshold: As configured: a fraction of the limit, or TPP.
    crossed_by: The decision's id, or the answer's where no decision caused it.
    projected_exhaustion: The day or time at which the limit would be reached.
    holds_waiting: Shipments that a recheck would try.
    """

    account: Text
    kind: Literal["threshold", "exhausted", "over_limit", "replenished", "forecast"]
    threshold: str | Tpp | None = None
    balance: Signed
    limit: Tpp | None
    crossed_by: Text | None = None
    projected_exhaustion: Day | Instant | None = None
    holds_waiting: list[Identifier] | Tpp | None = None


class ShipmentAlert(Out):
    """`tpp.shipment.alert.v1`: a shipment left although it was not allowed to.

    state: Where the shipment stands after the event; null where there is no such shipment.
    export_date: The day on which it left.
    causation: The event that reported the dispatch.
    caused_by: The id of the answer to that event.
    message: A sentence that a compliance officer can act on.
    """

    shipment_id: Identifier
    kind: Literal["left_without_approval"]
    state: StateGiven | None
    export_date: Day | None = None
    causation: Causation
    caused_by: Text
    message: Text


class ObligationDue(Out):
    """`tpp.obligation.due.v1`: something has to be sent.

    contents: What to send, to whom, with which subject line.
    """

    kind: Text
    shipment_id: Identifier | None = None
    party: Identifier | None = None
    due: Day
    state: Literal["due", "overdue"]
    citation: Text
    contents: dict[str, Any]


class SnapshotClosed(Out):
    """`tpp.snapshot.closed.v1`: a period that never changes again.

    snapshot_id: The period's name.
    as_of: The period's last day.
    accounts: Rows.
    entries: Rows.
    digest: Of the exported tables.
    previous_digest: Of the snapshot closed before it.
    """

    snapshot_id: Text
    period: Annotated[str, Field(pattern="^[0-9]{4}(?:-Q[1-4]|-(?:0[1-9]|1[0-2]))?$")]
    as_of: Day
    record: Annotated[int, Field(ge=0)] | None = None
    accounts: Annotated[int, Field(ge=0)]
    entries: Annotated[int, Field(ge=0)]
    digest: Digest
    previous_digest: Digest | None
