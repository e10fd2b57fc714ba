"""TPP_SOURCES without a broker: which events a topic takes, what bars them, and a file that says nothing of the kind."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from events import event
from flow_run import Run

from rulebook import load
from schemas.event_types import INPUTS
from services.engine.message import Message
from services.failure import Failure
from services.kafka.sources import TopicSources, topic_sources
from services.proof.verification import verify
from services.resources import software

ROOT = Path(__file__).resolve().parents[2]
RULES = """
[[allow]]
topic = "tpp.shipments"
sources = ["//wms.example/*", "//erp.example"]
types = ["shipment.*"]

[[allow]]
topic = "tpp.shipments"
sources = ["//desk.example"]
types = ["tpp.review.decided.v1", "recheck.requested"]

[[allow]]
topic = "tpp.facts"
sources = ["*"]
"""


def rules(folder: Path, text: str = RULES) -> TopicSources:
    file = folder / "sources.toml"
    file.write_text(text, "utf-8")
    found = topic_sources(str(file))
    assert found is not None
    return found


def sent(kind: str, source: str, topic: str = "tpp.shipments", offset: int = 0, **data: Any) -> Message:
    line = event(kind, {"shipment_id": "SHP-1", **data}, source=source, id=f"evt-{kind}", subject="SHP-1")
    return Message(line, {"topic": topic, "partition": 0, "offset": offset})


@pytest.mark.parametrize(
    ("kind", "source", "topic", "pointer"),
    [
        ("shipment.cancelled", "//wms.example/a/b", "tpp.shipments", None),
        ("shipment.cancelled", "//wms.example/", "tpp.shipments", None),
        ("shipment.cancelled", "//erp.example", "tpp.shipments", None),
        ("recheck.requested", "//desk.example", "tpp.shipments", None),
        ("shipment.cancelled", "//anybody.example", "tpp.facts", None),
        ("shipment.cancelled", "//wms.example", "tpp.shipments", "/source"),
        ("shipment.cancelled", "//WMS.example/a", "tpp.shipments", "/source"),
        ("shipment.cancelled", "//erp.example/a", "tpp.shipments", "/source"),
        ("shipment.cancelled", "x//erp.example", "tpp.shipments", "/source"),
        ("shipment.cancelled", "//desk.example", "tpp.shipments", "/type"),
        ("recheck.requested", "//erp.example", "tpp.shipments", "/type"),
        ("shipment.cancelled", "//erp.example", "another.topic", "/source"),
    ],
)
def test_an_event_is_taken_if_one_rule_of_its_topic_fits(
    kind: str, source: str, topic: str, pointer: str | None, tmp_path: Path, ledger_url: str
) -> None:
    message = sent(kind, source, topic)
    with Run(ledger_url, {}) as run:
        ((answer, *_),) = run.engine.decide(rules(tmp_path).look(run.engine.read([message])))
    found = orjson.loads(answer)
    errors = [(one["pointer"], one["code"]) for one in found["data"].get("errors", ())]
    assert errors == ([] if pointer is None else [(pointer, "source.not_allowed")])


def test_a_barred_event_changes_nothing_and_its_id_stays_free(ledger_url: str, tmp_path: Path) -> None:
    allowed = rules(tmp_path)
    barred, good = sent("shipment.cancelled", "//x.example"), sent("shipment.cancelled", "//erp.example", offset=1)
    other = Message(good.raw.replace(b'"evt-', b'"evt-other-').replace(b"erp.", b"wms."), good.position | {"offset": 2})
    with Run(ledger_url, {}) as run:

        def decided(*messages: Message) -> list[Any]:
            return [texts[0] for texts in run.engine.decide(allowed.look(run.engine.read(messages)))]

        first = decided(barred)
        assert orjson.loads(first[0])["type"] == "tpp.event.rejected.v1"
        assert orjson.loads(first[0])["data"]["causation"] == {"source": "//x.example", "id": "evt-shipment.cancelled"}
        assert decided(barred, barred) == first * 2
        taken = Message(barred.raw, {"topic": "tpp.facts", "partition": 0, "offset": 5})
        assert orjson.loads(decided(taken)[0])["type"] != "tpp.event.rejected.v1"
        assert orjson.loads(decided(good, other)[1])["data"]["errors"][0]["pointer"] == "/source"
        with run.store.read() as connection:
            types = connection.exec_driver_sql("SELECT type FROM journal ORDER BY n").scalars().all()
    assert [name.split(".")[2] for name in types] == ["rejected", "cancelled", "cancelled", "rejected"]


def test_what_was_taken_before_the_file_was_there_keeps_its_answer(ledger_url: str, tmp_path: Path) -> None:
    """A worker that was killed before it committed its offsets gets the message again, under the new rules."""
    message = sent("shipment.cancelled", "//x.example")
    changed = Message(message.raw.replace(b'"SHP-1"', b'"SHP-2"'), message.position | {"offset": 1})
    again = Message(message.raw, message.position | {"offset": 2})
    with Run(ledger_url, {}) as run:
        first = run.engine.run([message])
        read = rules(tmp_path).look(run.engine.read([message, again, changed]))
        *same, other = run.engine.decide(read)
        assert same == first * 2
        assert [one["code"] for one in orjson.loads(other[0])["data"]["errors"]] == ["source.not_allowed"]


def test_audit_verify_is_good_with_a_barred_event(ledger_url: str, tmp_path: Path) -> None:
    """It decides the records anew without the file; a rejection changes no balance, and is compared as it stands."""
    messages = [sent("shipment.cancelled", "//x.example"), sent("shipment.cancelled", "//erp.example", offset=1)]
    with Run(ledger_url, {}) as run:
        run.engine.decide(rules(tmp_path).look(run.engine.read(messages)))
        found = verify(run.store, load("ai-diffusion"), software(), list, [])
    assert (found.bad, found.records) == ([], 2)


def test_the_file_in_the_guide_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs/operate/kafka-access.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert {rule.topic for rule in rules(tmp_path, example).rules} == set(INPUTS)


FACTS = '\n[[allow]]\ntopic = "tpp.facts"\nsources = ["*"]\n'
ROW = '[[allow]]\ntopic = "tpp.shipments"\nsources = ["*"]\n'


def row(old: str, new: str) -> str:
    return ROW.replace(old, new) + FACTS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must have [[allow]] tables"),
        ("allow = 1", "must have [[allow]] tables"),
        ("allow = [1]", "[[allow]] 1 must be a table"),
        ("= 1", "is not TOML"),
        (f"deny = 1\n{ROW}", "must have [[allow]] tables, not deny"),
        (ROW, "has nothing for tpp.facts"),
        (FACTS, "has nothing for tpp.shipments"),
        (f'{ROW}kinds = ["*"]{FACTS}', "'kinds' is not one of topic, sources, types"),
        (row("shipments", "decisions"), "not 'tpp.decisions'"),
        (row("tpp.", ""), "not 'shipments'"),
        (row("topic", "# topic"), "not None"),
        (row('["*"]', "[]"), "sources must be a list of patterns"),
        (row('["*"]', '[""]'), "sources must be a list of patterns"),
        (row('["*"]', "[1]"), "sources must be a list of patterns"),
        (row("sources", "# sources"), "sources must be a list of patterns"),
        (f"{ROW}types = []{FACTS}", "types must be a list of patterns"),
        (f'{ROW}types = ["shipment.shipped"]{FACTS}', "'shipment.shipped' fits no type"),
        (f'{ROW}types = ["tpp.shipment.held.v1"]{FACTS}', "fits no type"),
        (row("*", "//tpp-cli"), "is the program's own"),
    ],
)  # fmt: skip
def test_an_invalid_file_is_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(Failure) as failed:
        rules(tmp_path, text)
    assert said in str(failed.value)
    assert str(failed.value).startswith(f"TPP_SOURCES {tmp_path / 'sources.toml'} ")
