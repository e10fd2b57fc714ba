"""What was taken once stays readable: records that today's bounds, countries and names would not let in."""

from pathlib import Path

import orjson
from click.testing import CliRunner
from events import event, party, shipment
from proof_audit import url_of
from proof_ledger import BOOK, RECORDED, opened, verified

from ledger.journal import Ledger
from services.cli.commands import main
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software

LONG = "x" * 5_000
LPP = {"claim": "LPP", "papers": ["lpp 2025-01-20"]}


def _wide(identifier: str, **words: object) -> dict[str, object]:
    """A shipment of 1,200 lines, whose exporter has a name of 5,000 characters."""
    lines = [{"quantity": 1} for _ in range(1_200)]
    long = {"exporter": party("EXP-1", name=LONG), "lines": lines}
    return shipment({**LPP, "id": identifier, **long, **words}, colour="red")


def _events() -> list[bytes]:
    review = {"shipment_id": "SHP-2"}
    made = [
        event(
            "party.registered", {**party("CON-1", "PL", name="Party CON-1", address=LONG), "valid_from": "2025-01-01"}
        ),
        event("allocation.set", {"account": "lpp/CON-1/2025", "limit": 26_000_000, "citation": LONG}),
        event("party.registered", {**party("CON-2", "XK"), "valid_from": "2025-01-01"}),
        event("match.cleared", {"party": "CON-1", "list": "us", "entry": LONG}),
        event("shipment.requested", _wide("SHP-1")),
        event("shipment.requested", _wide("SHP-2", consignee="CON-3", flags=[{"number": 1, "note": LONG}])),
        event("clock.ticked", {"now": "2025-12-01T00:00:00Z"}, source="//tpp-clock"),
        event("adjustment.made", {"account": "lpp/CON-1/2025", "amount": 5, "second_reviewer": "R. One"}),
        event("shipment.dispatched", {"shipment_id": "SHP-1", "export_date": "2025-06-06"}),
        event("review.decided", review),
    ]
    return [orjson.dumps(orjson.loads(raw) | {"id": f"evt-{n}"}) for n, raw in enumerate(made, 1)]


def test_a_ledger_of_what_today_would_reject_is_read_decided_proved_and_printed(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    raws = _events()
    with opened(url_of(file)) as store:
        store.open()
        engine = Engine(Ledger(store), BOOK, lambda: RECORDED, software())
        today = engine.check([Message(raw, {"file": "a", "line": n}) for n, raw in enumerate(raws, 1)])
        assert sum("tpp.event.rejected.v1" in texts[0] for texts in today) >= 8
        taken = [Message(raw, {"file": "a", "line": n}, recorded=True) for n, raw in enumerate(raws, 1)]
        answers = [orjson.loads(texts[0])["type"].split(".")[-2] for texts in engine.run(taken)]
    assert answers == [*["recorded"] * 4, "approved", "held", "recorded", "recorded", "recorded", "released"]
    with opened(url_of(file)) as store:
        engine = Engine(Ledger(store), BOOK, lambda: RECORDED, software())
        cold = event(
            "shipment.returned", {"shipment_id": "SHP-1", "items": [{"line": 1_200, "quantity": 1}]}, id="evt-x"
        )
        (texts,) = engine.run([Message(cold, {"file": "b", "line": 1})])
        assert orjson.loads(texts[0])["type"] == "tpp.event.recorded.v1"
    found = verified(url_of(file))
    assert (found.bad, found.records) == ([], len(raws) + 1)
    for words in (["explain", "SHP-1"], ["balance", "lpp/*"], ["holds"], ["statement", "lpp/CON-1/2025"]):
        done = CliRunner().invoke(main, [*words, "--ledger", url_of(file)])
        assert (done.exit_code, done.exception) == (0, None), words
