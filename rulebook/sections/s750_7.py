"""15 CFR 750.7 and Supplement No. 2 to part 748: issued licences."""

from collections.abc import Sequence
from functools import partial

from rulebook.law.authorization import named, plan
from rulebook.law.law import Law
from rulebook.law.naming import commodity, names_item, to_be_named, touches_part_746, unnamed
from rulebook.law.provisions import Verdict, met, not_applicable, not_met, provision, versions
from rulebook.law.shipment import Shipment
from schemas import accounts
from schemas.models.parts import Party
from schemas.plan import WAITING, Debit, Finding, License, Line, Option


def _mismatch(shipment: Shipment, one: License) -> list[str]:
    asked, same = shipment.asked, shipment.facts.one
    issued = one.issued
    pairs = (
        ("exporter", same(asked.exporter.id), same(issued.exporter)),
        ("ultimate consignee", same(shipment.consignee.id), same(issued.consignee)),
        ("country", asked.ship_to, issued.country),
    )
    return [f"{name} is {has}, licensed {wants}" for name, has, wants in pairs if has != wants]


def candidates(shipment: Shipment) -> list[License]:
    """The claimed licence; else the exporter's for this consignee and country, the earliest `valid_until` first."""
    claim = shipment.asked.authorization
    licenses = shipment.facts.licenses
    if claim is not None and claim.kind == "LICENSE" and claim.reference is not None:
        return [one for one in licenses if one.issued.number == claim.reference]
    if not licenses:
        return []
    fitting = [one for one in licenses if not _mismatch(shipment, one)]
    return sorted(fitting, key=lambda one: (_validity(shipment, one) != "", one.issued.valid_until, one.issued.number))


def names(shipment: Shipment, line: Line) -> bool:
    """Whether a licence that may be taken, fits and is in force names the ECCN of this line among its items."""
    claim = shipment.asked.authorization
    if claim is not None and claim.kind != "LICENSE":
        return False
    item = next(one for one in shipment.asked.items if one.line == line.line)
    fitting = (one for one in candidates(shipment) if not _mismatch(shipment, one) and not _validity(shipment, one))
    items = [named for one in fitting for named in one.issued.items or () if named.eccn is not None]
    return names_item(items, line, item)


@provision("15 CFR 748.4; 750.7", row="LICENSE 1", code="license.unknown")
def known(shipment: Shipment, law: Law, one: License | None) -> Verdict:
    """A licence is known: the one claimed, or one of the exporter's for this consignee and country."""
    if one is not None:
        return met(f"licence {one.issued.number}")
    claim = shipment.asked.authorization
    if claim is not None and claim.kind == "LICENSE" and claim.reference is not None:
        return not_met(f"licence {claim.reference} is not known", {"number": claim.reference})
    exporter, consignee = shipment.asked.exporter, shipment.consignee
    return not_met(f"no licence of {exporter.name} for {consignee.name} in {shipment.asked.ship_to} is known")


def _validity(shipment: Shipment, one: License) -> str:
    issued, day = one.issued, shipment.day
    if one.revoked is not None and day >= one.revoked:
        return f"was revoked from {one.revoked} on"
    if day > issued.valid_until:
        return f"was valid until {issued.valid_until}"
    return f"is valid from {issued.valid_from}" if day < issued.valid_from else ""


@provision("15 CFR 750.7(g)", row="LICENSE 2", code="license.expired")
def g_validity(shipment: Shipment, law: Law, one: License) -> Verdict:
    """The licence is in force on the export date, its last day included, and not revoked."""
    issued = one.issued
    wrong = _validity(shipment, one)
    if wrong:
        return not_met(f"licence {issued.number} {wrong}; the export date is {shipment.day}", {"number": issued.number})
    return met(f"licence {issued.number} is valid from {issued.valid_from} until {issued.valid_until}")


@provision("Supplement No. 2 to part 748, paragraph (c)(4)", row="LICENSE 3", code="license.mismatch")
def c4_parties(shipment: Shipment, law: Law, one: License) -> Verdict:
    """The licence names this exporter, ultimate consignee and country."""
    wrong = _mismatch(shipment, one)
    if wrong:
        return not_met(
            f"licence {one.issued.number}: {'; '.join(wrong)}", {"number": one.issued.number, "differences": wrong}
        )
    return met(f"licence {one.issued.number} names exporter, consignee and country")


def _wrong(one: License, verb: str, each: Sequence[str], **facts: object) -> Verdict:
    number = one.issued.number
    return not_met(f"licence {number} does not {verb} {'; '.join(each)}", {"number": number, **facts})


def _end_users(shipment: Shipment, one: License) -> list[tuple[str, Party]]:
    """The end users that the licence does not name: without a list it names the ultimate consignee alone."""
    same = shipment.facts.one
    named_users = {same(user) for user in one.issued.end_users or (shipment.consignee.id,)}
    return [("end user", user) for user in shipment.end_users if same(user.id) not in named_users]


def _operators(shipment: Shipment, one: License) -> list[tuple[str, Party]]:
    """The operators that it does not name: without a list it names those with the ultimate consignee's owner."""
    same, listed = shipment.facts.one, one.issued.operators
    if listed is None:
        return [("operator", user) for user in shipment.operators if same(user.owner) != shipment.owner]
    named_operators = {same(user) for user in listed}
    return [("operator", user) for user in shipment.operators if same(user.id) not in named_operators]


@provision("15 CFR 750.7(a)", row="LICENSE 3 parties", code="license.mismatch")
def a_parties(shipment: Shipment, law: Law, one: License) -> Verdict:
    """End users and operators are those that it names, and any party of D:5, Macau or part 746 is named by it."""
    same, issued = shipment.facts.one, one.issued
    wrong = [*_end_users(shipment, one), *_operators(shipment, one)]
    each = [f"the {role} {party.name} ({party.id})" for role, party in wrong]
    lists = (issued.end_users or (), issued.operators or (), issued.others)
    known_parties = {same(shipment.consignee.id), *(same(party) for several in lists for party in several)}
    for role, party, countries in to_be_named(shipment, law):
        if same(party.id) not in known_parties and (role, party) not in wrong:
            wrong.append((role, party))
            each.append(f"the {role} {party.name} ({party.id}), of {' and '.join(countries)}")
    if wrong:
        parties = list(dict.fromkeys(party.id for _, party in wrong))
        return _wrong(one, "name", each, differences=each, parties=parties)
    return met(f"licence {issued.number} names end users and operators, and every party of D:5, Macau or part 746")


def licensed_lines(shipment: Shipment, law: Law) -> tuple[Line, ...]:
    """The lines that go under a licence: those in need of one, and those of which the book does not decide whether.

    All lines, where part 744 or 746 asks for a licence for any item.
    """
    embargoed = "review.needed" not in shipment.set_aside and touches_part_746(shipment, law)
    if shipment.asked.part_744_uses or embargoed:
        return shipment.lines
    undecided = () if shipment.domestic else [line for line in shipment.lines if line.level in WAITING]
    return tuple(line for line in shipment.lines if line in shipment.needing or line in undecided)


@provision("15 CFR 750.7(a)", row="LICENSE 3 items", code="license.mismatch")
def a_items(shipment: Shipment, law: Law, one: License) -> Verdict | None:
    """Every line in need of a licence is an item that it names; without a list it names .a commodities alone."""
    lines, items = licensed_lines(shipment, law), one.issued.items
    if not lines:
        return None
    if items is None:
        others = [line for line in lines if not commodity(line, "a")]
        if not others:
            return met(f"{named(lines)}: .a commodities")
        detail = (
            f"licence {one.issued.number} names no items, so that it covers .a commodities alone: not {named(others)}"
        )
    else:
        others = unnamed(shipment, lines, items)
        if not others:
            return met(f"licence {one.issued.number} names {named(lines)}")
        detail = f"licence {one.issued.number} does not name {named(others)}"
    return not_met(detail, {"number": one.issued.number, "lines": [line.line for line in others]})


@provision("15 CFR 750.7(a); part 744", row="LICENSE 3 uses", code="license.mismatch")
def a_uses(shipment: Shipment, law: Law, one: License) -> Verdict | None:
    """A declared end use or user of part 744 is one for which it was issued."""
    declared = shipment.asked.part_744_uses
    if not declared:
        return None
    others = list(dict.fromkeys(use for use in declared if use not in one.issued.part_744_uses))
    if others:
        return _wrong(one, "name the part 744 use", others, uses=others)
    return met(f"licence {one.issued.number} was issued for {', '.join(declared)}")


@provision("Supplement No. 2 to part 748, paragraph (c)(4)", row="LICENSE note")
def c4_without_quantity(shipment: Shipment, law: Law, one: License) -> Verdict | None:
    """What has no TPP of .a items has no quantity on a licence: that is not tested."""
    lines = [line for line in licensed_lines(shipment, law) if not line.tpp]
    return not_applicable(f"{named(lines)}: no TPP of .a items, so the quantity is not tested") if lines else None


@provision("Supplement No. 2 to part 748, paragraph (c)(4)", row="LICENSE 4", code="quota.exhausted", kind="quota")
def c4_amount(shipment: Shipment, law: Law, one: License) -> Debit:
    """No more TPP of .a items than was licensed."""
    issued = one.issued
    account = accounts.license(issued.number)
    return Debit(account, shipment.needing_tpp, issued.tpp, cites="Supplement No. 2 to part 748, paragraph (c)(4)")


_LICENSE = (known, g_validity, c4_parties, a_parties, a_items, a_uses, c4_without_quantity)


def _findings(shipment: Shipment, law: Law, one: License) -> tuple[Finding, ...]:
    rows = versions(law, _LICENSE)
    return tuple([found for row in rows for found in row.findings(row.test(shipment, law, one))])


def _amount(shipment: Shipment, law: Law, one: License) -> tuple[Debit, ...]:
    return (c4_amount.test(shipment, law, one),)


def license_(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """A licence: one option for each that may fit; a closed one where none is known."""
    found = candidates(shipment)
    if not found:
        missing = known.finding(known.test(shipment, law, None))
        claim = shipment.asked.authorization
        reference = claim.reference if claim is not None and claim.kind == "LICENSE" else None
        return (plan(shipment, "LICENSE", (missing,), reference=reference),)
    return tuple(
        plan(
            shipment,
            "LICENSE",
            _findings(shipment, law, one),
            partial(_amount, shipment, law, one),
            reference=one.issued.number,
        )
        for one in found
    )
