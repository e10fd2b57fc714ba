"""Identifiers that cannot be told apart: a finding in the decision, and an alert, when the second one appears."""

from collections.abc import Sequence
from typing import Any

from ledger.registers.identifiers import Resemblance
from schemas.codes import Result
from schemas.event_types import PARTY_ALERT
from schemas.kinds import IdentifierKind
from services.engine.answers import Answers
from services.engine.context import DecisionContext

PROVISION = "Unicode TR 39"
SCORE = "1.00"


def resemblances(context: DecisionContext) -> Sequence[Resemblance]:
    """The identifiers that appeared by the record being made and look like others; merged ones are one party."""
    survivor = context.journal.parties.survivor
    return [one for one in context.journal.identifiers.appeared if survivor(one.id) != survivor(one.other)]


def findings_of(found: Sequence[Resemblance]) -> list[dict[str, Any]]:
    """The findings of a decision with which identifiers appeared."""
    stated = {"provision": PROVISION, "result": Result.UNKNOWN}
    return [{**stated, "detail": _sentence(one), "facts": _facts(one)} for one in found]


def alert_resemblances(context: DecisionContext, answers: Answers) -> None:
    """Adds an alert for each identifier that appeared and looks like an earlier one."""
    for one in resemblances(context):
        data = {
            **_facts(one),
            "kind": "resembles",
            "score": SCORE,
            "causation": answers.causation,
            "caused_by": answers.id,
            "message": f"{_sentence(one)} If they are two, nothing is to be done; if one is a slip, correct it.",
        }
        answers.add(PARTY_ALERT, one.id, data)


def _facts(one: Resemblance) -> dict[str, Any]:
    return {"party": one.id, "of": one.kind, "other": one.other}


def _sentence(one: Resemblance) -> str:
    what = "Licence" if one.kind == IdentifierKind.LICENSE else one.kind.capitalize()
    return f"{what} {one.id} cannot be told apart from {one.other}, which was there before."
