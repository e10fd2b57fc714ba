"""What resembles something of before when it appears: identifiers that cannot be told apart, and names of owners.

An identifier gets a finding in the decision and an alert; of names, the finding is the law's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.registers.identifiers import Resemblance
from schemas.codes import Result
from schemas.event_types import PARTY_ALERT
from schemas.kinds import IdentifierKind
from services.engine.answers import Answers
from services.engine.context import DecisionContext
from services.engine.parties.namesakes import are_apart

PROVISION = "Unicode TR 39"
SCORE = "1.00"


def resemblances(context: DecisionContext) -> Sequence[Resemblance]:
    """The identifiers that appeared by the record being made and look like others.

    Merged ones are one party, and those that a reviewer has told apart have been looked at.
    """
    appeared = context.journal.identifiers.appeared
    if not appeared:
        return ()
    survivor = context.journal.parties.survivor
    return [
        one
        for one in appeared
        if survivor(one.id) != survivor(one.other)
        and not (one.kind is IdentifierKind.PARTY and are_apart(context, one.id, one.other))
    ]


def findings_of(found: Sequence[Resemblance]) -> list[dict[str, Any]]:
    """The findings of a decision with which identifiers appeared."""
    stated = {"provision": PROVISION, "result": Result.UNKNOWN}
    return [{**stated, "detail": _sentence(one), "facts": _facts(one)} for one in found]


def alert_resemblances(context: DecisionContext, answers: Answers) -> None:
    """Adds an alert for each identifier, and each name of an owner, that appeared and resembles an earlier one."""
    for one in resemblances(context):
        message = f"{_sentence(one)} If they are two, nothing is to be done; if one is a slip, correct it."
        _alert(answers, one.id, _facts(one), SCORE, message)
    for alike in context.journal.owners.alike:
        facts = {"party": alike.id, "other": alike.other, "name": alike.name, "other_name": alike.other_name}
        message = (
            f"{alike.name} ({alike.id}), of which a shipment was let go for the first time, resembles "
            f"{alike.other_name} ({alike.other}), which has a balance. If they are two owners, nothing is to be done; "
            "if they are one, merge them."
        )
        _alert(answers, alike.id, facts, alike.score, message)


def _alert(answers: Answers, party: str, facts: Mapping[str, Any], score: str, message: str) -> None:
    data = {
        **facts,
        "kind": "resembles",
        "score": score,
        "causation": answers.causation,
        "caused_by": answers.id,
        "message": message,
    }
    answers.add(PARTY_ALERT, party, data)


def _facts(one: Resemblance) -> dict[str, Any]:
    return {"party": one.id, "of": one.kind, "other": one.other}


def _sentence(one: Resemblance) -> str:
    what = "Licence" if one.kind == IdentifierKind.LICENSE else one.kind.capitalize()
    return f"{what} {one.id} cannot be told apart from {one.other}, which was there before."
