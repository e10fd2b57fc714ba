"""A book as the engine uses it: loading, limits of accounts, openings, reasons and duties."""

import re
from datetime import date
from decimal import Decimal

import orjson
import pytest
from pydantic import ValidationError

from rulebook import Terms, load
from rulebook.law.provisions import try_all
from rulebook.parties.names import keys
from rulebook.screening.refusals import closed, lacking
from schemas.models.facts import LicenseIssued
from schemas.models.parts import Certification
from schemas.models.values import TECHNOLOGY
from schemas.plan import Share

from . import build

BOOK = load("ai-diffusion")
DAY = date(2025, 6, 20)


def screened(**told: object):
    return BOOK.screen(build.case(told))


def test_a_book_is_found_by_name_and_kept() -> None:
    assert load("ai-diffusion") is BOOK
    with pytest.raises(LookupError, match="ai-diffusion"):
        load("no-such-book")
    with pytest.raises(ValueError, match="lpp_in_d1_d4"):
        load("ai-diffusion", {"lpp": True})


def test_the_digest_tells_switches_apart() -> None:
    other = load("ai-diffusion", {"lpp_5a002": True})
    assert BOOK.digest.startswith("sha256:")
    assert len(BOOK.digest) == 71
    assert other.digest != BOOK.digest
    assert load("ai-diffusion", {"lpp_5a002": False}).digest == BOOK.digest
    assert other.switches == {"lpp_5a002": True}
    assert BOOK.switches == {}


def test_the_status_of_the_law_is_a_value_of_the_book() -> None:
    assert BOOK.status == {"codified": True, "not_enforced_since": "2025-05-13"}


def test_laws_of_days_share_their_values() -> None:
    assert BOOK.law(date(2025, 6, 17)).period is BOOK.law(date(2025, 6, 30)).period
    assert BOOK.law(DAY).day == DAY
    assert BOOK.law(DAY).amount("lpp_annual_tpp") == 26_900_000
    with pytest.raises(LookupError):
        BOOK.law(date(2028, 1, 1)).amount("country_allocation_tpp")


@pytest.mark.parametrize(
    ("group", "day", "inside", "outside"),
    [
        ("restricted_740_2", DAY, "AE SA QA KW BH OM JO EG PK VN KZ CN MO", "IL CY IN TW FR MX"),
        ("restricted_740_2", date(2026, 7, 10), "AE", "IL"),
        ("b_item_license_area", DAY, "AE VN MM", "IL TW"),
        ("d5_or_macau", date(2025, 11, 6), "KH MO HK", "IN"),
        ("d5_or_macau", date(2025, 11, 7), "MO", "KH"),
        ("d1", date(2025, 11, 7), "KH", "AE"),
        ("d4", date(2026, 7, 9), "AE", "KH"),
        ("d4", date(2026, 7, 10), "SA", "AE"),
        ("a5", date(2026, 7, 10), "AE", "SG"),
        ("allocation_area", DAY, "IN AE SG BR", "FR US CN MO KH"),
        ("part_746", DAY, "CU IR KP SY RU BY", "CN"),
    ],
)
def test_groups_by_day(group: str, day: date, inside: str, outside: str) -> None:
    members = BOOK.law(day).members(group)
    assert set(inside.split()) <= members
    assert members.isdisjoint(outside.split())
    assert len(BOOK.law(day).members("supp5a")) == 19


@pytest.mark.parametrize(
    ("account", "day", "limit"),
    [
        ("lpp/CON-70/2025", DAY, 26_900_000),
        ("country/IN/2025-2027", DAY, 790_000_000),
        ("country/IN/2025-2027", date(2027, 12, 31), 790_000_000),
        ("country/IN/2025-2027", date(2028, 1, 1), None),
        ("country/FR/2025-2027", DAY, None),
        ("country/CN/2025-2027", DAY, None),
        ("nveu/CON/IN", date(2025, 3, 31), 633_000_000),
        ("nveu/CON/IN", date(2025, 4, 1), 949_500_000),
        ("nveu/CON/IN", date(2027, 12, 31), 5_064_000_000),
        ("nveu/CON/IN", date(2028, 1, 1), None),
        ("uveu/CON/total", DAY, None),
        ("uveu/CON/outside-5a", DAY, Share(25, "uveu/CON/total")),
        ("uveu/CON/outside-us", DAY, Share(50, "uveu/CON/total")),
        ("uveu/CON/AE", DAY, Share(7, "uveu/CON/total")),
        ("uveu/CON/FR", DAY, None),
        ("aia/CON", DAY, None),
        ("facility/FAC", DAY, None),
        ("license/L-1", DAY, None),
        ("flow/IN/2025", DAY, None),
    ],
)
def test_limits_of_accounts(account: str, day: date, limit: object) -> None:
    assert BOOK.limit(account, day) == limit


def test_openings_are_the_next_years_and_the_later_quarters() -> None:
    years = list(BOOK.openings("lpp/CON-70/2025", DAY))
    assert years[0] == (date(2026, 1, 1), "lpp/CON-70/2026", 26_900_000)
    assert [first.year for first, _, _ in years] == [2026, 2027, 2028, 2029, 2030]
    quarters = list(BOOK.openings("nveu/CON/IN", date(2025, 10, 1)))
    assert quarters[0] == (date(2026, 1, 1), "nveu/CON/IN", 1_899_000_000)
    assert quarters[-1] == (date(2027, 10, 1), "nveu/CON/IN", 5_064_000_000)
    assert list(BOOK.openings("nveu/CON/IN", date(2027, 10, 1))) == []
    assert list(BOOK.openings("country/IN/2025-2027", DAY)) == []


def test_thresholds_by_default() -> None:
    assert BOOK.alert_thresholds("lpp/CON/2025") == ("0.5", "0.8", "0.95", "1.0")
    assert BOOK.alert_thresholds("aia/CON") == (253_000_000,)


def test_duties_that_wait_for_a_balance() -> None:
    ship = {"to": "FR", "claim": "AIA", "certs": ["aia_consignee_certification CON 2025-02-01"]}
    screening = screened(ship=ship)
    filed = [one for one in screening.options[0].obligations if one.kind == "aia_certification_submission"]
    assert [one.reaches for one in filed] == [("aia/CON", 253_000_000)]
    always = load("ai-diffusion", {"aia_file_always": True}).screen(build.case({"ship": ship}))
    assert ("aia/CON", 1) in [one.reaches for one in always.options[0].obligations]
    screening = screened(ship={"to": "PL", "claim": "LPP", "certs": ["lpp_consignee_statement CON 2025-02-01"]})
    reached = next(one for one in screening.options[0].obligations if one.kind == "lpp_limit_reached")
    assert (reached.reaches, reached.exactly, reached.party) == (("lpp/CON/2025", 26_900_000), True, "CON")
    assert reached.contents["subject"] == "LPP TPP Limit Reached"
    assert "126,592 TPP to Party CON, PL, on 2025-06-20" in reached.contents["shipment"]


def test_a_facility_is_left_by_every_option_and_never_below_zero() -> None:
    ship = {"to": "PL", "from_facility": "FAC-9", "certs": ["lpp_consignee_statement CON 2025-02-01"]}
    screening = screened(ship=ship)
    option = next(one for one in screening.options if one.open)
    out = option.debits[-1]
    assert (out.account, out.amount, out.limit, out.floor, out.code) == (
        "facility/FAC-9",
        -126_592,
        None,
        True,
        "facility.short",
    )
    assert not option.unlimited


def test_ineligible_is_one_reason_that_names_the_provisions() -> None:
    screening = screened(ship={"to": "VN", "transaction": "transfer", "claim": "LPP"})
    reasons = closed(screening.options[0])
    assert [reason.code for reason in reasons] == ["authorization.ineligible", "certification.missing"]
    assert [one["provision"] for one in reasons[0].facts["failed"]] == ["15 CFR 740.29(a)", "15 CFR 740.2(a)(9)(ii)"]
    assert reasons[1].facts == {"kind": "lpp_consignee_statement", "party": "CON", "needed_by": "2025-06-20"}
    assert lacking(screening.options[0]) == ()


def test_a_refusal_says_how_an_application_would_be_reviewed() -> None:
    screening = screened(ship={"to": "IN"})
    (reason,) = BOOK.explain(screening, 126_591).refusal
    assert reason.code == "authorization.none"
    assert reason.citation == "15 CFR 742.6(b)(10)(iii)(B)(2)"
    assert reason.facts == {
        "review_policy": "policy_of_denial",
        "asked": 126_592,
        "account": "country/IN/2025-2027",
        "available": 126_591,
    }
    assert "126,591 of 790,000,000 TPP are left" in reason.message


def test_a_denied_destination_says_which_party_and_test() -> None:
    screening = screened(ship={"to": "PL", "parent": "CN"})
    (reason,) = BOOK.explain(screening, None).refusal
    assert reason.code == "destination.denied"
    assert reason.facts["review_policy"] == "presumption_of_denial"
    tests = [{"test": "ultimate_parent", "party": "CON", "role": "ultimate consignee", "country": "CN"}]
    assert reason.facts["tests"] == tests
    assert screening.closed[0].facts["review_policy"] == "presumption_of_denial"


def test_findings_carry_the_figures_of_the_case() -> None:
    one = {"to": "PL", "lines": [{"tpp": 15_824}]}
    other = {"to": "PL", "lines": [{"tpp": 15_825}]}
    first, second = screened(ship=one), screened(ship=other)
    assert first.findings != second.findings
    assert first.tpp == 126_592
    assert second.tpp == 126_600


def test_the_same_case_gives_the_same_findings_whatever_was_screened_before() -> None:
    told = {"to": "PL", "density": Decimal("19.40")}
    fresh = BOOK.screen(build.case({"ship": told}))
    BOOK.screen(build.case({"ship": {"to": "PL", "density": Decimal("19.4")}}))
    assert BOOK.screen(build.case({"ship": told})).findings == fresh.findings


def test_the_headings_that_events_may_say_more_of_are_those_of_the_book() -> None:
    headings = BOOK.law(DAY).eccns("technology")
    assert all(re.match(TECHNOLOGY, f"{heading}{more}") for heading in headings for more in ("", ".a", ".b.2"))
    assert TECHNOLOGY.count("|") == len(headings) - 1
    assert not any(re.match(TECHNOLOGY, eccn) for eccn in ("3E0011", "5D002.z.1.a", "3A090.a", "EAR99"))


@pytest.mark.parametrize(
    "eccn", ["3a090.a", "3A090.A", " 3A090.a", "3A090.a ", "3A090..a", "ear99", "3A090.a\n", "3A 090"]
)
def test_an_eccn_in_other_letters_is_rejected(eccn: str) -> None:
    with pytest.raises(ValidationError):
        build.case({"ship": {"eccn": eccn}})


def test_names_are_compared_without_case_punctuation_and_legal_form() -> None:
    assert keys("IBM") <= keys("International Business Machines Corporation (IBM)")
    assert keys("the boeing co.") == keys("The Boeing Company")
    assert keys("Nvidia") == keys("NVIDIA, Corporation")
    assert keys("Intel") != keys("Inventec")


def test_a_provision_begins_with_its_first_day() -> None:
    case = build.case({"ship": {"to": "FR", "date": "2025-01-15"}})
    screening = BOOK.screen(case)
    cited = {finding.provision for option in screening.options for finding in option.findings}
    assert not any("90 FR 5298" in citation for citation in cited)
    assert try_all(screening.shipment, BOOK.law(date(2025, 1, 15)), ()) == ()


def issued(**changes: object) -> LicenseIssued:
    return LicenseIssued.model_validate_json(orjson.dumps({**build.LICENSE, **changes}))


@pytest.mark.parametrize(
    ("valid_from", "country", "allocation"),
    [
        ("2025-01-01", "IN", "country/IN/2025-2027"),
        ("2024-12-31", "IN", None),
        ("2027-12-31", "IN", "country/IN/2025-2027"),
        ("2028-01-01", "IN", None),
        ("2025-06-01", "CN", None),
        ("2025-06-01", "FR", None),
    ],
)
def test_what_is_licensed_from_2025_to_2027_is_committed(valid_from: str, country: str, allocation: str | None) -> None:
    one = issued(valid_from=valid_from, valid_until="2029-01-01", country=country)
    assert BOOK.terms(one, country) == Terms("license/L-1", allocation)


@pytest.mark.parametrize(
    ("account", "limit", "day", "code"),
    [
        ("lpp/CON/2025", 26_900_000, DAY, None),
        ("lpp/CON/2025", 26_900_001, DAY, "limit.above_law"),
        ("country/IN/2025-2027", 1_580_000_000, DAY, None),
        ("country/IN/2025-2027", 1_580_000_001, DAY, "limit.above_law"),
        ("nveu/CON/IN", 5_064_000_000, DAY, None),
        ("nveu/CON/IN", 5_064_000_001, DAY, "limit.above_law"),
        ("nveu/CON/IN", 5_064_000_000, date(2027, 12, 31), None),
        ("nveu/CON/IN", 9_000_000_000, date(2028, 1, 1), None),
        ("uveu/CON/total", 9_000_000_000_000, DAY, None),
        ("uveu/CON/AE", 9_000_000_000_000, DAY, None),
        ("aia/CON", 9_000_000_000_000, DAY, None),
        ("facility/FAC", 9_000_000_000_000, DAY, None),
        ("license/L-1", 1, DAY, "account.invalid"),
        ("nac/N-1", 1, DAY, "account.invalid"),
    ],
)
def test_no_event_sets_a_limit_above_the_law(account: str, limit: int, day: date, code: str | None) -> None:
    barred = BOOK.barred_limit(account, limit, day)
    assert (barred and barred[0]) == code
    if code == "limit.above_law":
        assert barred is not None
        assert f"{limit:,} TPP are more than the {limit - 1:,}" in barred[1]


def test_a_notification_that_says_what_it_covers_opens_an_account() -> None:
    def paper(text: str) -> Certification:
        return Certification.model_validate_json(orjson.dumps(build.certification(text)))

    assert BOOK.notice_account(paper("nac_notification CON 2025-05-01 ref N-1 covers 60000")) == ("nac/N-1", 60_000)
    assert BOOK.notice_account(paper("nac_notification CON 2025-05-01 ref N-1")) is None
    assert BOOK.notice_account(paper("facility_security CON 2025-05-01 at FAC-1")) is None


def test_of_several_notifications_each_stands_in_for_the_one_before() -> None:
    ship = {"to": "CN", "claim": "NAC", "tpp": 6_704, "density": Decimal("8.94"), "datacenter": False}
    papers = [f"nac_notification CON 2025-0{month}-01 ref N-{month} covers 60000" for month in (3, 2, 4)]
    screening = screened(ship={**ship, "certs": ["nac_notification CON 2025-05-01 ref T-1"]}, facts={"certs": papers})
    (debit,) = screening.options[0].debits
    assert (debit.account, debit.limit, debit.noted) == ("nac/T-1", None, True)
    assert [one.account for one in debit.otherwise] == ["nac/N-2", "nac/N-3", "nac/N-4"]
    assert {one.limit for one in debit.otherwise} == {60_000}


def test_what_is_owed_once_is_named_by_exporter_consignee_and_eccn() -> None:
    ship = {
        "to": "FR",
        "claim": "AIA",
        "certs": ["aia_consignee_certification CON 2025-02-01"],
        "lines": [
            {},
            {"eccn": "4D090", "technology_for": "4A090.a", "tpp": 0},
            {"part": "P-2"},
            {"eccn": "EAR99", "tpp": 0},
        ],
    }
    option = screened(ship=ship).options[0]
    once = {one.kind: one.once for one in option.obligations if one.once}
    assert once == {
        "aia_furnish_eccn": ("EXP/CON/3A090.a", "EXP/CON/4D090"),
        "aia_certification_submission": ("EXP/CON",),
    }
    option = screened(ship=ship, facts={"survivors": {"CON": "CON-NEW"}}).options[0]
    filed = next(one for one in option.obligations if one.kind == "aia_certification_submission")
    assert filed.once == ("EXP/CON-NEW",)


def test_a_return_credits_bases_both_ways_and_never_what_counts_exports() -> None:
    debits = [("lpp/CON/2025", 100), ("uveu/CON/AE", 100), ("uveu/CON/DE", -40), ("nac/N-1", 100), ("nveu/CON/IN", 100)]
    assert BOOK.credits_of(debits, 60, 60, 0) == [("uveu/CON/AE", 60), ("uveu/CON/DE", -40), ("nveu/CON/IN", 60)]
    assert BOOK.credits_of(debits, 30, 30, 0) == [("uveu/CON/AE", 30), ("uveu/CON/DE", -30), ("nveu/CON/IN", 30)]
    assert BOOK.credits_of(debits, 30, 30, 30) == [("uveu/CON/AE", 30), ("uveu/CON/DE", -10), ("nveu/CON/IN", 30)]
