"""Traces: one event is one trace from its publisher to the relay, no byte changes, and nothing is loaded where none are asked."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from waiting import PATIENCE

from ledger.database.store import Store
from ledger.journal import Ledger
from rulebook import load
from services.engine.engine import Engine
from services.kafka.messages import record
from services.telemetry.traces import EngineTraces, Traces, derived_trace, is_asked

ROOT = Path(__file__).parent.parent.parent
EVENT = (ROOT / "examples" / "quickstart.jsonl").read_bytes().splitlines()[1]
FOREIGN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RECORDED = 1_750_000_000_000_000


@dataclass
class Traced:
    """Traces that are kept in memory."""

    traces: Traces
    exporter: InMemorySpanExporter

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def traced() -> Iterator[Traced]:
    exporter = InMemorySpanExporter()
    made = Traced(Traces(SimpleSpanProcessor(exporter)), exporter)
    yield made
    made.traces.close()


@dataclass
class Kafka:
    """A message as a client of Kafka gives it."""

    value: bytes
    headers: list[tuple[str, bytes]]
    topic: str = "tpp.shipments"
    partition: int = 0
    offset: int = 7


def through(traced: Traced, event: bytes, headers: list[tuple[str, bytes]], url: str = ":memory:") -> list[str]:
    """Decides a message as a worker does; its answers."""
    store = Store(url)
    store.open()
    try:
        engine = Engine(Ledger(store), load("ai-diffusion"), lambda: RECORDED, "0", EngineTraces(traced.traces))
        with traced.traces.processing(engine.read([record(Kafka(event, headers))])) as batch:
            [answers] = engine.decide_between(batch)
        return list(answers)
    finally:
        store.close()


def trace(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.trace_id


def parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def test_an_event_is_one_trace_from_its_publisher_to_the_relay(traced: Traced, ledger_url: str) -> None:
    sent, headers = traced.traces.sending("publish", "tpp.shipments", EVENT)
    assert sent is not None
    sent.end()
    answers = through(traced, EVENT, headers, ledger_url)
    relayed, passed_on = traced.traces.sending("relay", "tpp.decisions", answers[0])
    assert relayed is not None
    relayed.end()

    spans = traced.spans
    assert list(spans) == [
        "publish tpp.shipments", "decide tpp.shipment.requested.v1", "process tpp.shipments", "relay tpp.decisions"
    ]  # fmt: skip
    event = orjson.loads(EVENT)
    assert {trace(span) for span in spans.values()} == {derived_trace(event["source"], event["id"])}
    assert parent(spans["process tpp.shipments"]) == id_of(spans["publish tpp.shipments"])
    assert parent(spans["decide tpp.shipment.requested.v1"]) == id_of(spans["process tpp.shipments"])
    assert parent(spans["relay tpp.decisions"]) is None
    for span in spans.values():
        assert span.attributes is not None
        assert span.attributes["cloudevents.event_id"] == event["id"]
    decided = spans["decide tpp.shipment.requested.v1"].attributes
    assert decided is not None
    assert (decided["tpp.outcome"], decided["tpp.batch"]) == ("approved", 1)
    [(name, value)] = passed_on
    assert (name, value.split(b"-")[1].decode()) == ("traceparent", f"{trace(spans['relay tpp.decisions']):032x}")


def test_the_trace_that_an_event_names_is_its_own_to_the_end(traced: Traced) -> None:
    named = orjson.dumps(orjson.loads(EVENT) | {"traceparent": FOREIGN})
    sent, headers = traced.traces.sending("publish", "tpp.shipments", named)
    assert sent is not None
    sent.end()
    answers = through(traced, named, headers)
    relayed, _ = traced.traces.sending("relay", "tpp.decisions", answers[0])
    assert relayed is not None
    relayed.end()
    assert {f"{trace(span):032x}" for span in traced.spans.values()} == {FOREIGN.split("-")[1]}
    assert f"{parent(traced.spans['relay tpp.decisions']):016x}" == FOREIGN.split("-")[2]


def test_a_publishers_own_trace_goes_on_with_a_link_to_the_events(traced: Traced) -> None:
    through(traced, EVENT, [("traceparent", FOREIGN.encode())])
    event = orjson.loads(EVENT)
    span = traced.spans["process tpp.shipments"]
    assert (f"{trace(span):032x}", f"{parent(span):016x}") == tuple(FOREIGN.split("-")[1:3])
    assert [link.context.trace_id for link in span.links] == [derived_trace(event["source"], event["id"])]


@pytest.mark.parametrize("header", [b"", b"nonsense", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"\xff" * 55])
def test_a_header_that_names_no_trace_is_left_out_of_account(traced: Traced, header: bytes) -> None:
    through(traced, EVENT, [("traceparent", header)])
    event = orjson.loads(EVENT)
    span = traced.spans["process tpp.shipments"]
    assert (trace(span), parent(span)) == (derived_trace(event["source"], event["id"]), None)


@pytest.mark.parametrize(
    "message", [b"{", b"", b"[1]", b"null", b'{"id": 1}', b'{"source": "//x", "id": "y", "data": 1}']
)
def test_a_message_that_is_no_event_is_traced_to_its_rejection(traced: Traced, message: bytes) -> None:
    traced.traces.sending("publish", "tpp.shipments", message)
    answers = through(traced, message, [])
    relayed, _ = traced.traces.sending("relay", "tpp.rejected", answers[0])
    assert relayed is not None
    relayed.end()
    assert trace(traced.spans["process tpp.shipments"]) == trace(traced.spans["relay tpp.rejected"])
    assert traced.spans["decide unreadable"].attributes is not None


def test_a_transaction_that_fails_ends_its_spans_as_failed(traced: Traced, tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/l.db")
    store.open()
    engine = Engine(Ledger(store), load("ai-diffusion"), lambda: RECORDED, "0", EngineTraces(traced.traces))
    with store.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("DROP TABLE shipment")
    with (
        pytest.raises(Exception, match="shipment"),
        traced.traces.processing(engine.read([record(Kafka(EVENT, []))])) as batch,
    ):
        engine.decide_between(batch)
    store.close()
    for name in ("decide tpp.shipment.requested.v1", "process tpp.shipments"):
        assert not traced.spans[name].status.is_ok, name


def test_the_bytes_are_the_same_with_traces_and_without(traced: Traced) -> None:
    store = Store(":memory:")
    store.open()
    plain = Engine(Ledger(store), load("ai-diffusion"), lambda: RECORDED, "0")
    [answers] = plain.run([record(Kafka(EVENT, []))])
    store.close()
    assert through(traced, EVENT, [("traceparent", FOREIGN.encode())]) == list(answers)


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
    ],
)
def test_traces_are_made_where_the_environment_asks_for_them(environment: dict[str, str], asked: bool) -> None:
    assert is_asked(environment) is asked


CLOCKED = """
import os, sys
if "WITHOUT" in os.environ:
    sys.modules["opentelemetry"] = None
from services.telemetry.logs import log_to_stderr
from services.telemetry.health import Health
from services.telemetry.observers import observer
from services.resources import engine
from services.engine.message import Message
log_to_stderr()
with engine("sqlite:///" + sys.argv[1], None, observer=observer(Health("worker"))) as decides:
    decides.run([Message(line, {"file": "f", "line": n}) for n, line in enumerate(sys.stdin.buffer.read().splitlines())])
print("opentelemetry" in sys.modules)
"""


def run(folder: Path, *events: bytes, **environment: str) -> tuple[list[str], list[str]]:
    """Decides events in a process of its own; the lines that it wrote to standard output and to standard error."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TPP_", "OTEL_"))}
    command = [sys.executable, "-c", CLOCKED, str(folder / "l.db")]
    done = subprocess.run(
        command, input=b"\n".join(events), env=plain | environment, cwd=ROOT, capture_output=True, check=True
    )
    return done.stdout.decode().splitlines(), done.stderr.decode().splitlines()


def test_nothing_is_loaded_where_no_traces_are_asked_for(tmp_path: Path) -> None:
    assert run(tmp_path, EVENT) == (["False"], [])


def test_spans_go_to_the_console_where_it_is_named_and_logs_name_event_and_trace(tmp_path: Path) -> None:
    out, err = run(tmp_path, EVENT, b"{", OTEL_TRACES_EXPORTER="console", TPP_LOG_FORMAT="json", OTEL_SERVICE_NAME="w1")
    spans: list[dict[str, Any]] = [json.loads(line) for line in out[:-1]]
    assert [span["name"] for span in spans] == ["decide tpp.shipment.requested.v1", "decide unreadable"]
    assert spans[0]["resource"]["attributes"]["service.name"] == "w1"
    logged, rejected = (json.loads(line) for line in err)
    event = orjson.loads(EVENT)
    expected = {"logger": "tpp.events", "level": "info", "source": event["source"], "event_id": event["id"]}
    assert logged.items() >= (expected | {"type": event["type"], "outcome": "approved"}).items()
    assert f"0x{logged['trace_id']}" == spans[0]["context"]["trace_id"]
    assert (rejected["outcome"], rejected["codes"]) == ("rejected", ["json.invalid"])
    assert f"0x{rejected['trace_id']}" == spans[1]["context"]["trace_id"]


def test_a_log_in_json_names_no_trace_where_there_are_none_and_a_log_in_text_no_event(tmp_path: Path) -> None:
    _, [line] = run(tmp_path, EVENT, TPP_LOG_FORMAT="json")
    assert "trace_id" not in json.loads(line)
    _, err = run(tmp_path, EVENT, TPP_LOG_FORMAT="text")
    assert err == []


def test_an_exporter_that_does_not_exist_is_said_and_stops_nothing(tmp_path: Path) -> None:
    out, [line] = run(tmp_path, EVENT, OTEL_TRACES_EXPORTER="jaeger")
    assert "there are no traces: OTEL_TRACES_EXPORTER: 'jaeger' is not otlp, console or none" in line
    assert len(out) == 1


def test_a_missing_extra_is_said_and_stops_nothing(tmp_path: Path) -> None:
    _, [line] = run(tmp_path, EVENT, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", WITHOUT="1")
    assert "OTEL_… asks for traces, but opentelemetry.sdk is missing: install the extra `traces`" in line


class Collector(BaseHTTPRequestHandler):
    """What takes spans by OTLP over HTTP."""

    took: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        self.took.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Logs no requests."""


def test_spans_go_to_a_collector_by_otlp(tmp_path: Path) -> None:
    took: list[tuple[str, bytes]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Collector,), {"took": took}))
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        run(tmp_path, EVENT, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
    [(path, body)] = took
    request = ExportTraceServiceRequest.FromString(body)
    [resource] = request.resource_spans
    names = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (path, names["service.name"]) == ("/v1/traces", "tpp-quota-ledger")
    [span] = [span for scope in resource.scope_spans for span in scope.spans]
    event = orjson.loads(EVENT)
    assert (span.name, int.from_bytes(span.trace_id)) == (
        "decide tpp.shipment.requested.v1",
        derived_trace(event["source"], event["id"]),
    )


def test_a_collector_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    """The exporter itself would wait for 600 seconds here, longer than any machine needs for the rest."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        run(tmp_path, EVENT, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="600")
    assert time.monotonic() - began < PATIENCE
