"""Events from the short notation of the flows; `README.md` beside this file says what each word stands for."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

START = datetime(2025, 6, 2, 9, 0, tzinfo=UTC)
SOURCE = "//wms.example"
ITEM = {
    "part": "part_number",
    "density": "performance_density",
    "bandwidth": "memory_bandwidth_gbps",
    "ops": "training_operations",
    "basis": "subject_basis",
}
H100 = {
    "part_number": "H100-SXM5-80GB",
    "eccn": "3A090.a",
    "quantity": 8,
    "tpp": 15_832,
    "performance_density": 19.45,
    "datacenter": True,
}
LINE_WORDS = {*ITEM, *H100, "circuits", "designer", "value_usd", "published", "line"}
PARTY_WORDS = {
    "consignee": "ultimate_consignee",
    "operator": "operator",
    "end_user": "end_user",
    "purchaser": "purchaser",
    "through": "intermediate_consignees",
}
SHIP_WORDS = {
    "id", "date", "to", "from", "transaction", "use", "lines", "claim", "papers", "facility", "facility_in",
    "from_facility", "uses", "flags", "expires", "exporter", "apply_to",
} | PARTY_WORDS.keys() | LINE_WORDS  # fmt: skip
PAPERS = {
    "lpp": "lpp_consignee_statement",
    "aia": "aia_consignee_certification",
    "nac": "nac_notification",
    "security": "facility_security",
    "designer": "authorized_ic_designer",
}
TYPES = {
    "request": "tpp.shipment.requested.v1",
    "amend": "tpp.shipment.amended.v1",
    "dispatch": "tpp.shipment.dispatched.v1",
    "cancel": "tpp.shipment.cancelled.v1",
    "return": "tpp.shipment.returned.v1",
    "review": "tpp.review.decided.v1",
    "propose": "tpp.review.proposed.v1",
    "recheck": "tpp.recheck.requested.v1",
    "register": "tpp.party.registered.v1",
    "merge": "tpp.party.merged.v1",
    "certify": "tpp.certification.received.v1",
    "license": "tpp.license.issued.v1",
    "revoke": "tpp.license.revoked.v1",
    "veu": "tpp.veu.authorized.v1",
    "veu_revoke": "tpp.veu.revoked.v1",
    "limit": "tpp.allocation.set.v1",
    "thresholds": "tpp.threshold.set.v1",
    "attest": "tpp.usage.attested.v1",
    "attrition": "tpp.attrition.reported.v1",
    "adjust": "tpp.adjustment.made.v1",
    "clear": "tpp.match.cleared.v1",
    "met": "tpp.obligation.met.v1",
    "tick": "tpp.clock.ticked.v1",
}
USUAL: dict[str, dict[str, Any]] = {
    "cancel": {"reason": "order withdrawn"},
    "review": {"action": "release", "reviewer": "r.one", "reason": "papers seen"},
    "propose": {"action": "release", "reviewer": "r.one", "reason": "papers seen"},
    "merge": {"valid_from": "2025-06-01", "reason": "one legal person"},
    "certify": {"reference": "C-1"},
    "license": {"exporter": "EXP-1", "consignee": "CON-1", "valid_from": "2025-01-13", "valid_until": "2026-01-12"},
    "veu": {"valid_from": "2025-01-13", "facilities": []},
    "limit": {"citation": "policy of the house"},
    "attest": {"as_of": "2025-06-01", "by": "p.one", "reference": "A-1"},
    "attrition": {"date": "2025-06-01", "cause": "failure", "reference": "T-1"},
    "adjust": {"reason": "count", "reviewer": "r.one", "second_reviewer": "r.two", "reference": "J-1"},
    "clear": {"reviewer": "r.one", "reason": "another person"},
    "met": {"by": "p.one", "reference": "M-1"},
}
SUBJECTS = ("shipment_id", "number", "account", "party", "holder", "survivor", "id")


def event(number: int, step: Mapping[str, Any], parties: Mapping[str, Any], usual: Mapping[str, Any]) -> bytes:
    """The bytes of the event of a step; `number` gives its id and its time where the step names none."""
    if "raw" in step:
        text: str = step["raw"]
        return text.strip("\n").encode()
    word = step["do"]
    if word in ("request", "amend"):
        data = shipment({**usual, **step["ship"]}, parties)
    elif word == "register":
        told = dict(step["data"])
        data = {"valid_from": told.pop("valid_from", "2025-01-01")} | party(told, parties, "US")
    elif word == "tick":
        data = {"now": step["now"]}
    else:
        data = {**USUAL.get(word, {}), **step["data"]}
        if "kind" in data and word == "certify":
            data["kind"] = PAPERS.get(data["kind"], data["kind"])
        if isinstance(data.get("authorization"), str):
            data["authorization"] = claim(data["authorization"])
    envelope = {
        "specversion": "1.0",
        "id": step.get("id", f"evt-{number}"),
        "source": SOURCE,
        "type": TYPES[word],
        "subject": next((data[name] for name in SUBJECTS if name in data), "clock"),
        "time": step.get("time", (START + timedelta(minutes=number)).isoformat().replace("+00:00", "Z")),
        "datacontenttype": "application/json",
        **step.get("attributes", {}),
        "data": data,
    }
    return orjson.dumps(envelope)


def claim(text: str) -> dict[str, str]:
    """A claim as it is written: `LPP`, `LICENSE L-1`."""
    kind, _, reference = text.partition(" ")
    return {"kind": kind} | ({"reference": reference} if reference else {})


def party(told: Any, parties: Mapping[str, Any], at: str) -> dict[str, Any]:
    """A party by its identifier, or by a table; what neither the table nor `[parties]` says: it is in `at`, its own parent."""
    own = dict(told) if isinstance(told, Mapping) else {"id": told}
    own = {**parties.get(own["id"], {}), **own}
    country = own.get("country", at)
    made = {
        "id": own["id"],
        "name": own.get("name", f"Party {own['id']}"),
        "country": country,
        "headquarters": own.get("hq", country),
    }
    if "private" in own:
        made["private_sector"] = own["private"]
    if "parent" in own:
        headquarters = own.get("parent_hq", made["headquarters"])
        made["ultimate_parent"] = {"id": own["parent"], "name": f"Party {own['parent']}", "headquarters": headquarters}
    return made


def shipment(ship: Mapping[str, Any], parties: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a request."""
    unknown = ship.keys() - SHIP_WORDS
    if unknown:
        raise KeyError(f"no word of a shipment: {sorted(unknown)}")
    to = ship.get("to", "PL")
    data: dict[str, Any] = {
        "shipment_id": ship["id"],
        "transaction": ship.get("transaction", "export"),
        "export_date": ship.get("date", "2025-06-05"),
        "ship_from": ship.get("from", "US"),
        "ship_to": to,
        "exporter": party(ship.get("exporter", "EXP-1"), parties, "US"),
        "ultimate_consignee": party(ship.get("consignee", "CON-1"), parties, to),
        "end_use": ship.get("use", "data_center"),
        "items": [line(number, {**ship, **one}) for number, one in enumerate(ship.get("lines", [{}]), 1)],
    }
    for word, member in PARTY_WORDS.items():
        if word in ship and word != "consignee":
            told = ship[word]
            data[member] = (
                [party(one, parties, to) for one in told] if isinstance(told, list) else party(told, parties, to)
            )
    if "claim" in ship:
        data["authorization"] = claim(ship["claim"])
        if "apply_to" in ship:
            data["authorization"]["apply_to"] = ship["apply_to"]
    if "facility" in ship:
        data["facility"] = {"id": ship["facility"], "address": "1 Example Road", "country": ship.get("facility_in", to)}
    for word, member in {
        "from_facility": "from_facility",
        "uses": "part_744_uses",
        "flags": "red_flags",
        "expires": "expires",
    }.items():
        if word in ship:
            data[member] = ship[word]
    if "papers" in ship:
        data["certifications"] = [paper(text, data["ultimate_consignee"]) for text in ship["papers"]]
    return data


def paper(text: str, consignee: Mapping[str, Any]) -> dict[str, Any]:
    """A certification as it is written: `lpp 2025-05-20`, `aia 2025-05-20 until 2025-12-31`, `nac 2025-05-01 of CON-9`."""
    kind, date, *rest = text.split()
    told = dict(zip(rest[::2], rest[1::2], strict=True))
    owner = consignee.get("ultimate_parent", consignee)["id"] if kind == "lpp" else consignee["id"]
    made = {"kind": PAPERS[kind], "party": told.get("of", owner), "date": date, "reference": f"C-{kind}"}
    return made | ({"valid_until": told["until"]} if "until" in told else {})


def line(number: int, told: Mapping[str, Any]) -> dict[str, Any]:
    """One item; what is not said is an H100 SXM. A member is left out where its value is ""."""
    said = {ITEM.get(word, word): value for word, value in told.items() if word in LINE_WORDS}
    made = {"line": number, **H100, **said}
    return {name: value for name, value in made.items() if value != ""}
