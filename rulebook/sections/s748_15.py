"""15 CFR 748.15: Authorization Validated End-User for data centres, universal and national."""

from datetime import date, timedelta
from functools import partial

from rulebook.law.authorization import duty, named, plan, record_retention
from rulebook.law.law import Law
from rulebook.law.naming import commodity, unnamed
from rulebook.law.provisions import Verdict, met, not_applicable, not_met, provision, unknown, versions
from rulebook.law.shipment import Shipment
from rulebook.sections import s748_15_bases as bases
from rulebook.sections import s748_supp10
from rulebook.sections.s748_15_bases import by_holder, in_force, moved, of_group, site
from schemas.plan import Debit, Finding, Obligation, Option, Veu


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


@provision("15 CFR 748.15(a)(2)(i)", row="VEU 8")
def a_items(shipment: Shipment, law: Law, veu: Veu) -> Verdict | None:
    """Every line in need of a licence is an item of the authorization, without a list an .a or .b commodity.

    Model weights never are: AIA is their only exception.
    """
    lines, items = shipment.needing, veu.authorized.items
    if not lines:
        return None
    others = [line for line in lines if line.level == "weights"]
    if others:
        return not_met(f"{named(others)}: no VEU authorization carries model weights")
    if items is None:
        others = [line for line in lines if not commodity(line, "a", "b")]
        kept = "names no items, so that it covers .a and .b commodities alone"
    else:
        others = unnamed(shipment, lines, items)
        kept = "does not name it"
    if others:
        return not_met(f"{named(others)}: the authorization of {veu.authorized.holder} {kept}")
    return met(f"{named(lines)}: items of the authorization of {veu.authorized.holder}")


@provision("15 CFR 748.15(d)(2)", row="VEU 5")
def d_transaction(shipment: Shipment, law: Law, veu: Veu) -> Verdict:
    """Export or reexport; what moves out of a facility of the holder, or within its group, by the holder itself alone.

    A transfer is from one listed facility to another. What one of the group exports from the United States is new.
    """
    asked, holder = shipment.asked, veu.authorized.holder
    own, leaves = by_holder(shipment, veu), site(shipment, veu)
    if asked.transaction == "transfer":
        if not own:
            return not_met(f"a transfer by {asked.exporter.name}, who is not the holder")
        if asked.from_facility is None:
            return unknown("a transfer by the holder: from which listed facility is not said", "from_facility")
        if leaves is None:
            return not_met(f"a transfer by the holder from {asked.from_facility}, which is not listed")
        return met(f"a transfer by the holder between listed facilities, from {asked.from_facility}")
    if own:
        return met(f"the transaction is {asked.transaction}, by the holder")
    if leaves is not None:
        return not_met(f"out of {leaves.id}, a facility of {holder}, by {asked.exporter.name}, who is not the holder")
    if _moves_within(shipment, law, veu):
        return not_met(f"a move within the group of {holder} by {asked.exporter.name}, who is not the holder")
    return met(f"the transaction is {asked.transaction}")


def _moves_within(shipment: Shipment, law: Law, veu: Veu) -> bool:
    """Whether another of a universal holder's group sends it what has left the United States before."""
    asked = shipment.asked
    first = asked.transaction == "export" and asked.ship_from in law.members("united_states")
    return veu.authorized.program == "universal" and not first and of_group(shipment, asked.exporter, veu)


@provision("15 CFR 748.15(a)(2)(iii)(B)", row="VEU 6", code="review.needed")
def b_printed(shipment: Shipment, law: Law, veu: Veu) -> Verdict | None:
    """The national cap of the quarter is printed; after 2027 none is."""
    if veu.authorized.program != "national" or law.printed("nveu_base_tpp") is not None:
        return None
    if "review.needed" in shipment.set_aside:
        return not_applicable(f"no cap is printed for {shipment.day}: set aside by a reviewer")
    return unknown(f"no national VEU cap is printed for {shipment.day}: a reviewer decides", "15 CFR 748.15, Table 1")


@provision("15 CFR 748.15(a)(2)(iii)(A)", row="VEU note")
def a_arrangement(shipment: Shipment, law: Law, veu: Veu) -> Verdict | None:
    """A listed national VEU is taken to have the arrangement that its listing rests on."""
    if veu.authorized.program != "national":
        return None
    return not_applicable(
        f"{veu.authorized.holder} is listed for {veu.authorized.country}: assurances are taken as given, not tested"
    )


def base_of(shipment: Shipment, law: Law, under: str = "") -> tuple[Debit, ...]:
    """What the shipment does to the bases of validated end-users, whatever authorizes it; limits only under `under`."""
    if not shipment.tpp or not shipment.facts.veus:
        return ()
    holder = shipment.facts.one(shipment.consignee.id)
    debits = list(bases.national(shipment, law, holder, under == "national"))
    for each, veu in bases.universal(shipment).items():
        debits.extend(s748_supp10.shares(shipment, law, veu, under == "universal" and each == holder))
    return tuple(debits)


_VEU = (b2_destination, a_listed, a_items, a_operator, a_facility, d_transaction, b_printed, a_arrangement)
_WITHOUT = _VEU[:2]
"""What is asked where no authorization is held."""


def _findings(shipment: Shipment, law: Law, veu: Veu | None) -> tuple[Finding, ...]:
    rows = versions(law, _VEU if veu else _WITHOUT)
    tried = [(row, row.test(shipment, law, veu)) for row in rows]
    return tuple([row.finding(verdict) for row, verdict in tried if verdict is not None])


def next_report(law: Law, kind: str, day: date) -> date:
    """The first of a report's yearly days that lies in a month begun after this day."""
    days = [
        date(year, *map(int, text.split("-"))) for year in (day.year, day.year + 1) for text in law.period.yearly[kind]
    ]
    return min(due for due in days if due.replace(day=1) > day)


_STANDING = ("veu_chip_accounting", "veu_ties", "veu_transfers", "veu_training", "veu_weight_storage")
"""What a holder keeps at all times and accounts for on the days of Supplement No. 10, paragraph 10."""


def _duties(shipment: Shipment, law: Law, veu: Veu) -> tuple[Obligation, ...]:
    day, asked = shipment.day, shipment.asked
    holder = shipment.facts.one(veu.authorized.holder)
    report = next_report(law, "veu_semiannual_report", day)
    accounting = next_report(law, "veu_chip_accounting", day)
    owed = [
        duty(shipment, law, "veu_exporter_certification", day),
        duty(shipment, law, "veu_semiannual_report", report, party=holder),
        *(duty(shipment, law, kind, accounting, party=holder) for kind in _STANDING),
        duty(shipment, law, "veu_transit_incidents", day + timedelta(days=law.amount("veu_incident_days"))),
        record_retention(shipment, law, "VEU"),
    ]
    if veu.authorized.program == "national":
        owed.append(duty(shipment, law, "nveu_customer_list", report, party=holder))
    elif asked.ship_from != asked.ship_to and moved(shipment, veu):
        notified = day - timedelta(days=law.amount("uveu_move_days"))
        owed.append(duty(shipment, law, "uveu_move_notice", notified, party=holder))
    if _reexported(shipment, law):
        exporter = shipment.facts.one(asked.exporter.id)
        owed.append(duty(shipment, law, "veu_reexport_report", report, party=exporter))
    return tuple(owed)


def _reexported(shipment: Shipment, law: Law) -> bool:
    """Whether goods go from one country to another, not out of the United States."""
    asked = shipment.asked
    return asked.transaction != "transfer" and asked.ship_from not in law.members("united_states")


def veu(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """Authorization VEU: one option for each in force that the consignee holds; a closed one where it has none."""
    held = in_force(shipment, shipment.consignee.id)
    if not held:
        return (plan(shipment, "VEU", _findings(shipment, law, None)),)
    return tuple(
        plan(
            shipment,
            "VEU",
            _findings(shipment, law, one),
            partial(base_of, shipment, law, under=one.authorized.program),
            partial(_duties, shipment, law, one),
        )
        for one in held
    )
