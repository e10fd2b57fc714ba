"""The relay notes its position from time to time, and in any case before a second batch is sent."""

import pytest

from ledger.queries.records import Published
from services.stream import relay


def test_the_position_is_due_after_a_while_and_after_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 7.0
    monkeypatch.setattr(relay.time, "monotonic", lambda: now)
    position = relay._Position(Published(n=40, sent=90))
    assert not position.due
    position.add(39 + relay.BATCH, 1)
    assert not position.due
    position.add(40 + relay.BATCH, 2)
    assert position.due
    assert position.at == Published(n=40 + relay.BATCH, sent=93)
    position = relay._Position(Published(n=40, sent=90))
    now += 2 * relay.MOVE_SECONDS
    assert position.due
