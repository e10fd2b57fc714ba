"""Alerts of parties and lists as people read them: `tpp alerts`, `tpp watch`, a notice."""

import orjson
import pytest
from memory_run import Listed

from ledger.queries.alerts import AlertFilter
from services.notify.sentences import message
from services.views.accounts import alert_cells, alert_list
from services.views.event_lines import line

SAID = {
    "screening_hit": (
        "CON-9",
        (
            "Zhipu Co (CON-9), a registered party, resembles Northern Data, also known as Zhipu Co, entry E-1 of the list us 1, "
            "with a score of 1.00. Compare them; if they are two, clear the match, else its shipments stay held."
        ),
        "CON-9: resembles an entry of the list us",
    ),
    "resembles": (
        "con-9",
        (
            "Party con-9 cannot be told apart from CON-9, which was there before. If they are two, nothing is to be done; if "
            "one is a slip, correct it."
        ),
        "con-9: resembles another",
    ),
    "stale": (
        "us",
        "The list us 1 is 31 days old, more than the 30 that were set: load the present version.",
        "list us: out of date",
    ),
}


@pytest.fixture
def listed(ledger_url: str) -> Listed:
    """A ledger with an alert of each kind."""
    with Listed(ledger_url) as made:
        entries = {"E-1": {"name": "Northern Data", "aliases": ["Zhipu Co"]}}
        made.run(
            [
                {"do": "load", "version": "1", "entries": entries, "max_age": 30, "time": "2025-06-02T09:00:00+00:00"},
                {"do": "register", "data": {"id": "CON-9", "name": "Zhipu Co"}},
                {"do": "register", "data": {"id": "con-9", "name": "Plain Trading"}},
                {"do": "tick", "now": "2025-07-03T00:00:00Z"},
            ]
        )
        yield made


@pytest.mark.parametrize("kind", SAID)
def test_an_alert_is_listed(listed: Listed, kind: str) -> None:
    with listed.store.read() as connection:
        (found,) = alert_list(connection, AlertFilter(kind))
    about, said, _ = SAID[kind]
    assert found["message"] == said
    assert alert_cells(found)["about"] == about


@pytest.mark.parametrize("kind", SAID)
def test_an_alert_is_told_in_a_line_and_in_a_notice(listed: Listed, kind: str) -> None:
    with listed.store.read() as connection:
        rows = connection.exec_driver_sql("SELECT answers FROM journal ORDER BY n").scalars()
        texts = [text for row in rows for text in row.splitlines() if f'"kind":"{kind}"' in text]
    (text,) = texts
    about, said, title = SAID[kind]
    assert line(orjson.loads(text)).endswith(f"alert     {about}  {kind}  {said}")
    assert message(text, None) == (title, said)
