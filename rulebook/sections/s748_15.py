"""15 CFR 748.15: Authorization Validated End-User for data centres, universal and national."""

from datetime import date

from rulebook.law.authorization import duty, plan
from rulebook.law.law import Law
from rulebook.law.provisions import Verdict, met, not_applicable, not_met, provision, unknown, versions
from rulebook.law.shipment import Shipment
from rulebook.sections import s748_supp10
from schemas import accounts
from schemas.plan import Debit, Finding, Obligation, Option, Veu


def in_force(shipment: Shipment, party: str) -> list[Veu]:
    """The authorizations of a party that cover the destination on the export date."""
    one, day, place = shipment.facts.one, shipment.day, shipment.asked.ship_to
    wanted = one(party)
    return [
        veu
        for veu in shipment.facts.veus
        if one(veu.authorized.holder) == wanted
        and veu.authorized.valid_from <= day
        and (veu.revoked is None or day < veu.revoked)
        and veu.authorized.country in (None, place)
    ]


@provision("15 CFR 748.15(b)(2)", row="VEU 1", code="destination.denied")
def b2_destination(shipment: Shipment, law: Law, veu: Veu | None = None) -> Verdict:
    """Not in D:5 or Macau."""
    return (
        not_met("; ".join(shipment.barred))
        if shipment.barred
        else met(f"{shipment.asked.ship_to} is outside D:5 and Macau")
    )


@provision("15 CFR 748.15(a)(1), (2)", row="VEU 2", code="veu.not_listed")
def a_listed(shipment: Shipment, law: Law, veu: Veu | None = None) -> Verdict:
    """The ultimate consignee holds an authorization in force; a universal holder is of Supplement No. 5(a)."""
    consignee, place = shipment.consignee, shipment.asked.ship_to
    if veu is None:
        held = [
            one
            for one in shipment.facts.veus
            if shipment.facts.one(one.authorized.holder) == shipment.facts.one(consignee.id)
        ]
        known = "; ".join(_described(one) for one in held) or "it holds none"
        return not_met(f"{consignee.name} holds no VEU authorization for {place} on {shipment.day}: {known}")
    inside = law.members("supp5a")
    if veu.authorized.program == "universal" and inside.isdisjoint(
        (consignee.headquarters, consignee.parent_headquarters)
    ):
        return not_met(
            f"a universal VEU is of Supplement No. 5(a); {consignee.name} is headquartered in {consignee.headquarters}"
        )
    return met(f"{consignee.name}: {_described(veu)}")


def _described(veu: Veu) -> str:
    granted = veu.authorized
    until = f", revoked from {veu.revoked} on" if veu.revoked else ""
    return (
        f"{granted.program} VEU{f' for {granted.country}' if granted.country else ''} from {granted.valid_from}{until}"
    )


@provision("15 CFR 748.15(a)(2)(ii)(A), (iii)(A)", row="VEU 3", code="veu.not_listed")
def a_operator(shipment: Shipment, law: Law, veu: Veu) -> Verdict:
    """An operator that is not the holder has an authorization of its own, of the same program."""
    program, same = veu.authorized.program, shipment.facts.one
    others = [one for one in shipment.operators if same(one.id) != same(veu.authorized.holder)]
    lacking = [
        one.name for one in others if not any(own.authorized.program == program for own in in_force(shipment, one.id))
    ]
    if lacking:
        return not_met(f"the operator {', '.join(lacking)} has no {program} VEU authorization of its own")
    return met("the holder operates") if not others else met(f"{len(others)} operators are {program} VEUs themselves")


@provision("15 CFR 748.15(a)(2)(ii)(A)", row="VEU 4", code="veu.facility_not_listed")
def a_facility(shipment: Shipment, law: Law, veu: Veu) -> Verdict:
    """The facility is listed for the holder, in the destination, and from the export date or earlier."""
    facility, place = shipment.asked.facility, shipment.asked.ship_to
    if facility is None:
        return unknown("no facility is named; a VEU receives at a listed facility", "facility")
    facts = {"facility": facility.id}
    listed = next((one for one in veu.authorized.facilities if one.id == facility.id), None)
    if listed is None:
        return not_met(f"facility {facility.id} is not listed for {veu.authorized.holder}", facts)
    if listed.country != place or facility.country != place:
        return not_met(
            f"facility {facility.id} is listed in {listed.country} and said to be in {facility.country}, not {place}",
            facts,
        )
    if listed.valid_from > shipment.day:
        return not_met(f"facility {facility.id} may receive from {listed.valid_from}, not on {shipment.day}", facts)
    return met(f"facility {facility.id} in {place} is listed from {listed.valid_from}")


@provision("15 CFR 748.15(d)(2)", row="VEU 5")
def d_transaction(shipment: Shipment, law: Law, veu: Veu) -> Verdict:
    """Export or reexport; a transfer only by the holder itself between its listed facilities."""
    asked, same = shipment.asked, shipment.facts.one
    if asked.transaction != "transfer":
        return met(f"the transaction is {asked.transaction}")
    if same(asked.exporter.id) != same(veu.authorized.holder):
        return not_met(f"a transfer by {asked.exporter.name}, who is not the holder")
    if asked.from_facility is None:
        return unknown("a transfer by the holder: from which listed facility is not said", "from_facility")
    if not any(one.id == asked.from_facility and one.valid_from <= shipment.day for one in veu.authorized.facilities):
        return not_met(f"a transfer by the holder from {asked.from_facility}, which is not listed")
    return met(f"a transfer by the holder between listed facilities, from {asked.from_facility}")


@provision("15 CFR 748.15(a)(2)(iii)(B)", row="VEU 6", code="review.needed")
def b_printed(shipment: Shipment, law: Law, veu: Veu) -> Verdict | None:
    """The national cap of the quarter is printed; after 2027 none is."""
    if veu.authorized.program != "national" or law.printed("nveu_base_tpp") is not None:
        return None
    if "review.needed" in shipment.set_aside:
        return not_applicable(f"no cap is printed for {shipment.day}: set aside by a reviewer")
    return unknown(f"no national VEU cap is printed for {shipment.day}: a reviewer decides", "15 CFR 748.15, Table 1")


@provision("15 CFR 748.15(a)(2)(iii)(B)", row="VEU 6 quota", code="quota.exhausted", kind="quota")
def b_installed(shipment: Shipment, law: Law, holder: str, tested: bool) -> Debit:
    """The installed base of one holder in one country, within the cap of the quarter where VEU is used."""
    limit = law.printed("nveu_base_tpp") if tested else None
    account = accounts.nveu(holder, shipment.asked.ship_to)
    return Debit(account, shipment.tpp, limit, cites="15 CFR 748.15(a)(2)(iii)(B)", whole=True)


@provision("15 CFR 748.15(a)(2)(iii)(A)", row="VEU note")
def a_arrangement(shipment: Shipment, law: Law, veu: Veu) -> Verdict | None:
    """A listed national VEU is taken to have the arrangement that its listing rests on."""
    if veu.authorized.program != "national":
        return None
    return not_applicable(
        f"{veu.authorized.holder} is listed for {veu.authorized.country}: assurances are taken as given, not tested"
    )


def base_of(shipment: Shipment, law: Law, under: str = "") -> tuple[Debit, ...]:
    """What the shipment adds to the holder's installed base, whatever authorizes it; limits only under VEU `under`."""
    if not shipment.tpp or not shipment.facts.veus:
        return ()
    holder = shipment.facts.one(shipment.consignee.id)
    programs = {veu.authorized.program for veu in in_force(shipment, holder)}
    debits: list[Debit] = []
    if "national" in programs:
        debits.append(b_installed.test(shipment, law, holder, under == "national"))
    if "universal" in programs:
        debits.extend(s748_supp10.shares(shipment, law, holder, under == "universal"))
    return tuple(debits)


_VEU = (b2_destination, a_listed, a_operator, a_facility, d_transaction, b_printed, a_arrangement)


def _findings(shipment: Shipment, law: Law, veu: Veu | None) -> tuple[Finding, ...]:
    rows = versions(law, _VEU if veu else _VEU[:2])
    found = ((row, row.test(shipment, law, veu)) for row in rows)
    return tuple(row.finding(verdict) for row, verdict in found if verdict is not None)


def next_report(law: Law, kind: str, day: date) -> date:
    """The first of a report's yearly days that lies in a month begun after this day."""
    days = [
        date(year, *map(int, text.split("-"))) for year in (day.year, day.year + 1) for text in law.period.yearly[kind]
    ]
    return min(due for due in days if due.replace(day=1) > day)


def _duties(shipment: Shipment, law: Law, holder: str) -> tuple[Obligation, ...]:
    day = shipment.day
    return (
        duty(shipment, law, "veu_exporter_certification", day),
        duty(shipment, law, "veu_semiannual_report", next_report(law, "veu_semiannual_report", day), party=holder),
        duty(shipment, law, "veu_chip_accounting", next_report(law, "veu_chip_accounting", day), party=holder),
    )


def veu(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """Authorization VEU: one option for each in force that the consignee holds; a closed one where it has none."""
    held = in_force(shipment, shipment.consignee.id)
    if not held:
        return (plan(shipment, "VEU", _findings(shipment, law, None)),)
    holder = shipment.facts.one(shipment.consignee.id)
    return tuple(
        plan(
            shipment,
            "VEU",
            _findings(shipment, law, one),
            base_of(shipment, law, under=one.authorized.program),
            lambda: _duties(shipment, law, holder),
        )
        for one in held
    )
