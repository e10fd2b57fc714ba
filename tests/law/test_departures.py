"""What was let go leaves as planned where nothing has changed: arbitrary shipments through the engine."""

from collections.abc import Iterator
from typing import Any

import orjson
from events import Line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from schemas.plan import Facts
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software

from .generated import Made
from .test_changes import ANY

SETTINGS = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.data_too_large]
)


def stated(line: Line, facts: Facts) -> Iterator[bytes]:
    """The events that tell a ledger these facts."""
    for party in facts.registered.values():
        yield line.event("party.registered", _data(party) | {"valid_from": "2025-01-13"})
    for license in facts.licenses:
        yield line.event("license.issued", _data(license.issued))
    for veu in facts.veus:
        yield line.event("veu.authorized", _data(veu.authorized))
    for paper in facts.certifications:
        yield line.event("certification.received", _data(paper))


def _data(model: Any) -> dict[str, Any]:
    said: dict[str, Any] = model.model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in said.items() if value != []}


def kinds(engine: Engine, *raw: bytes) -> list[str]:
    texts = engine.run([Message(one, {"file": "in.jsonl", "line": n}) for n, one in enumerate(raw, 1)])
    return [str(orjson.loads(answer)["type"]).split(".")[2] for answer, *_ in texts]


@SETTINGS
@given(ANY, st.booleans())
def test_what_was_let_go_leaves_where_nothing_has_changed(made: Made, twice: bool) -> None:
    line, store = Line(), Store(":memory:")
    store.open()
    try:
        engine = Engine(Ledger(store), rulebook.load("ai-diffusion"), lambda: 1_748_856_600_000_000, software())
        asked = line.event("shipment.requested", made.data)
        *_, answer = kinds(engine, *stated(line, made.facts), asked)
        if answer == "held":
            release = {"shipment_id": "S-1", "second_reviewer": "r.two", "authorization": {"kind": "LPP"}}
            if not twice or made.claim:
                release.pop("authorization")
            (answer,) = kinds(engine, line.event("review.decided", release))
        if answer in ("approved", "released"):
            assert kinds(engine, line.dispatched("S-1", made.data["export_date"])) == ["recorded"], made.data
    finally:
        store.close()
