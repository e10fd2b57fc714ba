"""Any events in any order, in batches of any size, through two engines on one ledger, beside the simple model."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from databases import Databases
from events import facility, party
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from ledger_checks import check_debits, check_ledger, check_moments, now, opened
from ledger_events import PARTIES, Line, engine, licence, request
from ledger_model import HELD, PENDING, POSTED, Asked, Model, told
from soak import much
from sqlalchemy import text

from ledger.queries.balances import Moment
from schemas.times import microseconds
from services.engine.engine import Engine
from services.engine.message import Message

PARTIES |= {"CON-31": party("CON-31", "JP"), "CON-51": party("CON-51", "AE", private_sector=True)}
DAYS = [date(2025, 6, 16), date(2025, 7, 1), date(2025, 12, 30), date(2026, 1, 5)]
KINDS = {
    "LPP": ["CON-20", "CON-21", "CON-22"],
    "AIA": ["CON-30", "CON-31"],
    "VEU": ["CON-50"],
    "LICENSE": ["CON-40", "CON-50"],
}
LICENCES = {"LIC-1": ("CON-40", "SA"), "LIC-2": ("CON-40", "SA"), "LIC-3": ("CON-50", "AE")}
MOST_WAITING = 8
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
FITTING = {
    "amend": (*PENDING, "held"),
    "cancel": (*PENDING, "held"),
    "dispatch": PENDING,
    "dispatch_on": PENDING,
    "give_back": POSTED,
    "release": HELD,
    "deny": HELD,
}
"""The states in which each life event is allowed."""
WEIGHTS = {
    "ask": 8, "ask_again": 1, "amend": 2, "cancel": 2, "dispatch": 4, "dispatch_on": 3, "give_back": 3, "release": 3, "deny": 1,
    "recheck": 2, "tick": 1, "license": 2, "revoke": 1, "attest": 2, "wear_out": 2, "adjust": 2, "allot": 2, "merge": 1,
    "run": 6, "reopen": 1, "repeat": 2, "conflict": 1, "look_back": 2,
}  # fmt: skip
MERGES = [("CON-20", "CON-21"), ("CON-21", "CON-20"), ("CON-31", "CON-30"), ("CON-51", "CON-50")]
COUNTED = ["lpp/CON-20/2025", "lpp/CON-21/2025", "lpp/CON-20/2026", "aia/CON-30", "nveu/CON-50/AE"]
CREDITED = ["nveu/CON-50/AE", "country/SA/2025-2027"]
LIMITED = ["lpp/CON-20/2025", "lpp/CON-21/2026", "nveu/CON-50/AE", "license/LIC-1"]
AMOUNTS = st.sampled_from([0, 1, 15_832, 11_000_000, 26_900_000, 500_000_000])
QUANTITIES = st.sampled_from([1, 300, 700, 1_699, 25_000])


@st.composite
def asking(draw: st.DrawFn) -> Asked:
    """What may be asked of a shipment."""
    kind = draw(st.sampled_from(["LPP", "LPP", "LPP", "VEU", "LICENSE", "LICENSE", "AIA"]))
    reference = draw(st.sampled_from(sorted(LICENCES))) if kind == "LICENSE" else None
    consignee = LICENCES[reference][0] if reference else draw(st.sampled_from(KINDS[kind]))
    expires = draw(st.sampled_from([None, None, date(2025, 6, 20), date(2025, 12, 31)]))
    return Asked(kind, consignee, draw(QUANTITIES), draw(st.sampled_from(DAYS)), reference, expires)


def data_of(shipment: str, asked: Asked) -> dict[str, Any]:
    """The data of a request or an amendment."""
    more: dict[str, Any] = {"expires": asked.expires.isoformat()} if asked.expires else {}
    if asked.reference:
        more["authorization"] = {"kind": "LICENSE", "reference": asked.reference}
    return request(shipment, asked.consignee, asked.quantity, asked.kind, asked.day.isoformat(), **more)


Draw = Callable[[st.SearchStrategy[Any]], Any]


class Machine(RuleBasedStateMachine):
    """Events wait in a queue until a batch of any size takes them; then answers and balances are compared."""

    databases: Databases

    def __init__(self) -> None:
        super().__init__()
        self.url = self.databases.ledger()
        self.stack = ExitStack()
        self.engines: list[Engine] = []
        self.model = Model()
        self.line = Line()
        self.clock = microseconds(datetime(2025, 6, 2, tzinfo=UTC))
        self.waiting: list[tuple[Message, Callable[[list[dict[str, Any]]], None]]] = []
        self.given: dict[bytes, list[str]] = {}
        self.raws: list[bytes] = []
        self.lines = self.expected_n = 0
        self.reopen()

    def teardown(self) -> None:
        self.flush()
        self.stack.close()
        self.databases.drop(self.url)

    # --- the queue ------------------------------------------------------------------------------------------------

    def put(self, raw: bytes, check: Callable[[list[dict[str, Any]]], None]) -> None:
        """Lets an event wait for its batch."""
        self.lines += 1
        self.waiting.append((Message(raw, {"file": "in.jsonl", "line": self.lines}), check))

    def send(self, kind: str, data: dict[str, Any], outcome: str) -> None:
        """An event whose answer is of a kind: `recorded`, `approved`, `held`…; one that is rejected uses up no id."""
        raw = self.line.event(kind, data)
        if outcome != "rejected":
            self.raws.append(raw)
        self.expected_n += 1

        def check(answers: list[dict[str, Any]]) -> None:
            assert answers[0]["type"].split(".")[2] == outcome, (kind, data, answers[0])

        self.put(raw, check)

    def send_many(self, kind: str, data: dict[str, Any], outcome: str, shipments: list[str]) -> None:
        """An event that is answered by a record, and decides shipments."""
        raw = self.line.event(kind, data, data.get("now"))
        self.raws.append(raw)
        self.expected_n += 1

        def check(answers: list[dict[str, Any]]) -> None:
            decided = [a["data"]["shipment_id"] for a in answers if a["type"] == f"tpp.shipment.{outcome}.v1"]
            assert answers[0]["type"] == "tpp.event.recorded.v1", (kind, data, answers[0])
            assert sorted(decided) == sorted(shipments), (kind, data, answers[0])

        self.put(raw, check)

    def flush(self, first: int = 0, asks: bool = False) -> None:
        """Runs what waits as one batch through one of the engines."""
        batch = [record for record, _ in self.waiting]
        if not batch:
            return
        runs = self.engines[first % len(self.engines)]
        asked = runs.check(batch) if asks else None
        texts = runs.run(batch)
        assert asked is None or asked == texts
        for (record, check), given in zip(self.waiting, texts, strict=True):
            answers = [orjson.loads(text) for text in given]
            check_debits(answers)
            check(answers)
            self.given.setdefault(record.raw, given)
        self.waiting = []
        self.compare()

    def compare(self) -> None:
        """The ledger holds what the model holds, and its tables agree with each other."""
        assert told(now(self.store)) == self.model.parts()
        check_ledger(self.store)
        with self.store.read() as connection:
            assert dict(connection.execute(text("SELECT id, state FROM shipment")).all()) == {
                name: life.state for name, life in self.model.lives.items()
            }
            assert connection.execute(text("SELECT n FROM head")).scalar() == self.expected_n

    def tick_clock(self) -> int:
        """A clock that goes on by a second, now and then backwards."""
        self.clock += 1_000_000 if self.clock % 7 else -5_000_000
        return self.clock

    # --- how it runs ----------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        """A validated end-user and the licences; holds are rechecked only where somebody asks for it."""
        by_hand = {
            "name": "auto_recheck",
            "value": False,
            "by": "a.one",
            "reason": "the model has no rechecks of its own",
        }
        self.send("policy.set", by_hand, "recorded")
        granted = {"holder": "CON-50", "program": "national", "country": "AE", "valid_from": "2025-06-01"}
        sites = [facility("FAC-1", "AE", "2025-06-01")]
        self.send("veu.authorized", granted | {"facilities": sites}, "recorded")
        for number in LICENCES:
            self._license(number, 30_000_000)

    @rule(data=st.data(), action=st.sampled_from([name for name, weight in WEIGHTS.items() for _ in range(weight)]))
    def step(self, data: st.DataObject, action: str) -> None:
        """One action; those that are commoner in life are drawn more often."""
        getattr(self, action)(data.draw)
        if len(self.waiting) > MOST_WAITING:
            self.flush(len(self.raws))

    def run(self, draw: Draw) -> None:
        """What waits is one batch, perhaps after it was only asked."""
        self.flush(draw(st.integers(0, 1)), draw(st.booleans()))

    def reopen(self, _: Draw | None = None) -> None:
        """The process ends, and two others begin."""
        self.flush()
        self.stack.close()
        self.store = self.stack.enter_context(opened(self.url))
        other = self.stack.enter_context(opened(self.url))
        self.engines = [engine(self.store, self.tick_clock), engine(other, self.tick_clock)]

    def repeat(self, draw: Draw) -> None:
        """An event is delivered again, perhaps within the batch of its first delivery."""
        raw = draw(st.sampled_from(self.raws))
        self.put(raw, lambda answers: self._same(raw, answers))

    def _same(self, raw: bytes, answers: list[dict[str, Any]]) -> None:
        assert [orjson.loads(text) for text in self.given[raw]] == answers

    def conflict(self, draw: Draw) -> None:
        """The id of an event that was taken or refused comes with another subject."""
        raw = draw(st.sampled_from(self.raws))
        self.expected_n += 1

        def check(answers: list[dict[str, Any]]) -> None:
            assert [error["code"] for error in answers[0]["data"]["errors"]] == ["event.conflict"]

        self.put(orjson.dumps({**orjson.loads(raw), "subject": "another"}), check)

    def look_back(self, draw: Draw) -> None:
        """Balances at earlier moments."""
        self.flush()
        as_of = microseconds(datetime(2025, 6, 2, 9, tzinfo=UTC)) + draw(st.integers(0, 80)) * 60_000_000
        known_at = microseconds(datetime(2025, 6, 2, tzinfo=UTC)) + draw(st.integers(0, 80)) * 1_000_000
        record = Moment(None, None, draw(st.integers(0, 80)))
        check_moments(self.store, [Moment(as_of), Moment(None, known_at), record, Moment(as_of, known_at)])

    # --- shipments ------------------------------------------------------------------------------------------------

    def _some(self, draw: Draw, action: str) -> str:
        """A shipment; mostly one whose state allows the event, else any, now and then one that there is not."""
        lives = self.model.lives
        fitting = [name for name, life in lives.items() if life.state in FITTING[action]]
        return str(draw(st.sampled_from((fitting * 8 or list(lives)) + ["SHP-0"])))

    def ask(self, draw: Draw) -> None:
        """A shipment that was never presented."""
        self._ask(f"SHP-{len(self.model.lives) + 1}", draw(asking()))

    def ask_again(self, draw: Draw) -> None:
        """An identifier that was used."""
        self._ask(draw(st.sampled_from([*self.model.lives, "SHP-1"])), draw(asking()))

    def _ask(self, shipment: str, asked: Asked) -> None:
        self.send("shipment.requested", data_of(shipment, asked), self.model.request(shipment, replace(asked)))

    def amend(self, draw: Draw) -> None:
        """A shipment is asked anew."""
        shipment, asked = self._some(draw, "amend"), draw(asking())
        self.send("shipment.amended", data_of(shipment, asked), self.model.amend(shipment, replace(asked)))

    def cancel(self, draw: Draw) -> None:
        """A shipment will not leave."""
        shipment = self._some(draw, "cancel")
        data = {"shipment_id": shipment, "reason": "order withdrawn"}
        self.send("shipment.cancelled", data, self.model.cancel(shipment))

    def dispatch(self, draw: Draw) -> None:
        """A shipment left on the day planned."""
        shipment = self._some(draw, "dispatch")
        self._dispatch(shipment, self.model.lives[shipment].asked.day if shipment in self.model.lives else DAYS[0])

    def dispatch_on(self, draw: Draw) -> None:
        """A shipment left on whatever day."""
        self._dispatch(self._some(draw, "dispatch_on"), draw(st.sampled_from(DAYS)))

    def _dispatch(self, shipment: str, day: date) -> None:
        data = {"shipment_id": shipment, "export_date": day.isoformat()}
        self.send("shipment.dispatched", data, self.model.dispatch(shipment, day))

    def give_back(self, draw: Draw) -> None:
        """Units came back."""
        shipment, quantity = self._some(draw, "give_back"), draw(QUANTITIES)
        data = {"shipment_id": shipment, "items": [{"line": 1, "quantity": quantity}], "date": "2025-08-04"}
        self.send("shipment.returned", data, self.model.give_back(shipment, quantity))

    def release(self, draw: Draw) -> None:
        """A reviewer lets a hold go, where law and quota do."""
        self._review(self._some(draw, "release"), "release")

    def deny(self, draw: Draw) -> None:
        """A reviewer ends a hold."""
        self._review(self._some(draw, "deny"), "deny")

    def _review(self, shipment: str, action: str) -> None:
        data = {"shipment_id": shipment, "action": action, "second_reviewer": "r.two"}
        self.send("review.decided", data, self.model.review(shipment, action))

    def recheck(self, _: Draw) -> None:
        """All holds are screened again."""
        self.send_many("recheck.requested", {"all": True}, "released", self.model.recheck())

    def tick(self, draw: Draw) -> None:
        """Time passes, or an earlier tick comes late."""
        today = draw(st.sampled_from([date(2025, 6, 10), date(2025, 6, 20), date(2025, 8, 1), date(2025, 12, 31)]))
        self.send_many("clock.ticked", {"now": f"{today}T00:00:00Z"}, "expired", self.model.tick(today))

    # --- facts ----------------------------------------------------------------------------------------------------

    def license(self, draw: Draw) -> None:
        """A licence is amended, or issued again after its revocation."""
        self._license(draw(st.sampled_from(sorted(LICENCES))), draw(AMOUNTS))

    def _license(self, number: str, tpp: int) -> None:
        consignee, country = LICENCES[number]
        data = licence(number, tpp, country, consignee)
        self.send("license.issued", data, self.model.license(number, tpp, consignee, country))

    def revoke(self, draw: Draw) -> None:
        """A licence ends."""
        number, day = draw(st.sampled_from(sorted(LICENCES))), draw(st.sampled_from(DAYS))
        self.send("license.revoked", {"number": number, "date": day.isoformat()}, self.model.revoke(number, day))

    def attest(self, draw: Draw) -> None:
        """A party attests its use."""
        path, tpp, by = draw(st.sampled_from(COUNTED)), draw(AMOUNTS), draw(st.sampled_from(["one", "another"]))
        data = {"account": path, "tpp": tpp, "by": by}
        self.send("usage.attested", data, self.model.attest(path, tpp, by))

    def wear_out(self, draw: Draw) -> None:
        """Attrition of what has left; on a country what is only committed cannot wear out."""
        path, tpp = draw(st.sampled_from(CREDITED)), draw(AMOUNTS)
        if path.startswith("country") and self.model.there(path) < tpp <= self.model.balance(path):
            return
        data = {"account": path, "tpp": tpp, "date": "2025-07-01"}
        self.send("attrition.reported", data, self.model.correct(path, -tpp))

    def adjust(self, draw: Draw) -> None:
        """A correction by hand."""
        path, amount = draw(st.sampled_from(COUNTED)), draw(AMOUNTS) * draw(st.sampled_from([1, -1]))
        self.send("adjustment.made", {"account": path, "amount": amount}, self.model.correct(path, amount))

    def allot(self, draw: Draw) -> None:
        """A limit is set from a day on; a licence sets its own, and none is above the one of the law."""
        path, limit, day = draw(st.sampled_from(LIMITED)), draw(AMOUNTS), draw(st.sampled_from(DAYS))
        allowed = not path.startswith("license/") and not (path.startswith("lpp/") and limit > 26_900_000)
        if allowed:
            self.model.limits.append((path, day, limit))
        data = {"account": path, "limit": limit, "valid_from": day.isoformat()}
        self.send("allocation.set", data, "recorded" if allowed else "rejected")

    def merge(self, draw: Draw) -> None:
        """Two identifiers are of one party."""
        survivor, absorbed = draw(st.sampled_from(MERGES))
        self.send("party.merged", {"survivor": survivor, "absorbed": absorbed}, self.model.merge(survivor, absorbed))


@pytest.mark.soak
def test_any_events_in_any_order(databases: Databases) -> None:
    machine = type("MachineOnADatabase", (Machine,), {"databases": databases})
    examples = much(25, soak=1_000) if databases.kind == "sqlite" else much(15, soak=500)
    bounded = settings(
        max_examples=examples, stateful_step_count=50, phases=PHASES, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=bounded)
