"""A worker is killed while one limit frees many holds: the same bytes as of a run that nothing disturbed."""

import random
import time

import pytest
from events import Line, shipment
from sqlalchemy import func, select
from stream_run import Crew, Sending, screened

from ledger.database import tables
from ledger.queries import records

pytestmark = [pytest.mark.kills]

HOLDS = 1_200
ACCOUNT = "lpp/CON-1/2025"


def test_a_worker_that_is_killed_between_chunks_releases_each_hold_once(streams, tmp_path) -> None:
    stream, line, chance = streams(), Line(), random.Random()
    ship = {"quantity": 1, "claim": "LPP", "papers": ["lpp 2025-01-20"]}
    low = line.allotted(ACCOUNT, 0)
    held = [line.event("shipment.requested", shipment({"id": f"SHP-{n}", **ship})) for n in range(HOLDS)]
    high = line.allotted(ACCOUNT, HOLDS * 2 // 3 * 15_832)
    crew = Crew(stream, ["worker"])
    for share in ([Sending(low, topic="tpp.facts")], [Sending(one, "SHP") for one in held]):
        stream.publish(share)
        stream.wait_decided(crew)
    before = stream.ask(records.last_record)
    stream.publish([Sending(high, topic="tpp.facts")])
    stream.wait(lambda: stream.ask(records.last_record) > before, [crew])
    for _ in range(2):
        crew.kill("worker")
        crew.keep()
        time.sleep(chance.random() * 4)
    stream.wait_decided(crew)
    left = select(func.count()).select_from(tables.unfinished)
    stream.wait(lambda: stream.ask(lambda one: one.execute(left).scalar_one()) == 0, [crew])
    texts, balances = screened([low, *held, high], f"sqlite:///{tmp_path / 'undisturbed.db'}")
    assert stream.answers() == texts
    assert stream.balances() == balances
