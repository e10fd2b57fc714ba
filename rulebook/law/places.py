"""Parties and places as the law reads them: the register's word, and territories as parts of their countries."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from rulebook.law.law import Law
from schemas.models.incoming import Parent, Party, Requested
from schemas.plan import Case, Facts, License, Veu

Receivers = tuple[tuple[str, Party], ...]
_ROLES = ("ultimate_consignee", "end_user", "operator", "purchaser", "intermediate_consignees")
_STRICTER = ("part_746", "d5_or_macau", "restricted_740_2")
CONFLICT = "party.conflict"
"""The code of a contradiction between a shipment and the register."""


def receivers_of(asked: Requested) -> Receivers:
    """Every receiving party with its role, the ultimate consignee first."""
    found = [("ultimate consignee", asked.ultimate_consignee)]
    for role, parties in (
        ("end user", asked.end_user),
        ("operator", asked.operator),
        ("purchaser", asked.purchaser),
        ("intermediate consignee", asked.intermediate_consignees),
    ):
        if parties is not None:
            found += [(role, party) for party in parties]
    return tuple(found)


def touches(asked: Requested, receivers: Receivers, codes: frozenset[str]) -> bool:
    """Whether the goods, by their way or a facility, or a receiving party, by its seats, are of one of these places."""
    if asked.ship_from in codes or asked.ship_to in codes:
        return True
    for _, party in receivers:
        if party.country in codes or party.headquarters in codes:
            return True
        parent = party.ultimate_parent
        if parent is not None and parent.headquarters in codes:
            return True
    return asked.facility is not None and asked.facility.country in codes


def located(asked: Requested, law: Law) -> Requested:
    """The request with each territory as the country whose destination it is (738.3(b), 772.1).

    Headquarters and ultimate parents change for those few alone that the book names for them.
    """
    place, seats = law.place, law.period.seats

    def moved(party: Party) -> Party:
        parent = party.ultimate_parent
        update: dict[str, Any] = {
            "country": place(party.country),
            "headquarters": seats.get(party.headquarters, party.headquarters),
        }
        if parent is not None and parent.headquarters in seats:
            update["ultimate_parent"] = parent.model_copy(update={"headquarters": seats[parent.headquarters]})
        return party.model_copy(update=update)

    update = _changed(asked, moved) | {"ship_from": place(asked.ship_from), "ship_to": place(asked.ship_to)}
    if asked.facility is not None:
        update["facility"] = asked.facility.model_copy(update={"country": place(asked.facility.country)})
    return asked.model_copy(update=update)


def located_facts(facts: Facts, law: Law) -> Facts:
    """The facts with the countries of licences and validated end-users read as `located` reads a shipment's."""
    territories = law.period.places.keys()
    codes = {one.issued.country for one in facts.licenses}
    for veu in facts.veus:
        codes.update(listed.country for listed in veu.authorized.facilities)
        codes.add(veu.authorized.country or "")
    if territories.isdisjoint(codes):
        return facts
    return replace(
        facts,
        licenses=tuple(_license(one, law) for one in facts.licenses),
        veus=tuple(_veu(one, law) for one in facts.veus),
    )


def _license(one: License, law: Law) -> License:
    return replace(one, issued=one.issued.model_copy(update={"country": law.place(one.issued.country)}))


def _veu(one: Veu, law: Law) -> Veu:
    granted = one.authorized
    facilities = tuple(
        listed.model_copy(update={"country": law.place(listed.country)}) for listed in granted.facilities
    )
    country = granted.country and law.place(granted.country)
    return replace(one, authorized=granted.model_copy(update={"country": country, "facilities": facilities}))


def registration(party: Party, facts: Facts) -> Party | None:
    """A party's registration in force, under the identifier that is stated or the surviving one; None without one."""
    known = facts.registered.get(party.id)
    return facts.registered.get(facts.one(party.id)) if known is None and facts.survivors else known


def with_register(case: Case, law: Law, stated: Receivers) -> Requested:
    """The request with what the register adds: its word where the shipment is silent on the private sector.

    Where a reviewer has set a contradiction aside, each fact is the stricter word of both. `stated` are the parties of
    the request, in which there is mostly nothing to change.
    """
    aside = CONFLICT in case.set_aside
    silent = [
        party for _, party in stated if party.private_sector is None and _silent(party, registration(party, case.facts))
    ]
    if not aside and not silent:
        return case.asked

    def read(party: Party) -> Party:
        entry = registration(party, case.facts)
        if aside:
            above = registered_parent(party, case.facts)
            party = party if above is None else _under(party, above, law)
        if entry is None:
            return party
        if aside:
            return _strict(party, entry, law)
        if _silent(party, entry):
            return party.model_copy(update={"private_sector": entry.private_sector})
        return party

    update = _changed(case.asked, read)
    return case.asked.model_copy(update=update) if update else case.asked


def _silent(party: Party, entry: Party | None) -> bool:
    """Whether the register alone says if a party is of the private sector."""
    return party.private_sector is None and entry is not None and entry.private_sector is not None


def registered_parent(party: Party, facts: Facts) -> Party | None:
    """The registration of a party's stated ultimate parent; None if it has none, or is not registered."""
    parent, known = party.ultimate_parent, facts.registered
    return None if parent is None else known.get(parent.id) or known.get(facts.one(parent.id))


def owners_of(case: Case) -> tuple[str, ...]:
    """Whose limits the shipment counts on: the consignee's owner, and the registered one where both words count."""
    consignee, one = case.asked.ultimate_consignee, case.facts.one
    owner = one(consignee.owner)
    if CONFLICT not in case.set_aside:
        return (owner,)
    known = case.facts.registered
    entry, above = known.get(consignee.id) or known.get(one(consignee.id)), registered_parent(consignee, case.facts)
    return tuple(dict.fromkeys((owner, *(one(said.owner) for said in (entry, above) if said is not None))))


def _changed(asked: Requested, change: Callable[[Party], Party]) -> dict[str, Any]:
    """The roles whose parties `change` makes others, with those."""
    update: dict[str, Any] = {}
    for role in _ROLES:
        there = getattr(asked, role)
        if there is None:
            continue
        made = tuple(change(party) for party in there) if isinstance(there, tuple) else change(there)
        if made is not there and made != there:
            update[role] = made
    return update


def _strict(party: Party, entry: Party, law: Law) -> Party:
    parent = party.ultimate_parent or entry.ultimate_parent
    seat = _stricter((party.parent_headquarters, entry.parent_headquarters), law.period.seats.get, law)
    both = (party.private_sector, entry.private_sector)
    return party.model_copy(
        update={
            "country": _stricter((party.country, entry.country), law.period.places.get, law),
            "headquarters": _stricter((party.headquarters, entry.headquarters), law.period.seats.get, law),
            "ultimate_parent": parent and Parent(id=parent.id, name=parent.name, headquarters=seat, lei=parent.lei),
            "private_sector": False if False in both else party.private_sector or entry.private_sector,
        }
    )


def _under(party: Party, above: Party, law: Law) -> Party:
    """A party whose ultimate parent is headquartered where the parent's own registration says, if that is stricter."""
    parent, seat_of = party.ultimate_parent, law.period.seats.get
    if parent is None:
        return party
    seat = _stricter((parent.headquarters, above.headquarters, above.parent_headquarters), seat_of, law)
    return party.model_copy(update={"ultimate_parent": parent.model_copy(update={"headquarters": seat})})


def _stricter(codes: tuple[str, ...], part_of: Callable[[str, str], str], law: Law) -> str:
    """Of some countries that under which more is closed; the first where they are alike."""

    def closed(code: str) -> int:
        country = part_of(code, code)
        for rank, group in enumerate(_STRICTER):
            if country in law.members(group):
                return len(_STRICTER) - rank + 2
        if country not in law.members("supp5a"):
            return 2
        return 0 if country in law.members("united_states") else 1

    return max(codes, key=closed)


def tests_of(asked: Requested, listed: frozenset[str]) -> list[dict[str, str]]:
    """Which place of which party is in one of these countries, as facts; the destination first."""
    tests = [{"test": "destination", "country": asked.ship_to}] if asked.ship_to in listed else []
    for role, party in receivers_of(asked):
        places = [("location", party.country), ("headquarters", party.headquarters)]
        if party.ultimate_parent is not None:
            places.append(("ultimate_parent", party.ultimate_parent.headquarters))
        tests.extend(
            {"test": test, "party": party.id, "role": role, "country": country}
            for test, country in places
            if country in listed
        )
    return tests


def clauses(receivers: Receivers, listed: frozenset[str]) -> tuple[str, ...]:
    """One clause for each party that is located, headquartered or parented in one of these countries."""
    roles: dict[tuple[str, str], list[str]] = {}
    for role, party in receivers:
        parent = party.ultimate_parent
        said = [f"is in {party.country}"] if party.country in listed else []
        if party.headquarters in listed:
            said.append(f"is headquartered in {party.headquarters}")
        if parent is not None and parent.headquarters in listed:
            said.append(f"its ultimate parent, {parent.name}, is headquartered in {parent.headquarters}")
        if said:
            kept = roles.setdefault((party.name, _listed(said)), [])
            if role not in kept:
                kept.append(role)
    return tuple(
        f"the {_listed(names)} {name}{':' if said.startswith('its ') else ''} {said}"
        for (name, said), names in roles.items()
    )


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
