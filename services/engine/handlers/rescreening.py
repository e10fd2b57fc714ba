"""Rescreening: after the load of a list, what is open is screened again for names, in chunks."""

from dataclasses import dataclass
from typing import Any

from schemas.event_types import EVENT_RECORDED
from schemas.models.facts import ListLoaded
from schemas.wire.read import Event
from services.engine.chunks import answers_of, work_of
from services.engine.context import DecisionContext, HandledEvent


@dataclass(frozen=True, slots=True)
class Rescreening:
    """What is left of a rescreening: for which list, and the record of its load."""

    list: str
    until: int


def rescreen(context: DecisionContext, event: Event[ListLoaded]) -> HandledEvent:
    """Does the next chunk of a rescreening; the last one says what all of them held."""
    work = work_of(context, event)
    answers = answers_of(context, event, work)
    recorded: dict[str, Any] = {"causation": answers.causation, "entries": [], "chunk": work.chunk}
    answers.add(EVENT_RECORDED, event.subject, recorded)
    context.journal.unfinished.go_on(work, None)
    return HandledEvent(answers)
