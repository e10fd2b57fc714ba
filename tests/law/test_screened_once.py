"""What is worked out once or cut short gives what all of the work gives."""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebook.books.ai_diffusion import CONTENTS
from rulebook.law.contents import Gate
from rulebook.law.goods import Route, route_of
from rulebook.law.law import Law
from rulebook.law.provisions import Provision, Test, Tried, of_route, versions
from rulebook.law.shipment import Shipment
from rulebook.screening.book import Book, Screening
from rulebook.screening.options import alternatives, open_to
from rulebook.screening.refusals import review_policy
from schemas.codes import Result
from schemas.plan import Debit, Finding, Option

from . import build
from .test_properties import SETTINGS, lines, screened, shipments


def whole(screening: Screening) -> list[Option]:
    """The open options of what was not claimed, tried to the end."""
    contents, shipment, law = screening.contents, screening.shipment, screening.law
    claim = shipment.asked.authorization
    return [
        option
        for kind in contents.order
        if claim is not None and kind != claim.kind and open_to(kind, screening.allowed)
        for option in contents.authorizations[kind](shipment, law)
        if all(finding.result in (Result.MET, Result.NOT_APPLICABLE) for finding in option.findings)
    ]


@given(shipments(), st.lists(lines(), min_size=1, max_size=3))
@SETTINGS
def test_alternatives_are_the_open_options_without_duties(ship: dict[str, Any], items: list[dict[str, Any]]) -> None:
    screening = screened({"claim": "AIA", **ship}, items)
    if not screening.stopped:
        found = alternatives(screening.contents, screening.shipment, screening.law, screening.allowed)
        assert list(found) == [option._replace(obligations=()) for option in whole(screening)]
        assert not screening.shipment.brief


@given(shipments(), st.lists(lines(), min_size=1, max_size=3))
@SETTINGS
def test_kept_json_is_that_of_the_finding(ship: dict[str, Any], items: list[dict[str, Any]]) -> None:
    screening = screened(ship, items)
    screening.ready()
    for findings in (screening.findings, *(option.findings for option in screening.options)):
        for one in findings:
            said = {"provision": one.provision, "result": one.result, "detail": one.detail, "facts": one.facts}
            assert one.json == orjson.dumps(said)
            assert "json" in vars(one)


@given(shipments(), st.lists(lines(), min_size=1, max_size=3))
@SETTINGS
def test_what_is_kept_is_found_of_the_shipment(ship: dict[str, Any], items: list[dict[str, Any]]) -> None:
    screening = screened(ship, items)
    shipment, law, route = screening.shipment, screening.law, screening.shipment.route
    fresh = Route(shipment, law)
    for one, kept in route.goods.found.items():
        assert found(one, kept, shipment, law) == found(one, one.test(shipment, law), shipment, law), one
    for rows, kept in (*route.tried.items(), *route_of(shipment, law).tried.items()):
        provisions = tuple(row.provision if isinstance(row, Gate) else row for row in rows)
        assert [one for step in kept for one in flat(step, shipment, law)] == [
            finding
            for one in versions(law, provisions)
            for finding in found(one, of_route(one, fresh, law), shipment, law)
        ]


def flat(step: Any, shipment: Shipment, law: Law) -> tuple[Finding, ...]:
    if isinstance(step, Finding):
        return (step,)
    return step if isinstance(step, tuple) else found(step.one, step.test, shipment, law)


def found(one: Provision, tried: Tried | Test, shipment: Shipment, law: Law) -> tuple[Finding, ...]:
    return one.findings(tried(shipment, law) if callable(tried) else tried)


@given(shipments(), st.lists(lines(), min_size=1, max_size=3))
@SETTINGS
def test_what_is_explained_before_is_what_is_explained_when_asked(
    ship: dict[str, Any], items: list[dict[str, Any]]
) -> None:
    ready, fresh = screened(dict(ship), items), screened(dict(ship), items)
    ready.ready()
    if not ready.stopped:
        assert ready.allocation == fresh.allocation
        assert ready.explained(None, None) == fresh.explained(None, None)
        assert ready.explained(None, None) is ready.explained(None, None)
        left = None if ready.allocation is None else ready.allocation[1]
        assert ready.explained(left, left) == fresh.explained(left, left)


@given(shipments(), st.lists(lines(), min_size=1, max_size=3))
@SETTINGS
def test_a_policy_that_is_not_rationed_is_the_same_whatever_is_left(
    ship: dict[str, Any], items: list[dict[str, Any]]
) -> None:
    screening = screened(ship, items)
    contents, shipment, law = screening.contents, screening.shipment, screening.law
    policy = review_policy(contents, shipment, law, 0)
    if not screening.stopped and not policy.rationed:
        assert [review_policy(contents, shipment, law, left) for left in (None, 1, 10**9)] == [policy] * 3


@pytest.mark.parametrize("result", list(Result))
def test_what_is_kept_is_of_one_value_alone(result: Result) -> None:
    first = Finding("15 CFR 1", Result.MET, "is met")
    option = Option("LPP", (first,), debits=(Debit("lpp/A/2025", 1, None, "15 CFR 1"),))
    assert option.open
    assert first.json
    other = first._replace(result=result)
    assert orjson.loads(other.json)["result"] == result
    changed = option._replace(findings=(other,))
    assert changed.open == (result in (Result.MET, Result.NOT_APPLICABLE)) == (not changed.failed)
    assert option == Option("LPP", (first,), debits=option.debits)


ROUTES: tuple[dict[str, Any], ...] = (
    {"to": "IN"},
    {"to": "IN", "transaction": "reexport", "from": "SG"},
    {"to": "IN", "transaction": "transfer", "from": "IN"},
    {"to": "IN", "hq": "CN"},
    {"to": "IN", "end_user": "CN"},
    {"to": "IN", "country": "SG"},
    {"to": "CN"},
    {"to": "SG"},
    {"to": "US"},
    {"to": "IN", "uses": ["military"]},
    {"to": "IN", "lines": [{"eccn": "4A090.b", "tpp": 1_600, "density": Decimal(1)}]},
)


@pytest.mark.parametrize("claim", ["", "ACA", "AIA", "ACM", "LPP", "NAC"])
def test_a_route_that_differs_in_one_thing_is_another(claim: str) -> None:
    def told(book: Book, ship: dict[str, Any]) -> Any:
        ship = {**ship, "claim": claim} if claim else ship
        found = book.screen(build.case({"ship": ship}))
        return found.findings, found.options, None if found.stopped else found.explained(None, None)

    shared = Book(CONTENTS, {})
    assert [told(shared, ship) for ship in ROUTES] == [told(Book(CONTENTS, {}), ship) for ship in ROUTES]
