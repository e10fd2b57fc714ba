"""One event is one trace through a real broker, and the relay's lag is exported."""

import json
import os
import subprocess
import urllib.request

import orjson
from brokers import quiet_port
from installed import INSTALLED
from stream_run import shipments
from waiting import PATIENCE


def test_one_trace_goes_from_the_publisher_to_what_is_published(streams) -> None:
    stream = streams(1)
    environment = {"OTEL_TRACES_EXPORTER": "console"}
    address = f"127.0.0.1:{quiet_port()}"
    worker = stream.start("worker", **environment)
    relay = stream.start("relay", **environment, TPP_METRICS=address)
    file = stream.folder / "one.jsonl"
    file.write_bytes(next(iter(shipments(1))) + b"\n")
    command = [INSTALLED, "publish", file]
    settings = {"TPP_BROKER": stream.address, "TPP_GROUP": stream.group, **environment}
    sent = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True)
    stream.wait_decided(worker, relay)
    stream.wait_published(worker, relay)
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE) as answer:
        assert "tpp_relay_lag_seconds 0.0" in answer.read().decode()
    assert (worker.end(), relay.end()) == (0, 0)

    spans = [
        json.loads(line)
        for said in (sent.stdout, worker.said, relay.said)
        for line in said.splitlines()
        if line.startswith('{"name"')
    ]
    names = {span["name"]: span for span in spans}
    assert set(names) >= {
        "publish tpp.shipments", "process tpp.shipments", "decide tpp.shipment.requested.v1", "relay tpp.decisions"
    }  # fmt: skip
    assert len({span["context"]["trace_id"] for span in spans}) == 1
    assert names["process tpp.shipments"]["parent_id"] == names["publish tpp.shipments"]["context"]["span_id"]
    for message in stream.out()["tpp.decisions"]:
        headers = {name: value.decode() for name, value in message.headers}
        assert f"0x{headers['traceparent'].split('-')[1]}" == spans[0]["context"]["trace_id"]
        assert orjson.loads(message.value).get("traceparent") is None
