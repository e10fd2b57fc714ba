"""Arbitrary shipments: one that goes under some authorization, with other parties, papers, amounts and claims."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import events
from hypothesis import strategies as st

from rulebook import load
from rulebook.screening.book import Book, Screening
from rulebook.sections.s774_catalogue import level_of
from schemas.models.incoming import Requested
from schemas.plan import Case, Debit, Facts, Option, Share

from . import build

ATTESTED = {"uveu/CON/total": 60_000_000}
"""What stands on an account before the shipment; nothing on any other."""
H100 = {"part": "H100-SXM5-80GB", "eccn": "3A090.a", "tpp": 15_832, "density": 19.45, "datacenter": True}
OWN = {"part": "P-1", "designer": "Nvidia Corporation"}
A, A_DESK = {**H100, **OWN}, {**OWN, "eccn": "3A090.a", "tpp": 5_285, "density": 8.69, "datacenter": False}
B = {**OWN, "eccn": "3A090.b", "tpp": 2_400, "density": 1.6, "datacenter": True}
HBM = {**OWN, "eccn": "3A090.c", "tpp": 0, "density": "", "datacenter": ""}
WEIGHTS = {**HBM, "eccn": "4E091", "ops": "1e26"}
PLAIN = {**HBM, "eccn": "EAR99"}
SOFTWARE = {**HBM, "eccn": "4D090", "technology_for": "4A090.a"}
TECHNOLOGY = {**HBM, "eccn": "3E001", "technology_for": "3A090.b"}
SERVER = {**OWN, "eccn": "4A090.a", "tpp": 126_656, "density": 19.45, "datacenter": True, "circuits": 8}
SCANNER = {**HBM, "eccn": "3B001.f"}
LISTED = {"program": "national", "country": "IN"}
ALL = {"items": [{"eccn": one} for one in ("3A090", "4A090", "4E091", "EAR99", "4D090", "3E001", "3B001")]}
BASES: dict[str, dict[str, Any]] = {
    "LPP": {"to": "PL", "papers": ["lpp"], "lines": [H100]},
    "LPP of a server": {"to": "IN", "papers": ["lpp"], "lines": [SERVER, PLAIN]},
    "AIA": {"to": "DE", "papers": ["aia"], "lines": [H100]},
    "AIA of software": {"to": "DE", "papers": ["aia"], "lines": [SOFTWARE, A]},
    "AIA of weights": {"to": "DE", "lines": [WEIGHTS]},
    "AIA of weights in a site": {"to": "JP", "date": "2026-02-02", "papers": ["security"], "lines": [WEIGHTS]},
    "AIA inside": {"to": "DE", "transaction": "transfer", "papers": ["aia"], "lines": [A]},
    "ACM": {"to": "VN", "use": "development", "private": True, "lines": [A]},
    "ACM as registered": {"to": "IN", "use": "storage", "lines": [A, B], "registered": {
        "CON": {"country": "IN", "private": True},
    }},
    "VEU national": {"to": "IN", "veus": [LISTED], "lines": [H100]},
    "VEU move": {"to": "IN", "transaction": "transfer", "from_facility": "FAC-2", "by": "CON", "lines": [H100],
                 "veus": [{**LISTED, "facilities": ["FAC-1", "FAC-2"]}]},
    "VEU of its operator": {"to": "IN", "operator": True, "lines": [A, B], "veus": [LISTED, {**LISTED, "holder": "OPE-0"}]},
    "VEU universal": {"to": "PL", "hq": "GB", "veus": [{"program": "universal", "at": "PL"}], "lines": [H100]},
    "ACA": {"to": "VN", "lines": [A_DESK, B]},
    "ACA inside": {"to": "CN", "transaction": "transfer", "lines": [A_DESK]},
    "NAC": {"to": "CN", "papers": ["nac"], "lines": [A_DESK, PLAIN]},
    "NAC on file": {"to": "MO", "filed": True, "lines": [B]},
    "LICENSE": {"to": "AE", "licenses": [{"country": "AE"}], "lines": [H100]},
    "LICENSE of all": {"to": "VN", "licenses": [{"country": "VN", **ALL}], "lines": [H100, WEIGHTS, SCANNER]},
    "LICENSE for China": {"to": "CN", "licenses": [{"country": "CN", **ALL}], "lines": [A, B, HBM]},
    "LICENSE of parts": {"to": "SA", "lines": [A, B], "licenses": [
        {"country": "SA", "items": [{"part_number": "p-1"}], "end_users": ["CON", "END-0"], "operators": ["CON", "OPE-0"]},
    ]},
    "LICENSE for a use": {"to": "IN", "uses": ["military"], "lines": [A, PLAIN], "licenses": [
        {"country": "IN", "part_744_uses": ["military"], **ALL},
    ]},
    "LICENSE for Russia": {"to": "RU", "licenses": [{"country": "RU", **ALL}], "lines": [PLAIN]},
    "LICENSE beside ACA": {"to": "VN", "licenses": [{"country": "VN"}], "lines": [H100, B]},
    "NLR": {"to": "CN", "lines": [PLAIN]},
    "NLR of .b": {"to": "PL", "lines": [B, HBM, TECHNOLOGY]},
    "NLR inside": {"to": "US", "lines": [H100, WEIGHTS]},
    "NLR in a territory": {"to": "PR", "lines": [H100, SCANNER]},
    "AIA in a territory": {"to": "GF", "hq": "FR", "papers": ["aia"], "lines": [A, B]},
    "LPP for the operator": {"to": "PL", "hq": "DE", "operator": True, "papers": ["lpp"], "elects": True, "lines": [H100]},
    "NLR of consumer parts": {"to": "AE", "lines": [{**PLAIN, "tpp": 3_000, "datacenter": False}]},
}  # fmt: skip
NOT_OPEN: dict[str, dict[str, Any]] = {
    "ACA for data centres": {"to": "VN", "lines": [H100]},
    "LPP of too much": {"to": "PL", "papers": ["lpp"], "lines": [{**H100, "quantity": 1_700}]},
    "NLR of weights": {"to": "PL", "lines": [WEIGHTS]},
    "NLR of memory": {"to": "CN", "lines": [HBM]},
    "NLR of chips": {"to": "CN", "lines": [{**H100, "quantity": 1}]},
    "VEU without a site": {"to": "IN", "veus": [{**LISTED, "facilities": ["FAC-9"]}], "lines": [H100]},
}
"""Those that are held, each for one thing."""
SEATS = (("DE", "DE", None), ("DE", "JP", "GB"), ("PL", "PL", None), ("IN", "FR", "FR"), ("VN", "VN", "US"))
FAR_SEATS = (("CN", "CN", None), ("DE", "MO", None), ("DE", "DE", "HK"), ("SG", "SG", "ET"))
EMBARGOED_SEATS = (("RU", "RU", None), ("DE", "IR", None), ("KZ", "KZ", "BY"))
LAW = load("ai-diffusion").law(date(2025, 6, 20))
CHIPS = tuple(
    {
        "part": one["name"], "eccn": one["class"], "tpp": one["tpp"], "datacenter": one["datacenter"],
        "density": float(one.get("performance_density", 0)) or "", "circuits": one.get("circuits", ""),
    }
    for one in LAW.period.chips
    if one["confidence"] != "unverified" and level_of(one) != "none"
)  # fmt: skip
"""What the catalogue knows as .a or .b, as a line."""
ROLES = ("end_user", "operator", "purchaser", "intermediate_consignees")
CLAIMS = ("NLR", "ACA", "AIA", "ACM", "VEU", "LPP", "NAC", "LICENSE", "LICENSE L-1")
Seat = tuple[str, str, str | None]


@dataclass(frozen=True)
class Made:
    """A shipment as the wire has it, and what the ledger knew."""

    data: dict[str, Any]
    facts: Facts = field(default_factory=Facts)

    def changed(self, change: Callable[[dict[str, Any]], None]) -> "Made":
        """The same with other data."""
        data = deepcopy(self.data)
        change(data)
        return replace(self, data=data)

    @property
    def claim(self) -> str | None:
        """The authorization claimed."""
        claimed = self.data.get("authorization")
        return claimed and claimed["kind"]


def party(name: str, seat: Seat) -> dict[str, Any]:
    """A party of a role; its parent, if it has one of its own, sits elsewhere."""
    country, headquarters, parent = seat
    return events.party(name, country, headquarters, parent and f"{name}-PARENT", parent)


def made_of(base: Mapping[str, Any]) -> Made:
    """A shipment, unclaimed."""
    to, day = base["to"], base.get("date", "2025-06-20")
    seat = to, base.get("hq", to), None
    words = {word: base[word] for word in ("to", "use", "uses", "transaction", "from_facility") if word in base}
    if base.get("transaction") == "transfer":
        words["from"] = to
    papers = {
        "lpp": "lpp 2025-03-01 of CON",
        "aia": "aia 2025-02-01 of CON",
        "nac": "nac 2025-03-01 of CON",
        "security": "security 2025-12-01 of CON at FAC-1",
    }
    consignee = party("CON", seat) | ({"private_sector": base["private"]} if "private" in base else {})
    data = events.shipment({
        **words, "id": "S-1", "date": day, "exporter": party(base.get("by", "EXP"), ("US", "US", None)), "consignee": consignee,
        "facility": "FAC-1", "papers": [papers[kind] for kind in base.get("papers", ())],
        "lines": [{"quantity": 3, **line} for line in base["lines"]],
    })  # fmt: skip
    if base.get("operator"):
        data["operator"] = [party("OPE-0", seat)]
    if base.get("elects"):
        data["authorization"] = events.authorization("LPP", "operator")
    filed = ["nac_notification CON 2025-03-01 ref N-1 covers 9000000"] if base.get("filed") else []
    known = {"certs": filed, "licenses": base.get("licenses", []), "veus": base.get("veus", [])}
    known["registered"] = base.get("registered", {})
    return Made(data, build.facts(known))


PARTS = frozenset(one["part"] for one in (H100, *CHIPS))
"""The part numbers here that the catalogue has."""
GOING = {name: made_of(base) for name, base in BASES.items()}
HELD = {name: made_of(base) for name, base in NOT_OPEN.items()}


def _roles(draw: st.DrawFn, data: dict[str, Any]) -> None:
    for role in draw(st.lists(st.sampled_from(ROLES), max_size=2, unique=True)):
        seats = draw(st.lists(st.sampled_from((*SEATS, *FAR_SEATS[:1])), min_size=1, max_size=2))
        data[role] = [party(f"{role[:3].upper()}-{n}", seat) for n, seat in enumerate(seats)]


def _amounts(draw: st.DrawFn, data: dict[str, Any]) -> None:
    for item in data["items"]:
        item["quantity"] = draw(st.sampled_from((1, 2, 60, 2_000)))


def _claim(draw: st.DrawFn, data: dict[str, Any]) -> None:
    data["authorization"] = events.authorization(draw(st.sampled_from(CLAIMS)))


def _line(draw: st.DrawFn, data: dict[str, Any]) -> None:
    line = draw(st.sampled_from((A, A_DESK, B, HBM, WEIGHTS, PLAIN, SOFTWARE, TECHNOLOGY, SERVER, SCANNER, *CHIPS)))
    data["items"].append(events.item(len(data["items"]) + 1, **{"quantity": 2, **line}))


def _destination(draw: st.DrawFn, data: dict[str, Any]) -> None:
    to = draw(st.sampled_from(("DE", "PL", "IN", "VN", "AE", "CN", "RU", "US", "PR", "HK", "GF")))
    data["ship_to"] = to
    data["facility"] = events.facility("FAC-1", to)
    if data["transaction"] == "transfer":
        data["ship_from"] = to
    if draw(st.booleans()):
        data["ultimate_consignee"] |= {"country": to, "headquarters": to}


def _consignee(draw: st.DrawFn, data: dict[str, Any]) -> None:
    private = draw(st.sampled_from((True, False, None)))
    seat = draw(st.sampled_from((*SEATS, *FAR_SEATS, *EMBARGOED_SEATS)))
    data["ultimate_consignee"] = party("CON", seat) | ({} if private is None else {"private_sector": private})


def _figures(draw: st.DrawFn, data: dict[str, Any]) -> None:
    item = draw(st.sampled_from(data["items"]))
    name = draw(st.sampled_from(("datacenter", "performance_density", "circuits", "designer", "technology_for")))
    values = {
        "datacenter": (True, False, None), "performance_density": (None, 1, 5.92), "circuits": (None, 1, 8),
        "designer": (None, "Unheard Chips GmbH"), "technology_for": (None, "3A090.a", "5A992.c", "3A001.b.2"),
    }  # fmt: skip
    if name == "technology_for" and name not in item:
        return
    value = draw(st.sampled_from(values[name]))
    item.pop(name, None)
    if value is not None:
        item[name] = value


def _papers(draw: st.DrawFn, data: dict[str, Any]) -> None:
    every = ("lpp 2025-03-01 of CON", "aia 2025-02-01 of CON", "nac 2025-03-01 of CON", "lpp 2024-03-01 of CON")
    chosen = draw(st.lists(st.sampled_from(every), unique=True))
    data["certifications"] = [events.paper(one, data["ultimate_consignee"]) for one in chosen]


def _other(draw: st.DrawFn, data: dict[str, Any]) -> None:
    more: dict[str, Any] = draw(
        st.sampled_from((
            {"part_744_uses": ["military"]}, {"red_flags": [{"number": 2, "note": "seen"}]}, {"end_use": "storage"},
            {"from_facility": "FAC-2"}, {"transaction": "reexport", "ship_from": "TW"}, {"export_date": "2026-02-02"},
            {"export_date": "2028-02-02"}, {"export_date": "2025-02-02"}, {"part_744_uses": ["nuclear", "military"]},
            {"transaction": "transfer"}, {"ship_from": "IN"},
        ))
    )  # fmt: skip
    data |= more


VARIATIONS = (_roles, _amounts, _claim, _line, _destination, _consignee, _figures, _papers, _other)


@st.composite
def shipments(draw: st.DrawFn, of: Mapping[str, Made], most: int) -> Made:
    """One of these shipments with at most so many variations; more of them make it less likely to go."""
    name = draw(st.sampled_from(sorted(of)))
    data = deepcopy(of[name].data)
    if draw(st.booleans()):
        data.setdefault("authorization", events.authorization(name.partition(" ")[0]))
    for vary in draw(st.lists(st.sampled_from(VARIATIONS), max_size=most)):
        vary(draw, data)
    facts = of[name].facts
    if draw(st.integers(0, 5)) == 0:
        facts = draw(st.sampled_from([one.facts for one in of.values()]))
    return Made(data, facts)


@dataclass(frozen=True)
class Outcome:
    """Whether a shipment may go where nothing but ATTESTED was counted before, under what, and what it debits."""

    approved: bool
    authorization: str
    reference: str | None
    debits: tuple[tuple[str, int], ...]
    codes: frozenset[str]
    screening: Screening


def outcome(book: Book, made: Made) -> Outcome:
    """What the law and empty accounts make of a shipment."""
    screening = book.screen(Case(Requested.model_validate(made.data), made.facts))
    codes = frozenset(reason.code for reason in screening.reasons)
    option = next((one for one in screening.options if one.open and _fits(one)), None)
    if option is None or screening.reasons:
        return Outcome(False, "", None, (), codes, screening)
    debits = tuple(sorted((one.account, one.amount) for one in option.debits))
    return Outcome(True, option.authorization, option.reference, debits, codes, screening)


def _fits(option: Option) -> bool:
    amounts: dict[str, int] = dict(ATTESTED)
    for debit in option.debits:
        amounts[debit.account] = amounts.get(debit.account, 0) + debit.amount
    return all(_within(debit, amounts) for debit in option.debits)


def _within(debit: Debit, amounts: Mapping[str, int]) -> bool:
    if isinstance(debit.limit, Share):
        return 100 * amounts[debit.account] <= debit.limit.percent * amounts.get(debit.limit.of, 0)
    return debit.limit is None or amounts[debit.account] <= debit.limit
