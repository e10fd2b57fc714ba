"""Any events in any order, in batches of any size, through two engines on one ledger, beside the simple model."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from ledger_checks import check_debits, check_ledger, check_moments, now, opened
from ledger_events import PARTIES, Line, engine, request
from ledger_model import Asked, Model, told
from sqlalchemy import text

from databases import Databases
from ledger.read import Moment
from services.engine import Engine, Record, microseconds

PARTIES |= {
    "CON-31": {"name": "Example Hosting Japan", "country": "JP", "headquarters": "JP"},
    "CON-51": {"name": "Example Hosting Emirates", "country": "AE", "headquarters": "AE", "private_sector": True},
}
DAYS = [date(2025, 6, 16), date(2025, 7, 1), date(2025, 12, 30), date(2026, 1, 5)]
KINDS = {"LPP": ["CON-20", "CON-21", "CON-22"], "AIA": ["CON-30", "CON-31"], "VEU": ["CON-50"], "LICENSE": ["CON-40", "CON-50"]}
LICENCES = {"LIC-1": ("CON-40", "SA"), "LIC-2": ("CON-40", "SA"), "LIC-3": ("CON-50", "AE")}
MERGES = [("CON-20", "CON-21"), ("CON-21", "CON-20"), ("CON-31", "CON-30"), ("CON-51", "CON-50")]
COUNTED = ["lpp/CON-20/2025", "lpp/CON-21/2025", "lpp/CON-20/2026", "aia/CON-30", "nveu/CON-50/AE"]
CREDITED = ["nveu/CON-50/AE", "country/SA/2025-2027"]
LIMITED = ["lpp/CON-20/2025", "lpp/CON-21/2026", "nveu/CON-50/AE", "license/LIC-1"]
AMOUNTS = st.sampled_from([0, 1, 15_832, 11_000_000, 26_900_000, 500_000_000])
QUANTITIES = st.sampled_from([1, 300, 700, 1_699, 25_000])
SHIPMENTS = st.integers(1, 12).map(lambda number: f"SHP-{number}")


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
        self.waiting: list[tuple[Record, Callable[[list[dict[str, Any]]], None]]] = []
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
        self.waiting.append((Record(raw, {"file": "in.jsonl", "line": self.lines}), check))

    def send(self, kind: str, data: dict[str, Any], outcome: str) -> None:
        """An event whose answer is of a kind: `recorded`, `approved`, `held`…"""
        raw = self.line.event(kind, data)
        self.raws.append(raw)
        self.expected_n += 1

        def check(answers: list[dict[str, Any]]) -> None:
            assert answers[0]["type"].split(".")[2] == outcome, (kind, data, answers[0])

        self.put(raw, check)

    def send_many(self, kind: str, data: dict[str, Any], outcome: str, shipments: list[str]) -> None:
        """An event that is answered by a record, and decides shipments."""
        raw = self.line.event(kind, data)
        self.raws.append(raw)
        self.expected_n += 1

        def check(answers: list[dict[str, Any]]) -> None:
            decided = [a["data"]["shipment_id"] for a in answers if a["type"] == f"tpp.shipment.{outcome}.v1"]
            assert answers[0]["type"] == "tpp.event.recorded.v1"
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
        facility = {"id": "FAC-1", "address": "Abu Dhabi", "country": "AE", "valid_from": "2025-06-01"}
        data = {"holder": "CON-50", "program": "national", "country": "AE", "facilities": [facility], "valid_from": "2025-06-01"}
        self.send("veu.authorized", data, "recorded")

    @rule(first=st.integers(0, 1), asks=st.booleans())
    def run(self, first: int, asks: bool) -> None:
        self.flush(first, asks)

    @invariant()
    def batches_end(self) -> None:
        if len(self.waiting) > 6:
            self.flush(len(self.raws))

    @rule()
    def reopen(self) -> None:
        """The process ends, and two others begin."""
        self.flush()
        self.stack.close()
        self.store = self.stack.enter_context(opened(self.url))
        other = self.stack.enter_context(opened(self.url))
        self.engines = [engine(self.store, self.tick_clock), engine(other, self.tick_clock)]

    @precondition(lambda self: self.raws)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """An event is delivered again, perhaps within the batch of its first delivery."""
        raw = data.draw(st.sampled_from(self.raws))
        first = next((record for record, _ in self.waiting if record.raw == raw), None)
        if first is None and orjson.loads(self.given[raw][0])["type"] == "tpp.event.rejected.v1":
            return

        def check(answers: list[dict[str, Any]]) -> None:
            assert [orjson.loads(text) for text in self.given[raw]] == answers

        if first is None or not self.may_be_rejected(raw):
            self.put(raw, check)

    @staticmethod
    def may_be_rejected(raw: bytes) -> bool:
        """Whether an event may be refused as things stand: delivered again it is tried again."""
        return orjson.loads(raw)["type"] in ("tpp.license.revoked.v1", "tpp.attrition.reported.v1", "tpp.adjustment.made.v1")

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def conflict(self, data: st.DataObject) -> None:
        """The id of an event that was accepted comes with other data."""
        raw = data.draw(st.sampled_from(sorted(self.given)))
        if orjson.loads(self.given[raw][0])["type"] == "tpp.event.rejected.v1":
            return
        event = orjson.loads(raw)
        self.expected_n += 1

        def check(answers: list[dict[str, Any]]) -> None:
            assert [error["code"] for error in answers[0]["data"]["errors"]] == ["event.conflict"]

        self.put(orjson.dumps({**event, "subject": "another"}), check)

    @precondition(lambda self: not self.waiting and self.expected_n > 1)
    @rule(minutes=st.integers(0, 60), seconds=st.integers(0, 60), record=st.integers(0, 60))
    def ask_the_past(self, minutes: int, seconds: int, record: int) -> None:
        as_of = microseconds(datetime(2025, 6, 2, 9, tzinfo=UTC)) + minutes * 60_000_000
        known_at = microseconds(datetime(2025, 6, 2, tzinfo=UTC)) + seconds * 1_000_000
        check_moments(self.store, [Moment(as_of), Moment(None, known_at), Moment(None, None, record), Moment(as_of, known_at)])

    # --- shipments ------------------------------------------------------------------------------------------------

    @rule(shipment=SHIPMENTS, asked=asking())
    def request(self, shipment: str, asked: Asked) -> None:
        data = data_of(shipment, asked)
        self.send("shipment.requested", data, self.model.request(shipment, replace(asked)))

    @rule(shipment=SHIPMENTS, asked=asking())
    def amend(self, shipment: str, asked: Asked) -> None:
        data = data_of(shipment, asked)
        self.send("shipment.amended", data, self.model.amend(shipment, replace(asked)))

    @rule(shipment=SHIPMENTS)
    def cancel(self, shipment: str) -> None:
        self.send("shipment.cancelled", {"shipment_id": shipment, "reason": "order withdrawn"}, self.model.cancel(shipment))

    @rule(shipment=SHIPMENTS)
    def dispatch(self, shipment: str) -> None:
        life = self.model.lives.get(shipment)
        self._dispatch(shipment, life.asked.day if life else DAYS[0])

    @rule(shipment=SHIPMENTS, day=st.sampled_from(DAYS))
    def dispatch_on(self, shipment: str, day: date) -> None:
        self._dispatch(shipment, day)

    def _dispatch(self, shipment: str, day: date) -> None:
        data = {"shipment_id": shipment, "export_date": day.isoformat()}
        self.send("shipment.dispatched", data, self.model.dispatch(shipment, day))

    @rule(shipment=SHIPMENTS, quantity=QUANTITIES)
    def give_back(self, shipment: str, quantity: int) -> None:
        data = {"shipment_id": shipment, "items": [{"line": 1, "quantity": quantity}], "date": "2025-08-04"}
        self.send("shipment.returned", data, self.model.give_back(shipment, quantity))

    @rule(shipment=SHIPMENTS, action=st.sampled_from(["release", "release", "deny"]))
    def review(self, shipment: str, action: str) -> None:
        people = {"reviewer": "reviewer-1", "second_reviewer": "reviewer-2", "reason": "looked at"}
        self.send("review.decided", {"shipment_id": shipment, "action": action, **people}, self.model.review(shipment, action))

    @rule()
    def recheck(self) -> None:
        self.send_many("recheck.requested", {"all": True}, "released", self.model.recheck())

    @rule(today=st.sampled_from([date(2025, 6, 10), date(2025, 6, 20), date(2025, 8, 1), date(2025, 12, 31)]))
    def tick(self, today: date) -> None:
        self.send_many("clock.ticked", {"now": f"{today}T00:00:00Z"}, "expired", self.model.tick(today))

    # --- facts ----------------------------------------------------------------------------------------------------

    @rule(number=st.sampled_from(sorted(LICENCES)), tpp=AMOUNTS)
    def license(self, number: str, tpp: int) -> None:
        consignee, country = LICENCES[number]
        whole = orjson.loads(Line().licensed(number, tpp, country, consignee))["data"]
        self.send("license.issued", whole, self.model.license(number, tpp, consignee, country))

    @rule(number=st.sampled_from(sorted(LICENCES)), day=st.sampled_from(DAYS))
    def revoke(self, number: str, day: date) -> None:
        self.send("license.revoked", {"number": number, "date": day.isoformat()}, self.model.revoke(number, day))

    @rule(path=st.sampled_from(COUNTED), tpp=AMOUNTS, by=st.sampled_from(["one", "another"]))
    def attest(self, path: str, tpp: int, by: str) -> None:
        data = {"account": path, "tpp": tpp, "as_of": "2025-06-01", "by": by, "reference": "U-1"}
        self.send("usage.attested", data, self.model.attest(path, tpp, by))

    @rule(path=st.sampled_from(CREDITED), tpp=AMOUNTS)
    def wear_out(self, path: str, tpp: int) -> None:
        data = {"account": path, "tpp": tpp, "date": "2025-07-01", "cause": "failure", "reference": "A-1"}
        self.send("attrition.reported", data, self.model.correct(path, -tpp))

    @rule(path=st.sampled_from(COUNTED), amount=AMOUNTS, sign=st.sampled_from([1, -1]))
    def adjust(self, path: str, amount: int, sign: int) -> None:
        data = orjson.loads(Line().adjusted(path, sign * amount))["data"]
        self.send("adjustment.made", data, self.model.correct(path, sign * amount))

    @rule(path=st.sampled_from(LIMITED), limit=AMOUNTS, day=st.sampled_from(DAYS))
    def allot(self, path: str, limit: int, day: date) -> None:
        data = orjson.loads(Line().allotted(path, limit, day.isoformat()))["data"]
        self.model.limits.append((path, day, limit))
        self.send("allocation.set", data, "recorded")

    @rule(pair=st.sampled_from(MERGES))
    def merge(self, pair: tuple[str, str]) -> None:
        survivor, absorbed = pair
        data = {"survivor": survivor, "absorbed": absorbed, "valid_from": "2025-06-01", "reason": "one company"}
        self.send("party.merged", data, self.model.merge(survivor, absorbed))


def test_any_events_in_any_order(databases: Databases) -> None:
    machine = type("MachineOnADatabase", (Machine,), {"databases": databases})
    bounded = settings(max_examples=25, stateful_step_count=40, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=bounded)
