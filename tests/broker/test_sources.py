"""TPP_SOURCES on a real broker: what a topic's publisher may not send is rejected, and all else goes on."""

from collections.abc import Callable
from pathlib import Path

import orjson
from events import event
from stream_run import Sending, Stream, shipments

from ledger.database.store import Store
from rulebook import load
from services.proof.verification import verify
from services.resources import software
from services.stream.intake import intake

RULES = """
[[allow]]
topic = "tpp.shipments"
sources = ["//wms.example"]
types = ["shipment.*"]

[[allow]]
topic = "tpp.facts"
sources = ["//desk.example/*"]
"""


def test_a_topic_takes_what_its_publishers_may_send(streams: Callable[..., Stream], tmp_path: Path) -> None:
    stream = streams(2)
    file = tmp_path / "sources.toml"
    file.write_text(RULES, "utf-8")
    good = list(shipments(20))
    party = {"id": "CON-1", "name": "A", "country": "PL", "headquarters": "PL", "valid_from": "2025-01-01"}
    barred = [
        good[0].replace(b"//wms.example", b"//other.example"),
        event("recheck.requested", {"shipment_id": "LOAD-00000"}, source="//wms.example", id="r", subject="LOAD-00000"),
        event("policy.set", {"name": "four_eyes", "value": False}, source="//wms.example", id="p", subject="four_eyes"),
    ]
    binary = [("ce_specversion", b"1.0"), ("ce_id", b"b"), ("ce_source", b"//other.example"), ("ce_subject", b"lpp")]
    binary += [("ce_type", b"tpp.threshold.set.v1"), ("ce_time", b"2025-06-02T09:30:00Z")]
    stream.publish(
        [
            *(Sending(line, f"k-{n}") for n, line in enumerate(good)),
            Sending(barred[0], "k-0"),
            Sending(barred[1], "k-0"),
            Sending(barred[2], "k", "tpp.facts"),
            Sending(
                b'{"account":"lpp/*","thresholds":[]}',
                "k",
                "tpp.facts",
                [*binary, ("content-type", b"application/json")],
            ),
            Sending(
                event("party.registered", party, source="//desk.example/a", id="f", subject="CON-1"), "k", "tpp.facts"
            ),
        ]
    )
    worker = stream.start("worker", TPP_SOURCES=str(file))
    stream.wait_decided(worker)
    assert worker.end() == 0
    answers = [orjson.loads(text) for text in stream.answers()]
    rejected = [one["data"] for one in answers if one["type"] == "tpp.event.rejected.v1"]
    errors = sorted(
        (one["causation"]["source"], *(e["pointer"] + " " + e["code"] for e in one["errors"])) for one in rejected
    )
    assert errors == [
        ("//other.example", "/source source.not_allowed"),
        ("//other.example", "/source source.not_allowed"),
        ("//wms.example", "/source source.not_allowed"),
        ("//wms.example", "/type source.not_allowed"),
    ]
    assert len([one for one in answers if one["type"].startswith(("tpp.shipment.approved", "tpp.shipment.held"))]) == 20
    found = intake(stream.settings, stream.url)
    assert found["missing"] == found["doubled"] == []
    store = Store(stream.url)
    verified = verify(store, load("ai-diffusion"), software(), list, [])
    store.close()
    assert verified.bad == []
