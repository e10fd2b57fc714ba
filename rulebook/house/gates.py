"""What stands before the law's own tests: the dates of the rule, the register of parties, lists that grow old."""

from collections.abc import Mapping

from rulebook.law.authorization import months_after
from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.places import registered_parent, registration
from rulebook.law.provisions import Verdict, met, not_applicable, not_met, provision
from rulebook.law.shipment import Shipment
from schemas.models.incoming import Party


@provision("90 FR 4544, DATES", row="dates first day", code="authorization.none", kind="gate")
def first_day(shipment: Shipment, law: Law) -> Verdict:
    """An export before the rule's first day is not for this rulebook."""
    first = law.date_of("effective")
    if shipment.day < first:
        facts = {"export_date": shipment.day.isoformat()}
        return not_met(f"{shipment.day} is before {first}, the first day of this rulebook: other law applies", facts)
    return met(f"{shipment.day} is on or after {first}, the first day of the rule")


@provision("90 FR 4544, compliance date", row="dates compliance", kind="gate")
def compliance(shipment: Shipment, law: Law) -> Verdict | None:
    """Compliance was not required before 15 May 2025; the rule is applied in full all the same."""
    day = law.date_of("compliance")
    if shipment.day >= day:
        return None
    return not_applicable(
        f"compliance is required from {day} on, not yet on {shipment.day}; the rule is applied in full"
    )


@provision("90 FR 4544, saving clause", row="dates saving clause", kind="gate")
def saving(shipment: Shipment, law: Law) -> Verdict | None:
    """Goods en route on 15 May 2025 and delivered by 16 June 2025 may go as before: for a reviewer to see."""
    start, end = law.date_of("saving_en_route_on"), law.date_of("saving_complete_by")
    if not start <= shipment.day <= end:
        return None
    return not_applicable(
        f"goods on board on {start} and delivered by {end} may go as before the rule, if two reviewers say so"
    )


@provision("house rule: coverage", row="coverage", kind="gate")
def coverage(shipment: Shipment, law: Law) -> Verdict:
    """A decision rests on no paragraph that is not modelled: what these are is said in each."""
    names, page = law.period.not_modelled
    return not_applicable(f"this decision rests on nothing that is not modelled: {'; '.join(names)} (see {page})")


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


@provision("15 CFR 748.5; house rule", row="place", kind="gate", of_route=True)
def two_places(route: Route, law: Law) -> Verdict | None:
    """Where the consignee's country is not the destination, both are tested."""
    if len(route.destinations) == 1:
        return None
    first, second = route.destinations
    return not_applicable(f"ship_to is {first} but the ultimate consignee is in {second}: both are tested")


def _differences(party: Party, known: Party, shipment: Shipment, law: Law) -> list[str]:
    one, place, seats = shipment.facts.one, law.place, law.period.seats
    seat, registered_seat = party.parent_headquarters, known.parent_headquarters
    pairs = (
        ("country", party.country, known.country, place(party.country) == place(known.country)),
        ("headquarters", party.headquarters, known.headquarters, _same(party.headquarters, known.headquarters, seats)),
        ("ultimate parent", one(party.owner), one(known.owner), one(party.owner) == one(known.owner)),
        ("ultimate parent's headquarters", seat, registered_seat, _same(seat, registered_seat, seats)),
    )
    found = [f"{name} {says}, registered {is_}" for name, says, is_, same in pairs if not same]
    if None not in (says := (party.private_sector, known.private_sector)) and says[0] != says[1]:
        found.append("private sector yes, registered no" if says[0] else "private sector no, registered yes")
    return found


def _alike(party: Party, known: Party) -> bool:
    """Whether all that is compared is word for word the same, as it mostly is."""
    return (
        party.country == known.country
        and party.headquarters == known.headquarters
        and party.private_sector is known.private_sector
        and (
            (party.ultimate_parent is known.ultimate_parent is None and party.id == known.id)
            or (party.owner == known.owner and party.parent_headquarters == known.parent_headquarters)
        )
    )


def _same(code: str, other: str, seats: Mapping[str, str]) -> bool:
    return seats.get(code, code) == seats.get(other, other)


def _parent(party: Party, shipment: Shipment, law: Law) -> list[str]:
    """Where a stated ultimate parent is registered itself with other headquarters, or with a parent of its own."""
    parent, entry = party.ultimate_parent, registered_parent(party, shipment.facts)
    if parent is None or entry is None:
        return []
    one, found = shipment.facts.one, list[str]()
    if not _same(parent.headquarters, entry.headquarters, law.period.seats):
        found.append(f"ultimate parent's headquarters {parent.headquarters}, registered {entry.headquarters}")
    if one(entry.owner) != one(parent.id):
        seat = entry.parent_headquarters
        found.append(f"ultimate parent {one(parent.id)}, registered as owned by {one(entry.owner)}, of {seat}")
    return found


def _none_registered(parties: int) -> Verdict:
    none = "neither party is registered" if parties == 2 else f"none of {parties} parties is registered"
    return not_applicable(none)


@provision("house rule: the register of parties", row="4 parties", code="party.conflict", kind="gate")
def register(shipment: Shipment, law: Law) -> Verdict | list[Verdict]:
    """No party's country, headquarters, ultimate parent or private sector contradicts its registration in force."""
    known, parties = shipment.facts.registered, 1 + len(shipment.receivers)
    if not known:
        return _none_registered(parties)
    conflicts: list[Verdict] = []
    agreed = 0
    for role, party in (("exporter", shipment.case.asked.exporter), *shipment.stated):
        entry = registration(party, shipment.facts)
        if entry is not None:
            agreed += 1
        elif party.ultimate_parent is None:
            continue
        differences = [] if entry is None or _alike(party, entry) else _differences(party, entry, shipment, law)
        if party.ultimate_parent is not None:
            differences = list(dict.fromkeys([*differences, *_parent(party, shipment, law)]))
        if differences:
            facts = {"party": party.id, "role": role, "differences": differences}
            conflicts.append(not_met(f"the {role} {party.name} ({party.id}) has {'; '.join(differences)}", facts))
    if conflicts:
        return conflicts
    if not agreed:
        return _none_registered(parties)
    return met(f"{agreed} of {parties} parties {'is' if agreed == 1 else 'are'} registered, and nothing contradicts")
