"""A ledger with restricted-party lists, driven by steps of a readable file (`memory/*.toml`)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count, groupby
from typing import Any, Self

import orjson
from events import START, of_step

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.proof.leaves import seal
from rulebook.parties.entries import ListEntry, ListKind, content_of, digest_of
from services.engine.commands.list_load import load_list
from services.engine.engine import Engine
from services.engine.message import Message
from services.proof import verification
from services.proof.report import NEVER_COVERED
from services.resources import software

NOW = 1_748_856_600_000_000
USUAL = {"claim": "LPP", "papers": ["lpp 2025-01-20"]}
Step = Mapping[str, Any]


class Listed:
    """A ledger, the engine on it, and the numbers of its steps."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        self.store.open()
        self.ledger = Ledger(self.store)
        self.book = rulebook.load("ai-diffusion")
        self.engine = Engine(self.ledger, self.book, lambda: NOW, software())
        self._numbers = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def run(self, steps: Sequence[Step], *, at_once: bool = False) -> list[list[str]]:
        """The answers of each step in words; `at_once`: as many steps in a transaction as there can be."""
        said: list[list[str]] = []
        for loads, group in groupby(steps, key=lambda step: step["do"] == "load"):
            some = list(group)
            if loads:
                said += [self.load(step) for step in some]
            else:
                messages = [self.message(step) for step in some]
                for batch in [messages] if at_once else [[one] for one in messages]:
                    said += [in_words(texts) for texts in self.engine.run(batch)]
        return said

    def message(self, step: Step) -> Message:
        """The message of a step that is not a load."""
        number = next(self._numbers)
        return Message(of_step(number, step, {}, USUAL), {"file": "in.jsonl", "line": number})

    def load(self, step: Step) -> list[str]:
        """What a load brings but for its records.

        Of `version`, `entries` by id, and if another is meant `name`, `threshold`, `max_age`, `time`.
        """
        entries = [entry(identifier, said) for identifier, said in step["entries"].items()]
        text = content_of(entries)
        wanted = {
            "name": step.get("name", "us"),
            "version": step["version"],
            "sha256": digest_of(text),
            "file_sha256": "0" * 64,
            "entries": len(entries),
            "threshold": step.get("threshold", "0.85"),
        }
        if "max_age" in step:
            wanted["max_age_days"] = step["max_age"]
        time = datetime.fromisoformat(step.get("time", START.isoformat()))
        made = load_list(self.ledger, self.engine, wanted, text, time, NOW, lambda _: (0, 0, 0))
        return [words for words in in_words(made.texts) if not words.startswith("recorded")]

    def events(self, step: Step) -> list[dict[str, Any]]:
        """The whole answers of one step."""
        (texts,) = self.engine.run([self.message(step)])
        return [orjson.loads(text) for text in texts]

    def verified(self, version: str = "") -> list[str]:
        """What `audit verify` finds wrong, and what it cannot cover beside what it never does; by another version."""
        seal(self.store)
        found = verification.verify(self.store, self.book, version or software(), list, [])
        left = [one for one in found.not_records if one not in NEVER_COVERED]
        return [f"{one.table} {one.key} {one.why}" for one in found.bad] + [f"left out: {one.table}" for one in left]

    def rows(self, table: str, order: str) -> list[tuple[Any, ...]]:
        """The rows of a table."""
        with self.store.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY {order}")]


def entry(identifier: str, said: Mapping[str, Any] | str) -> ListEntry:
    """An entry from its members, or from its name alone."""
    members = {"name": said} if isinstance(said, str) else dict(said)
    return ListEntry.read({"id": identifier, "kind": ListKind.ENTITY, **members})


def in_words(texts: Sequence[str]) -> list[str]:
    """What was given out, a short line for each event."""
    return [" ".join(_words(orjson.loads(text))) for text in texts]


def _words(event: Mapping[str, Any]) -> Iterator[str]:
    data, kind = event["data"], event["type"].removeprefix("tpp.").removesuffix(".v1")
    if kind == "party.alert" and data["kind"] == "screening_hit":
        yield f"alert {data['party']} {data['list']} {data['entry']}"
    elif kind == "list.alert":
        yield f"stale {data['list']} {data['version']}: {data['age_days']} of {data['max_age_days']} days"
    elif "outcome" in data and data["outcome"] != "refused":
        yield f"{data['outcome']} {data['shipment_id']}"
        yield from map(_reason, data["reasons"])
    else:
        yield kind.split(".")[-1]
        yield from (f"{name} {' '.join(data[name])}" for name in ("released", "held") if data.get(name))
        yield from map(_reason, data.get("reasons", []))


def _reason(reason: Mapping[str, Any]) -> str:
    facts = reason["facts"]
    if reason["code"] != "party.screening_hit":
        return f"for {reason['code']}"
    other = f" (cleared for {facts['cleared_for']})" if "cleared_for" in facts else ""
    return f"for {facts['party']} {facts['list']} {facts['entry']}{other}"
