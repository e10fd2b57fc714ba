"""One alert for each crossing and none else, beside a model written from docs/contract (threshold.set, quota.alert).

A hundred accounts with four thresholds each go up and down in one batch, while limits and thresholds move.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any

import orjson
import pytest
from events import Line, shipment
from flow_run import Run
from soak import much

from schemas.accounts import matches
from services.engine.message import Message

DEFAULT: tuple[str | int, ...] = ("0.5", "0.8", "0.95", "1.0")
LIMITS = (0, 1, 2, 3, 10, 99, 100, 1_000, 1_001, 26_900_000)
SETS: tuple[tuple[str | int, ...], ...] = (
    ("0.5", "0.8", "0.95", "1.0"),
    ("0.333333", "0.5", 50, 100),
    (1, 2, 3, 4),
    ("0.5", "0.50", "0.500", "1"),
    (10, "0.1", "1.0", 10),
    ("0.000001", "0.999999", "1.000000", 26_900_000),
    (),
)
Alert = tuple[str, str, str | int | None, int, int | None]


@dataclass
class Account:
    """An account of the model: what its alerts rest on."""

    limit: int
    balance: int = 0


@dataclass
class Model:
    """What the contract says of thresholds and limits, without a ledger."""

    accounts: dict[str, Account]
    own: dict[str, tuple[str | int, ...]] = field(default_factory=dict)
    patterns: list[tuple[str, tuple[str | int, ...]]] = field(default_factory=list)

    def thresholds(self, path: str) -> Sequence[str | int]:
        """Those of the account, else of the pattern that was set last, else the rulebook's."""
        if path in self.own:
            return self.own[path]
        return next((made for pattern, made in reversed(self.patterns) if matches(pattern, path)), DEFAULT)

    def move(self, path: str, balance: int) -> list[Alert]:
        """The alerts of a balance that changes."""
        account = self.accounts[path]
        before, account.balance = account.balance, balance
        if balance <= before:
            return []
        found: list[Alert] = []
        seen: set[tuple[bool, Fraction]] = set()
        for step in self.thresholds(path):
            share = isinstance(step, str)
            at = Fraction(step) * account.limit if share else Fraction(step)
            one = (share, Fraction(step))
            if one not in seen and before < at <= balance:
                found.append((path, "threshold", step, balance, account.limit))
            seen.add(one)
        if balance > account.limit:
            found.append((path, "over_limit", None, balance, account.limit))
        return found


def told(run: Run, events: Sequence[bytes]) -> list[list[Alert]]:
    """The alerts that follow each event, all of one batch."""
    answers = run.engine.run([Message(one, {"file": "in.jsonl", "line": n}) for n, one in enumerate(events, 1)])
    found = []
    for first, *rest in ([orjson.loads(text) for text in given] for given in answers):
        assert first["type"] == "tpp.event.recorded.v1", first
        assert {one["type"] for one in rest} <= {"tpp.quota.alert.v1"}
        assert {one["data"]["crossed_by"] for one in rest} <= {first["id"]}
        found.append([_alert(one["data"]) for one in rest])
    return found


def _alert(data: dict[str, Any]) -> Alert:
    return data["account"], data["kind"], data.get("threshold"), data["balance"], data["limit"]


@pytest.mark.parametrize("seed", range(much(4, 200)))
def test_each_crossing_is_one_alert_however_limits_and_thresholds_move(seed: int) -> None:
    chance, line = Random(seed), Line()
    paths = [f"lpp/CON-{number}/2025" for number in range(100)]
    model = Model({path: Account(chance.choice(LIMITS)) for path in paths})
    events = [line.allotted(path, account.limit) for path, account in model.accounts.items()]
    wanted: list[list[Alert]] = [[] for _ in paths]
    for _ in range(1_500):
        path = chance.choice(paths)
        account = model.accounts[path]
        match chance.choice(("up and down", "up and down", "up and down", "thresholds", "limit")):
            case "limit":
                account.limit = chance.choice(LIMITS)
                events.append(line.allotted(path, account.limit))
                wanted.append([])
            case "thresholds":
                name, made = (
                    chance.choice((path, "lpp/*", "*", "lpp/CON-1*", path.replace("CON", "*"))),
                    chance.choice(SETS),
                )
                events.append(line.event("threshold.set", {"account": name, "thresholds": list(made)}))
                wanted.append([])
                if "*" in name:
                    model.patterns = [one for one in model.patterns if one[0] != name] + [(name, made)]
                else:
                    model.own[name] = made
            case _:
                balance = _balance(chance, model, path)
                events.append(line.attested(path, balance))
                wanted.append(model.move(path, balance))
    assert sum(map(len, wanted)) > 500
    with Run(":memory:", {}) as run:
        assert told(run, events) == wanted


def _balance(chance: Random, model: Model, path: str) -> int:
    """A balance about a threshold or the limit: just below it, at it, just above; or 0, or the present one."""
    account = model.accounts[path]
    steps = [Fraction(step) * account.limit if isinstance(step, str) else step for step in model.thresholds(path)]
    near = int(chance.choice([*steps, account.limit, account.balance, 0]))
    return max(0, near + chance.choice((-1, 0, 0, 0, 1)))


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("limit", [0, 1, 4, 5])
def test_every_step_of_a_small_account(before: int, after: int, limit: int) -> None:
    line, path = Line(), "lpp/CON-1/2025"
    model = Model({path: Account(limit)}, own={path: ("0.25", "0.5", 3, "1.0")})
    events = [
        line.allotted(path, limit),
        line.event("threshold.set", {"account": path, "thresholds": ["0.25", "0.5", 3, "1.0"]}),
        line.attested(path, before),
        line.attested(path, after),
    ]
    with Run(":memory:", {}) as run:
        assert told(run, events) == [[], [], model.move(path, before), model.move(path, after)]


def _kinds(run: Run, *events: bytes) -> list[list[tuple[str, str, int | None]]]:
    """The alerts of quota that follow each event: account, kind, holds that wait."""
    answers = run.engine.run([Message(one, {"file": "in.jsonl", "line": n}) for n, one in enumerate(events, 1)])
    return [
        [
            (one["data"]["account"], one["data"]["kind"], one["data"].get("holds_waiting"))
            for one in map(orjson.loads, given)
            if one["type"] == "tpp.quota.alert.v1" and one["data"]["kind"] != "threshold"
        ]
        for given in answers
    ]


def _asked(line: Line, name: str, quantity: int, consignee: str = "CON-1") -> bytes:
    words = {"id": name, "quantity": quantity, "consignee": consignee, "claim": "LPP", "papers": ["lpp 2025-05-20"]}
    return line.event("shipment.requested", shipment(words))


def _off(line: Line) -> bytes:
    return line.event("policy.set", {"name": "auto_recheck", "value": False})


def test_replenished_says_what_waits_once_until_a_debit_is_refused_again() -> None:
    line, path = Line(), "lpp/CON-1/2025"
    with Run(":memory:", {}) as run:
        found = _kinds(
            run,
            _off(line),
            line.attested(path, 26_800_000),
            _asked(line, "A", 100),
            _asked(line, "B", 200),
            _asked(line, "C", 300),
            line.attested(path, 26_900_000),
            line.attested(path, 26_950_000),
            line.attested(path, 26_900_000),
            line.attested(path, 26_899_999),
            line.attested(path, 26_000_000),
            _asked(line, "D", 400),
            line.cancelled("A"),
            line.attested(path, 25_999_999),
        )
    assert found == [
        [], [], [(path, "exhausted", None)], [], [], [], [(path, "over_limit", None)], [],
        [(path, "replenished", 3)], [], [(path, "exhausted", None)], [], [(path, "replenished", 3)],
    ]  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 5])
def test_replenished_counts_every_hold_that_a_recheck_would_try(count: int) -> None:
    """And the recheck of the policy tries so many."""
    line, path = Line(), "lpp/CON-1/2025"
    with Run(":memory:", {}) as run:
        asked = [_asked(line, f"S-{number}", 100) for number in range(count)]
        events = [line.attested(path, 26_900_000), *asked, line.attested(path, 0)]
        answers = run.engine.run([Message(one, {"file": "-", "line": n}) for n, one in enumerate(events, 1)])
    last = [orjson.loads(text) for text in answers[-1]]
    (alert,) = [one["data"] for one in last if one["data"].get("kind") == "replenished"]
    assert alert["holds_waiting"] == count
    (rechecked,) = [one["data"] for one in last if "released" in one["data"]]
    assert len(rechecked["released"]) == count


def test_a_raised_limit_replenishes_and_a_lower_or_equal_one_does_not() -> None:
    line, path = Line(), "lpp/CON-1/2025"
    with Run(":memory:", {}) as run:
        found = _kinds(
            run,
            _off(line),
            line.allotted(path, 1_000_000),
            _asked(line, "A", 100),
            line.allotted(path, 1_000_000),
            line.allotted(path, 900_000),
            line.allotted(path, 900_001),
            line.allotted(path, 2_000_000),
        )
    assert found == [[], [], [(path, "exhausted", None)], [], [], [(path, "replenished", 1)], []]


def test_a_merger_that_takes_room_replenishes_nothing() -> None:
    """The absorbed party's account falls to nothing, but its paths are the survivor's, which has less room than before."""
    line = Line()
    with Run(":memory:", {}) as run:
        found = _kinds(
            run,
            _off(line),
            line.attested("lpp/CON-1/2025", 100),
            line.attested("lpp/CON-2/2025", 26_000_000),
            _asked(line, "A", 100, "CON-2"),
            line.merged("CON-2", "CON-1"),
            line.attested("lpp/CON-2/2025", 0),
        )
    room = [("lpp/CON-2/2025", "exhausted", None)], [], [("lpp/CON-2/2025", "replenished", 1)]
    assert found == [[], [], [], *room]


def test_a_licence_that_is_amended_without_more_tpp_replenishes_nothing() -> None:
    line = Line()

    def issued(tpp: int, until: str) -> bytes:
        data = {"number": "L-1", "country": "IN", "tpp": tpp, "valid_until": until}
        return line.event("license.issued", data)

    def asked(name: str, quantity: int) -> bytes:
        return line.event(
            "shipment.requested", shipment({"id": name, "to": "IN", "quantity": quantity, "claim": "LICENSE L-1"})
        )

    with Run(":memory:", {}) as run:
        found = _kinds(
            run,
            _off(line),
            issued(1_000_000, "2026-01-12"),
            asked("A", 60),
            asked("B", 60),
            issued(1_000_000, "2026-06-30"),
            issued(999_999, "2026-06-30"),
            issued(1_000_000, "2026-06-30"),
        )
    path = "license/L-1"
    assert found == [[], [], [], [(path, "exhausted", None)], [], [], [(path, "replenished", 1)]]


def _thresholds(run: Run, *events: bytes) -> list[list[tuple[str, str | int]]]:
    """The thresholds whose alerts follow each event, by account."""
    answers = run.engine.run([Message(one, {"file": "in.jsonl", "line": n}) for n, one in enumerate(events, 1)])
    return [
        [
            (one["data"]["account"], one["data"]["threshold"])
            for one in map(orjson.loads, given)
            if one["type"] == "tpp.quota.alert.v1" and one["data"]["kind"] == "threshold"
        ]
        for given in answers
    ]


def test_an_amendment_crosses_what_its_net_change_crosses() -> None:
    """It voids what is pending and debits anew in one step: below the threshold in between, it was above it before."""
    line, path = Line(), "lpp/CON-1/2025"

    def amended(quantity: int) -> bytes:
        words = {"id": "A", "quantity": quantity, "claim": "LPP", "papers": ["lpp 2025-05-20"]}
        return line.event("shipment.amended", shipment(words))

    with Run(":memory:", {}) as run:
        found = _thresholds(
            run, _asked(line, "A", 900), amended(901), amended(1_400), amended(100), amended(900), line.cancelled("A")
        )
    assert found == [[(path, "0.5")], [], [(path, "0.8")], [], [(path, "0.5")], []]


def test_a_merger_crosses_on_the_survivor_alone() -> None:
    line = Line()
    with Run(":memory:", {}) as run:
        found = _thresholds(
            run,
            line.attested("lpp/CON-1/2025", 9_000_000),
            line.attested("lpp/CON-2/2025", 9_000_000),
            line.merged("CON-2", "CON-1"),
        )
    assert found == [[], [], [("lpp/CON-2/2025", "0.5")]]
