"""A list is loaded while a worker decides shipments, and the worker is killed: each shipment is held once."""

import random
import time

import orjson
import pytest
from events import START, Line, shipment
from sqlalchemy import func, select
from stream_run import Crew, Sending

import rulebook
from ledger.database import tables
from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.registers.names.lists import keep_content
from rulebook.parties.entries import ListEntry, ListKind, content_of, digest_of
from services.engine.commands.list_load import event_of
from services.engine.engine import Engine
from services.engine.message import Message
from services.proof.verification import verify
from services.resources import software, wall_clock

pytestmark = [pytest.mark.kills]

OPEN = 300
ZHIPU = {"id": "CON-9", "name": "Zhipu Huazhang Ltd", "country": "PL", "headquarters": "PL"}


def load(url: str) -> None:
    """Has a list put in force, and leaves the rescreening to the worker, as a command does that is killed."""
    text = content_of([ListEntry(id="e/2", name="Zhipu Huazhang", source="bis-entity-list", kind=ListKind.ENTITY)])
    data = {
        "name": "us", "version": "1", "sha256": digest_of(text), "file_sha256": "0" * 64, "entries": 1, "added": 1,
        "removed": 0, "changed": 0, "threshold": "0.85",
    }  # fmt: skip
    store = Store(url)
    store.open()
    try:
        keep_content(store, text, data["sha256"])
        engine = Engine(Ledger(store), rulebook.load("ai-diffusion"), wall_clock, software())
        message = Message(event_of(data, START), {"request": "lists load us 1"}, own=True)
        engine.decide_between(Engine.read([message]))
    finally:
        store.close()


def test_a_worker_goes_on_with_a_rescreening_between_the_events_of_others(streams) -> None:
    stream, line, chance = streams(), Line(), random.Random()
    ship = {"quantity": 1, "claim": "LPP", "papers": ["lpp 2025-01-20"]}
    asked = [
        line.event("shipment.requested", shipment({"id": f"SHP-{n}", "consignee": ZHIPU, **ship})) for n in range(OPEN)
    ]
    others = [line.event("shipment.requested", shipment({"id": f"OTHER-{n}", **ship})) for n in range(50)]
    crew = Crew(stream, ["worker"])
    stream.publish([Sending(one, "SHP") for one in asked])
    stream.wait_decided(crew)
    load(stream.url)
    stream.publish([Sending(one, "SHP") for one in others])
    for _ in range(2):
        time.sleep(chance.random())
        crew.kill("worker")
        crew.keep()
    stream.wait_decided(crew)
    left = select(func.count()).select_from(tables.unfinished)
    stream.wait(lambda: stream.ask(lambda one: one.execute(left).scalar_one()) == 0, [crew])
    events = [orjson.loads(text) for text in stream.answers()]
    held = [one["subject"] for one in events if one["type"] == "tpp.shipment.held.v1"]
    assert held == [f"SHP-{n}" for n in range(OPEN)]
    (last,) = [one["data"] for one in events if "held_count" in one["data"]]
    assert (last["held_count"], last["recheck_count"], last["causation"]["id"]) == (OPEN, 0, "us/1")
    assert [one["pending"] for one in stream.balances() if one["account"] == "lpp/CON-9/2025"] == [OPEN * 15_832]
    store = Store(stream.url)
    try:
        assert verify(store, rulebook.load("ai-diffusion"), software(), list, []).bad == []
    finally:
        store.close()
