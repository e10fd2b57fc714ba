"""Any event of the contract, for every test: what a test does not say takes a plain value.

The plain shipment is eight H100 SXM from the US to CON-1 in Poland on 2025-06-05, for a data centre, with no claim. A
reexport begins in Taiwan and a transfer stays in the country of destination.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson

START = datetime(2025, 6, 2, 9, 0, tzinfo=UTC)
SOURCE = "//wms.example"
UNIT = 15_832
"""TPP of one H100 SXM."""
ADDRESS = "1 Example Road"
ITEM = {
    "part_number": "H100-SXM5-80GB",
    "eccn": "3A090.a",
    "quantity": 8,
    "tpp": UNIT,
    "performance_density": 19.45,
    "datacenter": True,
}
ITEM_SHORT = {
    "part": "part_number",
    "density": "performance_density",
    "bandwidth": "memory_bandwidth_gbps",
    "ops": "training_operations",
    "basis": "subject_basis",
}
ITEM_WORDS = {*ITEM, *ITEM_SHORT, "circuits", "designer", "value_usd", "published", "line", "technology_for"}
PARTIES = {
    "exporter": "exporter",
    "consignee": "ultimate_consignee",
    "operator": "operator",
    "end_user": "end_user",
    "purchaser": "purchaser",
    "through": "intermediate_consignees",
}
SHIPMENT_SHORT = {
    "id": "shipment_id",
    "transaction": "transaction",
    "date": "export_date",
    "from": "ship_from",
    "to": "ship_to",
    "use": "end_use",
    "uses": "part_744_uses",
    "from_facility": "from_facility",
    "expires": "expires",
}
SHIPMENT_WORDS = {
    *SHIPMENT_SHORT, *PARTIES, *ITEM_WORDS, "lines", "claim", "apply_to", "papers", "facility", "facility_in", "flags",
}  # fmt: skip
PAPERS = {
    "lpp": "lpp_consignee_statement",
    "aia": "aia_consignee_certification",
    "nac": "nac_notification",
    "security": "facility_security",
    "designer": "authorized_ic_designer",
}
PLAIN: dict[str, dict[str, Any]] = {
    "shipment.cancelled": {"reason": "order withdrawn"},
    "shipment.returned": {"date": "2025-08-04"},
    "review.decided": {"action": "release", "reviewer": "r.one", "reason": "papers seen"},
    "review.proposed": {"action": "release", "reviewer": "r.one", "reason": "papers seen"},
    "party.merged": {"valid_from": "2025-06-01", "reason": "one legal person"},
    "certification.received": {"reference": "C-1"},
    "license.issued": {
        "exporter": "EXP-1", "consignee": "CON-1", "valid_from": "2025-01-13", "valid_until": "2026-01-12",
    },
    "veu.authorized": {"valid_from": "2025-01-13", "facilities": []},
    "allocation.set": {"valid_from": "2025-06-01", "citation": "policy of the house"},
    "usage.attested": {"as_of": "2025-06-01", "by": "p.one", "reference": "A-1"},
    "attrition.reported": {"date": "2025-06-01", "cause": "failure", "reference": "T-1"},
    "adjustment.made": {
        "reason": "count", "reviewer": "r.one", "second_reviewer": "r.two", "reference": "J-1",
    },
    "adjustment.proposed": {"reason": "count", "reviewer": "r.one", "reference": "J-1"},
    "policy.set": {"by": "a.one", "reason": "rule of the house"},
    "clock.corrected": {"reason": "the machine's clock was wrong", "reviewer": "r.one", "second_reviewer": "r.two"},
    "match.cleared": {"reviewer": "r.one", "reason": "another person"},
    "obligation.met": {"by": "p.one", "reference": "M-1"},
}  # fmt: skip
"""Members of the data of an event type that a test need not say."""
STEPS = {
    "request": "shipment.requested",
    "amend": "shipment.amended",
    "dispatch": "shipment.dispatched",
    "cancel": "shipment.cancelled",
    "return": "shipment.returned",
    "review": "review.decided",
    "propose": "review.proposed",
    "recheck": "recheck.requested",
    "register": "party.registered",
    "merge": "party.merged",
    "certify": "certification.received",
    "license": "license.issued",
    "revoke": "license.revoked",
    "veu": "veu.authorized",
    "veu_revoke": "veu.revoked",
    "limit": "allocation.set",
    "thresholds": "threshold.set",
    "attest": "usage.attested",
    "attrition": "attrition.reported",
    "adjust": "adjustment.made",
    "propose_adjust": "adjustment.proposed",
    "policy": "policy.set",
    "clear": "match.cleared",
    "met": "obligation.met",
    "tick": "clock.ticked",
    "correct": "clock.corrected",
}
"""The event types of the steps of a flow."""
SUBJECTS = ("shipment_id", "number", "account", "party", "holder", "survivor", "id")


def event(kind: str, data: Mapping[str, Any], **attributes: Any) -> bytes:
    """The bytes of an event of a type such as `shipment.cancelled`; `attributes` of the envelope, `id` among them."""
    whole = {**PLAIN.get(kind, {}), **data}
    plain = {
        "specversion": "1.0",
        "source": SOURCE,
        "type": f"tpp.{kind}.v1",
        "subject": next((str(whole[name]) for name in SUBJECTS if name in whole), "clock"),
        "time": instant(START),
        "datacontenttype": "application/json",
    }
    return orjson.dumps({**plain, **attributes, "data": whole})


def instant(moment: datetime | str) -> str:
    """A moment as an envelope writes it; one that is written already stays as it is."""
    return moment if isinstance(moment, str) else moment.isoformat().replace("+00:00", "Z")


def party(
    identifier: str,
    country: str = "US",
    headquarters: str | None = None,
    parent: str | None = None,
    parent_headquarters: str | None = None,
    **members: Any,
) -> dict[str, Any]:
    """A party: its own parent, with its headquarters where it is, unless something else is said."""
    made = {
        "id": identifier,
        "name": f"Party {identifier}",
        "country": country,
        "headquarters": headquarters or country,
    }
    if parent is not None:
        at = parent_headquarters or made["headquarters"]
        made["ultimate_parent"] = {"id": parent, "name": f"Party {parent}", "headquarters": at}
    return made | members


def item(line: int = 1, **words: Any) -> dict[str, Any]:
    """A line of a shipment, of H100 where nothing is said; a member whose value is "" is left out."""
    said = {ITEM_SHORT.get(word, word): value for word, value in words.items()}
    return {name: value for name, value in {"line": line, **ITEM, **said}.items() if value != ""}


def facility(identifier: str, country: str, valid_from: str | None = None) -> dict[str, Any]:
    """A facility of a shipment, or, with its first day, of a validated end-user."""
    made = {"id": identifier, "address": ADDRESS, "country": country}
    return made | ({"valid_from": valid_from} if valid_from else {})


def authorization(text: str, apply_to: str | None = None) -> dict[str, str]:
    """A claim as it is written: `LPP`, `LICENSE L-1`."""
    kind, _, reference = text.partition(" ")
    return (
        {"kind": kind} | ({"reference": reference} if reference else {}) | ({"apply_to": apply_to} if apply_to else {})
    )


def certification(kind: str, party: str, date: str, **words: str) -> dict[str, Any]:
    """A statement of a kind, by its name or the short one of `PAPERS`.

    `words`: `until` a day, `ref` its reference, `at` a facility, `covers` an amount of TPP, `parts` joined by a comma.
    """
    made: dict[str, Any] = {"kind": PAPERS.get(kind, kind), "party": party, "date": date}
    made["reference"] = words.get("ref", f"C-{kind}")
    made |= {member: words[word] for word, member in (("until", "valid_until"), ("at", "facility")) if word in words}
    if "covers" in words:
        parts = {"part_numbers": words["parts"].split(",")} if "parts" in words else {}
        made["covers"] = {"tpp": int(words["covers"]), **parts}
    return made


def paper(text: str, consignee: Mapping[str, Any]) -> dict[str, Any]:
    """A certification as it is written: `lpp 2025-05-20`, `aia 2025-05-20 until 2025-12-31`, `nac 2025-05-01 of CON-9`.

    The words of `certification` may follow too: `security 2025-12-01 at FAC-1`.
    """
    kind, date, *rest = text.split()
    more = dict(zip(rest[::2], rest[1::2], strict=True))
    owner = consignee.get("ultimate_parent", consignee)["id"] if kind == "lpp" else consignee["id"]
    return certification(kind, more.pop("of", owner), date, **more)


def shipment(words: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    """The data of a request from the words of `SHIPMENT_WORDS`; `members` are put in as they are.

    Parties and certifications are whole, or short: a party's identifier, the text of a paper. `flags` are numbers or whole.
    """
    unknown = words.keys() - SHIPMENT_WORDS
    if unknown:
        raise KeyError(f"no word of a shipment: {sorted(unknown)}")
    to = words.get("to", "PL")
    start = {"transfer": to, "reexport": "TW"}.get(words.get("transaction", "export"), "US")
    usual = {word: value for word, value in words.items() if word in ITEM_WORDS}
    data: dict[str, Any] = {
        "shipment_id": "SHP-1",
        "transaction": "export",
        "export_date": "2025-06-05",
        "ship_from": start,
        "ship_to": to,
        "exporter": party("EXP-1"),
        "ultimate_consignee": party("CON-1", to),
        "end_use": "data_center",
        "items": [item(**{"line": n, **usual, **one}) for n, one in enumerate(words.get("lines", [{}]), 1)],
    }
    data |= {member: words[word] for word, member in SHIPMENT_SHORT.items() if word in words}
    for word, member in PARTIES.items():
        if word in words:
            data[member] = _whole_parties(words[word], "US" if word == "exporter" else to)
    if "claim" in words:
        data["authorization"] = authorization(words["claim"], words.get("apply_to"))
    if "facility" in words:
        data["facility"] = facility(words["facility"], words.get("facility_in", to))
    if "flags" in words:
        data["red_flags"] = [
            one if isinstance(one, Mapping) else {"number": one, "note": "seen"} for one in words["flags"]
        ]
    if "papers" in words:
        consignee = data["ultimate_consignee"]
        data["certifications"] = [one if isinstance(one, Mapping) else paper(one, consignee) for one in words["papers"]]
    return data | members


def _whole_parties(said: Any, country: str) -> Any:
    if isinstance(said, Sequence) and not isinstance(said, str):
        return [_whole_parties(one, country) for one in said]
    return said if isinstance(said, Mapping) else party(said, country)


class Line:
    """Numbers events and dates them, one minute after the other."""

    def __init__(self, source: str = SOURCE) -> None:
        self.source = source
        self._numbers = count(1)

    def event(self, kind: str, data: Mapping[str, Any], at: datetime | str | None = None) -> bytes:
        """The next event, of a type such as `shipment.requested`."""
        number = next(self._numbers)
        time = instant(at or START + timedelta(minutes=number))
        return event(kind, data, id=f"evt-{number:05d}", source=self.source, time=time)

    def adjusted(self, account: str, amount: int) -> bytes:
        """A correction by hand."""
        return self.event("adjustment.made", {"account": account, "amount": amount})

    def attested(self, account: str, tpp: int, **members: Any) -> bytes:
        """An attestation of use."""
        return self.event("usage.attested", {"account": account, "tpp": tpp, **members})

    def allotted(self, account: str, limit: int) -> bytes:
        """A limit set by an event."""
        return self.event("allocation.set", {"account": account, "limit": limit})

    def dispatched(self, shipment: str, day: str) -> bytes:
        """A shipment that has left."""
        return self.event("shipment.dispatched", {"shipment_id": shipment, "export_date": day})

    def cancelled(self, shipment: str) -> bytes:
        """A shipment that will not leave."""
        return self.event("shipment.cancelled", {"shipment_id": shipment})

    def returned(self, shipment: str, quantity: int) -> bytes:
        """Units that came back."""
        return self.event("shipment.returned", {"shipment_id": shipment, "items": [{"line": 1, "quantity": quantity}]})

    def merged(self, survivor: str, absorbed: str) -> bytes:
        """Two identifiers of one party."""
        return self.event("party.merged", {"survivor": survivor, "absorbed": absorbed})


def of_step(number: int, step: Mapping[str, Any], parties: Mapping[str, Any], usual: Mapping[str, Any]) -> bytes:
    """The bytes of the event of a step of a flow (`flow/README.md`); `number` gives its id and its time where the step names none."""
    if "raw" in step:
        text: str = step["raw"]
        return text.strip("\n").encode()
    plain = {
        "id": step.get("id", f"evt-{number}"),
        "time": step.get("time", step.get("now", instant(START + timedelta(minutes=number)))),
    }
    return event(STEPS[step["do"]], _data_of(step, parties, usual), **{**plain, **step.get("attributes", {})})


def _data_of(step: Mapping[str, Any], parties: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    word = step["do"]
    if word in ("request", "amend"):
        return shipment(_with_parties({**usual, **step["ship"]}, parties))
    if word == "tick":
        return {"now": step["now"]}
    data = dict(step["data"])
    if word == "register":
        return {"valid_from": data.pop("valid_from", "2025-01-01")} | _party_of(data, parties, "US")
    if word == "certify":
        data["kind"] = PAPERS.get(data["kind"], data["kind"])
    if isinstance(data.get("authorization"), str):
        data["authorization"] = authorization(data["authorization"])
    return data


def _with_parties(ship: Mapping[str, Any], parties: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in PARTIES.keys() & ship.keys():
        said, at = ship[word], "US" if word == "exporter" else ship.get("to", "PL")
        found[word] = (
            [_party_of(one, parties, at) for one in said] if isinstance(said, list) else _party_of(said, parties, at)
        )
    return {**ship, **found}


OF_PARTY = {"private": "private_sector"} | {
    word: word for word in ("name", "lei", "address", "ultimate_parent", "owners")
}
"""The members of a party by the words of a flow."""


def _party_of(said: Any, parties: Mapping[str, Any], at: str) -> dict[str, Any]:
    """A party by its identifier, or by a table; what neither the table nor `[parties]` says: it is in `at`, its own parent."""
    own = dict(said) if isinstance(said, Mapping) else {"id": said}
    own = {"country": at, **parties.get(own["id"], {}), **own}
    more = {member: own[word] for word, member in OF_PARTY.items() if word in own}
    made = party(own["id"], own["country"], own.get("hq"), own.get("parent"), own.get("parent_hq"), **more)
    above = {member: own[f"parent_{member}"] for member in ("name", "lei") if f"parent_{member}" in own}
    return made | ({"ultimate_parent": made["ultimate_parent"] | above} if above else {})
