"""The age of lists: one that is older than was set when it was loaded is out of date."""

from collections.abc import Collection

from schemas.event_types import LIST_ALERT
from services.engine.answers import Answers
from services.engine.context import DecisionContext


def out_of_date(context: DecisionContext) -> set[str]:
    """The names of the lists that are out of date on the day of the last tick."""
    return {one.name for one in context.journal.lists.in_force() if one.stale}


def alert_if_stale(context: DecisionContext, answers: Answers, caused_by: str, names: Collection[str]) -> None:
    """Raises an alert for each of these lists that is out of date; `caused_by` is the id of the answer before it."""
    for one in context.journal.lists.in_force():
        if one.name not in names or not one.stale:
            continue
        message = (
            f"The list {one.name} {one.version} is {one.age} days old, more than the {one.max_age} that were set: load "
            "the present version."
        )
        data = {
            "list": one.name,
            "version": one.version,
            "kind": "stale",
            "age_days": one.age,
            "max_age_days": one.max_age,
            "causation": answers.causation,
            "caused_by": caused_by,
            "message": message,
        }
        answers.add(LIST_ALERT, one.name, data)
