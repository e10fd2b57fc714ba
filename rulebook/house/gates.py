"""What stands before the law's own tests: the dates of the rule, the register of parties, lists that grow old."""

from rulebook.law.authorization import months_after
from rulebook.law.law import Law
from rulebook.law.provisions import Verdict, met, not_applicable, not_met, provision
from rulebook.law.shipment import Shipment
from schemas.models.incoming import Party


@provision("90 FR 4544, DATES", row="dates first day", code="authorization.none", kind="gate")
def first_day(shipment: Shipment, law: Law) -> Verdict:
    """An export before the rule's first day is not for this rulebook."""
    first = law.date_of("effective")
    if shipment.day < first:
        facts = {"review_policy": "case_by_case", "export_date": shipment.day.isoformat()}
        return not_met(f"{shipment.day} is before {first}, the first day of this rulebook: other law applies", facts)
    return met(f"{shipment.day} is not before {first}")


@provision("90 FR 4544, compliance date", row="dates compliance", kind="gate")
def compliance(shipment: Shipment, law: Law) -> Verdict | None:
    """Compliance was not required before 15 May 2025; the rule is applied in full all the same."""
    day = law.date_of("compliance")
    if shipment.day >= day:
        return None
    return not_applicable(
        f"compliance was not yet required on {shipment.day} but from {day} on; the rule is applied in full"
    )


@provision("90 FR 4544, saving clause", row="dates saving clause", kind="gate")
def saving(shipment: Shipment, law: Law) -> Verdict | None:
    """Goods en route on 15 May 2025 and delivered by 16 June 2025 may go as before: for a reviewer to see."""
    start, end = law.date_of("saving_en_route_on"), law.date_of("saving_complete_by")
    if not start <= shipment.day <= end:
        return None
    return not_applicable(
        f"goods on board on {start} and delivered by {end} may go as before the rule; no automatic pass"
    )


def _stale(shipment: Shipment, law: Law, name: str, words: str) -> Verdict | None:
    checked = law.period.checked[name]
    if shipment.day <= months_after(checked, 12):
        return None
    return not_applicable(f"{words} was checked until {checked}, more than a year before {shipment.day}")


@provision("Supplement No. 6 to part 740", row="dates designers", kind="gate")
def designers_checked(shipment: Shipment, law: Law) -> Verdict | None:
    """The list of approved designers is old where it was checked more than a year before the export."""
    return _stale(shipment, law, "designers", "the list of approved designers")


@provision("house rule: the catalogue of parts", row="dates catalogue", kind="gate")
def catalogue_checked(shipment: Shipment, law: Law) -> Verdict | None:
    """The catalogue of parts is old where it was checked more than a year before the export."""
    return _stale(shipment, law, "chips", "the catalogue of parts")


@provision("15 CFR 748.5; house rule", row="place", kind="gate")
def two_places(shipment: Shipment, law: Law) -> Verdict | None:
    """Where the consignee's country is not the destination, both are tested."""
    if len(shipment.destinations) == 1:
        return None
    first, second = shipment.destinations
    return not_applicable(f"ship_to is {first} but the ultimate consignee is in {second}: both were tested")


def _differences(party: Party, known: Party, shipment: Shipment) -> list[str]:
    one = shipment.facts.one
    pairs = (
        ("country", party.country, known.country),
        ("headquarters", party.headquarters, known.headquarters),
        ("ultimate parent", one(party.owner), one(known.owner)),
        ("ultimate parent's headquarters", party.parent_headquarters, known.parent_headquarters),
    )
    return [f"{name} {says}, registered {is_}" for name, says, is_ in pairs if says != is_]


@provision("house rule: the register of parties", row="4 parties", code="party.conflict", kind="gate")
def register(shipment: Shipment, law: Law) -> Verdict | list[Verdict]:
    """No party's country, headquarters or ultimate parent contradicts its registration in force on the export date."""
    known = shipment.facts.registered
    conflicts: list[Verdict] = []
    agreed = 0
    for role, party in (("exporter", shipment.asked.exporter), *shipment.receivers):
        entry = known.get(party.id) or known.get(shipment.facts.one(party.id))
        if entry is None:
            continue
        agreed += 1
        if differences := _differences(party, entry, shipment):
            facts = {"party": party.id, "role": role, "differences": differences}
            conflicts.append(not_met(f"the {role} {party.name} ({party.id}) has {'; '.join(differences)}", facts))
    if conflicts:
        return conflicts
    return met(f"{agreed} of {1 + len(shipment.receivers)} parties are registered and agree")
