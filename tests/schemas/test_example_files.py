"""The example files and what the program answers to them fit the published schemas, by a validator that is not ours."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from schema_samples import message_validator, validator

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from schemas.wire.read import Rejection, parse
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = ("quickstart.jsonl", "gpu-clusters.jsonl.gz")


def lines(name: str) -> Iterator[bytes]:
    raw = (EXAMPLES / name).read_bytes()
    yield from (gzip.decompress(raw) if name.endswith(".gz") else raw).splitlines()


@pytest.mark.parametrize("name", FILES)
def test_every_event_fits_its_schema_and_its_message(name: str) -> None:
    for line in lines(name):
        if not isinstance(parse(line), Rejection):
            event = json.loads(line)
            validator(event["type"]).validate(event)
            message_validator(event["type"]).validate(event)


@pytest.mark.parametrize("name", FILES)
def test_everything_given_out_fits_its_schema(name: str) -> None:
    store = Store(":memory:")
    store.open()
    engine = Engine(Ledger(store), rulebook.load("ai-diffusion"), lambda: 0, software())
    given = engine.run([Message(line, {"file": name, "line": number}) for number, line in enumerate(lines(name), 1)])
    for texts in given[:: 1 if name == FILES[0] else 20]:
        for text in texts:
            event = json.loads(text)
            validator(event["type"]).validate(event)
    store.close()
