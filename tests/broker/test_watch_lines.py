"""What `tpp watch` shows without being told: rejections and refusals, no ticks, colours only where they are wanted."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from brokers import Broker, tpp
from terminals import told_on
from test_watch import BACKSTOP, answered, put
from waiting import PATIENCE

from schemas.event_types import ALERTS, DECISIONS, FACTS, REJECTED
from services.stream.clock import tick

ROOT = Path(__file__).parent.parent.parent


def outgoing(number: int, type: str, subject: str, data: dict[str, Any]) -> bytes:
    attributes = {"id": f"o-{number}", "source": "//tpp-ledger", "time": "2025-06-02T09:30:00Z"}
    return orjson.dumps({**attributes, "type": type, "subject": subject, "sequence": f"{number:020d}", "data": data})


OF_CLOCK = {"source": "//tpp-clock", "id": "tick-2025-06-02T09:30Z"}
TICK = outgoing(3, "tpp.event.recorded.v1", "clock", {"causation": OF_CLOCK, "entries": []})
LAPSE = outgoing(
    4, "tpp.shipment.expired.v1", "SHP-4", {"causation": OF_CLOCK, "shipment_id": "SHP-4", "outcome": "expired"}
)
REFUSED = outgoing(5, "tpp.event.refused.v1", "SHP-5", {
    "causation": {"source": "//wms.example", "id": "e"}, "shipment_id": "SHP-5", "outcome": "refused", "state": "approved",
    "reasons": [{"code": "shipment.state", "message": "Shipment SHP-5 is approved.", "facts": {}}],
})  # fmt: skip
BAD = outgoing(6, "tpp.event.rejected.v1", "tpp.shipments/0/7", {
    "errors": [{"pointer": "/data/items", "code": "member.missing", "message": "is missing"}],
})  # fmt: skip


def lines(address: str, *words: str) -> list[str]:
    told: str = tpp(address, "watch", "--from-start", "--idle", "1", *words).stdout
    return [" ".join(line.split()[1:]) for line in told.splitlines()]


def test_rejections_and_refusals_are_shown_and_ticks_on_request(broker: Broker) -> None:
    address = broker.fresh(partitions=1)
    put(address, DECISIONS, answered(1, "lpp/CON-1/2025"), TICK, LAPSE, REFUSED)
    put(address, REJECTED, BAD)
    shown = [
        "approved SHP-1 LPP 126,592 TPP",
        "expired SHP-4",
        "refused SHP-5 shipment.state: Shipment SHP-5 is approved",
        "rejected tpp.shipments/0/7 /data/items member.missing is missing",
    ]
    assert lines(address) == shown
    assert lines(address, "--ticks") == [shown[0], "recorded clock", *shown[1:]]
    jsonl = tpp(address, "watch", "--from-start", "--idle", "1", "--format", "jsonl").stdout_bytes
    assert TICK in jsonl.splitlines()
    put(address, FACTS, tick(1_748_856_612.5))
    assert lines(address, FACTS) == []
    assert len(lines(address, FACTS, "--ticks")) == 1


def test_hidden_ticks_keep_no_watcher_from_ending(broker: Broker) -> None:
    """They come more often than the watcher waits, and it ends all the same."""
    address = broker.fresh(partitions=1)
    command = [sys.executable, "-c", "from services.cli.commands import main; main()", "watch", "--idle", "3"]
    with subprocess.Popen(command, cwd=ROOT, env={"TPP_BROKER": address}, stderr=subprocess.PIPE) as watching:
        for _ in range(int(PATIENCE)):
            put(address, DECISIONS, TICK)
            try:
                watching.wait(1)
                break
            except subprocess.TimeoutExpired:
                continue
        assert watching.poll() == 0


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"TERM": "xterm-256color"}, True), ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, True),
    ],
)  # fmt: skip
def test_a_terminal_gets_colours_unless_it_says_otherwise(
    broker: Broker, environment: dict[str, str], coloured: bool
) -> None:
    address = broker.fresh(partitions=1)
    put(address, DECISIONS, answered(1, "lpp/CON-1/2025"))
    master, terminal = pty.openpty()
    command = [sys.executable, "-c", "from services.cli.commands import main; main()", "watch", "--from-start"]
    watching = subprocess.Popen(
        [*command, "--max", "1", *BACKSTOP], cwd=ROOT, env={"TPP_BROKER": address, **environment}, stdout=terminal,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(terminal)
    told = told_on(master)
    assert watching.wait(PATIENCE) == 0
    os.close(master)
    assert b"SHP-1" in told
    assert (b"\x1b[" in told) is coloured


def test_a_misspelt_topic_names_the_right_one(broker: Broker) -> None:
    address = broker.fresh(partitions=1)
    for name, said in (
        ("tpp.decision", f"missing on {address}: tpp.decision; did you mean tpp.decisions?"),
        ("tpp.allerts", f"missing on {address}: tpp.allerts; did you mean {ALERTS}?"),
        ("orders", f"missing on {address}: orders; create topics with `tpp topics create`"),
    ):
        assert tpp(address, "watch", name, code=2).stderr == f"Error: {said}\n"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("lppp/CON-1/2025", "did you mean lpp/*?"),
        ("contry/*", "did you mean country/*?"),
        ("lpp", "did you mean lpp/*?"),
        (
            "CON-1",
            "patterns of accounts are lpp/*, country/*, license/*, nac/*, nveu/*, uveu/*, aia/*, facility/*, flow/*",
        ),
    ],
)
def test_a_family_of_accounts_that_does_not_exist_is_said_before_the_broker_is_asked(pattern: str, said: str) -> None:
    done = tpp("127.0.0.1:1", "watch", "--account", pattern, code=2)
    assert done.stderr == f"Error: no account matches {pattern!r}; {said}\n"


def test_an_account_that_nearly_matches_is_named_once_while_none_does(broker: Broker) -> None:
    address = broker.fresh(partitions=1)
    put(address, DECISIONS, *(answered(number, "lpp/CON-70/2025") for number in range(3)), answered(4, "aia/X"))
    words = ("watch", "--from-start", "--idle", "1", "--account")
    done = tpp(address, *words, "lpp/CON-7O/2025")
    assert done.stdout == ""
    assert done.stderr.splitlines()[1:] == ["no event yet about lpp/CON-7O/2025; did you mean lpp/CON-70/2025?"]
    for pattern, count in (("lpp/CON-70/*", 3), ("uveu/*", 0), ("aia/X", 1)):
        done = tpp(address, *words, pattern)
        assert len(done.stdout.splitlines()) == count
        assert len(done.stderr.splitlines()) == 1
