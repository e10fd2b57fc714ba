"""That the properties of `test_changes` find what they are there for: each mutant puts a fault of the law back."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rulebook.books.ai_diffusion import CONTENTS
from rulebook.law.law import Law
from rulebook.law.provisions import Provision, Verdict, met, not_met, unknown
from rulebook.law.shipment import Shipment
from rulebook.screening.book import Book
from rulebook.sections import s734_13, s740_27, s746, s750_7, s774_3a090, s774_catalogue, s774_supp1
from rulebook.sections.s774_supp1 import Declared

from .generated import Made
from .test_changes import ANY, CLOSES, GOING, HELD_CHANGES, held_stays_held, what_closes_closes

SETTINGS = settings(
    max_examples=6_000,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
Patch = Callable[[pytest.MonkeyPatch], None]


def as_a_whole(eccn: str, law: Law) -> Declared:
    """An ECCN compared as a whole string, so that whatever no list has is not controlled."""
    for name, level, software in s774_supp1._LISTS:
        if eccn in law.eccns(name):
            return Declared(eccn, level, software, "", "")
    known = s774_supp1.declared(eccn, law)
    return known if known.level in ("technology", "undecided") else Declared(eccn, "none", known.software, "", "")


def of_the_consignee_alone(shipment: Shipment, law: Law) -> Verdict | None:
    headquarters, inside = shipment.consignee.headquarters, law.members("supp5a")
    if not any(line.level == "weights" for line in shipment.needing):
        return None
    return met("the consignee") if headquarters in inside else not_met("the consignee")


def of_the_destination_alone(shipment: Shipment, law: Law) -> Verdict:
    if shipment.asked.ship_to in law.members("part_746"):
        return unknown("part 746", "part 746")
    return met("the destination")


def in_place_of(provision: Provision, test: Callable[..., Any]) -> Patch:
    @wraps(provision.test)
    def put_back(*given: Any) -> Any:
        return test(*given)

    return lambda patch: patch.setattr(provision, "test", put_back)


HELD_MUTANTS: dict[str, tuple[str, Patch]] = {
    "1 ECCNs are compared as whole strings": (
        "paragraph_below", lambda patch: patch.setattr(s774_3a090, "declared", as_a_whole),
    ),
    "2 the catalogue's use is not read": (
        "declared_lower", in_place_of(s774_catalogue.catalogue_use, lambda *_: None),
    ),
    "2 the catalogue's class is not read": (
        "declared_lower", in_place_of(s774_catalogue.catalogue, lambda *_: met("any class")),
    ),
    "3 less TPP than the catalogue's stands": (
        "declared_lower", in_place_of(s774_catalogue.catalogue_tpp, lambda *_: None),
    ),
}  # fmt: skip
CLOSES_MUTANTS: dict[str, tuple[str, Patch]] = {
    "5 a licence covers every party": (
        "d5_or_macau|part_746|user_not_licensed", in_place_of(s750_7.a_parties, lambda *_: met("any party")),
    ),
    "7 AIA for weights reads the consignee alone": (
        "user_of_weights", in_place_of(s740_27.a3_entity, lambda *_: of_the_consignee_alone),
    ),
    "8 the transaction is not compared": (
        "contradicted", in_place_of(s734_13.transaction, lambda *_: None),
    ),
    "13 part 746 is tested on the destination": (
        "part_746", in_place_of(s746.no_embargo, lambda *_: of_the_destination_alone),
    ),
}  # fmt: skip
"""What finds a fault, and how it is put back."""


@pytest.mark.parametrize("name", HELD_MUTANTS)
def test_held_stays_held_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found_by, put_back = HELD_MUTANTS[name]
    put_back(monkeypatch)
    book = Book(CONTENTS, {})

    @SETTINGS
    @given(ANY, HELD_CHANGES, st.integers(0, 999))
    def stays(made: Made, change: str, seed: int) -> None:
        held_stays_held(book, made, change, seed)

    with pytest.raises(AssertionError, match=found_by):
        stays()


@pytest.mark.parametrize("name", CLOSES_MUTANTS)
def test_what_closes_closes_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found_by, put_back = CLOSES_MUTANTS[name]
    put_back(monkeypatch)
    book = Book(CONTENTS, {})

    @SETTINGS
    @given(GOING, st.sampled_from(sorted(CLOSES)), st.integers(0, 999))
    def closes(made: Made, change: str, seed: int) -> None:
        what_closes_closes(book, made, change, seed)

    with pytest.raises(AssertionError, match=found_by):
        closes()
