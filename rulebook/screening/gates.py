"""The gates before any authorization: what stops a shipment, holds it, or closes most authorizations to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rulebook.law.contents import Contents, Gate
from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.provisions import Provision, Test, Verdict, add_run, of_route, versions
from rulebook.law.shipment import Shipment
from rulebook.screening.classification import Classified
from rulebook.screening.refusals import reason_of, set_aside
from rulebook.sections import s750_7
from schemas.codes import Result
from schemas.plan import WAITING, Finding, Line, Reason


@dataclass(eq=False, slots=True)
class Trace:
    """What the gates found: `reasons` hold the shipment by themselves, `closed` close all authorizations but `allowed`.

    `allowed` is None where every authorization is open. `stopped`: nothing else is to be tried.
    """

    findings: list[Finding] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    closed: list[Reason] = field(default_factory=list)
    allowed: frozenset[str] | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """A gate that is to be tried of each shipment."""

    gate: Gate
    one: Provision
    test: Test


def pass_gates(contents: Contents, shipment: Shipment, law: Law, classes: list[Classified]) -> Trace:
    """The trace of a shipment through the gates of a book and the classification of its lines."""
    trace = Trace()
    findings = trace.findings
    if law.of_the_day is None:
        for gate, one in _in_force(contents.before, law):
            tried = one.test(shipment, law)
            if tried is not None:
                _pass(contents, gate, one, tried, shipment, law, trace)
        if trace.stopped:
            return trace
        law.of_the_day = tuple(trace.findings)
    else:
        trace.findings.extend(law.of_the_day)
    _classified(contents, shipment, classes, trace)
    if trace.stopped:
        return trace
    for step in _steps(contents.gates, shipment.route, law):
        if isinstance(step, tuple):
            findings += step
            continue
        tried = step.test(shipment, law)
        if tried is None:
            continue
        if type(tried) is Verdict and not (finding := step.one.finding(tried)).code:
            findings.append(finding)
        else:
            _pass(contents, step.gate, step.one, tried, shipment, law, trace)
            if trace.stopped:
                break
    return trace


def pass_names(contents: Contents, shipment: Shipment, law: Law) -> Trace:
    """The trace of a shipment through the gates of a book that look at the names of its parties alone."""
    trace = Trace()
    for gate, one in _in_force(contents.gates, law):
        if not gate.by_names:
            continue
        tried = of_route(one, shipment.route, law)
        if callable(tried):
            tried = tried(shipment, law)
        if tried is not None:
            _pass(contents, gate, one, tried, shipment, law, trace)
    return trace


def _steps(gates: tuple[Gate, ...], route: Route, law: Law) -> list[tuple[Finding, ...] | _Step]:
    """What gates find of a route by itself, each run of findings that hold nothing as one, and what is to be tried."""
    known: list[tuple[Finding, ...] | _Step] | None = route.tried.get(gates)
    if known is None:
        known = []
        for gate, one in _in_force(gates, law):
            tried = of_route(one, route, law)
            if callable(tried):
                known.append(_Step(gate, one, tried))
                continue
            add_run(known, one.findings(tried))
        route.tried[gates] = known
    return known


def _in_force(gates: tuple[Gate, ...], law: Law) -> list[tuple[Gate, Provision]]:
    """Each gate with its provision in the version in force."""
    known: list[tuple[Gate, Provision]] | None = law.worked_out.get(gates)
    if known is None:
        known = [(gate, one) for gate in gates for one in versions(law, (gate.provision,))]
        law.remember(gates, known)
    return known


def _classified(contents: Contents, shipment: Shipment, classes: list[Classified], trace: Trace) -> None:
    """Adds how each line was classified; a contradiction ends the screening, an undecided line holds."""
    aside = shipment.set_aside & contents.releasable
    for one, line in zip(classes, shipment.lines, strict=True):
        if not one.failed:
            trace.findings.extend(one.findings)
        else:
            for finding in one.findings:
                _found(finding, finding.code in aside, finding in one.failed, trace)
        contradicted = one.failed and not all(finding.code in aside for finding in one.failed)
        counts_anew = one.strict is not None and one.strict.level != one.stands.level
        if one.waits is not None and not contradicted and not counts_anew:
            by_name = one.stands.level in WAITING
            _waits(shipment, line if by_name else None, one.waits, one.waits.code in aside, trace)


def _waits(shipment: Shipment, line: Line | None, finding: Finding, aside: bool, trace: Trace) -> None:
    """Adds what a reviewer is needed for; that of a `line` ends only with a release that names its authorization.

    Where nothing is exported, nobody is needed.
    """
    under = shipment.case.released_under
    if shipment.domestic:
        detail = f"{finding.detail.partition(';')[0]}; nothing is exported"
        trace.findings.append(finding._replace(result=Result.NOT_APPLICABLE, detail=detail, code=""))
    elif line is None:
        _found(finding, aside, False, trace)
    elif s750_7.names(shipment, line):
        detail = f"{finding.detail}; a licence names it"
        trace.findings.append(finding._replace(result=Result.NOT_APPLICABLE, detail=detail, code=""))
    elif aside and under is not None:
        trace.findings.append(set_aside(finding, f", who names {under}"))
    else:
        _found(finding, False, False, trace)


def _found(finding: Finding, aside: bool, stops: bool, trace: Trace) -> None:
    """Adds a finding of a line's class: one that fails holds the shipment unless it is set aside."""
    if finding.open or not finding.code:
        trace.findings.append(finding)
    elif aside:
        trace.findings.append(set_aside(finding))
    else:
        trace.findings.append(finding)
        trace.reasons.append(reason_of(finding))
        trace.stopped = trace.stopped or stops


def _pass(
    contents: Contents,
    gate: Gate,
    one: Provision,
    tried: Verdict | Sequence[Verdict],
    shipment: Shipment,
    law: Law,
    trace: Trace,
) -> None:
    """Adds what a gate found, and what follows where it failed."""
    findings = trace.findings
    verdicts = (tried,) if isinstance(tried, Verdict) else tried
    failed = False
    for verdict in verdicts:
        finding = one.finding(verdict)
        if not finding.code or gate.effect == "note":
            findings.append(finding)
        elif finding.code in shipment.set_aside and finding.code in contents.releasable:
            findings.append(set_aside(finding))
        else:
            failed = True
            findings.append(finding)
            (trace.closed if gate.effect == "close" else trace.reasons).append(reason_of(finding))
    if failed and gate.effect == "stop":
        trace.stopped = True
    if failed and gate.leaves is not None:
        leaves = gate.leaves(shipment, law)
        trace.allowed = leaves if trace.allowed is None else trace.allowed & leaves
