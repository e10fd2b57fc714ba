"""The data of decisions on shipments, and its parts.

For the published schemas and for tests; the engine writes plain objects. Members beyond these may be added.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.codes import Outcome, ReasonCode, Result, State
from schemas.models.parts import ReviewKind
from schemas.models.values import TPP_MAX, Day, Identifier, Tpp, Words

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
"""A state in answers."""
DIGEST = "^sha256:[0-9a-f]{64}$"
Digest = Annotated[str, Field(pattern=DIGEST)]


class Out(BaseModel):
    """An outgoing object; members may be added to it."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class Causation(Out):
    """The event that caused this one.

    source: The `source` of that event.
    id: The `id` of that event.
    """

    source: Words
    id: Words


class Taken(Out):
    """The authorization under which a shipment goes.

    kind: The authorization.
    reference: The licence's number, of `LICENSE`; absent for the others.
    apply_to: The election of 740.29(a), of `LPP`; absent if none was made.
    """

    kind: ReviewKind
    reference: str | None = None
    apply_to: str | None = None


class LineDecided(Out):
    """One line of a shipment as decided.

    line: The line's number.
    class: The ECCN in force: the declared one, or a higher one if a reviewer set a contradiction aside.
    authorization: What covers the line; null if nothing does.
    tpp: Quantity times TPP of an `.a` commodity; 0 of any other line.
    """

    line: Counter
    class_: Annotated[str, Field(alias="class")]
    authorization: ReviewKind | None = None
    tpp: Tpp


class DebitDone(Out):
    """One entry on an account.

    account: The path of the account.
    amount: The size of the movement in TPP; negative if it leaves a facility or a base, or if an attestation decreases.
    state: The part of the balance that the amount went to; `voided` if pending only falls.
    balance: The balance of the account after the entry, in TPP.
    limit: The limit that was tested, in TPP; null if none was.
    entry: The number of the entry in its account, counted from 1 without gaps.
    """

    account: Words
    amount: Signed
    state: Literal["pending", "posted", "voided", "attested", "credits"]
    balance: Signed
    limit: Tpp | None
    entry: Counter


class ReasonGiven(Out):
    """Why a shipment is held, or an event refused.

    code: The reason code.
    citation: The provision on which it rests.
    message: A sentence that a compliance officer can act on, with the figures.
    facts: The figures of the message, by name.
    """

    code: Annotated[ReasonCode, Field(strict=False)]
    citation: str
    message: Words
    facts: dict[str, Any]


class FindingGiven(Out):
    """One provision that was tried.

    provision: The citation of the provision.
    result: The result.
    detail: What was found, with the figures of the case.
    facts: The figures of the detail, by name.
    """

    provision: Words
    result: Annotated[Result, Field(strict=False)]
    detail: str
    facts: dict[str, Any]


class ObligationOwed(Out):
    """Something that must be filed or kept.

    kind: The kind of obligation.
    due: The last day on which it is on time.
    citation: The provision that asks for it.
    party: The identifier of the party for which it is owed; absent if it is owed for the shipment.
    contents: What to send, to whom, with which subject line; absent in decisions.
    """

    kind: Words
    due: Day
    citation: Words
    party: Identifier | None = None
    contents: dict[str, Any] | None = None


class ListUsed(Out):
    """A restricted-party list that was searched.

    name: The name of the list.
    version: The version of the list.
    digest: The SHA-256 digest of the list; absent if it is not known.
    """

    name: Words
    version: Words
    digest: Digest | None = None


class ReviewGiven(Out):
    """Who denied a shipment, and why.

    reviewer: Who denied it.
    second_reviewer: Who confirmed it; absent if nobody did.
    reason: Why, as the reviewer wrote it.
    """

    reviewer: Words
    second_reviewer: Words | None = None
    reason: Words


class LawStatus(Out):
    """The standing of the rule.

    codified: Whether the rule stands in the Code of Federal Regulations.
    not_enforced_since: The day on which BIS announced that it does not enforce the rule.
    """

    codified: bool
    not_enforced_since: Day


class Basis(Out):
    """What a decision rests on, besides the events.

    rulebook_digest: The SHA-256 digest of the law's values, switches included.
    law_status: The standing of the rule; absent from decisions of 0.1.0.
    switches: The readings in force that differ from the default, each by its name and true; empty if none does, absent
        from decisions of 0.1.0.
    policies: The policies of the house that events had set, each with its value; absent from decisions of 0.1.0.
    lists: The restricted-party lists that were searched; empty if none is loaded.
    software: The version of the program.
    """

    rulebook_digest: Digest
    law_status: LawStatus | None = None
    switches: dict[str, Literal[True]] | None = None
    policies: dict[str, bool] | None = None
    lists: list[ListUsed]
    software: Words


class Decision(Out):
    """A decision on a shipment.

    decision_id: The identifier of the decision, which is the `id` of its event.
    shipment_id: The shipment that was decided.
    causation: The event that was decided, or that had the shipment decided again.
    outcome: What was decided.
    rulebook: The name of the rulebook.
    law_as_of: The export date, whose law was applied; null if the shipment is not known.
    authorization: The authorization under which the shipment goes; null if none was taken.
    tpp: The TPP of all `.a` commodity lines together.
    lines: Each line with its class and what covers it; empty if nothing was screened.
    debits: The entries that the decision made, in order.
    reasons: Why the shipment is held; empty on an approval.
    findings: Each provision that was tried, in order.
    obligations: What must be sent or kept because the shipment goes.
    review: Who denied the shipment, and why; absent if it was not denied.
    basis: What the decision rests on, besides the events.
    """

    decision_id: Words
    shipment_id: Identifier
    causation: Causation
    outcome: Literal[Outcome.APPROVED, Outcome.HELD, Outcome.RELEASED, Outcome.DENIED, Outcome.EXPIRED]
    rulebook: Words
    law_as_of: Day | None
    authorization: Taken | None = None
    tpp: Tpp
    lines: list[LineDecided]
    debits: list[DebitDone]
    reasons: list[ReasonGiven]
    findings: list[FindingGiven]
    obligations: list[ObligationOwed]
    review: ReviewGiven | None = None
    basis: Basis


class Approved(Decision):
    """The shipment may go: `tpp.shipment.approved.v1`."""

    outcome: Literal[Outcome.APPROVED]
    reasons: Annotated[list[ReasonGiven], Field(max_length=0)]


class Held(Decision):
    """The shipment may not go, and why: `tpp.shipment.held.v1`."""

    outcome: Literal[Outcome.HELD]
    reasons: Annotated[list[ReasonGiven], Field(min_length=1)]


class Released(Decision):
    """A held shipment may go: `tpp.shipment.released.v1`."""

    outcome: Literal[Outcome.RELEASED]


class Denied(Decision):
    """A reviewer ended the hold, and the shipment will not go: `tpp.shipment.denied.v1`."""

    outcome: Literal[Outcome.DENIED]


class Expired(Decision):
    """The shipment had not left by its day, and its pending debits lapsed: `tpp.shipment.expired.v1`."""

    outcome: Literal[Outcome.EXPIRED]
