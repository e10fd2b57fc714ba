"""The law's cases, one file for a section, and what they must cover between them."""

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from rulebook import load
from rulebook.law.goods import Goods, Route
from rulebook.law.provisions import FIRST_DAY, Provision, all_provisions, met, not_applicable, not_met, unknown
from rulebook.screening.book import Screening
from rulebook.screening.options import alternatives
from rulebook.screening.refusals import closed, lacking, refusal, review_policy, undecided
from rulebook.sections import s748_15, s750_7
from rulebook.sections import s774_3a090 as ccl
from schemas.codes import Result
from schemas.plan import Case, Debit, Option, Reason, Share

from . import build

HERE = Path(__file__).parent
CASES = {
    f"{path.stem}: {told['name']}": told
    for path in sorted(HERE.glob("*.toml"))
    for told in tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)["case"]
}
BOOK = load("ai-diffusion")
KNOWN = {
    "open",
    "closed",
    "first",
    "reasons",
    "shut",
    "stopped",
    "find",
    "debits",
    "limits",
    "due",
    "kinds",
    "policy",
    "tpp",
    "levels",
    "eccns",
    "says",
    "codes",
    "lacking",
    "others",
    "covers",
    "account",
    "undecided",
    "available",
    "absent",
    "near",
    "refused",
    "cites",
    "not_says",
    "falls",
}


def provisions_of(row: str, day: Any) -> Provision:
    found = [one for one in all_provisions() if one.row == row and one.since <= max(day, FIRST_DAY)]
    assert found, f"no provision {row} on {day}"
    return found[-1]


def tried(row: str, screening: Screening, case: Case, available: int | None) -> set[str]:
    """What the paragraph of a row gives for this case, by itself."""
    law, shipment = screening.law, screening.shipment
    one = provisions_of(row, law.day)
    if one.kind == "policy":
        return {"met" if one.test(shipment, law, available) else "not_met"}
    if one.kind == "class":
        results = set()
        for item in case.asked.items:
            if row == "4 classification":
                results |= {f.result.value for f in screening.findings if f.provision == one.citation}
            else:
                verdict = one.test(ccl.tested(item, law), law)
                results.add(verdict.result.value if verdict else "none")
        return results
    extra: tuple[Any, ...] = ()
    if row.startswith("VEU"):
        held = s748_15.in_force(shipment, shipment.consignee.id) if shipment.facts.veus else []
        extra = (held[0] if held else None,)
    if row == "5 needed":
        extra = (screening.shipment.asked.authorization.kind if screening.shipment.asked.authorization else "LPP",)
    if row.startswith("LICENSE"):
        found = s750_7.candidates(shipment)
        extra = (found[0] if found else None,)
    alone = Route(shipment, law) if one.of_route else Goods(shipment.needing) if one.of_goods else shipment
    verdict = one.test(alone, law, *extra)
    if callable(verdict):
        verdict = verdict(shipment, law)
    if verdict is None:
        return {"none"}
    return (
        {verdict.result.value}
        if isinstance(verdict.result if hasattr(verdict, "result") else None, Result)
        else {part.result.value for part in verdict}
    )


def limit_words(debit: Debit) -> Any:
    return f"{debit.limit.percent}% of {debit.limit.of}" if isinstance(debit.limit, Share) else debit.limit or "none"


def unclaimed(screening: Screening, available: int | None) -> tuple[tuple[Reason, ...], Reason | None]:
    """The refusal of a shipment as if nothing had been claimed, and what a reviewer would have to decide."""
    contents, shipment, law = screening.contents, screening.shipment, screening.law
    policy = review_policy(contents, shipment, law, available)
    return (
        refusal(contents, shipment, law, policy, screening.closed, screening.options, available, None),
        undecided(contents, shipment, law, screening.options),
    )


def others(screening: Screening) -> tuple[Option, ...]:
    return alternatives(screening.contents, screening.shipment, screening.law, screening.allowed)


def first_open(screening: Screening) -> Option | None:
    return next((option for option in screening.options if option.open), None)


def observed(screening: Screening, want: Mapping[str, Any]) -> dict[str, Any]:
    """What the screening says, in the words of `expect`."""
    option = first_open(screening)
    failed = next((one for one in screening.options if not one.open), None)
    refused, to_review = unclaimed(screening, want.get("available"))
    allocation = screening.allocation if "account" in want else None
    return {
        "open": [one.authorization for one in screening.options if one.open],
        "closed": [one.authorization for one in screening.options if not one.open],
        "first": option.authorization if option else "none",
        "reasons": [reason.code for reason in screening.reasons],
        "shut": [reason.code for reason in screening.closed],
        "stopped": screening.stopped,
        "debits": {one.account: one.amount for one in option.debits} if option else {},
        "falls": {one.account: one.falls for one in option.debits if one.falls} if option else {},
        "limits": {one.account: limit_words(one) for one in option.debits} if option else {},
        "due": {one.kind: str(one.due) for one in option.obligations if one.kind in want.get("due", {})}
        if option
        else {},
        "kinds": sorted(one.kind for one in option.obligations) if option else [],
        "absent": [
            kind for kind in want.get("absent", []) if option and kind not in {one.kind for one in option.obligations}
        ],
        "policy": review_policy(screening.contents, screening.shipment, screening.law, want.get("available")).name,
        "available": refused[0].facts.get("available", want.get("available")) if refused else want.get("available"),
        "near": refused[0].facts.get("near", []) if refused else [],
        "refused": [reason.code for reason in refused],
        "cites": [reason.citation for reason in (*screening.reasons, *screening.closed, *refused)],
        "tpp": screening.tpp,
        "levels": [line.level for line in screening.lines],
        "eccns": [line.eccn for line in screening.lines],
        "codes": [reason.code for reason in closed(failed)] if failed else [],
        "lacking": sorted({reason.code for one in screening.options for reason in lacking(one)}),
        "others": [one.authorization for one in others(screening)] if "others" in want else [],
        "covers": [option.lines[line.line] for line in screening.lines] if option else [],
        "undecided": to_review.code if to_review else "none",
        "account": list(allocation) if allocation else [],
    }


@pytest.mark.parametrize("told", CASES.values(), ids=CASES.keys())
def test_case(told: dict[str, Any]) -> None:
    want = told["expect"]
    assert not set(want) - KNOWN, set(want) - KNOWN
    assert not set(told) - {"name", "ship", "facts", "aside", "named", "switches", "expect"}
    book = load("ai-diffusion", told.get("switches"))
    case = build.case(told)
    screening = book.screen(case)
    seen = observed(screening, want)
    plain = {key: value for key, value in want.items() if key not in ("find", "says", "not_says")}
    assert {key: seen[key] for key in plain} == plain
    for row, result in want.get("find", {}).items():
        assert tried(row, screening, case, want.get("available")) == {result}, row
    text = " | ".join(
        [f.detail for f in screening.findings]
        + [f.detail for option in screening.options for f in option.findings]
        + [reason.message for reason in unclaimed(screening, want.get("available"))[0]]
    )
    for words in want.get("says", []):
        assert words in text
    for words in want.get("not_says", []):
        assert words not in text


VERDICTS = {met: "met", not_met: "not_met", not_applicable: "not_applicable", unknown: "unknown"}


def called(code: CodeType, names: Mapping[str, Any]) -> Iterator[FunctionType]:
    """The functions of the rulebook that the code names: by themselves, or as members of a module of the rulebook."""
    found = [names[name] for name in code.co_names if name in names]
    modules = [one for one in found if isinstance(one, ModuleType) and one.__name__.startswith("rulebook.")]
    found += [getattr(module, name) for module in modules for name in code.co_names if hasattr(module, name)]
    yield from (one for one in found if isinstance(one, FunctionType) and one.__module__.startswith("rulebook."))
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from called(inner, names)


def possible_results(function: FunctionType) -> set[str]:
    """Which results a function can give, by itself and through the functions that it calls."""
    seen, waiting = set[FunctionType](), [function]
    while waiting:
        one = waiting.pop()
        if one not in seen and one not in VERDICTS:
            waiting += called(one.__code__, one.__globals__)
        seen.add(one)
    return {VERDICTS[one] for one in seen & VERDICTS.keys()}


SEEN: dict[str, set[str]] = defaultdict(set)
"""The results that the cases find, by row."""
for told in CASES.values():
    for row, result in told["expect"].get("find", {}).items():
        SEEN[row].add(result)


@pytest.mark.parametrize("one", all_provisions(), ids=lambda one: one.row)
def test_every_provision_has_a_case_each_way(one: Provision) -> None:
    if one.kind == "policy":
        assert ({"met"} if one.row == "6.9" else {"met", "not_met"}) <= SEEN[one.row]
    elif one.kind != "quota":
        assert possible_results(one.test) <= SEEN[one.row]


def test_every_provision_is_cited_and_said() -> None:
    assert all(one.citation and one.doc.strip() for one in all_provisions())
