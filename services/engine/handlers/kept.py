"""Holds by list: what was let go and resembles an entry loaded since is held, and keeps what it has pending."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

import orjson

from ledger.database.store import LedgerCorrupt
from ledger.registers.accounts import Entry
from ledger.registers.shipments import SetAside, Shipment
from ledger.registers.waiting import Notes
from schemas.codes import Outcome, State
from schemas.event_types import SHIPMENT_HELD, SHIPMENT_RELEASED
from schemas.models.incoming import Requested
from schemas.plan import Case, Finding, Reason
from services.engine.answers import Answers
from services.engine.auto_recheck import notes_of
from services.engine.context import DecisionContext, HandledEvent
from services.engine.decision import decision, findings_to_json, published, reasons_to_json, unscreened_decision
from services.engine.judgement import Judgement, judge_departure
from services.engine.parties.screening import known_of
from services.engine.settlement import asked_of, claimed, settle, void


def as_let_go(context: DecisionContext, shipment: Shipment, debited: AbstractSet[str]) -> Judgement:
    """A shipment judged under the authorization that it has, with the facts of now; no quota is tested.

    `debited`: the accounts that it has debited.
    """
    asked, covers = asked_of(context, shipment), dict[int, str]()
    if asked.authorization is None:
        covers = {line["line"]: line["authorization"] for line in _let_go(context, shipment)["lines"]}
    named = shipment.claim is not None
    return judge_departure(context, claimed(asked, shipment.terms), shipment.reviewed, named, covers, debited)


def debited_by(context: DecisionContext, shipment: Shipment) -> set[str]:
    """The accounts that a shipment has debited, under their names now."""
    return {context.journal.accounts.path(debit.account) for debit in shipment.terms.debits}


def _let_go(context: DecisionContext, shipment: Shipment) -> dict[str, Any]:
    """The decision that let a shipment go."""
    n = shipment.last if shipment.kept is None else shipment.kept
    found = published(context, n, shipment.id, Outcome.APPROVED, Outcome.RELEASED)
    if found is None:
        raise LedgerCorrupt(f"journal record {n} does not let shipment {shipment.id} go")
    return found


@dataclass(frozen=True, slots=True)
class Names:
    """What the names of a shipment's parties give: reasons, findings, and under which keys facts were looked up."""

    reasons: Sequence[Reason]
    findings: Sequence[Finding]
    keys: frozenset[str]

    def without(self, context: DecisionContext, reviewed: Iterable[SetAside]) -> "Names":
        """The same without the reasons that reviewers have set aside."""
        aside = {same_text(context, one.code, one.facts) for one in reviewed}
        return replace(
            self, reasons=[one for one in self.reasons if same_text(context, one.code, one.facts) not in aside]
        )


def names_of(context: DecisionContext, asked: Requested) -> Names:
    """What the names of a request's parties give by themselves, with the facts of now."""
    known, keys = context.journal.facts.noting(known_of, context, asked)
    findings, reasons = context.book.names.screen(Case(asked, known))
    return Names(reasons, findings, frozenset(keys))


def as_of_export(context: DecisionContext, shipment: Shipment) -> Requested:
    """The request of a shipment in force, as of its export date."""
    return asked_of(context, shipment).model_copy(update={"export_date": shipment.terms.export_date})


def same_text(context: DecisionContext, code: str, facts: Mapping[str, Any]) -> str:
    """A reason as a text, which is the same whenever it is the same reason."""
    return f"{code} {orjson.dumps(context.book.same(code, facts), option=orjson.OPT_SORT_KEYS).decode()}"


def hold(context: DecisionContext, answers: Answers, shipment: Shipment, names: Names) -> None:
    """Holds a shipment that was let go for what its names give, with what it has pending."""
    journal = context.journal
    lines = [{**line, "authorization": None} for line in _let_go(context, shipment)["lines"]]
    journal.shipments.keep(shipment, [reason.code for reason in names.reasons], Notes(keys=names.keys))
    journal.records.mention(shipment.id)
    told: dict[str, Any] = {
        "lines": lines,
        "reasons": reasons_to_json(names.reasons),
        "findings": findings_to_json(names.findings),
    }
    data = unscreened_decision(context, answers.next_id, answers.causation, Outcome.HELD, shipment, **told)
    answers.add(SHIPMENT_HELD, shipment.id, data)


def another(context: DecisionContext, shipment: Shipment, claim: Mapping[str, Any] | None) -> bool:
    """Whether a reviewer names another authorization than the one under which a shipment was let go."""
    return claim is not None and claim != _let_go(context, shipment)["authorization"]


def release(context: DecisionContext, answers: Answers, shipment: Shipment) -> HandledEvent:
    """Decides a hold by list that a reviewer releases: nothing is debited anew, and no quota is tested.

    What names alone give leaves it such a hold; with anything else in the way it loses what it has pending.
    """
    debited = debited_by(context, shipment)
    judgement = as_let_go(context, shipment, debited)
    if judgement.passes:
        context.journal.shipments.let_go(shipment, shipment.terms, State.RELEASED)
        data = decision(context, answers.next_id, answers.causation, Outcome.RELEASED, judgement, ())
        answers.add(SHIPMENT_RELEASED, shipment.id, data)
        return HandledEvent(answers, shipment.id)
    if all(context.book.names.gives(reason.code, reason.facts) for reason in judgement.reasons):
        codes = [reason.code for reason in judgement.reasons]
        context.journal.shipments.keep(shipment, codes, notes_of(context, judgement))
        data = decision(context, answers.next_id, answers.causation, Outcome.HELD, judgement, ())
        answers.add(SHIPMENT_HELD, shipment.id, data)
        return HandledEvent(answers, shipment.id)
    voided, again = give_up(context, shipment, debited)
    return settle(context, answers, shipment, again, voided, Outcome.RELEASED)


def give_up(context: DecisionContext, shipment: Shipment, debited: AbstractSet[str]) -> tuple[list[Entry], Judgement]:
    """Voids what a hold by list has pending; the entries, and why it is held now."""
    voided = void(context, shipment)
    return voided, as_let_go(context, shipment, debited)
