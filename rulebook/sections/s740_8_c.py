"""15 CFR 740.8(c)(1): the notifications of License Exception NAC, what they cover and what was shipped under them."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache

from rulebook.law.authorization import named
from rulebook.law.law import Law
from rulebook.law.naming import same_part
from rulebook.law.provisions import Verdict, met, not_met, provision
from rulebook.law.shipment import Shipment
from schemas import accounts
from schemas.models.parts import Certification, Party
from schemas.plan import Debit, Line

_KIND = "nac_notification"
_CITES = "15 CFR 740.8(c)(1)"
_EXPIRED = "certification.expired"


def account_of(notice: Certification) -> tuple[str, int] | None:
    """The account that a standing notification opens, and its limit in TPP; None where it opens none."""
    if notice.kind != _KIND or notice.covers is None:
        return None
    return accounts.nac(notice.reference), notice.covers.tpp


@lru_cache(maxsize=1024)
def _path(reference: str) -> str | None:
    """The account under a reference; None if the reference is not an identifier."""
    path = accounts.nac(reference)
    return path if accounts.read(path) is not None else None


def _standing(shipment: Shipment) -> dict[str, Certification]:
    """The notifications on file by reference; a later one under a reference takes the place of the earlier."""
    return {one.reference: one for one in shipment.facts.certifications if one.kind == _KIND}


def _of(shipment: Shipment, notices: Iterable[Certification], user: Party) -> list[Certification]:
    same, wanted = shipment.facts.one, shipment.facts.one(user.id)
    return [one for one in notices if one.kind == _KIND and same(one.party) == wanted]


def _travelling(shipment: Shipment, user: Party) -> list[Certification]:
    """What travels with the shipment; where it is on file too and says there what it covers, that counts."""
    on_file = _standing(shipment)
    found = []
    for one in _of(shipment, shipment.asked.certifications, user):
        filed = on_file.get(one.reference)
        found.append(filed if one.covers is None and filed is not None and filed.covers is not None else one)
    return found


def _age(notice: Certification) -> tuple[date, str]:
    return notice.date, notice.reference


def notices(shipment: Shipment, law: Law, user: Party) -> list[Certification]:
    """The notifications that cover the shipment to an end user: what travels with it, then the oldest on file."""
    travelling = sorted(_travelling(shipment, user), key=_age)
    filed = sorted(_of(shipment, _standing(shipment).values(), user), key=_age)
    each = [*travelling, *(one for one in filed if one.covers is not None and one not in travelling)]
    return [one for one in each if _in_time(shipment, law, one) and not _uncovered(shipment, one)]


def _latest(shipment: Shipment, law: Law) -> date:
    return shipment.day - timedelta(days=law.amount("nac_notice_days"))


def _in_time(shipment: Shipment, law: Law, notice: Certification) -> bool:
    return notice.date <= _latest(shipment, law) and (notice.valid_until is None or notice.valid_until >= shipment.day)


def _uncovered(shipment: Shipment, notice: Certification) -> list[Line]:
    """The lines under NAC whose part number the notification does not name."""
    if notice.covers is None or notice.covers.part_numbers is None:
        return []
    parts = {item.line: item.part_number for item in shipment.asked.items}
    listed = notice.covers.part_numbers
    return [line for line in shipment.needing if not any(same_part(part, parts[line.line]) for part in listed)]


@provision(_CITES, row="NAC 3", code="certification.missing")
def c_notification(shipment: Shipment, law: Law) -> list[Verdict]:
    """BIS was notified of each end user at least 25 calendar days before the export, of what is shipped."""
    return [_notified(shipment, law, user) for user in shipment.end_users]


def _notified(shipment: Shipment, law: Law, user: Party) -> Verdict:
    latest = _latest(shipment, law)
    facts = {"kind": _KIND, "party": user.id, "needed_by": latest.isoformat()}
    every: list[Certification] = []
    if shipment.asked.certifications or shipment.facts.certifications:
        travelling = _travelling(shipment, user)
        every = [*travelling, *_of(shipment, _standing(shipment).values(), user)]
    if not every:
        return not_met(f"no {_KIND} of {user.name} is on file; one dated {latest} or earlier is needed", facts)
    found = notices(shipment, law, user)
    if found:
        each = " or ".join(f"{one.reference}, dated {one.date}" for one in found)
        return met(f"{_KIND} of {user.name}: {each}")
    counting = [one for one in every if one.covers is not None or one in travelling]
    if not counting:
        listed = ", ".join(one.reference for one in every)
        return not_met(
            f"the {_KIND} {listed} of {user.name} does not say what it covers: file it again with covers, or send it"
            " with the shipment",
            facts,
        )
    in_time = [one for one in counting if _in_time(shipment, law, one)]
    if in_time:
        lines = _uncovered(shipment, in_time[0])
        return not_met(f"the {_KIND} {in_time[0].reference} of {user.name} does not cover {named(lines)}", facts)
    return _out_of_time(shipment, user, counting, latest, facts)


def _out_of_time(
    shipment: Shipment, user: Party, every: list[Certification], latest: date, facts: dict[str, str]
) -> Verdict:
    old_enough = [one for one in every if one.date <= latest]
    start = f"the {_KIND} of {user.name}"
    if old_enough:
        ended = max(old_enough, key=lambda one: one.date)
        return not_met(f"{start} was valid until {ended.valid_until}, not on {shipment.day}", facts, _EXPIRED)
    first = min(one.date for one in every)
    leaves = first + (shipment.day - latest)
    detail = f"{start} is dated {first}, later than {latest}; the shipment may leave from {leaves}"
    return not_met(detail, facts | {"possible_from": leaves.isoformat()})


def commodities(shipment: Shipment) -> int:
    """The TPP of each commodity line under NAC, .b included."""
    quantities = {item.line: item.quantity for item in shipment.asked.items}
    return sum(quantities[line.line] * line.unit_tpp for line in shipment.needing if not line.software)


@provision(_CITES, row="NAC 4", code="quota.exhausted", kind="quota")
def c_covered(shipment: Shipment, law: Law, notice: Certification, tpp: int) -> Debit | None:
    """No more TPP of commodities than the notification covers; one that travels covers its shipment."""
    path = _path(notice.reference)
    if path is None:
        return None
    covers = notice.covers
    return Debit(path, tpp, covers.tpp if covers else None, cites=_CITES, noted=covers is None)


def debits(shipment: Shipment, law: Law) -> tuple[Debit, ...]:
    """What is debited on the notification of each end user, the whole on each; the next of one's where it is full."""
    tpp = commodities(shipment)
    found: dict[str, Debit] = {}
    for user in shipment.end_users:
        each = [c_covered.test(shipment, law, one, tpp) for one in notices(shipment, law, user)]
        first, *others = [debit for debit in each if debit is not None] or [None]
        if first is not None:
            found.setdefault(first.account, first._replace(otherwise=tuple(others)))
    return tuple(found.values())
