"""Rescreening: after the load of a list, what is open is screened again for names, in chunks."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from schemas.event_types import EVENT_RECORDED
from schemas.models.facts import ListLoaded
from schemas.wire.read import Event
from services.engine.chunks import CHUNK, answers_of, work_of
from services.engine.context import DecisionContext, HandledEvent
from services.engine.parties.registered import screen_registered


@dataclass(frozen=True, slots=True)
class Rescreening:
    """What is left of a rescreening: for which list, the record of its load, and the party that was looked at last."""

    list: str
    until: int
    party: str = ""


def rescreen(context: DecisionContext, event: Event[ListLoaded]) -> HandledEvent:
    """Does the next chunk of a rescreening; the last one says what all of them held."""
    work = work_of(context, event)
    left, answers = Rescreening(**work.left), answers_of(context, event, work)
    recorded: dict[str, Any] = {"causation": answers.causation, "entries": [], "chunk": work.chunk}
    answers.add(EVENT_RECORDED, event.subject, recorded)
    party = screen_registered(context, answers, left.list, left.party, CHUNK)
    context.journal.unfinished.go_on(work, None if party is None else asdict(replace(left, party=party)))
    return HandledEvent(answers)
