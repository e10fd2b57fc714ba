"""The life of a shipment: which events each state allows (docs/contract/events-in.md)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeGuard

from ledger.registers.shipments import Shipment
from schemas.codes import State


class Step(StrEnum):
    """What an event does to an existing shipment, as a past participle."""

    AMEND = "amended"
    DISPATCH = "dispatched"
    CANCEL = "cancelled"
    RETURN = "returned"
    REVIEW = "reviewed"
    RECHECK = "rechecked"


_LET_GO = frozenset({Step.AMEND, Step.DISPATCH, Step.CANCEL})
LIFE: Mapping[str, frozenset[Step]] = {
    State.APPROVED: _LET_GO,
    State.RELEASED: _LET_GO,
    State.HELD: frozenset({Step.AMEND, Step.CANCEL, Step.REVIEW, Step.RECHECK}),
    State.DISPATCHED: frozenset({Step.RETURN}),
    State.HELD_AT_DISPATCH: frozenset({Step.REVIEW, Step.RECHECK}),
    State.CANCELLED: frozenset(),
    State.DENIED: frozenset(),
    State.EXPIRED: frozenset(),
}
"""The steps that each state allows."""


def allowed_steps(shipment: Shipment) -> str:
    """What the state of a shipment allows, as a clause.

    >>> from types import SimpleNamespace
    >>> allowed_steps(SimpleNamespace(state="dispatched"))
    'a dispatched shipment can only be returned'
    """
    return _ALLOWED[shipment.state]


def _clause(state: State) -> str:
    name = "shipment that left while held" if state is State.HELD_AT_DISPATCH else f"{state} shipment"
    article = "an" if name.startswith(("a", "e")) else "a"
    steps = [step for step in Step if step in LIFE[state]]
    if not steps:
        return f"{article} {name} allows no further event"
    listed = " or ".join(filter(None, [", ".join(steps[:-1]), steps[-1]]))
    return f"{article} {name} can only be {listed}"


_ALLOWED: Mapping[str, str] = {state: _clause(state) for state in State}


def allows(shipment: Shipment | None, step: Step) -> TypeGuard[Shipment]:
    """Whether a shipment exists and is in a state that allows a step."""
    return shipment is not None and step in LIFE[shipment.state]
