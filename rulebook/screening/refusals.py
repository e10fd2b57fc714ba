"""Why a shipment is held: findings as reasons, and how an application for a licence would be reviewed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from rulebook.law.contents import Contents
from rulebook.law.law import Law
from rulebook.law.provisions import policy_in_words, versions
from rulebook.law.shipment import Shipment
from schemas.codes import Result
from schemas.plan import Debit, Finding, Line, Option, Reason, Short

INELIGIBLE = "authorization.ineligible"
DENIED = "destination.denied"
_MENDABLE = frozenset({"certification.missing", "certification.expired", "veu.facility_not_listed", "facility.short"})


class Policy(NamedTuple):
    """How an application would be reviewed, with the paragraph that says so.

    `rationed`: whether it depends on what is left of the destination's allocation.
    """

    name: str
    citation: str
    rationed: bool


def reason_of(finding: Finding) -> Reason:
    """The reason that a finding gives by itself."""
    return Reason(finding.code, finding.provision, sentence(finding.detail), finding.facts)


def sentence(text: str) -> str:
    """A finding's words as a sentence.

    >>> sentence("no facility is named")
    'No facility is named.'
    """
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def set_aside(finding: Finding, more: str = "") -> Finding:
    """A failed finding that a reviewer set aside, with what else is to be said of it."""
    detail = f"{finding.detail}: set aside by a reviewer{more}"
    return Finding(finding.provision, Result.NOT_APPLICABLE, detail, finding.facts)


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


def same(contents: Contents, code: str, facts: Mapping[str, Any], *, lasting: bool) -> Mapping[str, Any]:
    """The facts of a reason by which it is the same one again; `lasting`: though a figure in them has moved."""
    if (of_code := contents.same.get(code)) is not None:
        return {name: facts[name] for name in sorted(of_code) if name in facts}
    return {name: value for name, value in facts.items() if name not in contents.figures} if lasting else facts


def lacking(option: Option) -> tuple[Reason, ...]:
    """The reasons where only a paper, a listed facility or room in one is lacking; none otherwise."""
    for finding in option.failed:
        if finding.code not in _MENDABLE:
            return ()
    return merged(option, option.failed)


def closed(option: Option) -> tuple[Reason, ...]:
    """Why a closed option is closed: one reason for each code, and one for all that make it ineligible."""
    return merged(option, option.failed)


def near_misses(contents: Contents, shipment: Shipment, law: Law, options: Iterable[Option]) -> tuple[str, ...]:
    """The authorizations that one statement or one party keeps closed, in words, each once and in order."""
    found: list[str] = []
    for option in options:
        failed = option.failed
        if len(failed) == 1 and (words := contents.near(shipment, law, failed[0])):
            found.append(f"{option.authorization}{words}")
    return tuple(dict.fromkeys(found))


def refusal(
    contents: Contents,
    shipment: Shipment,
    law: Law,
    policy: Policy,
    barriers: Sequence[Reason],
    options: Iterable[Option],
    available: int | None,
    limit: int | None,
) -> tuple[Reason, ...]:
    """The reasons of an unclaimed shipment that nothing fits, with how an application would be reviewed.

    `policy`: that of review; `barriers`: what closed authorizations. `available` and `limit`: TPP left of the account
    on which the policy depends and what it may hold, None where it depends on none. None where no line needs a licence.
    """
    facts: dict[str, object] = {"review_policy": policy.name, "asked": shipment.tpp}
    left = ""
    found = contents.allocation(shipment, law) if policy.rationed else None
    if found is not None and available is not None:
        facts |= {"account": found[0], "available": available}
        left = f"; {available:,} of {found[1] if limit is None else limit:,} TPP are left on {found[0]}"
    near = near_misses(contents, shipment, law, options)
    if near:
        facts["near"] = list(near)
    nearly = f" It would go under {'; or '.join(near)}." if near else ""
    denied = [reason for reason in barriers if reason.code == DENIED]
    if denied:
        return tuple(Reason(one.code, one.citation, f"{one.message}{nearly}", {**one.facts, **facts}) for one in denied)
    if not shipment.needing:
        return ()
    unallotted = contents.unallotted(shipment, law)
    if unallotted:
        facts["allocation"] = unallotted
        left += f"; {unallotted}"
    message = sentence(
        f"no authorization fits: {_needing(shipment)} to {shipment.declared.ship_to}; "
        f"applications are reviewed {policy_in_words(policy.name)}{left}"
    )
    return (Reason("authorization.none", policy.citation, message + nearly, facts),)


def _needing(shipment: Shipment) -> str:
    """Which lines need a licence, in words that agree in number."""
    needing, lines = len(shipment.needing), len(shipment.lines)
    if lines == 1:
        which = "the only line"
    elif needing == lines:
        which = "both lines" if lines == 2 else f"all {lines:,} lines"
    else:
        which = f"{needing:,} of {lines:,} lines"
    amount = f", {shipment.tpp:,} TPP," if shipment.tpp else ""
    return f"{which}{amount} {'needs' if needing == 1 else 'need'} a licence"


def undecided(contents: Contents, shipment: Shipment, law: Law, options: Sequence[Option]) -> Reason | None:
    """The reason for a reviewer of an unclaimed shipment that nothing fits: what the book cannot decide."""
    if "review.needed" in shipment.set_aside:
        return None
    for option in options:
        failed = option.failed
        if failed and failed[0].code == "review.needed" and {finding.code for finding in failed} == {"review.needed"}:
            return reason_of(failed[0])
    unallotted = "" if shipment.barred else contents.unallotted(shipment, law)
    if not unallotted:
        return None
    policy = review_policy(contents, shipment, law, None)
    message = sentence(f"{unallotted}: a reviewer decides")
    return Reason("review.needed", policy.citation, message, {"asked": shipment.tpp})


def review_policy(contents: Contents, shipment: Shipment, law: Law, available: int | None) -> Policy:
    """The policy under which an application would be reviewed: the book's first that applies, or a stricter one."""
    for one in versions(law, contents.policies):
        policy = one.test(shipment, law, available)
        if policy is not None:
            name, citation = contents.stricter(shipment, law, policy)
            return Policy(name, citation or one.citation, one.row in contents.rationed)
    raise LookupError("the last policy of a book applies to every case")


def of_policy(reasons: Iterable[Reason], policy: str) -> tuple[Reason, ...]:
    """The same reasons; those that tell how an application would be reviewed all tell the one policy that governs."""
    return tuple(
        Reason(
            one.code,
            one.citation,
            one.message
            if one.code == DENIED
            else f"{one.message} Applications are reviewed {policy_in_words(policy)}.",
            {**one.facts, "review_policy": policy},
        )
        if "review_policy" in one.facts
        else one
        for one in reasons
    )


def elsewhere(option: Option, debit: Debit) -> Reason:
    """The reason of an option that fits by another account than those on which the shipment was let go."""
    detail = f"{debit.account} would count it, on which nothing was debited when it was let go"
    facts = {"failed": [{"provision": debit.cites, "detail": detail}]}
    return Reason(INELIGIBLE, debit.cites, f"{option.authorization} does not fit: {detail}.", facts)


def shortage(screened: Shipment, option: Option, short: Short, account: str, later: date | None) -> Reason:
    """The reason of one account that has no room: how much was asked, how much is left, what would fit and from when.

    `account`: the path under which the account is kept; `later`: the first day on which the whole debit fits, if known.
    """
    debit, asked = short.debit, abs(short.debit.amount)
    facts: dict[str, object] = {
        "account": account,
        "asked": asked,
        "available": short.available,
        "short_by": short.short_by,
        "limit": short.limit,
        "balance": short.balance,
    }
    message = (
        f"{account} has {short.available:,} TPP available and {asked:,} are asked: "
        f"{short.short_by:,} too many ({short.balance:,} of {short.limit:,} used)."
        if not debit.floor
        else f"{asked:,} TPP are to leave facility {debit.account.partition('/')[2]}, {short.available:,} are in it: "
        f"{short.short_by:,} too many."
    )
    line = _only_line(screened, option, debit)
    if line is not None:
        fits = short.most // line.unit_tpp
        facts["fits"] = fits
        message += f" {_units(fits, line.line)}"
    if later is not None:
        facts["fits_from"] = later.isoformat()
        message += f" All of it fits from {later.isoformat()}."
    return Reason(debit.code, debit.cites, message, facts)


def _units(fits: int, line: int) -> str:
    """How many units of a line fit, as a sentence.

    >>> _units(0, 1), _units(1, 1), _units(1_699, 2)
    ('No unit of line 1 fits.', 'At most 1 unit of line 1 fits.', 'At most 1,699 units of line 2 fit.')
    """
    if fits > 1:
        return f"At most {fits:,} units of line {line} fit."
    return f"{'At most 1' if fits else 'No'} unit of line {line} fits."


def _only_line(screened: Shipment, option: Option, debit: Debit) -> Line | None:
    """The line that a debit is of, where it is of one alone."""
    quantities = {item.line: item.quantity for item in screened.asked.items}
    mine = [line for line in screened.lines if line.unit_tpp and _counts(option, debit, line.line)]
    for lines in ([line for line in mine if line.tpp], mine):
        if len(lines) == 1 and quantities[lines[0].line] * lines[0].unit_tpp == abs(debit.amount):
            return lines[0]
    return None


def _counts(option: Option, debit: Debit, line: int) -> bool:
    return debit.whole or option.lines.get(line) == option.authorization
