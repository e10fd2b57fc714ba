"""What no spelling, omission or arrangement of a shipment may bring about, for arbitrary shipments."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rulebook import load
from rulebook.screening.book import Screening
from rulebook.sections import s774_catalogue as catalogue

from . import build

BOOK = load("ai-diffusion")
LAW = BOOK.law(build.case({}).asked.export_date)
PLACES = ("US", "FR", "TW", "PL", "IN", "VN", "AE", "CN", "MO", "KH", "RU")
INCONSISTENT = "classification.inconsistent"
PRINTED = sorted(
    {
        eccn
        for name in ("a_commodities", "b_commodities", "a_software", "b_software", "hbm", "weights", "read_as_parent")
        for eccn in LAW.eccns(name)
    }
)
OTHERS = ("EAR99", "5A992.c", "5D992.c", "3A991.p", "4A003.b", "3B001.f", "5A002.a.1", *LAW.eccns("technology"))
CHIPS = [one for one in LAW.period.chips if one["confidence"] != "unverified" and catalogue.level_of(one) != "none"]
SETTINGS = settings(max_examples=300, deadline=None, derandomize=True)


@dataclass(frozen=True)
class Outcome:
    """Whether a shipment may go as far as the law says, under what, and what it debits."""

    approved: bool
    authorization: str
    debits: tuple[tuple[str, int], ...]


def outcome(screening: Screening) -> Outcome:
    option = next((one for one in screening.options if one.open), None)
    if option is None or screening.reasons:
        return Outcome(False, "", ())
    return Outcome(True, option.authorization, tuple(sorted((one.account, one.amount) for one in option.debits)))


def screened(ship: Mapping[str, Any], lines: list[dict[str, Any]], aside: tuple[str, ...] = ()) -> Screening:
    facts = {"licenses": [{"country": ship["to"]}]} if ship.pop("licensed", False) else {}
    numbered = [{**line, "line": n} for n, line in zip(count(1), lines)]
    return BOOK.screen(build.case({"ship": {**ship, "lines": numbered}, "facts": facts, "aside": list(aside)}))


def decided(ship: Mapping[str, Any], lines: list[dict[str, Any]], aside: tuple[str, ...] = ()) -> Outcome:
    return outcome(screened(dict(ship), lines, aside))


@st.composite
def shipments(draw: st.DrawFn) -> dict[str, Any]:
    """The parties, places, papers and claim of a shipment, in the words of the cases."""
    ship: dict[str, Any] = {"to": draw(st.sampled_from(PLACES)), "certs": []}
    if draw(st.booleans()):
        ship["hq"] = draw(st.sampled_from(PLACES))
    if draw(st.integers(0, 3)) == 0:
        ship["end_user"] = draw(st.sampled_from(PLACES))
    for paper in ("lpp_consignee_statement", "aia_consignee_certification", "nac_notification"):
        if draw(st.integers(0, 3)):
            ship["certs"].append(f"{paper} CON 2025-02-01")
    if draw(st.integers(0, 3)) == 0:
        ship |= {"private": True, "use": "development", "facility": "FAC-1"}
    claim = draw(st.sampled_from(("", "", "NLR", "ACA", "AIA", "ACM", "LPP", "NAC", "LICENSE")))
    ship |= {"claim": claim} if claim else {}
    return ship | {"licensed": draw(st.booleans())}


@st.composite
def lines(draw: st.DrawFn, eccns: tuple[str, ...] = (*PRINTED, *OTHERS)) -> dict[str, Any]:
    """A line of a part that the catalogue does not have; its figures need not agree with its ECCN."""
    eccn = draw(st.sampled_from(eccns))
    tpp = draw(st.sampled_from((0, 1_599, 1_600, 2_400, 4_799, 4_800, 15_824, 126_592)))
    density = draw(st.sampled_from(("", "1", "1.6", "3.2", "5.91", "5.92", "19.4")))
    line: dict[str, Any] = {
        "eccn": eccn,
        "part": "P-1",
        "quantity": draw(st.integers(1, 9)),
        "tpp": tpp,
        "density": Decimal(density) if density else "",
        "datacenter": draw(st.sampled_from((True, False, ""))),
        "circuits": draw(st.sampled_from(("", "", 1, 8))),
        "designer": draw(st.sampled_from(("", "Nvidia Corporation", "Unheard Chips GmbH"))),
    }
    if eccn == "4E091":
        line["ops"] = draw(st.sampled_from(("", "1e25", "1e26")))
    if eccn in LAW.eccns("technology"):
        line["technology_for"] = draw(st.sampled_from(("", "5A992.c", "3A001.b.2", *PRINTED)))
    return line


NAMED_BELOW = st.sampled_from(("1", "2", "3", "9", "a", "b", "c", "z", "zz", "1.a"))


@SETTINGS
@given(shipments(), lines(), NAMED_BELOW, st.booleans())
def test_a_paragraph_below_or_one_that_does_not_exist_never_opens(
    ship: dict[str, Any], line: dict[str, Any], name: str, beside: bool
) -> None:
    if line["eccn"] == "EAR99":
        return
    eccn = line["eccn"]
    above = eccn.rpartition(".")[0]
    other = f"{above or eccn}.{name}" if beside else f"{eccn}.{name}"
    if other in PRINTED and above not in ("3A090.a", "3A090.b") and not other.startswith(f"{eccn}."):
        return
    changed = decided(ship, [{**line, "eccn": other}])
    if changed.approved and not (beside and other in (*PRINTED, *OTHERS)):
        assert decided(ship, [line]) == changed


TRUE_LINES = st.sampled_from(CHIPS)
LOWER = (
    {"tpp": 0}, {"tpp": -1}, {"eccn": "EAR99"}, {"eccn": "5A992.c"}, {"eccn": "3A090.c"}, {"eccn": "3A991.p"},
    {"eccn": "4A003.b"}, {"eccn": "5D992.z.2"}, {"eccn": "4E091", "published": True},
    {"eccn": "5E992", "technology_for": "5A992.c"}, {"datacenter": False},
)  # fmt: skip


def of_chip(chip: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "part": chip["name"],
        "eccn": chip["class"],
        "tpp": chip["tpp"],
        "density": Decimal(chip["performance_density"]) if "performance_density" in chip else "",
        "datacenter": chip["datacenter"],
        "quantity": 3,
    }


@SETTINGS
@given(shipments(), TRUE_LINES, st.lists(st.sampled_from(LOWER), min_size=1, max_size=3))
def test_a_catalogued_part_declared_lower_never_opens(
    ship: dict[str, Any], chip: Mapping[str, Any], lower: list[dict[str, Any]]
) -> None:
    true = of_chip(chip)
    said = true
    for one in lower:
        said = said | (one if one.get("tpp") != -1 else {"tpp": chip["tpp_accept"][0] - 1})
    if said == true:
        return
    screening = screened(dict(ship), [said])
    assert INCONSISTENT in {reason.code for reason in screening.reasons}
    released = screened(dict(ship), [said], aside=(INCONSISTENT,))
    (line,), (as_it_is,) = released.lines, screened(dict(ship), [true]).lines
    assert catalogue.RANK[line.level] >= catalogue.RANK[as_it_is.level]
    assert line.unit_tpp >= as_it_is.unit_tpp
    assert line.datacenter is not False or not chip["datacenter"]
    if outcome(released).approved:
        assert outcome(released) == decided(ship, [true])


UNKNOWN = ("datacenter", "density", "circuits", "designer", "ops", "technology_for")


@SETTINGS
@given(shipments(), lines(), st.sets(st.sampled_from(UNKNOWN), min_size=1))
def test_a_fact_made_unknown_never_opens(ship: dict[str, Any], line: dict[str, Any], unknown: set[str]) -> None:
    before = screened(dict(ship), [line])
    too_strict = any(
        catalogue.RANK.get(one["computed"], 0) < catalogue.RANK.get(before.lines[0].level, 0)
        for one in (reason.facts for reason in before.reasons)
        if "computed" in one
    )
    if outcome(before).approved or too_strict:
        return
    less = {word: "" if word in unknown else value for word, value in line.items()}
    assert not decided(ship, [less]).approved


@SETTINGS
@given(shipments(), st.lists(lines(), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_splitting_and_reordering_lines_changes_nothing(
    ship: dict[str, Any], several: list[dict[str, Any]], chance: Any
) -> None:
    parts = []
    for line in several:
        first = chance.randint(0, line["quantity"])
        parts += [{**line, "quantity": part} for part in (first, line["quantity"] - first) if part]
    chance.shuffle(parts)
    assert decided(ship, parts) == decided(ship, several)


@SETTINGS
@given(shipments(), lines(), st.permutations(["US", "CN", "IN"]), st.sampled_from(("end_user", "operator")))
def test_the_order_of_parties_changes_nothing(
    ship: dict[str, Any], line: dict[str, Any], order: list[str], role: str
) -> None:
    def told(places: list[str]) -> Outcome:
        case = build.case({"ship": {**{k: v for k, v in ship.items() if k != "licensed"}, "lines": [line]}})
        consignee = case.asked.ultimate_consignee
        parties = tuple(
            consignee.model_copy(update={"id": f"P-{place}", "country": place, "headquarters": place})
            for place in places
        )
        return outcome(BOOK.screen(build.Case(case.asked.model_copy(update={role: parties}), case.facts)))

    assert told(order) == told(sorted(order))


def test_every_catalogued_part_is_found_by_each_of_its_names() -> None:
    names = [name for chip in LAW.period.chips for name in (chip["name"], *chip["part_numbers"])]
    found = [catalogue.chip_of(f" {name.upper()} ".replace("-", " "), LAW) for name in names]
    assert [chip and chip["name"] for chip in found] == [
        chip["name"] for chip in LAW.period.chips for _ in (chip["name"], *chip["part_numbers"])
    ]
