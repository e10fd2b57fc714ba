"""A case in, the ways in which it may go out: gates first, then authorizations, under one book."""

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib import import_module

from rulebook import books
from rulebook.law.contents import Contents, Gate
from rulebook.law.provisions import Law, Provision, Verdict, all_open
from rulebook.law.shipment import Shipment
from rulebook.law.values import Values
from rulebook.screening import classification as classify
from rulebook.screening.refusals import merged, reason_of, sentence, set_aside
from schemas import accounts
from schemas.plan import Case, Finding, Line, Option, Reason, Share

_MENDABLE = frozenset({"certification.missing", "certification.expired", "veu.facility_not_listed", "facility.short"})


@dataclass(eq=False, slots=True)
class Screening:
    """What the law says of a case: every finding before the authorizations, what holds, what closes, and the options.

    `reasons` hold the shipment by themselves; `closed` close most authorizations. `stopped`: nothing else was tried.
    `tpp` is that of all .a commodity lines.
    """

    law_as_of: date
    lines: tuple[Line, ...]
    tpp: int
    findings: tuple[Finding, ...]
    reasons: tuple[Reason, ...]
    stopped: bool
    closed: tuple[Reason, ...]
    options: tuple[Option, ...]
    shipment: Shipment = field(repr=False)
    allowed: frozenset[str] | None = field(repr=False)


class _Trace:
    """What the gates found so far."""

    __slots__ = ("allowed", "closed", "findings", "reasons", "stopped")

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.reasons: list[Reason] = []
        self.closed: list[Reason] = []
        self.allowed: frozenset[str] | None = None
        self.stopped = False


class Book:
    """One rulebook with its switches; pure, so that one book serves any number of threads."""

    def __init__(self, contents: Contents, switches: Mapping[str, bool]) -> None:
        self._contents = contents
        self._values = Values(contents.values, switches)
        self.name = self._values.name
        self.digest = self._values.digest
        self.switches: Mapping[str, bool] = self._values.switches

    def law(self, day: date) -> Law:
        """The values in force on a day; those of the first day where it is earlier."""
        return self._values.law(day)

    def screen(self, case: Case) -> Screening:
        """The options of a case in the order to try, or the reasons for which it is held."""
        law = self._values.law(case.asked.export_date)
        lines, classes = classify.lines_of(case, law)
        shipment = Shipment(case, law, lines)
        trace = self._gates(shipment, law, classes)
        options: tuple[Option, ...] = ()
        if not trace.stopped:
            self._prepare(shipment, law)
            claim = case.asked.authorization
            options = tuple(
                self._claimed(shipment, law, claim.kind, trace.allowed)
                if claim is not None
                else self._in_order(shipment, law, trace.allowed)
            )
        return Screening(
            law_as_of=law.day,
            lines=lines,
            tpp=shipment.tpp,
            findings=tuple(trace.findings),
            reasons=tuple(trace.reasons),
            stopped=trace.stopped,
            closed=tuple(trace.closed),
            options=options,
            shipment=shipment,
            allowed=trace.allowed,
        )

    def alternatives(self, case: Case, screening: Screening) -> tuple[Option, ...]:
        """For a held claimed shipment that was screened: the open options of the other authorizations, in order."""
        claim = case.asked.authorization
        if screening.stopped or claim is None:
            return ()
        law, shipment = self.law(screening.law_as_of), screening.shipment
        return tuple(
            option
            for kind in self._contents.order
            if kind != claim.kind and _open_to(kind, screening.allowed)
            for option in self._contents.authorizations[kind](shipment, law)
            if option.open
        )

    def reasons(self, option: Option) -> tuple[Reason, ...]:
        """Why a closed option is closed: one reason for each code, and one for all that make it ineligible."""
        failed = [finding for finding in option.findings if not finding.open]
        return merged(option, failed)

    def lacking(self, option: Option) -> tuple[Reason, ...]:
        """The reasons where only a paper, a listed facility or room in one is lacking; none otherwise."""
        failed = [finding for finding in option.findings if not finding.open]
        if failed and all(finding.code in _MENDABLE for finding in failed):
            return merged(option, failed)
        return ()

    def refusal(self, case: Case, screening: Screening, available: int | None) -> Reason:
        """The reason of an unclaimed shipment that nothing fits, with how an application would be reviewed.

        `available`: TPP left of the account that `allocation` names, None where it names none.
        """
        law, shipment = self.law(screening.law_as_of), screening.shipment
        row, policy = self._policy(shipment, law, available)
        facts: dict[str, object] = {"review_policy": policy, "asked": shipment.tpp}
        needing = len(shipment.needing)
        message = (
            f"no authorization fits: {needing} of {len(screening.lines)} lines, {shipment.tpp:,} TPP, need a licence"
        )
        message += f" to {case.asked.ship_to}; applications are reviewed under {policy.replace('_', ' ')}"
        found = self._contents.allocation(shipment, law) if row.row in self._contents.rationed else None
        if found is not None and available is not None:
            facts |= {"account": found[0], "available": available}
            message += f"; {available:,} of {found[1]:,} TPP are left on {found[0]}"
        denied = next((reason for reason in screening.closed if reason.code == "destination.denied"), None)
        if denied is not None:
            return Reason(denied.code, denied.citation, denied.message, {**denied.facts, **facts})
        if unallotted := self._contents.unallotted(shipment, law):
            facts["allocation"] = unallotted
            message += f"; {unallotted}"
        return Reason("authorization.none", row.citation, sentence(message), facts)

    def undecided(self, case: Case, screening: Screening) -> Reason | None:
        """The reason for a reviewer of an unclaimed shipment that nothing fits: what the book cannot decide."""
        if "review.needed" in case.set_aside:
            return None
        for option in screening.options:
            failed = [finding for finding in option.findings if not finding.open]
            if failed and all(finding.code == "review.needed" for finding in failed):
                return reason_of(failed[0])
        law, shipment = self.law(screening.law_as_of), screening.shipment
        unallotted = "" if shipment.barred else self._contents.unallotted(shipment, law)
        if not unallotted:
            return None
        row, _ = self._policy(shipment, law, None)
        return Reason(
            "review.needed", row.citation, sentence(f"{unallotted}: a reviewer decides"), {"asked": shipment.tpp}
        )

    def allocation(self, case: Case, screening: Screening) -> tuple[str, int] | None:
        """The country account and the law's limit on which the policy of review depends, if on any."""
        law, shipment = self.law(case.asked.export_date), screening.shipment
        row, _ = self._policy(shipment, law, 0)
        return self._contents.allocation(shipment, law) if row.row in self._contents.rationed else None

    def limit(self, account: str, day: date) -> int | Share | None:
        """The law's limit of an account on a day; None where the book prints none."""
        return self._contents.limit(self._values.law(day), account)

    def openings(self, account: str, day: date) -> Iterable[tuple[date, str, int]]:
        """Later first days on which a debit could fit by itself, each with the account and its limit then."""
        return self._contents.openings(self._values, account, day)

    @property
    def releasable(self) -> frozenset[str]:
        """The reason codes that a reviewer may set aside (of the shares of a validated end-user that of 50 % alone)."""
        return self._contents.releasable

    def notice(self, kind: str, day: date) -> dict[str, str]:
        """What a duty of this kind asks for: what to send, to whom, with which subject line; as of a day."""
        notice = self._values.law(day).period.notices[kind]
        return {name: str(notice[name]) for name in ("what", "to", "subject") if name in notice}

    def alert_thresholds(self, account: str) -> tuple[str | int, ...]:
        """Where alerts are raised unless set otherwise: shares of the limit as decimal strings, or amounts of TPP."""
        alerts = self._values.tables["alerts"]
        found = accounts.read(account)
        named = alerts.get("amounts", {}).get(found.family) if found is not None else None
        if named is not None:
            return (self._values.steps(named)[0][1],)
        return tuple(alerts["shares"])

    def _gates(self, shipment: Shipment, law: Law, classes: list[classify.Classified]) -> _Trace:
        trace = _Trace()
        if law.of_the_day is None:
            for gate, one in self._tried(self._contents.before, law):
                self._pass(gate, one, shipment, law, trace)
            if trace.stopped:
                return trace
            law.of_the_day = tuple(trace.findings)
        else:
            trace.findings.extend(law.of_the_day)
        self._classified(shipment, classes, trace)
        for gate, one in self._tried(self._contents.gates, law):
            if trace.stopped:
                break
            self._pass(gate, one, shipment, law, trace)
        return trace

    @staticmethod
    def _tried(gates: tuple[Gate, ...], law: Law) -> list[tuple[Gate, Provision]]:
        """Each gate with its provision in the version in force."""
        known: list[tuple[Gate, Provision]] | None = law.worked_out.get(gates)
        if known is None:
            known = [(gate, one) for gate in gates for one in law.tried((gate.provision,))]
            law.remember(gates, known)
        return known

    def _classified(self, shipment: Shipment, classes: list[classify.Classified], trace: _Trace) -> None:
        """Adds how each line was classified; a contradiction ends the screening, an undecided line holds."""
        aside = shipment.set_aside & self._contents.releasable
        for one in classes:
            if not one.failed and one.undecided is None:
                trace.findings.extend(one.findings)
                continue
            for finding in one.findings:
                if finding.open or not finding.code:
                    trace.findings.append(finding)
                elif finding.code in aside:
                    trace.findings.append(set_aside(finding))
                else:
                    trace.findings.append(finding)
                    trace.reasons.append(reason_of(finding))
                    trace.stopped = trace.stopped or finding in one.failed

    def _pass(self, gate: Gate, one: Provision, shipment: Shipment, law: Law, trace: _Trace) -> None:
        """Tries a gate and adds what it finds, and what follows where it fails."""
        tried = one.test(shipment, law)
        if tried is None:
            return
        findings = trace.findings
        verdicts = (tried,) if isinstance(tried, Verdict) else tried
        failed = False
        for verdict in verdicts:
            finding = one.finding(verdict)
            if not finding.code or gate.effect == "note":
                findings.append(finding)
            elif finding.code in shipment.set_aside and finding.code in self._contents.releasable:
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

    def _prepare(self, shipment: Shipment, law: Law) -> None:
        shipment.cover(self._contents.needing(shipment, law))
        if shipment.tpp:
            shipment.base = self._contents.base(shipment, law)

    def _claimed(self, shipment: Shipment, law: Law, kind: str, allowed: frozenset[str] | None) -> tuple[Option, ...]:
        return self._contents.authorizations[kind](shipment, law) if _open_to(kind, allowed) else ()

    def _in_order(self, shipment: Shipment, law: Law, allowed: frozenset[str] | None) -> list[Option]:
        options: list[Option] = []
        for kind in self._contents.order:
            if _open_to(kind, allowed):
                for option in self._contents.authorizations[kind](shipment, law):
                    options.append(option)
                    if all_open(option.findings) and option.unlimited:
                        return options
        options.extend(self._split(shipment, law, allowed))
        return options

    def _split(self, shipment: Shipment, law: Law, allowed: frozenset[str] | None) -> list[Option]:
        """Where nothing covers all lines: those that one kind covers under it, the rest under each of the others."""
        if self._contents.split is None or not _open_to(self._contents.split[0], allowed):
            return []
        first, covers = self._contents.split
        taken = tuple(line for line in shipment.needing if covers(line, law))
        if not taken or len(taken) == len(shipment.needing):
            return []
        part = self._contents.authorizations[first](shipment.only(taken), law)[0]
        if not part.open:
            return []
        rest = shipment.only(tuple(line for line in shipment.needing if line not in taken))
        options: list[Option] = []
        for kind in self._contents.order:
            if kind in ("NLR", first) or not _open_to(kind, allowed):
                continue
            for option in self._contents.authorizations[kind](rest, law):
                options.append(_joined(part, option, taken))
                if all_open(options[-1].findings) and options[-1].unlimited:
                    return options
        return options

    def _policy(self, shipment: Shipment, law: Law, available: int | None) -> tuple[Provision, str]:
        for one in law.tried(self._contents.policies):
            policy = one.test(shipment, law, available)
            if policy is not None:
                return one, policy
        raise LookupError("the last policy of a book applies to every case")


def _open_to(kind: str, allowed: frozenset[str] | None) -> bool:
    return allowed is None or kind in allowed


def _joined(part: Option, option: Option, taken: tuple[Line, ...]) -> Option:
    """The option for the rest, with what takes part of the lines before it."""
    lines = {**option.lines, **{line.line: part.authorization for line in taken}}
    duties = (*part.obligations, *option.obligations) if option.open else ()
    findings = (*part.findings, *option.findings)
    return Option(option.authorization, findings, lines, option.debits, duties, option.reference, option.apply_to)


def names() -> list[str]:
    """The names of the books there are."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(books.__path__))


def load(name: str, switches: Mapping[str, bool] | None = None) -> Book:
    """A book by its name, with readings that differ from the default; the same object for the same call.

    LookupError where there is none of that name, ValueError for an unknown switch.
    """
    return _load(name, tuple(sorted((switches or {}).items())))


@lru_cache(maxsize=64)
def _load(name: str, switches: tuple[tuple[str, bool], ...]) -> Book:
    if name not in names():
        raise LookupError(f"no rulebook {name!r}; there are: {', '.join(names())}")
    contents: Contents = import_module(f"rulebook.books.{name.replace('-', '_')}").CONTENTS
    return Book(contents, dict(switches))
