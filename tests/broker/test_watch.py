"""`tpp watch` on a real broker: readable lines, filters, groups, and a clean end."""

import json
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import orjson
import pytest
from brokers import Broker, tpp
from waiting import PATIENCE

from schemas.event_types import ALERTS, DECISIONS

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient, KafkaProducer

    from services.stream import watch

ROOT = Path(__file__).parent.parent.parent
BACKSTOP = ("--idle", str(PATIENCE))
"""Ends a watcher to which less came than it was to end after."""


def answered(number: int, account: str, *, sequence: int | None = None, **data: Any) -> bytes:
    event = {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "//tpp-ledger",
        "type": "tpp.shipment.approved.v1",
        "subject": f"SHP-{number}",
        "time": "2025-06-02T09:30:00Z",
        "sequence": f"{number if sequence is None else sequence:020d}",
        "data": {
            "shipment_id": f"SHP-{number}",
            "outcome": "approved",
            "authorization": {"kind": "LPP"},
            "tpp": 126_592,
            "debits": [{"account": account}],
            "reasons": [],
        }
        | data,
    }
    return orjson.dumps(event)


def put(address: str, topic: str, *values: bytes | None) -> None:
    producer = KafkaProducer(bootstrap_servers=address)
    for number, value in enumerate(values):
        producer.send(topic, value, key=b"%d" % number)
    producer.flush()
    producer.close()


HELD = {
    "outcome": "held",
    "debits": [],
    "reasons": [
        {"code": "quota.exhausted", "message": "14,400 TPP too many\x1b[2J", "facts": {"account": "lpp/CON-2/2025"}}
    ],
}
ALERT = {
    "type": "tpp.quota.alert.v1",
    "time": "2025-06-02T09:31:00Z",
    "sequence": "00000000000000000009",
    "data": {
        "account": "lpp/CON-2/2025",
        "kind": "threshold",
        "threshold": "0.8",
        "balance": 21_600_000,
        "limit": 26_900_000,
    },
}


def test_watch_writes_readable_lines_in_the_order_of_publication(broker: Broker) -> None:
    address = broker.fresh()
    put(address, DECISIONS, answered(2, "lpp/CON-2/2025", **HELD), answered(1, "lpp/CON-1/2025"), None, b"{")
    put(address, ALERTS, orjson.dumps(ALERT))
    done = tpp(address, "watch", "--from-start", "--max", "4", *BACKSTOP)
    assert [line for line in done.stdout.splitlines() if "unreadable" not in line] == [
        "2025-06-02T09:30:00Z  approved  SHP-1  LPP  126,592 TPP",
        "2025-06-02T09:30:00Z  held      SHP-2  LPP  126,592 TPP  quota.exhausted: 14,400 TPP too many\\x1b[2J",
        "2025-06-02T09:31:00Z  alert     lpp/CON-2/2025  threshold 0.8  21,600,000 of 26,900,000 TPP",
    ]


@pytest.mark.parametrize(
    ("alert", "text"),
    [
        ({"kind": "exhausted", "balance": 100, "limit": 26_900_000}, "debit refused: 26,899,900 of 26,900,000 TPP"),
        ({"kind": "replenished", "balance": 0, "limit": 5, "holds_waiting": 1}, "1 hold waiting"),
    ],
)
def test_an_alert_says_what_is_available(alert: dict[str, object], text: str) -> None:
    assert text in watch.line({"type": "tpp.quota.alert.v1", "data": {"account": "lpp/CON-1/2025", **alert}})


def test_a_decision_has_one_full_stop() -> None:
    reasons = [{"code": "a", "message": "One."}, {"code": "b", "message": "Two."}]
    event = {"type": "tpp.shipment.held.v1", "data": {"outcome": "held", "reasons": reasons}}
    assert watch.line(event).endswith("a: One; b: Two")


def test_watch_filters_by_account_and_gives_the_bytes(broker: Broker) -> None:
    address = broker.fresh()
    entries = answered(3, "aia/CON-9", debits=[], entries=[{"account": "lpp/CON-2/2025"}])
    ours = [answered(2, "lpp/CON-1/2025", **HELD), entries, orjson.dumps(ALERT)]
    put(address, DECISIONS, answered(1, "lpp/CON-1/2025"), *ours[:2])
    put(address, ALERTS, ours[2])
    account = ("--account", "lpp/CON-2/*")
    done = tpp(address, "watch", "--from-start", "--max", "3", *BACKSTOP, "--format", "jsonl", *account)
    assert done.stdout_bytes.splitlines() == ours


def test_watch_goes_on_where_a_group_ended(broker: Broker) -> None:
    address = broker.fresh()
    put(address, DECISIONS, *(answered(number, "lpp/CON-1/2025") for number in range(12)))
    seen: list[str] = []
    words = ("watch", "--from-start", "--group", "desk", "--format", "jsonl")
    for most in ("5", "4", "3"):
        done = tpp(address, *words, "--max", most, *BACKSTOP)
        seen += [json.loads(line)["subject"] for line in done.stdout.splitlines()]
    assert sorted(seen) == sorted(f"SHP-{number}" for number in range(12))
    assert tpp(address, *words, "--idle", "1").stdout == ""


def test_a_group_that_was_given_nothing_yet_misses_nothing_that_comes_while_nobody_watches(broker: Broker) -> None:
    address = broker.fresh()
    put(address, DECISIONS, answered(1, "lpp/CON-1/2025"))
    words = ("watch", "--group", "night", "--format", "jsonl")
    assert tpp(address, *words, "--idle", "1").stdout == ""
    put(address, DECISIONS, *(answered(number, "lpp/CON-1/2025") for number in range(2, 12)))
    done = tpp(address, *words, "--max", "10", *BACKSTOP)
    seen = [json.loads(line)["subject"] for line in done.stdout.splitlines()]
    assert sorted(seen) == sorted(f"SHP-{number}" for number in range(2, 12))
    assert tpp(address, *words, "--idle", "1").stdout == ""


def test_time_that_a_watcher_waits_for_its_group_is_not_idle(broker: Broker) -> None:
    address = broker.fresh()
    put(address, DECISIONS, answered(1, "lpp/CON-1/2025"))
    member = f"""
import time
from kafka import KafkaConsumer

def joins():
    one = KafkaConsumer(bootstrap_servers={address!r}, group_id="day", session_timeout_ms=8_000)
    one.partitions_for_topic({DECISIONS!r})
    one.subscribe([{DECISIONS!r}])
    end = time.monotonic() + 30
    while not one.assignment():
        if time.monotonic() > end:  # this client may be lost where its session ends before it has joined
            one.close()
            return None
        one.poll(timeout_ms=100)
    return one

while not (kept := joins()):
    pass
print("member", flush=True)
time.sleep(3_600)
"""
    dead = subprocess.Popen([sys.executable, "-W", "ignore", "-c", member], stdout=subprocess.PIPE)
    assert dead.stdout.readline() == b"member\n"
    dead.kill()
    dead.communicate()
    words = ("watch", "--from-start", "--group", "day", "--format", "jsonl")
    seen = tpp(address, *words, "--idle", "1").stdout
    admin = KafkaAdminClient(bootstrap_servers=address)
    assert admin.describe_groups(["day"])["day"]["members"] == [], "it waited until the dead member was gone"
    admin.close()
    seen += tpp(address, *words, "--max", "1", *BACKSTOP).stdout if not seen else ""
    assert len(seen.splitlines()) == 1


def test_watch_reads_what_others_sent_too(broker: Broker) -> None:
    address = broker.fresh(partitions=1)
    odd = orjson.dumps(json.loads(answered(1, "lpp/CON-1/2025")) | {"sequence": 7})
    put(address, DECISIONS, odd)
    put(address, ALERTS, orjson.dumps(ALERT))
    assert len(tpp(address, "watch", "--from-start", "--max", "2", *BACKSTOP).stdout.splitlines()) == 2


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_watch_shows_only_what_comes_from_now_on_and_ends_cleanly(broker: Broker, how: signal.Signals) -> None:
    address = broker.fresh()
    put(address, DECISIONS, answered(1, "lpp/CON-1/2025"))
    command = [sys.executable, "-u", "-c", "from services.cli.commands import main; main()", "watch"]
    watching = subprocess.Popen(
        command, cwd=ROOT, env={"TPP_BROKER": address}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert watching.stdout is not None
    assert watching.stderr is not None
    assert b"press Ctrl-C to stop" in watching.stderr.readline()
    put(address, DECISIONS, answered(2, "lpp/CON-1/2025"))
    assert b"SHP-2" in watching.stdout.readline()
    watching.send_signal(how)
    out, err = watching.communicate(timeout=PATIENCE)
    assert (watching.returncode, out, err) == (0, b"", b"")
