"""The page of the law: the book on a day, for every role."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from asking import plain
from signin_run import sign_in
from web_run import Served, served

import rulebook
from schemas.codes import ReasonCode


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(f"sqlite:///{tmp_path_factory.mktemp('law') / 'ledger.db'}") as running:
        yield running


@pytest.fixture(scope="module")
def client(web: Served) -> Iterator[httpx.Client]:
    with sign_in(web, web.token("monitor", "m")) as signed:
        yield signed


def test_every_role_opens_it(web: Served) -> None:
    for role in ("publisher", "monitor", "reviewer", "finance", "admin"):
        with sign_in(web, web.token(role, f"a.{role}", "//a")) as person:
            page = person.get("/console/law?day=2026-11-24")
            assert (page.status_code, 'aria-current="page"' in page.text) == (200, True)


def test_it_says_status_figures_lists_authorizations_paragraphs_and_codes(client: httpx.Client) -> None:
    said = plain(client.get("/console/law?day=2026-11-24").text)
    book = rulebook.load("ai-diffusion")
    assert "What the rulebook ai-diffusion says on 2026-11-24." in said
    assert "codified, not enforced since 2025-05-13" in said and book.digest in said
    assert "26,900,000 TPP 2025-01-13 15 CFR 740.29(a), (d)" in said
    assert "Country Group D:5: 24 places, since 2025-11-07" in said
    order = [
        said.index(f"{n}. {kind} ")
        for n, kind in enumerate(("NLR", "ACA", "AIA", "ACM", "VEU", "LPP", "NAC", "LICENSE"), 1)
    ]
    assert order == sorted(order)
    assert (
        "15 CFR 740.29(c) Not to D:5 or Macau, nor to a consignee with its headquarters or ultimate parent there."
        in said
    )
    for code in ReasonCode:
        assert f"{code} {code.meaning} {code.remedy}".replace("`", "") in said
    assert "None: each text that can be read in two ways is read in the stricter one." in said


def test_another_day_has_another_law(client: httpx.Client) -> None:
    before, after = (plain(client.get(f"/console/law?day={day}").text) for day in ("2025-11-06", "2025-11-07"))
    assert "Country Group D:5: 25 places " in before and "Country Group D:5: 24 places, since 2025-11-07" in after
    assert "1,582,500,000 TPP 2025-10-01" in before and "none printed" in plain(
        client.get("/console/law?day=2028-01-01").text
    )


def test_a_day_before_the_rule_is_told(client: httpx.Client) -> None:
    page = client.get("/console/law?day=2025-01-12")
    assert (
        page.status_code,
        "The rule begins on 2025-01-13; on 2025-01-12 it is not in force" in plain(page.text),
    ) == (200, True)
    assert "it is not in force" not in client.get("/console/law?day=2025-01-13").text
    for day in ("0001-01-01", "9999-12-31"):
        assert client.get("/console/law", params={"day": day}).status_code == 200


@pytest.mark.parametrize(
    "day", ["soon", "2026-02-30", "<script>alert(1)</script>", "\u202e2026", "1" * 5_000, "2026-1-1", "-1"]
)
def test_what_is_no_day_is_told(client: httpx.Client, day: str) -> None:
    page = client.get("/console/law", params={"day": day})
    assert page.status_code == 422
    assert "is no day such as 2026-12-01" in page.text
    assert "<script>alert" not in page.text and "\u202e" not in page.text and "1" * 100 not in page.text


def test_readings_that_were_chosen_are_said(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'l.db'}"
    with served(url, env={"TPP_SWITCHES": "lpp_5a002=true"}) as web, sign_in(web, web.token("monitor", "m")) as person:
        said = plain(person.get("/console/law").text)
    assert "1 reading differs from the default" in said
    assert "5A002.z.*.a is eligible for LPP lpp_5a002 yes" in said
