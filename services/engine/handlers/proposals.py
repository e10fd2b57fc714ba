"""What a first person proposes and a second one decides (docs/contract/events-in.md)."""

from ledger.registers.facts import Fact
from ledger.registers.shipments import Shipment
from schemas.codes import ReasonCode
from schemas.event_types import EVENT_RECORDED, REVIEW_PROPOSED
from schemas.kinds import FactKind, Policy
from schemas.models.facts import AdjustmentMade, AdjustmentProposed
from schemas.models.incoming import ReviewDecided, ReviewProposed
from schemas.wire.read import Event, read_record
from services.engine.answers import to_text
from services.engine.context import DecisionContext, HandledEvent
from services.engine.life import Step, allows
from services.engine.message import Refusal
from services.engine.refusal import refuse


def proposed(context: DecisionContext, event: Event[ReviewProposed]) -> HandledEvent:
    """Records what a first reviewer proposes; nothing changes until a second one decides."""
    data, answers = event.data, context.answer(event)
    shipment = context.journal.shipments.find(data.shipment_id)
    if not allows(shipment, Step.REVIEW):
        return refuse(answers, data.shipment_id, shipment)
    recorded = {
        "causation": answers.causation,
        "shipment_id": shipment.id,
        "state": shipment.public_state,
        "entries": [],
        "proposal": data.model_dump(exclude={"shipment_id"}, exclude_none=True),
    }
    answers.add(EVENT_RECORDED, shipment.id, recorded)
    return HandledEvent(answers, shipment.id)


def check_review(context: DecisionContext, shipment: Shipment, data: ReviewDecided) -> None:
    """Refuses a review that needs two persons and has one: the first of them must stand by a proposal of the same.

    It needs them by the house's policy, and over HTTP where it names a second one. The proposal names that action and
    authorization on the present hold; neither another one by the same person nor a withdrawal by anybody has followed.
    """
    by_policy = context.journal.policies.on(Policy.FOUR_EYES)
    if not by_policy and not (context.over_http and data.second_reviewer is not None):
        return
    n, first = _standing(context, shipment, data.reviewer)
    same = first is not None and (first.action, first.authorization) == (data.action, data.authorization)
    if data.second_reviewer is None or not same:
        what = f"{data.reviewer} has not proposed this {data.action} of shipment {shipment.id} on its present hold"
        raise _refusal(
            by_policy, data.second_reviewer, what, shipment_id=shipment.id, action=data.action, reviewer=data.reviewer
        )
    context.journal.transaction.use(n)


def _standing(context: DecisionContext, shipment: Shipment, reviewer: str) -> tuple[int, ReviewProposed | None]:
    """The record of a reviewer's newest proposal on the present hold, and the proposal; none if it was withdrawn since.

    It is looked up by the text of its answer, in which a quote within a value is escaped.
    """
    held = shipment.held or 0
    withdrawn = _proposal(context, shipment, held, f'"action":{to_text("withdraw")}')
    since = withdrawn[0] if withdrawn else held
    return _proposal(context, shipment, since, f'"reviewer":{to_text(reviewer)}') or (0, None)


def _proposal(
    context: DecisionContext, shipment: Shipment, after: int, saying: str
) -> tuple[int, ReviewProposed] | None:
    found = context.journal.records.newest(shipment.id, REVIEW_PROPOSED, after, saying)
    event = read_record(found[1]) if found else None
    if found is None or not isinstance(event, Event) or not isinstance(event.data, ReviewProposed):
        return None
    return found[0], event.data


def note_proposed(context: DecisionContext, data: AdjustmentProposed) -> None:
    """Notes a correction by hand that a first person proposes."""
    context.journal.facts.add(FactKind.PROPOSED, _key(data), data)


def check_adjustment(context: DecisionContext, data: AdjustmentMade) -> None:
    """Refuses a correction by hand that its first person has not proposed, or that was made since.

    It does so by the house's policy, and over HTTP. Notes what is made of a proposal.
    """
    facts, key = context.journal.facts, _key(data)
    proposed = [one for one in facts.of(FactKind.PROPOSED, key) if _same(context, one, data)]
    by_policy = context.journal.policies.on(Policy.FOUR_EYES)
    if by_policy or context.over_http:
        made = max((one.n for one in facts.of(FactKind.ADJUSTED, key) if _same(context, one, data)), default=0)
        standing = [one.n for one in proposed if one.n > made and one.data.reviewer == data.reviewer]
        if not standing:
            what = f"{data.reviewer} has not proposed {data.amount:,} TPP on {data.account} under {data.reference}"
            raise _refusal(
                by_policy, data.second_reviewer, what, account=data.account, amount=data.amount, reviewer=data.reviewer
            )
        context.journal.transaction.use(standing[-1])
    if proposed:
        facts.add(FactKind.ADJUSTED, key, data)


def _key(data: AdjustmentMade | AdjustmentProposed) -> str:
    return f"adjustment/{data.reference}"


def _same(context: DecisionContext, one: Fact, data: AdjustmentMade) -> bool:
    """Whether a correction is of the same account, under whatever name, and of the same amount."""
    path = context.journal.accounts.path
    return bool(path(one.data.account) == path(data.account) and one.data.amount == data.amount)


def _refusal(by_policy: bool, second: str | None, what: str, **facts: str | int) -> Refusal:
    why = what if second is not None else "no second person is named"
    rule = "The house's policy needs two persons" if by_policy else "Over HTTP the first of two persons proposes"
    return Refusal(ReasonCode.FOUR_EYES, f"{rule}: {why}.", **facts)
