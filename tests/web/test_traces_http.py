"""Traces over HTTP: the span of a request, whose trace goes on to the decision of its events."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from web_run import Served, served

from services.telemetry.traces import derived_trace

LINES = (Path(__file__).parents[2] / "examples" / "quickstart.jsonl").read_bytes().splitlines()
TRACE, ABOVE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ONE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
DECIDED = "decide tpp.shipment.requested.v1"


@dataclass
class Collector:
    """What takes spans by OTLP over HTTP."""

    url: str = ""
    spans: list[Any] = field(default_factory=list)

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            scopes = [scope for resource in request.resource_spans for scope in resource.scope_spans]
            found.spans.extend(span for scope in scopes for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Logs no requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield found
    server.shutdown()
    server.server_close()
    serving.join()


def send(web: Served, body: bytes, kind: str, *parents: str) -> None:
    headers = [("Content-Type", kind), *(("traceparent", parent) for parent in parents)]
    with web.client(web.token("publisher", "wms", "//wms.example")) as client:
        assert client.post("/v1/events", content=body, headers=headers).status_code == 200


def own(line: bytes) -> bytes:
    event = orjson.loads(line)
    return derived_trace(event["source"], event["id"]).to_bytes(16)


def through(ledger: str, collector: Collector, body: bytes, kind: str, *parents: str) -> Any:
    """Sends a body to a server of its own; the span of the request."""
    with served(ledger, env={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}) as web:
        send(web, body, kind, *parents)
        assert web.stop() == 0, web.lines
    [span] = collector.named("POST /v1/events")
    return span


def test_a_request_goes_on_in_the_trace_that_it_names(ledger_url: str, collector: Collector) -> None:
    request = through(ledger_url, collector, b"[%b,%b]" % (LINES[0], LINES[1]), BATCH, f"00-{TRACE}-{ABOVE}-01")
    [decided] = collector.named(DECIDED)
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, ABOVE)
    assert (decided.trace_id.hex(), decided.parent_span_id) == (TRACE, request.span_id)
    assert [link.trace_id for link in decided.links] == [own(LINES[1])]


@pytest.mark.parametrize("parents", [(), ("nonsense",), (f"00-{TRACE}-{ABOVE}-01", f"00-{TRACE}-{ABOVE}-01")])
def test_a_request_of_one_event_that_names_no_trace_is_in_the_events_own(
    tmp_path: Path, collector: Collector, parents: tuple[str, ...]
) -> None:
    request = through(f"sqlite:///{tmp_path}/l.db", collector, LINES[1], ONE, *parents)
    [decided] = collector.named(DECIDED)
    assert (request.trace_id, request.parent_span_id) == (own(LINES[1]), b"")
    assert (decided.trace_id, decided.parent_span_id) == (own(LINES[1]), request.span_id)


def test_a_request_of_several_events_leaves_each_in_its_own_trace(tmp_path: Path, collector: Collector) -> None:
    lines = LINES[:3]
    request = through(f"sqlite:///{tmp_path}/l.db", collector, b"[%b]" % b",".join(lines), BATCH)
    decided = [span for span in collector.spans if span.name.startswith("decide ")]
    assert [link.trace_id for link in request.links] == [own(line) for line in lines]
    assert sorted(span.trace_id for span in decided) == sorted(own(line) for line in lines)
    assert request.trace_id not in {own(line) for line in lines}
