"""What a party or a place more may never do: open what was held, or leave open what it closes."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rulebook import load
from rulebook.screening.book import Screening
from schemas.models.incoming import ReviewedAuthorization
from schemas.plan import Case, Option

from . import build

BOOK = load("ai-diffusion")
DESTINATIONS = ["PL", "IN", "FR", "VN", "AE", "US", "PR", "GF", "KY", "CN", "HK", "MO", "RU", "TW"]
D5 = ["CN", "HK", "MO", "ET", "VE", "RU", "IR", "KP", "AF"]
PART_746 = ["CU", "IR", "KP", "SY", "RU", "BY"]
CONCERNED = {"a", "b", "c", "weights"}
PAPERS = [
    "aia_consignee_certification CON 2025-02-01",
    "lpp_consignee_statement CON 2025-02-01",
    "nac_notification CON 2025-02-01",
]
LINES: list[dict[str, Any]] = [
    {},
    {"tpp": 6_704, "density": 8.94, "datacenter": False},
    {"eccn": "3A090.b", "tpp": 2_896, "density": 3.67},
    {"eccn": "3A090.c", "tpp": 0, "density": ""},
    {"eccn": "4E091", "tpp": 0, "density": "", "ops": "2e26"},
    {"eccn": "4D090.a", "tpp": 0, "density": ""},
    {"eccn": "EAR99", "tpp": 0, "density": ""},
]
CLAIMS = ["", "NLR", "ACA", "AIA", "ACM", "VEU", "LPP", "NAC", "LVS", "GBS"]
ROLES = ["end_user", "operator", "purchaser", "through"]


def parties(listed: list[str]) -> st.SearchStrategy[dict[str, str]]:
    """A party that is located, headquartered or parented in one of these countries."""
    bad, good = st.sampled_from(listed), st.sampled_from(["PL", "IN", "FR", "SG", "US"])
    return st.one_of(
        st.builds(lambda code: {"country": code, "hq": "SG"}, bad),
        st.builds(lambda place, code: {"country": place, "hq": code}, good, bad),
        st.builds(lambda place, code: {"country": place, "hq": place, "parent": code}, good, bad),
    )


@st.composite
def ships(draw: st.DrawFn, claims: list[str] = CLAIMS) -> dict[str, Any]:
    """The compact table of a shipment, with every paper that an exception may ask for."""
    to = draw(st.sampled_from(DESTINATIONS))
    ship = {
        "to": to,
        "transaction": draw(st.sampled_from(["export", "reexport", "transfer"])),
        "use": draw(st.sampled_from(["data_center", "storage"])),
        "date": draw(st.sampled_from(["2025-03-03", "2025-05-20", "2025-11-07", "2026-02-02"])),
        "certs": PAPERS,
        "facility": "FAC-1",
        "lines": draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=2)),
    }
    if draw(st.booleans()):
        ship["private"] = draw(st.booleans())
    if draw(st.booleans()):
        ship |= {"country": to, "hq": draw(st.sampled_from(["PL", "FR", "US", "IN", "CN", "IR"]))}
    if draw(st.booleans()):
        ship["from"] = draw(st.sampled_from(DESTINATIONS))
    if claim := draw(st.sampled_from(claims)):
        ship["claim"] = claim
    return ship


def screened(ship: dict[str, Any], aside: list[str] | None = None) -> Screening:
    """What the book says of a shipment to a holder of validated end-user authorizations."""
    veus = [{"program": "national", "country": ship["to"]}, {"program": "universal", "at": ship["to"]}]
    return BOOK.screen(build.case({"ship": ship, "facts": {"veus": veus}, "aside": aside or []}))


def carried(screening: Screening) -> Option | None:
    """The first open option; None where the shipment is held, whatever is on the accounts."""
    if screening.reasons or screening.stopped:
        return None
    return next((option for option in screening.options if option.open), None)


@settings(max_examples=400)
@given(ships(), st.sampled_from(ROLES), st.one_of(parties(D5), parties(PART_746)))
def test_one_more_party_of_d5_or_part_746_opens_nothing_but_nac(
    ship: dict[str, Any], role: str, party: dict[str, str]
) -> None:
    if carried(screened(ship)) is None:
        option = carried(screened({**ship, role: party}))
        assert option is None or "NAC" in option.lines.values()


@settings(max_examples=400)
@given(ships(), st.sampled_from(ROLES), parties(D5))
def test_what_is_approved_is_held_once_a_party_is_of_d5_or_macau(
    ship: dict[str, Any], role: str, party: dict[str, str]
) -> None:
    after = screened({**ship, role: party})
    option = carried(after)
    if option is None or after.shipment.domestic or not CONCERNED & {line.level for line in after.lines}:
        return
    inside = ship["transaction"] == "transfer" and after.shipment.asked.ship_to in {"CN", "MO", "RU"}
    covers = {option.lines[line.line] for line in after.lines if line.level in CONCERNED}
    assert covers == {"NAC"} or (inside and covers == {"ACA"})


@settings(max_examples=300)
@given(ships(), st.sampled_from(ROLES), parties(PART_746))
def test_a_party_of_part_746_holds_whatever_the_goods(ship: dict[str, Any], role: str, party: dict[str, str]) -> None:
    assert carried(screened({**ship, role: party})) is None


@settings(max_examples=300)
@given(ships(), st.sampled_from(["transaction.inconsistent", "review.needed"]))
def test_a_transaction_that_its_places_contradict_is_held_whoever_sets_it_aside(
    ship: dict[str, Any], code: str
) -> None:
    after = screened(ship, [code])
    asked = after.shipment.asked
    same = asked.ship_from == asked.ship_to
    right = same if asked.transaction == "transfer" else not same
    if asked.transaction == "reexport" and asked.ship_from == "US":
        right = False
    if not right and not after.shipment.domestic:
        assert "transaction.inconsistent" in {reason.code for reason in after.reasons}
        assert carried(after) is None


@settings(max_examples=200)
@given(ships(["SAVING", "NOT_YET_REQUIRED"]), st.sampled_from(ROLES), parties(D5))
def test_nothing_goes_as_before_the_rule_with_a_party_of_d5(
    ship: dict[str, Any], role: str, party: dict[str, str]
) -> None:
    kind = ship.pop("claim")
    case = build.case({"ship": {**ship, role: party}})
    reviewed = case.asked.model_copy(update={"authorization": ReviewedAuthorization(kind=kind)})
    assert carried(BOOK.screen(Case(reviewed, case.facts, frozenset({"review.needed"})))) is None
