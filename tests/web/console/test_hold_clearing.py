"""A party that resembles a listed one: with the release a second reviewer says that it is not the one."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from databases import KINDS
from holds_run import act, buttons, form, page, press, state, text_of, told
from listed_run import listed, load_entries
from signin_run import shared, sign_in, somebody
from web_run import Served

from ledger.database.store import Store
from rulebook.parties.entries import ListEntry


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that the tests of this file share."""
    yield from shared(request, tmp_path_factory)


def cleared(web: Served) -> list[dict[str, Any]]:
    """What was said of matches."""
    store = Store(web.ledger)
    with store.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT event FROM journal WHERE type = 'tpp.match.cleared.v1' ORDER BY n"
        ).fetchall()
    store.close()
    return [orjson.loads(bytes(row[0]))["data"] for row in rows]


ENTRIES = ["bis-entity-list/795", "bis-entity-list/796"]


def test_a_party_that_resembles_listed_ones_is_cleared_of_those_chosen_with_the_release(web: Served) -> None:
    load_entries(web)
    id = listed(web)
    with (
        sign_in(web, web.token("reviewer", "r.first")) as first,
        sign_in(web, web.token("reviewer", "r.second")) as second,
    ):
        act(first, id, "propose release", reason="Seen.")
        html = page(second, f"/console/holds/{id}")
        assert f"Do not hold CON-{id} for no. bis-entity-list/795 of us again" in text_of(html)
        assert re.search(r"tpp.match.cleared.v1\nparty +CON-", html)
        assert buttons(html)[0] == "confirm release"
        act(second, id, "confirm release", reason="Other city.", **{"clear-0": "yes"})
    named = {"party": f"CON-{id}", "list": "us", "entry": ENTRIES[0]}
    assert [one for one in cleared(web) if one["party"] == f"CON-{id}"] == [
        {**named, "reviewer": "r.second", "reason": "Other city."}
    ]
    assert state(web, id) == "released"


def test_one_reviewer_clears_with_a_release_of_their_own(web: Served) -> None:
    load_entries(web)
    id = listed(web)
    with sign_in(web, web.token("reviewer", somebody())) as only:
        act(only, id, "release", reason="Another city.", **{"clear-0": "yes", "clear-1": "yes"})
    assert [one["entry"] for one in cleared(web) if one["party"] == f"CON-{id}"] == ENTRIES
    assert state(web, id) == "released"


def test_the_party_stands_beside_the_entry_that_it_resembles_most(web: Served) -> None:
    load_entries(web)
    with sign_in(web, web.token("reviewer", somebody())) as reader:
        said = text_of(page(reader, f"/console/holds/{listed(web)}"))
    for part in (
        "Side by side",
        "Entry bis-entity-list/795",
        "us, version 2026-07-09",
        "Next: Jinan Supercomputing National Center, bis-entity-list/796,",
        "The list holds from 0.85.",
        "licence requirement: All items",
    ):
        assert part in said, part


def test_a_hold_that_a_list_brings_says_what_stays_pending(web: Served) -> None:
    id = listed(web, "Volta Compute Warszawa")
    load_entries(web, "house", [ListEntry(id="h/1", name="Volta Compute Warszawa")])
    with sign_in(web, web.token("reviewer", somebody())) as only:
        said = "TPP stay pending on lpp/"
        assert said in text_of(page(only, f"/console/holds/{id}"))
        own = text_of(page(only, f"/console/shipments/{id}"))
        assert f"lpp/CON-{id}/2025" in own and "flow/" in own
        act(only, id, "deny", reason="It is the one.")
        assert said not in text_of(page(only, f"/console/shipments/{id}"))


def test_a_party_is_not_cleared_where_its_release_is_refused(web: Served) -> None:
    load_entries(web)
    id = listed(web)
    path, before = f"/console/holds/{id}", cleared(web)
    with (
        sign_in(web, web.token("reviewer", somebody())) as first,
        sign_in(web, web.token("reviewer", somebody())) as second,
    ):
        act(first, id, "propose release", reason="Seen.")
        fields = form(page(second, path), "confirm release") | {"reason": "Other city.", "clear-0": "yes"}
        act(first, id, "back", reason="I was wrong.")
        assert told(second, press(second, path, fields)).startswith("Refused:")
    assert cleared(web) == before
