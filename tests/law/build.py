"""Builds a case from the compact tables of the files here; what is not said takes the plain value."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import events
from events import ITEM_WORDS, facility

from schemas.models.facts import LicenseIssued, VeuAuthorized
from schemas.models.incoming import Certification, Party, Requested, ReviewedAuthorization
from schemas.plan import Case, Facts, Hit, Holding, License, ListInForce, Namesake, Owned, Ownership, Veu

ITEM = {"part": "P-1", "tpp": 15_824, "density": Decimal("19.4"), "designer": "Nvidia Corporation"}
LICENSE = {
    "number": "L-1", "exporter": "EXP", "consignee": "CON", "country": "IN", "tpp": 1_000_000, "valid_from": "2025-01-20",
    "valid_until": "2026-01-19",
}  # fmt: skip
ROLES = {"exporter": "EXP", "operator": "OPR", "end_user": "USR", "purchaser": "BUY", "through": "MID"}
"""The identifier of the party of each role; a case says where it is, or more of it in a table."""
CONSIGNEE_WORDS = {"country", "hq", "parent", "parent_id", "private"}
AS_THEY_ARE = {"transaction", "from", "use", "uses", "flags", "facility", "facility_in", "from_facility", "apply_to"}
SHIP_WORDS = {
    *AS_THEY_ARE,
    *ROLES,
    *CONSIGNEE_WORDS,
    *ITEM_WORDS,
    "to",
    "date",
    "claim",
    "reference",
    "review",
    "certs",
    "lines",
}


def party(identifier: str, says: Any) -> dict[str, Any]:
    """A party from its headquarters, or from a table of `country`, `hq`, `parent` (its headquarters), `id`, `private`."""
    words = {"hq": says} if isinstance(says, str) else says
    name = words.get("id", identifier)
    headquarters = words.get("hq", words.get("country", "US"))
    parent = words.get("parent_id", f"{name}-PARENT") if "parent" in words else None
    more = {"private_sector": words["private"]} if "private" in words else {}
    return events.party(name, words.get("country", headquarters), headquarters, parent, words.get("parent"), **more)


def certification(text: str) -> dict[str, Any]:
    """`kind party day` and more words of `events.certification`; the party's spaces are written as `_`."""
    kind, who, day, *rest = text.split()
    return events.certification(kind, who.replace("_", " "), day, **dict(zip(rest[::2], rest[1::2], strict=True)))


def requested(ship: Mapping[str, Any]) -> Requested:
    """The request of a case: by default eight of ITEM to CON in India on 2025-06-20.

    `review`: the authorization that a review puts in the place of the claim.
    """
    unknown = ship.keys() - SHIP_WORDS
    assert not unknown, unknown
    to = ship.get("to", "IN")
    country = ship.get("country", to)
    consignee = {"country": country, "hq": country} | {word: ship[word] for word in CONSIGNEE_WORDS & ship.keys()}
    words: dict[str, Any] = {
        "id": "S-1",
        "to": to,
        "date": ship.get("date", "2025-06-20"),
        "exporter": party("EXP", "US"),
        "consignee": party("CON", consignee),
        "papers": [certification(text) for text in ship.get("certs", [])],
        "lines": [{**ITEM, **line} for line in ship.get("lines", [{}])],
    }
    words |= {word: ship[word] for word in AS_THEY_ARE & ship.keys()}
    words |= {role: party(name, ship[role]) for role, name in ROLES.items() if role in ship}
    if "lines" not in ship:
        words["lines"] = [{**ITEM, **{word: ship[word] for word in ITEM_WORDS & ship.keys()}}]
    if "claim" in ship:
        words["claim"] = " ".join(ship[word] for word in ("claim", "reference") if word in ship)
    asked = Requested.model_validate(events.shipment(words))
    if "review" in ship:
        return asked.model_copy(update={"authorization": ReviewedAuthorization(kind=ship["review"])})
    return asked


def facts(says: Mapping[str, Any]) -> Facts:
    """What the ledger knew; `licenses` and `veus` are tables of the event's fields, with plain values where not said."""
    licenses = []
    for one in says.get("licenses", []):
        data = {**LICENSE, **one}
        revoked = data.pop("revoked", None)
        licenses.append(License(LicenseIssued.model_validate(data), revoked and date.fromisoformat(revoked)))
    veus = []
    for one in says.get("veus", []):
        data = {"holder": "CON", "program": "national", "valid_from": "2025-02-01", **one}
        revoked = data.pop("revoked", None)
        listed = data.get("facilities", ["FAC-1"])
        country = data.pop("at", data.get("country", "IN"))
        since = data.pop("facility_from", "2025-02-01")
        sites = data.pop("sites", [{"id": name, "country": country} for name in listed])
        data["facilities"] = [facility(one["id"], one["country"], since) for one in sites]
        if data["program"] == "universal":
            data.pop("country", None)
        veus.append(Veu(VeuAuthorized.model_validate(data), revoked and date.fromisoformat(revoked)))
    return Facts(
        registered={
            name: Party.model_validate(party(name, known)) for name, known in says.get("registered", {}).items()
        },
        certifications=tuple(Certification.model_validate(certification(text)) for text in says.get("certs", [])),
        licenses=tuple(licenses),
        veus=tuple(veus),
        survivors=says.get("survivors", {}),
        owners=says.get("owners", {}),
        lists=tuple(ListInForce(1, name, "1", "0" * 64, 85) for name in says.get("lists", ["entity-list"])),
        hits=tuple(hit(name) for name in says.get("hits", [])),
        ownership=ownership(says["ownership"]) if "ownership" in says else None,
        namesakes=tuple(Namesake(**one) for one in says.get("namesakes", [])),
    )


def hit(name: str, role: str = "ultimate consignee", entry: str = "E-7") -> Hit:
    """A party that resembles an entry of the list `entity-list`."""
    return Hit(
        name, role, f"Party {name}", "entity-list", "1", entry, "Listed Party", "Listed Party", "0.97", "0.85", None,
        "0.00", "0.00", ((name, "listed", "0.97"),), "c" * 64, "15 CFR 744.11; Supplement No. 4 to part 744",
    )  # fmt: skip


def ownership(says: Mapping[str, Any]) -> Ownership:
    """Who owns whom: `of` has each party with its owners and their shares, `?` where one is not said.

    `parties`: those of the shipment with their countries, by default CON in India; `listed`: the owners that resemble
    an entry.
    """
    return Ownership(
        parties=tuple(
            Owned(name, role, f"Party {name}", country)
            for name, country, role in (
                (*text.split(maxsplit=2), "ultimate consignee")[:3] for text in says.get("parties", ["CON IN"])
            )
        ),
        owners={party: tuple(holding(text) for text in held) for party, held in says["of"].items()},
        hits={name: (hit(name, "owner"),) for name in says.get("listed", ["L"])},
        left=frozenset(says.get("left", [])),
    )


def holding(text: str) -> Holding:
    """What an owner holds, as it is written: `L 50` or `L ?`."""
    name, share = text.split()
    return Holding(name, f"Party {name}", None if share == "?" else int(share))


def case(told: Mapping[str, Any]) -> Case:
    """The case of one entry of a file."""
    aside = frozenset(told.get("aside", []))
    return Case(requested(told.get("ship", {})), facts(told.get("facts", {})), aside, told.get("named", True))
