"""A judgement as the data of a decision (docs/contract/answers.md)."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ledger.database.rows import stored
from ledger.registers.accounts import Entry
from ledger.registers.identifiers import named
from ledger.registers.shipments import Shipment
from schemas.codes import Outcome, Result
from schemas.plan import Debit, Finding, Reason, Short
from services.engine.context import DecisionContext
from services.engine.judgement import Judgement
from services.engine.parties.resemblance import findings_of, resemblances


def entries_to_json(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Entries as JSON objects of an answer."""
    return [
        {
            "account": e.account,
            "amount": e.amount,
            "state": e.state,
            "balance": e.balance,
            "limit": e.limit,
            "entry": e.entry,
        }
        for e in entries
    ]


def reasons_to_json(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    """Reasons as JSON objects of an answer."""
    return [{"code": r.code, "citation": r.citation, "message": r.message, "facts": r.facts} for r in reasons]


def findings_to_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings as JSON objects of an answer."""
    return [{"provision": f.provision, "result": f.result, "detail": f.detail, "facts": f.facts} for f in findings]


def decision(
    context: DecisionContext,
    decision_id: str,
    causation: Mapping[str, str],
    outcome: Outcome,
    judgement: Judgement,
    entries: Sequence[Entry],
) -> dict[str, Any]:
    """The data of a decision on a shipment that was screened."""
    asked, screening, chosen = judgement.case.asked, judgement.screening, judgement.chosen if judgement.passes else None
    covers = chosen.lines if chosen else {}
    return {
        "decision_id": decision_id,
        "shipment_id": asked.shipment_id,
        "causation": causation,
        "outcome": outcome,
        "rulebook": context.book.name,
        "law_as_of": asked.export_date,
        "authorization": authorization(judgement) if chosen else None,
        "tpp": screening.tpp,
        "lines": [
            {"line": line.line, "class": line.eccn, "authorization": covers.get(line.line), "tpp": line.tpp}
            for line in screening.lines
        ],
        "debits": entries_to_json(entries),
        "reasons": reasons_to_json(judgement.reasons),
        "findings": orjson.Fragment(b"[%b]" % b",".join(findings(judgement) + _resembling(context, entries))),
        "obligations": [
            {"kind": o.kind, "due": o.due, "citation": o.citation} | ({"party": o.party} if o.party else {})
            for o in (judgement.owed if chosen else ())
        ],
        "basis": context.basis(),
    }


def unscreened_decision(
    context: DecisionContext,
    decision_id: str,
    causation: Mapping[str, str],
    outcome: Outcome,
    shipment: Shipment,
    entries: Sequence[Entry] = (),
    **more: Any,
) -> dict[str, Any]:
    """The data of a decision that screened nothing, or names alone: an expiry, a denial, a hold by list."""
    return {
        "decision_id": decision_id,
        "shipment_id": shipment.id,
        "causation": causation,
        "outcome": outcome,
        "rulebook": context.book.name,
        "law_as_of": shipment.terms.export_date.isoformat(),
        "authorization": None,
        "tpp": shipment.terms.tpp,
        "lines": [],
        "debits": entries_to_json(entries),
        "reasons": [],
        "findings": [],
        "obligations": [],
        **more,
        "basis": context.basis(),
    }


def published(context: DecisionContext, record: int, shipment: str, *outcomes: Outcome) -> dict[str, Any] | None:
    """The data of a decision on a shipment that a record has published, of one of these outcomes; None without one."""
    with stored(f"journal record {record}"):
        for text in context.journal.records.answers(record):
            if shipment not in text:
                continue
            data: dict[str, Any] = orjson.loads(text)["data"]
            if data.get("shipment_id") == shipment and data.get("outcome") in outcomes:
                return data
    return None


def authorization(judgement: Judgement) -> dict[str, str]:
    """The authorization that was taken: its kind, a licence's number, an election."""
    chosen = judgement.chosen
    if chosen is None:
        return {}
    result = {"kind": chosen.authorization}
    if chosen.reference:
        result["reference"] = chosen.reference
    if chosen.apply_to:
        result["apply_to"] = chosen.apply_to
    return result


def findings(judgement: Judgement) -> list[bytes]:
    """All findings as JSON: those that precede the authorizations, then each option's provisions and quotas, in order.

    Each text is of one or more findings, joined by commas. The JSON of the law's findings is kept with them: most are
    found again and again, and are made a text once.
    """
    screening = judgement.screening
    result = [screening.json()] if screening.findings else []
    for option, shorts in judgement.tried:
        if option.findings:
            result.append(option.json)
        if shorts:
            result += [_short(short) for short in shorts]
    if judgement.chosen and judgement.entries:
        taken = list(zip(judgement.chosen.debits, judgement.entries, strict=True))
        result += [_quota(debit, entry) for debit, entry in taken if entry.limit is not None]
        result += [_noted(debit, entry) for debit, entry in taken if debit.noted and entry.before]
    return result


def _resembling(context: DecisionContext, entries: Sequence[Entry]) -> list[bytes]:
    """The findings on identifiers that got their account by these entries and look like others."""
    opened = {one for entry in entries if entry.entry == 1 for one in named(entry.account)} if entries else ()
    if not opened:
        return []
    found = findings_of([one for one in resemblances(context) if (one.kind, one.id) in opened])
    return [orjson.dumps(finding) for finding in found]


def _short(short: Short) -> bytes:
    debit = short.debit
    detail = (
        f"{debit.account}: {debit.amount:,} TPP requested, {short.available:,} of {short.limit:,} available, "
        f"{short.short_by:,} short"
        if not debit.floor
        else f"{debit.account}: {-debit.amount:,} TPP requested to leave, {short.available:,} present"
    )
    return Finding(debit.cites, Result.NOT_MET, detail).json


def _quota(debit: Debit, entry: Entry) -> bytes:
    detail = f"{entry.balance:,} of {entry.limit:,} TPP used on {entry.account}"
    return Finding(debit.cites, Result.MET, detail).json


def _noted(debit: Debit, entry: Entry) -> bytes:
    detail = (
        f"{entry.account} had {entry.before:,} TPP before this shipment, {entry.balance:,} with it; no limit is known"
    )
    return Finding(debit.cites, Result.NOT_APPLICABLE, detail).json
