"""Countries as lists write them."""

import pycountry
import pytest

from services.lists.countries import read_countries

CASES = {
    "Burma": "MM",
    "UK": "GB",
    "gb": "GB",
    "DEU": "DE",
    "Crimea Region of Ukraine": "UA",
    "Korea (Republic of)": "KR",
    "Korea, Republic of": "KR",
    "North Korea (DPRK)": "KP",
    "Iran (Islamic Republic of)": "IR",
    "Philippines (the)": "PH",
    "People’s Republic of China": "CN",
    "Peoples Republic of China": "CN",
    "TÜRKİYE": "TR",
    "Turkey (Turkiye)": "TR",
    "Côte d'Ivoire": "CI",
    "Congo, Democratic Republic of the": "CD",
    "Antigua & Barbuda": "AG",
    "Bosnia and Herzegovina": "BA",
    "St. Kitts and Nevis": "KN",
    "U.A.E.": "AE",
    "Macau": "MO",
    "China; Hong Kong": "CN HK",
    "China and Hong Kong": "CN HK",
    "Turkey, UAE": "AE TR",
    "China|Burma": "CN MM",
    "": "",
    "   ": "",
}


@pytest.mark.parametrize(("text", "codes"), CASES.items())
def test_a_country_is_read(text: str, codes: str) -> None:
    found, unread = read_countries(text)
    assert (" ".join(sorted(found)), unread) == (codes, ())


@pytest.mark.parametrize(
    "text", ["Middle East Region", "Turkish individual", "North Korean entity in China", "XK", "Atlantis", "1234"]
)
def test_what_is_no_country_is_given_back(text: str) -> None:
    assert read_countries(text) == (frozenset(), (text,))


def test_one_of_several_that_is_not_read_does_not_spoil_the_others() -> None:
    assert read_countries("Atlantis; Burma") == (frozenset({"MM"}), ("Atlantis",))


def test_every_name_of_iso_3166_is_read() -> None:
    names = [
        (getattr(one, member), one.alpha_2)
        for one in pycountry.countries
        for member in ("alpha_2", "alpha_3", "name", "official_name", "common_name")
        if hasattr(one, member)
    ]
    assert [(name, code) for name, code in names if read_countries(name)[0] != {code}] == []
