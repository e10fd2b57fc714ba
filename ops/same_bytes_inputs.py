"""Writes the inputs of `ops/same_bytes.py`, in a process of its own: `python ops/same_bytes_inputs.py TREE FOLDER`.

TREE is a checkout of this repository, whose examples and tests the inputs are taken from. FOLDER gets a JSONL file for
each part of an input, and `inputs.json`: a list of `{name, steps, env}`, where a step is `[screen, FILE]` or
`[close, PERIOD]`.
"""

import gzip
import json
import sys
import tomllib
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EARLY = "2025-06"
"""The period that is closed between the two parts of an input of which a part comes late."""

Input = tuple[str, list[bytes], dict[str, str]]
"""A name, the lines, and the settings of the environment."""


def examples(tree: Path) -> Iterator[Input]:
    """The three sets of examples."""
    folder = tree / "examples"
    single = [json.loads(path.read_bytes()) for path in sorted((folder / "events").glob("*.json"))]
    single.sort(key=lambda event: str(event["time"]))
    yield "quickstart", (folder / "quickstart.jsonl").read_bytes().splitlines(), {}
    yield "events", [json.dumps(event, ensure_ascii=False).encode() for event in single], {}
    yield "clusters", gzip.decompress((folder / "gpu-clusters.jsonl.gz").read_bytes()).splitlines(), {}


def flows(tree: Path) -> Iterator[Input]:
    """Every flow of the tests as its test sends it, with its switches."""
    sys.path[:0] = [str(tree / "tests"), str(tree / "tests" / "flow")]
    from test_flow import records

    for path in sorted((tree / "tests" / "flow").glob("*/*.toml")):
        flow = tomllib.loads(path.read_text("utf-8"))
        lines = [record.raw for record in records(flow)]
        switches = ",".join(f"{name}={str(on).lower()}" for name, on in flow.get("switches", {}).items())
        yield f"flow-{path.parent.name}-{path.stem}", lines, {"TPP_SWITCHES": switches} if switches else {}


def malformed(tree: Path) -> Iterator[Input]:
    """Every malformed message of the tests, and some that are too long to stand in a file."""
    messages = tomllib.loads((tree / "tests" / "malformed" / "messages.toml").read_text("utf-8"))["message"]
    lines = [b64decode(one["base64"]) if "base64" in one else one["text"].encode() for one in messages]
    plain = json.loads((tree / "examples" / "events" / "tpp.shipment.dispatched.v1.json").read_bytes())
    data: dict[str, Any] = plain["data"]
    deep: Any = 1
    for level in range(40):
        deep = [deep] if level % 2 else {"a": deep}
    changes: list[dict[str, Any]] = [
        {"note": "x" * (1 << 20)},
        {"note": deep},
        {"data": {**data, **{f"member{number}": 1 for number in range(20_000)}}},
        {"type": "tpp.threshold.set.v1", "data": {"account": "*", "thresholds": [0] * 20_001}},
        {"data": {**data, "x" * 500_000: 1}},
    ]
    lines += [json.dumps(plain | changed).encode() for changed in changes]
    yield "malformed", lines, {}


def write(tree: Path, folder: Path) -> None:
    """Writes the files and `inputs.json`; the examples a second time, every third line after the close of a period."""
    made: list[dict[str, Any]] = []

    def add(name: str, parts: list[list[bytes]], env: dict[str, str]) -> None:
        steps = []
        for number, lines in enumerate(parts, 1):
            file = f"{name}-{number}.jsonl"
            (folder / file).write_bytes(b"".join(line + b"\n" for line in lines))
            steps += [["close", EARLY]] * (number > 1) + [["screen", file]]
        made.append({"name": name, "steps": steps, "env": env})

    given = list(examples(tree))
    for name, lines, env in (*given, *malformed(tree), *flows(tree)):
        add(name, [lines], env)
    for name, lines, env in given:
        early = [line for number, line in enumerate(lines) if number % 3 != 2]
        add(f"late-{name}", [early, lines[2::3]], env)
    (folder / "inputs.json").write_text(json.dumps(made, indent=1), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
