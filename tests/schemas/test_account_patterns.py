"""Patterns over account paths: `*` is any text, told quickly; the published patterns know the same paths."""

import re

import pytest

from schemas import accounts


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("*", True),
        ("lpp/*", True),
        ("lpp/*/2025", True),
        ("*70*25", True),
        ("lpp/CON-70/2025*", True),
        ("lpp/CON-70/2025", True),
        ("lpp/CON-70/202", False),
        ("*/2026", False),
        ("l*2025*2025", False),
        ("LPP/*", False),
        ("lpp/CON.70/2025", False),
        ("*-" * 40, False),
    ],
)
def test_a_pattern_fits_a_path(pattern: str, fits: bool) -> None:
    assert accounts.matches(pattern, "lpp/CON-70/2025") is fits


def test_a_pattern_of_many_stars_is_quick() -> None:
    assert not accounts.matches("*a" * 60 + "b", "a" * 4_000)


@pytest.mark.parametrize(
    "path", ["lpp/CON-70/2025", "uveu/CON-1/outside-5a", "uveu/CON-1/IN", "flow/IN/2025", "aia/", "lpp/A/25"]
)
def test_the_published_pattern_knows_the_same_paths(path: str) -> None:
    assert bool(re.search(accounts.pattern(*accounts.FAMILIES), path)) is (accounts.read(path) is not None)
