"""15 CFR 750.7 and Supplement No. 2 to part 748: issued licences."""

from rulebook.law.authorization import plan
from rulebook.law.law import Law
from rulebook.law.provisions import Verdict, met, not_met, provision, versions
from rulebook.law.shipment import Shipment
from schemas import accounts
from schemas.plan import Debit, Finding, License, Line, Option


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
    fitting = [one for one in licenses if not _mismatch(shipment, one)]
    return sorted(fitting, key=lambda one: (_validity(shipment, one) != "", one.issued.valid_until, one.issued.number))


def names(shipment: Shipment, line: Line) -> bool:
    """Whether a licence that may be taken, fits and is in force names the ECCN of this line among its items."""
    claim = shipment.asked.authorization
    if claim is not None and claim.kind != "LICENSE":
        return False
    item = next(one for one in shipment.asked.items if one.line == line.line)
    fitting = (one for one in candidates(shipment) if not _mismatch(shipment, one) and not _validity(shipment, one))
    return any(
        _covers(named.eccn, (item.eccn, line.eccn)) and named.part_number in (None, item.part_number)
        for one in fitting
        for named in getattr(one.issued, "items", None) or ()
    )


def _covers(licensed: str | None, eccns: tuple[str, ...]) -> bool:
    """Whether an ECCN on a licence is one of these, or has one of them among its paragraphs."""
    return licensed is not None and any(eccn == licensed or eccn.startswith(f"{licensed}.") for eccn in eccns)


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


@provision("Supplement No. 2 to part 748, paragraph (c)(4)", row="LICENSE 4", code="quota.exhausted", kind="quota")
def c4_amount(shipment: Shipment, law: Law, one: License) -> Debit:
    """No more TPP of .a items than was licensed."""
    issued = one.issued
    account = accounts.license(issued.number)
    return Debit(account, shipment.needing_tpp, issued.tpp, cites="Supplement No. 2 to part 748, paragraph (c)(4)")


def _findings(shipment: Shipment, law: Law, one: License) -> tuple[Finding, ...]:
    rows = versions(law, (known, g_validity, c4_parties))
    return tuple(row.finding(row.test(shipment, law, one)) for row in rows)


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
            (c4_amount.test(shipment, law, one),),
            reference=one.issued.number,
        )
        for one in found
    )
