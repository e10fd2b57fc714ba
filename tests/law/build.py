"""Builds a case from the compact tables of the files here; what is not said takes the plain value."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from schemas.models.incoming import Certification, LicenseIssued, Party, Requested, VeuAuthorized
from schemas.plan import Case, Facts, Hit, License, Veu

ITEM = {
    "part": "part_number",
    "density": "performance_density",
    "bandwidth": "memory_bandwidth_gbps",
    "ops": "training_operations",
    "basis": "subject_basis",
}
PLAIN_ITEM = {
    "part_number": "P-1",
    "eccn": "3A090.a",
    "quantity": 8,
    "tpp": 15824,
    "performance_density": Decimal("19.4"),
}
ITEM_KEYS = {
    "part",
    "eccn",
    "quantity",
    "tpp",
    "density",
    "circuits",
    "datacenter",
    "designer",
    "bandwidth",
    "ops",
    "published",
    "basis",
}
SHIP_KEYS = {
    "to",
    "from",
    "date",
    "transaction",
    "country",
    "hq",
    "parent",
    "private",
    "use",
    "claim",
    "reference",
    "apply_to",
    "uses",
    "flags",
    "facility",
    "facility_in",
    "from_facility",
    "certs",
    "lines",
    "operator",
    "end_user",
    "purchaser",
    "through",
    "exporter",
}


def party(identifier: str, says: Any) -> dict[str, Any]:
    """A party from its headquarters, or from a table of `country`, `hq`, `parent` (its headquarters), `id`, `private`."""
    told = {"hq": says} if isinstance(says, str) else dict(says)
    name = told.get("id", identifier)
    headquarters = told.get("hq", told.get("country", "US"))
    made: dict[str, Any] = {
        "id": name,
        "name": f"Party {name}",
        "headquarters": headquarters,
        "country": told.get("country", headquarters),
    }
    if "private" in told:
        made["private_sector"] = told["private"]
    if "parent" in told:
        parent = told.get("parent_id", f"{name}-PARENT")
        made["ultimate_parent"] = {"id": parent, "name": f"Party {parent}", "headquarters": told["parent"]}
    return made


def item(line: int, says: Mapping[str, Any]) -> dict[str, Any]:
    """One line; `""` takes a plain value away."""
    unknown = set(says) - ITEM_KEYS
    assert not unknown, unknown
    made = {"line": line, "datacenter": True, "designer": "Nvidia Corporation", **PLAIN_ITEM}
    made |= {ITEM.get(key, key): value for key, value in says.items()}
    return {key: value for key, value in made.items() if value != ""}


def certification(text: str) -> dict[str, Any]:
    """`kind party day` and, where it ends, `until day`; the party's spaces are written as `_`."""
    kind, who, day, *rest = text.split()
    made = {"kind": kind, "party": who.replace("_", " "), "date": day, "reference": "REF-1"}
    return made | ({"valid_until": rest[1]} if rest else {})


def requested(ship: Mapping[str, Any]) -> Requested:
    """The request of a compact table."""
    unknown = set(ship) - SHIP_KEYS - ITEM_KEYS
    assert not unknown, unknown
    to = ship.get("to", "IN")
    told = {"country": ship.get("country", to), "hq": ship.get("hq", ship.get("country", to))}
    told |= {key: ship[key] for key in ("parent", "private") if key in ship}
    lines = ship.get("lines", [{key: ship[key] for key in ITEM_KEYS & set(ship)}])
    data: dict[str, Any] = {
        "shipment_id": "S-1",
        "transaction": ship.get("transaction", "export"),
        "export_date": ship.get("date", "2025-06-20"),
        "ship_from": ship.get("from", "US"),
        "ship_to": to,
        "exporter": party("EXP", ship.get("exporter", "US")),
        "ultimate_consignee": party("CON", told),
        "end_use": ship.get("use", "data_center"),
        "items": [item(number, says) for number, says in enumerate(lines, 1)],
        "certifications": [certification(text) for text in ship.get("certs", [])],
        "part_744_uses": ship.get("uses", []),
        "red_flags": [{"number": number, "note": "seen"} for number in ship.get("flags", [])],
    }
    for key, role, name in (
        ("operator", "operator", "OPR"),
        ("end_user", "end_user", "USR"),
        ("purchaser", "purchaser", "BUY"),
        ("through", "intermediate_consignees", "MID"),
    ):
        if key in ship:
            data[role] = party(name, ship[key])
    if "facility" in ship:
        data["facility"] = {"id": ship["facility"], "address": "1 Main Street", "country": ship.get("facility_in", to)}
    if "from_facility" in ship:
        data["from_facility"] = ship["from_facility"]
    if "claim" in ship:
        claim = {"kind": ship["claim"]} | {key: ship[key] for key in ("reference", "apply_to") if key in ship}
        data["authorization"] = claim
    return Requested.model_validate(data)


def facts(says: Mapping[str, Any]) -> Facts:
    """What the ledger knew; `licenses` and `veus` are tables of the event's fields, with plain values where not said."""
    licenses = []
    for one in says.get("licenses", []):
        data = {"number": "L-1", "exporter": "EXP", "consignee": "CON", "country": "IN", "tpp": 1_000_000, **one}
        data = {"valid_from": "2025-01-20", "valid_until": "2026-01-19", **data}
        revoked = data.pop("revoked", None)
        licenses.append(License(LicenseIssued.model_validate(data), revoked and date.fromisoformat(revoked)))
    veus = []
    for one in says.get("veus", []):
        data = {"holder": "CON", "program": "national", "valid_from": "2025-02-01", **one}
        revoked = data.pop("revoked", None)
        listed = data.get("facilities", ["FAC-1"])
        country = data.pop("at", data.get("country", "IN"))
        since = data.pop("facility_from", "2025-02-01")
        data["facilities"] = [
            {"id": name, "address": "1 Main Street", "country": country, "valid_from": since} for name in listed
        ]
        veus.append(Veu(VeuAuthorized.model_validate(data), revoked and date.fromisoformat(revoked)))
    return Facts(
        registered={
            name: Party.model_validate(party(name, known)) for name, known in says.get("registered", {}).items()
        },
        certifications=tuple(Certification.model_validate(certification(text)) for text in says.get("certs", [])),
        licenses=tuple(licenses),
        veus=tuple(veus),
        survivors=says.get("survivors", {}),
        lists=tuple(says.get("lists", ["entity-list"])),
        hits=tuple(
            Hit(name, f"Party {name}", "entity-list", "E-7", "Listed Party", Decimal("0.97"))
            for name in says.get("hits", [])
        ),
    )


def case(told: Mapping[str, Any]) -> Case:
    """The case of one entry of a file."""
    return Case(requested(told.get("ship", {})), facts(told.get("facts", {})), frozenset(told.get("aside", [])))
