"""Findings that stand in the way, as reasons of a hold."""

from collections.abc import Iterable

from schemas.codes import Result
from schemas.plan import Finding, Option, Reason

INELIGIBLE = "authorization.ineligible"


def reason_of(finding: Finding) -> Reason:
    """The reason that a finding gives by itself."""
    return Reason(finding.code, finding.provision, sentence(finding.detail), finding.facts)


def sentence(text: str) -> str:
    """A finding's words as a sentence.

    >>> sentence("no facility is named")
    'No facility is named.'
    """
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def set_aside(finding: Finding) -> Finding:
    """A failed finding that a reviewer set aside."""
    return Finding(
        finding.provision, Result.NOT_APPLICABLE, f"{finding.detail}: set aside by a reviewer", finding.facts
    )


def merged(option: Option, failed: Iterable[Finding]) -> tuple[Reason, ...]:
    """One reason for each finding with a code of its own, and one for all that make the authorization ineligible."""
    reasons: list[Reason] = []
    ineligible: list[Finding] = []
    for finding in failed:
        if finding.code == INELIGIBLE:
            ineligible.append(finding)
        elif (reason := reason_of(finding)) not in reasons:
            reasons.append(reason)
    if ineligible:
        facts = {"failed": [{"provision": one.provision, "detail": one.detail} for one in ineligible]}
        message = f"{option.authorization} does not fit: {'; '.join(one.detail for one in ineligible)}."
        reasons.insert(0, Reason(INELIGIBLE, ineligible[0].provision, message, facts))
    return tuple(reasons)
