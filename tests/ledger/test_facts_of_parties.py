"""Facts of a shipment's parties are found from the record on that states them, wherever the party stands in it."""

from collections.abc import Mapping
from typing import Any

import events
import pytest
from events import certification, party
from ledger_checks import opened, rows
from ledger_events import answers, engine, licence, records
from sqlalchemy import text

RESTS_ON = text("SELECT n, rests_on FROM journal WHERE type = 'tpp.shipment.requested.v1' ORDER BY n")
NOTED = text("SELECT key FROM noted WHERE shipment_id = 'SHP-1'")
WORDS = {
    "to": "SA", "consignee": party("CON-1", "SA", parent="CON-0"), "operator": party("CON-2", "SA", parent="CON-3"),
    "end_user": [party("CON-4", "SA")], "through": [party("CON-5", "AE")], "exporter": party("EXP-1", "US"),
}  # fmt: skip
NAMES = {"EXP-1", "CON-0", "CON-1", "CON-2", "CON-3", "CON-4", "CON-5"}
DATES = {"valid_from": "2025-01-01"}
STATED: Mapping[str, tuple[str, dict[str, Any]]] = {
    **{name: ("party.registered", {**party(name, "SA"), **DATES}) for name in sorted(NAMES)},
    "certification": ("certification.received", certification("aia", "CON-1", "2025-05-01")),
    "claimed licence": ("license.issued", licence("L-1", 1, "SA", "CON-9")),
    "exporter's licence": ("license.issued", licence("L-2", 1, "SA", "CON-9", exporter="EXP-1")),
    "merger": ("party.merged", {"survivor": "CON-8", "absorbed": "CON-4"}),
}


def sent(kind: str, data: dict[str, Any]) -> list[bytes]:
    """A shipment of which nothing is known, what is stated, another shipment of the same parties, a third of others."""
    line = events.Line()

    def asks(number: int, **words: Any) -> bytes:
        return line.event("shipment.requested", events.shipment({"id": f"SHP-{number}", "to": "SA", **words}))

    others = {"consignee": party("CON-11", "SA"), "exporter": party("EXP-11", "US")}
    return [
        asks(1, **WORDS, claim="LICENSE L-1"), line.event(kind, data), asks(2, **WORDS, claim="LICENSE L-1"),
        asks(3, **others),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("what", STATED)
def test_a_decision_rests_on_what_was_stated_of_any_of_its_parties(ledger_url: str, what: str, size: int) -> None:
    messages = records(sent(*STATED[what]))
    with opened(ledger_url) as store:
        decider = engine(store)
        told = [texts for at in range(0, len(messages), size) for texts in decider.run(messages[at : at + size])]
        found = [one["type"] for one in answers(told)]
        assert found == ["tpp.shipment.held.v1", "tpp.event.recorded.v1", "tpp.shipment.held.v1", found[3]]
        first, second, third = (row.rests_on.split() for row in rows(store, RESTS_ON))
    assert first == []
    assert "2" in second
    assert "2" not in third


def test_a_hold_waits_for_facts_of_every_party_though_nothing_is_known(ledger_url: str) -> None:
    with opened(ledger_url) as store:
        engine(store).run(records(sent("party.registered", {**party("CON-99", "SA"), **DATES})[:1]))
        assert {row.key for row in rows(store, NOTED) if "/" not in row.key} == {*NAMES, "L-1"}
