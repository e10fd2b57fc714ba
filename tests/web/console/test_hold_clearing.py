"""A party that resembles a listed one: with the release a second reviewer says that it is not the one."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from databases import KINDS
from holds_run import act, buttons, fill, flagged, form, page, press, shipment, text_of, told
from signin_run import shared, sign_in, somebody
from web_run import Served

from ledger.database.store import Store


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that the tests of this file share."""
    yield from shared(request, tmp_path_factory)


def untie(store: Store) -> None:
    """Drops every trigger, as an insider would."""
    with store.begin() as connection:
        if store.postgresql:
            connection.exec_driver_sql("DROP FUNCTION IF EXISTS tpp_append_only() CASCADE")
            return
        for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')


def listed_by_hand(web: Served) -> str:
    """A hold of a list. No list is loaded, so that it is made one by hand."""
    id = shipment()
    fill(web, [flagged(id)])
    store = Store(web.ledger)
    untie(store)
    facts = orjson.dumps({"party": f"CON-{id}", "list": "bis-entity-list", "entry": "795"}).decode()
    with store.begin() as connection:
        rows = connection.exec_driver_sql(f"SELECT n, answers FROM journal WHERE shipment_id = '{id}'").fetchall()
        text = re.sub(
            r'"code":"red_flag"(.*?)"facts":\{[^}]*\}', rf'"code":"party.screening_hit"\1"facts":{facts}', rows[0][1]
        )
        assert "bis-entity-list" in text
        mark = "%s" if web.ledger.startswith("postgres") else "?"
        connection.exec_driver_sql(f"UPDATE journal SET answers = {mark} WHERE n = {mark}", (text, rows[0][0]))
        connection.exec_driver_sql(f"UPDATE shipment SET codes = 'party.screening_hit' WHERE id = '{id}'")
    store.close()
    return id


def cleared(web: Served) -> list[dict[str, Any]]:
    """What was said of matches."""
    store = Store(web.ledger)
    with store.read() as connection:
        rows = connection.exec_driver_sql("SELECT event FROM journal WHERE type = 'tpp.match.cleared.v1'").fetchall()
    store.close()
    return [orjson.loads(bytes(row[0]))["data"] for row in rows]


def test_a_party_that_resembles_a_listed_one_is_cleared_with_the_release(web) -> None:
    id = listed_by_hand(web)
    with (
        sign_in(web, web.token("reviewer", "r.first")) as first,
        sign_in(web, web.token("reviewer", "r.second")) as second,
    ):
        act(first, id, "propose release", reason="Seen.")
        html = page(second, f"/console/holds/{id}")
        assert "Do not hold this party for no. 795 of bis-entity-list again" in text_of(html)
        assert buttons(html)[0] == "confirm release"
        act(second, id, "confirm release", reason="Other city.", clear="yes")
    named = {"party": f"CON-{id}", "list": "bis-entity-list", "entry": "795"}
    assert {**named, "reviewer": "r.second", "reason": "Other city."} in cleared(web)


def test_a_party_is_not_cleared_where_its_release_is_refused(web) -> None:
    id = listed_by_hand(web)
    path, before = f"/console/holds/{id}", cleared(web)
    with (
        sign_in(web, web.token("reviewer", somebody())) as first,
        sign_in(web, web.token("reviewer", somebody())) as second,
    ):
        act(first, id, "propose release", reason="Seen.")
        fields = form(page(second, path), "confirm release") | {"reason": "Other city.", "clear": "yes"}
        act(first, id, "back", reason="I was wrong.")
        assert told(second, press(second, path, fields)).startswith("Refused:")
    assert cleared(web) == before
