"""Restricted-party lists: a version is in force from its load on; what it finds is said in the chunks that follow."""

from dataclasses import asdict
from typing import Any

from schemas.event_types import EVENT_RECORDED
from schemas.models.facts import ListLoaded
from schemas.wire.read import Event
from services.engine.chunks import is_chunk
from services.engine.context import DecisionContext, HandledEvent
from services.engine.handlers.rescreening import Rescreening, rescreen
from services.engine.parties.age import alert_if_stale


def loaded(context: DecisionContext, event: Event[ListLoaded]) -> HandledEvent:
    """Puts a list in force, and leaves the screening of all that is open to the chunks that follow."""
    if is_chunk(event):
        return rescreen(context, event)
    data, journal, answers = event.data, context.journal, context.answer(event)
    journal.lists.load(data, event.happened.date())
    recorded: dict[str, Any] = {"causation": answers.causation, "entries": []}
    record = answers.add(EVENT_RECORDED, event.subject, recorded)
    alert_if_stale(context, answers, record, {data.name})
    journal.unfinished.begin(asdict(Rescreening(data.name, until=journal.transaction.n)))
    return HandledEvent(answers)
