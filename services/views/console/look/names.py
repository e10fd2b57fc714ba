"""What people call an account: its owner's name, a country, a licence; and what it counts."""

from collections.abc import Iterable

import pycountry

from ledger.database.store import Connection
from ledger.queries.console.remembered import requested_names
from ledger.queries.shipment_list import latest_shipments, registered_names
from schemas import accounts
from services.views.console.look.words import say


def country_name(code: str) -> str:
    """The usual English name of a country; the code itself where it is not assigned.

    >>> country_name("SA"), country_name("TW"), country_name("XX")
    ('Saudi Arabia', 'Taiwan', 'XX')
    """
    found = pycountry.countries.get(alpha_2=code)
    return code if found is None else str(getattr(found, "common_name", found.name))


def account_names(connection: Connection, paths: Iterable[str]) -> dict[str, str]:
    """What people call each of these accounts.

    A party has the name with which it was registered last, else that in the latest request that moves its account or
    waits for it, else its identifier.
    """
    read = {path: accounts.read(path) for path in paths}
    owners = {path: one.party for path, one in read.items() if one is not None and one.party}
    known = registered_names(connection, set(owners.values()))
    unnamed = {path: owner for path, owner in owners.items() if owner not in known}
    if unnamed:
        latest = latest_shipments(connection, unnamed)
        known |= requested_names(connection, {unnamed[path]: one.asked for path, one in latest.items()})
    return {path: _name(path, one, known) for path, one in read.items()}


def _name(path: str, one: accounts.Account | None, known: dict[str, str]) -> str:
    if one is None:
        _, country, year = path.split("/")
        return say("quotas.name.flow", country=country_name(country), year=year).unescape()
    name = known.get(one.party, one.party)
    if one.family == "country":
        return say("quotas.name.country", country=country_name(one.country)).unescape()
    if one.family == "nveu":
        return f"{name}, {country_name(one.country)}"
    if one.family == "uveu":
        part = country_name(one.part) if len(one.part) == 2 else say(f"quotas.name.{one.part}").unescape()
        return f"{name}, {part}"
    if one.family in ("license", "nac", "facility"):
        return say(f"quotas.name.{one.family}", id=one.number or one.reference or one.facility).unescape()
    return name
