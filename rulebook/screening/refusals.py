"""Why a shipment is held: findings as reasons, and how an application for a licence would be reviewed."""

from collections.abc import Iterable, Sequence
from datetime import date

from rulebook.law.contents import Contents
from rulebook.law.law import Law
from rulebook.law.provisions import Provision, versions
from rulebook.law.shipment import Shipment
from schemas.codes import Result
from schemas.plan import Debit, Finding, Line, Option, Reason, Short

INELIGIBLE = "authorization.ineligible"
_MENDABLE = frozenset({"certification.missing", "certification.expired", "veu.facility_not_listed", "facility.short"})


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


def lacking(option: Option) -> tuple[Reason, ...]:
    """The reasons where only a paper, a listed facility or room in one is lacking; none otherwise."""
    failed = [finding for finding in option.findings if not finding.open]
    if failed and all(finding.code in _MENDABLE for finding in failed):
        return merged(option, failed)
    return ()


def closed(option: Option) -> tuple[Reason, ...]:
    """Why a closed option is closed: one reason for each code, and one for all that make it ineligible."""
    return merged(option, [finding for finding in option.findings if not finding.open])


def refusal(
    contents: Contents, shipment: Shipment, law: Law, barriers: Sequence[Reason], available: int | None
) -> Reason:
    """The reason of an unclaimed shipment that nothing fits, with how an application would be reviewed.

    `barriers`: what closed authorizations. `available`: TPP left of the account on which the policy of review depends,
    None where it depends on none.
    """
    row, policy = review_policy(contents, shipment, law, available)
    facts: dict[str, object] = {"review_policy": policy, "asked": shipment.tpp}
    needing = len(shipment.needing)
    message = (
        f"no authorization fits: {needing} of {len(shipment.lines)} lines, {shipment.tpp:,} TPP, need a licence"
        f" to {shipment.asked.ship_to}; applications are reviewed under {policy.replace('_', ' ')}"
    )
    found = contents.allocation(shipment, law) if row.row in contents.rationed else None
    if found is not None and available is not None:
        facts |= {"account": found[0], "available": available}
        message += f"; {available:,} of {found[1]:,} TPP are left on {found[0]}"
    denied = next((reason for reason in barriers if reason.code == "destination.denied"), None)
    if denied is not None:
        return Reason(denied.code, denied.citation, denied.message, {**denied.facts, **facts})
    if unallotted := contents.unallotted(shipment, law):
        facts["allocation"] = unallotted
        message += f"; {unallotted}"
    return Reason("authorization.none", row.citation, sentence(message), facts)


def undecided(contents: Contents, shipment: Shipment, law: Law, options: Sequence[Option]) -> Reason | None:
    """The reason for a reviewer of an unclaimed shipment that nothing fits: what the book cannot decide."""
    if "review.needed" in shipment.set_aside:
        return None
    for option in options:
        failed = [finding for finding in option.findings if not finding.open]
        if failed and all(finding.code == "review.needed" for finding in failed):
            return reason_of(failed[0])
    unallotted = "" if shipment.barred else contents.unallotted(shipment, law)
    if not unallotted:
        return None
    row, _ = review_policy(contents, shipment, law, None)
    return Reason("review.needed", row.citation, sentence(f"{unallotted}: a reviewer decides"), {"asked": shipment.tpp})


def review_policy(contents: Contents, shipment: Shipment, law: Law, available: int | None) -> tuple[Provision, str]:
    """The policy under which an application would be reviewed, with its provision."""
    for one in versions(law, contents.policies):
        policy = one.test(shipment, law, available)
        if policy is not None:
            return one, policy
    raise LookupError("the last policy of a book applies to every case")


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
        message += f" At most {fits:,} units of line {line.line} fit."
    if later is not None:
        facts["fits_from"] = later.isoformat()
        message += f" All of it fits from {later.isoformat()}."
    return Reason(debit.code, debit.cites, message, facts)


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
