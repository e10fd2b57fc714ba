"""What a book says of itself, for people to read."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

import rulebook
from rulebook import Book
from rulebook.law.provisions import all_provisions

BOOK = rulebook.load("ai-diffusion")


@pytest.mark.parametrize(
    ("day", "value", "since"),
    [
        (date(2025, 1, 13), 633_000_000, date(2025, 1, 1)),
        (date(2026, 1, 1), 1_899_000_000, date(2026, 1, 1)),
        (date(2027, 12, 31), 5_064_000_000, date(2027, 10, 1)),
        (date(2028, 1, 1), None, date(2028, 1, 1)),
    ],
)
def test_a_figure_is_that_of_the_day_with_its_first_day(day: date, value: int | None, since: date | None) -> None:
    (cap,) = [one for one in BOOK.text.on(day).figures if one.name == "nveu_base_tpp"]
    assert (cap.value, cap.since) == (value, since)
    assert (cap.unit, cap.citation) == ("TPP", "15 CFR 748.15(a)(2)(iii)(B), Table 1")


def test_every_figure_and_list_is_that_by_which_is_decided() -> None:
    for day in (date(2025, 1, 13), date(2025, 11, 7), date(2026, 7, 10), date(2028, 3, 1)):
        said, law = BOOK.text.on(day), BOOK._values.law(day)
        values = {one.name: one.value for one in said.figures}
        assert {name: values[name] for name in law.period.amounts} == law.period.amounts
        assert {name: Decimal(str(values[name])) for name in law.period.decimals} == law.period.decimals
        assert {one.name: frozenset(one.members) for one in said.groups} == law.period.groups
        assert {one.name: one.members for one in said.eccns} == law.period.eccns


def test_a_list_says_since_when_it_is_as_it_is() -> None:
    before, after = (
        next(one for one in BOOK.text.on(day).groups if one.name == "d5")
        for day in (date(2025, 11, 6), date(2025, 11, 7))
    )
    assert ("KH" in before.members, before.since) == (True, None)
    assert ("KH" in after.members, after.since) == (False, date(2025, 11, 7))


def test_readings_are_those_of_the_book() -> None:
    chosen = rulebook.load("ai-diffusion", {"lpp_5a002": True})
    assert not any(one.on for one in BOOK.text.on(date(2026, 1, 1)).readings)
    assert [one.name for one in chosen.text.on(date(2026, 1, 1)).readings if one.on] == ["lpp_5a002"]


def test_every_paragraph_in_force_is_said_once() -> None:
    for day in (date(2025, 1, 13), date(2025, 1, 16), date(2026, 1, 15)):
        said = BOOK.text.on(day)
        rows = [one.row for way in said.authorizations for one in way.paragraphs] + [one.row for one in said.others]
        assert sorted(rows) == sorted({one.row for one in all_provisions() if one.since <= day})
        assert all(one.says for way in said.authorizations for one in way.paragraphs)
    assert [way.kind for way in said.authorizations if way.order] == [
        "NLR", "ACA", "AIA", "ACM", "VEU", "LPP", "NAC", "LICENSE",
    ]  # fmt: skip


def test_findings_are_told_apart_by_authorization_where_they_share_a_paragraph() -> None:
    cites = ["90 FR 4544, DATES", "90 FR 4544, saving clause", "15 CFR 742.6(a)(6)(iii)(A), (a)(13)", "15 CFR 740.8(a)",
             "15 CFR 740.29(d)", "15 CFR 740.8(a)", "of no row"]  # fmt: skip
    assert [kind for kind, _ in BOOK.text.tried_in(cites)] == ["", "", "NLR", "ACA", "LPP", "NAC", "NAC"]
    assert [kind for kind, _ in BOOK.text.tried_in(["15 CFR 740.29(a)"])] == ["LPP"]
    assert BOOK.text.tried_in([]) == []


def test_any_day_can_be_asked(book: Book = BOOK) -> None:
    for day in (date.min, date.max, book.text.first_day - timedelta(days=1)):
        assert book.text.on(day).authorizations
