"""The programs that the guide shows publish to a real broker: each event is decided, and each key has one partition."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from brokers import messages
from containers import missing
from installed import INSTALLED
from stream_run import ROOT, Stream
from waiting import PATIENCE

from services.kafka.local_broker import jars, java

PAGE = (ROOT / "docs/integrate/kafka.md").read_text("utf-8")
RECIPE = ROOT / "examples/cookbook/lpp.jsonl"


def _saved(title: str, folder: Path) -> Path:
    """A program of the page, saved as the page says."""
    [text] = re.findall(rf'^```\w+ title="{title}"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)
    (folder / title).write_text(text, "utf-8")
    return folder / title


def _done(*command: str | Path, address: str) -> str:
    done = subprocess.run(
        command, env=os.environ | {"TPP_BROKER": address}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_in_python_gets_the_answer_to_each_event(streams: Callable[..., Stream], tmp_path: Path) -> None:
    stream = streams(4)
    stream.start("worker"), stream.start("relay")
    said = _done(sys.executable, "-W", "ignore", _saved("publish.py", tmp_path), RECIPE, address=stream.address)
    assert said.splitlines() == [
        "lpp-1 tpp.event.recorded.v1",
        "lpp-2 tpp.shipment.approved.v1",
        "lpp-3 tpp.shipment.held.v1 quota.exhausted authorization.none",
        "lpp-4 tpp.shipment.held.v1 certification.missing",
    ]


def test_the_program_in_java_chooses_the_partitions_that_tpp_publish_chooses(
    streams: Callable[..., Stream], tmp_path: Path
) -> None:
    if not shutil.which("javac") and not shutil.which("java"):
        missing("no Java for the guide's program")
    stream = streams(4)
    first = json.loads(RECIPE.read_text("utf-8").splitlines()[1])
    events = [first | {"id": f"java-{n}", "data": first["data"] | {"shipment_id": f"SHP-{n}"}} for n in range(20)]
    file = tmp_path / "shipments.jsonl"
    file.write_text("".join(f"{json.dumps(event)}\n" for event in events), "utf-8")
    program = _saved("Publish.java", tmp_path)
    said = _done(*java(), "-cp", f"{jars()}{os.sep}*", program, file, address=stream.address)
    assert len(said.splitlines()) == len(events)
    _done(INSTALLED, "publish", file, address=stream.address)
    found = messages(stream.address, "tpp.shipments")
    assert len(found) == 2 * len(events)
    assert len({(one.key, one.partition) for one in found}) == len(events)
    assert len({one.partition for one in found}) == 4
    assert {tuple(one.headers) for one in found} == {(("content-type", b"application/cloudevents+json"),)}


def test_the_topics_of_the_program_in_python_are_those_of_tpp_publish() -> None:
    """The page sorts types by their beginnings; every type that the program takes goes where `tpp publish` sends it."""
    from schemas.event_types import INCOMING, SHIPMENTS

    [beginnings] = re.findall(r"^SHIPMENTS = (.+)$", PAGE, re.MULTILINE)
    starts = tuple(re.findall(r'"([^"]+)"', beginnings))
    assert {name for name in INCOMING if name.startswith(starts)} == {
        name for name, one in INCOMING.items() if one.topic == SHIPMENTS
    }
