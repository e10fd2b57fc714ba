"""Provisions: the paragraphs of the law that are tried, each in its version in force."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, cast

from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.shipment import Shipment
from schemas.codes import Result
from schemas.plan import Finding, Option, of_fields

FIRST_DAY = date(2025, 1, 13)
_NO_FACTS: Mapping[str, Any] = {}
_MOST_KEPT = 256
_MET, _NOT_MET, _NOT_APPLICABLE, _UNKNOWN = Result.MET, Result.NOT_MET, Result.NOT_APPLICABLE, Result.UNKNOWN


class Verdict(NamedTuple):
    """What one provision gave; `code` and `cites` where the reason or the paragraph is another than the provision's."""

    result: Result
    detail: str
    facts: Mapping[str, Any] = _NO_FACTS
    code: str = ""
    cites: str = ""


def met(detail: str) -> Verdict:
    """The condition is met."""
    return of_fields(Verdict, (_MET, detail, _NO_FACTS, "", ""))


def not_met(detail: str, facts: Mapping[str, Any] = _NO_FACTS, code: str = "", cites: str = "") -> Verdict:
    """The condition is not met."""
    return of_fields(Verdict, (_NOT_MET, detail, facts, code, cites))


def not_applicable(detail: str, facts: Mapping[str, Any] = _NO_FACTS) -> Verdict:
    """The provision does not concern the shipment."""
    return of_fields(Verdict, (_NOT_APPLICABLE, detail, facts, "", ""))


def unknown(detail: str, missing: str, code: str = "", facts: Mapping[str, Any] = _NO_FACTS) -> Verdict:
    """A fact is missing; `missing` is the field of the request that would give it."""
    return Verdict(Result.UNKNOWN, detail, {**facts, "missing": missing}, code)


Tried = Verdict | Sequence[Verdict] | None
Test = Callable[[Shipment, Law], Tried]


class Provision:
    """One paragraph of the law, as tried from `since` on.

    `row` names the row of the decision guide that it is; `code` is the reason code of a failure. `kind`: `condition`,
    `class` (classifies a line), `gate`, `quota` (gives the debit that the ledger tests) or `policy` (of review).
    `of_goods`, `of_route`: it looks at the goods or the route alone, and is tried once for equal ones; where they do
    not tell, it gives what is to be tried of the shipment.
    """

    __slots__ = ("citation", "code", "doc", "kept", "kind", "of_goods", "of_route", "row", "since", "test")

    def __init__(self, citation: str, row: str, code: str, since: date, kind: str, test: Callable[..., Any]) -> None:
        self.citation = citation
        self.row = row
        self.code = code
        self.since = since
        self.kind = kind
        self.test = test
        self.of_goods = False
        self.of_route = False
        self.doc = test.__doc__ or ""
        self.kept: dict[str, Finding] = {}

    def finding(self, verdict: Verdict) -> Finding:
        """A verdict as a finding of this provision; equal findings without facts are one object."""
        result, detail, facts, code, cites = verdict
        if facts is _NO_FACTS and not code:
            kept = self.kept.get(detail)
            if kept is not None and kept[1] is result:
                return kept
        fails = result is _NOT_MET or result is _UNKNOWN
        made = of_fields(Finding, (cites or self.citation, result, detail, facts, (code or self.code) if fails else ""))
        if facts is _NO_FACTS and not code:
            if len(self.kept) >= _MOST_KEPT:
                self.kept.clear()
            self.kept[detail] = made
        return made

    def findings(self, tried: Tried) -> tuple[Finding, ...]:
        """What was tried as findings; none where nothing is to be said."""
        if tried is None:
            return ()
        return tuple([self.finding(one) for one in ((tried,) if isinstance(tried, Verdict) else tried)])

    def __repr__(self) -> str:
        return f"Provision({self.row}: {self.citation})"


_REGISTRY: dict[tuple[str, str], list[Provision]] = {}


def provision(
    citation: str,
    *,
    row: str,
    code: str = "authorization.ineligible",
    since: date = FIRST_DAY,
    kind: str = "condition",
    of_goods: bool = False,
    of_route: bool = False,
) -> Callable[[Callable[..., Any]], Provision]:
    """Registers a function as the paragraph `citation`, in force from `since` until a later one of the same row.

    The function takes the shipment and the law and gives a verdict, several, or None where nothing is to be said. One
    `of_goods` takes the goods in place of the shipment, one `of_route` the route, and of the law what is the same for
    the whole period; it may give a function of the shipment and the law instead, to be tried of each shipment.
    """

    def register(test: Callable[..., Any]) -> Provision:
        one = Provision(citation, row, code, since, kind, test)
        one.of_goods, one.of_route = of_goods, of_route
        versions = _REGISTRY.setdefault((test.__module__, row), [])
        versions.append(one)
        versions.sort(key=lambda p: p.since)
        return one

    return register


def all_provisions() -> list[Provision]:
    """Every provision of the sections that have been imported, by row and date."""
    return [one for versions in _REGISTRY.values() for one in versions]


def in_force(provisions: Iterable[Provision], day: date) -> tuple[Provision, ...]:
    """Of each row the version in force on a day; none of a row that begins later."""
    found: list[Provision] = []
    for one in provisions:
        versions = [p for p in _REGISTRY[one.test.__module__, one.row] if p.since <= day]
        if versions and versions[-1] not in found:
            found.append(versions[-1])
    return tuple(found)


def versions(law: Law, provisions: tuple[Provision, ...]) -> tuple[Provision, ...]:
    """Of each of these rows the version in force."""
    known: tuple[Provision, ...] | None = law.worked_out.get(provisions)
    if known is None:
        known = in_force(provisions, law.period.first)
        law.remember(provisions, known)
    return known


class Kept(tuple[Finding, ...]):  # noqa: SLOT001  a tuple's subclass has no slots of its own
    """All findings of an authorization that a route gives by itself; `option`: the closed one, once it was made."""

    option: Option | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """A provision that is to be tried of each shipment."""

    one: Provision
    test: Test


def try_all(shipment: Shipment, law: Law, provisions: tuple[Provision, ...]) -> tuple[Finding, ...]:
    """The findings of these provisions, in order, each in its version in force.

    Where only open options are asked for, nothing is tried after the first that fails.
    """
    route, brief = shipment.route, shipment.brief
    steps = route.tried.get(provisions)
    if steps is None:
        steps = route.tried[provisions] = _steps(route, law, provisions)
    if type(steps) is Kept:
        return steps
    findings: list[Finding] = []
    for step in steps:
        if isinstance(step, tuple):
            findings += step
        else:
            tried = step.test(shipment, law)
            if tried is None:
                continue
            if type(tried) is Verdict:
                findings.append(step.one.finding(tried))
            else:
                findings.extend([step.one.finding(verdict) for verdict in cast("Sequence[Verdict]", tried)])
        if brief and not all_open(findings):
            break
    return tuple(findings)


def _steps(route: Route, law: Law, provisions: tuple[Provision, ...]) -> Kept | list[tuple[Finding, ...] | _Step]:
    """The findings of those that look at the route alone, each run of them as one, and the others, to be tried."""
    steps: list[tuple[Finding, ...] | _Step] = []
    for one in versions(law, provisions):
        tried = of_route(one, route, law)
        if callable(tried):
            steps.append(_Step(one, tried))
            continue
        add_run(steps, one.findings(tried))
    return Kept(steps[0]) if len(steps) == 1 and isinstance(steps[0], tuple) else steps


def add_run(steps: list[tuple[Finding, ...] | Any], found: tuple[Finding, ...]) -> None:
    """Adds findings to steps: those that follow each other are one step."""
    if not found:
        return
    if steps and isinstance(before := steps[-1], tuple):
        found = before + found
        steps.pop()
    steps.append(found)


def of_route(one: Provision, route: Route, law: Law) -> Tried | Test:
    """What a provision gives of a route by itself, or what is to be tried of each shipment on it."""
    if one.of_goods:
        found: dict[Provision, Tried | Test] = route.goods.found
        if one not in found:
            found[one] = one.test(route.goods, law)
        return found[one]
    tried: Tried | Test = one.test(route, law) if one.of_route else one.test
    return tried


def barred(shipment: Shipment, law: Law) -> Verdict:
    """The destination or a party is of Country Group D:5 or Macau."""
    return not_met("; ".join(shipment.barred))


def outside_d5(route: Route) -> Verdict | Test:
    """Whether the destination and all parties are outside Country Group D:5 and Macau."""
    return barred if route.barred else met(f"{route.ship_to} is outside D:5 and Macau")


def all_open(findings: Iterable[Finding]) -> bool:
    """Whether none stands in the way; of an authorization's findings those that do carry a reason code."""
    for finding in findings:  # noqa: SIM110
        if finding.code:
            return False
    return True


def policy_in_words(policy: str) -> str:
    """How applications are reviewed, as sentences say it after "reviewed".

    >>> policy_in_words("presumption_of_denial")
    'under a presumption of denial'
    """
    return "case by case" if policy == "case_by_case" else f"under a {policy.replace('_', ' ')}"


def in_words(number: int) -> str:
    """An amount of TPP as findings write it.

    >>> in_words(126592)
    '126,592 TPP'
    """
    return f"{number:,} TPP"
