"""Stories of owners: steps of flows, loads of lists among them, and what is answered, one line for each event."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import orjson
from events import START, of_step

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.registers.names.lists import keep_content
from rulebook.parties.entries import ListEntry, ListKind, content_of, digest_of
from services.engine.commands.list_load import event_of
from services.engine.engine import Engine
from services.engine.message import Message
from services.proof.report import Discrepancy
from services.proof.verification import verify
from services.resources import software

NOW = 1_748_856_600_000_000
"""A reading of the clock in June 2025, in microseconds."""
USUAL: dict[str, Any] = {"claim": "LPP", "papers": ["lpp 2025-08-20"], "quantity": 1, "date": "2025-10-01"}
ENTRIES = {
    "E-1": (ListKind.ENTITY, "Zarquon Microsystems"),
    "M-1": (ListKind.MEU, "Vogon Ballistics Works"),
    "S-1": (ListKind.SDN, "Kestrel Dynamo Bureau"),
    "D-1": (ListKind.DENIED, "Plumbus Freight Traders"),
    "X-1": (ListKind.OTHER, "Grindelwick Shipyards"),
}
"""The entries of a list where a step names none."""


class Owned:
    """A ledger and the engine on it, to which steps are sent."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        self.store.open()
        self.engine = Engine(Ledger(self.store), rulebook.load("ai-diffusion"), lambda: NOW, software())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def messages(self, steps: Sequence[Mapping[str, Any]]) -> list[Message]:
        """The messages of steps; the contents of lists are kept beside the journal."""
        return [self._message(number, step) for number, step in enumerate(steps, 1)]

    def _message(self, number: int, step: Mapping[str, Any]) -> Message:
        if step["do"] != "load":
            return Message(of_step(number, _with_owners(step), {}, USUAL), {"file": "in.jsonl", "line": number})
        entries = [
            ListEntry(id=entry, name=step.get("names", {}).get(entry, name), kind=kind)
            for entry, (kind, name) in ENTRIES.items()
        ]
        text = content_of(entries)
        data = {
            "name": "us", "version": step["version"], "sha256": digest_of(text), "file_sha256": "0" * 64,
            "entries": len(entries), "added": 0, "removed": 0, "changed": 0, "threshold": "0.85",
        }  # fmt: skip
        keep_content(self.store, text, data["sha256"])
        loaded = event_of(data, START + timedelta(minutes=number))
        return Message(loaded, {"request": f"lists load us {step['version']}"}, own=True)

    def bad(self) -> list[Discrepancy]:
        """What `audit verify` finds."""
        return verify(self.store, rulebook.load("ai-diffusion"), software(), list, []).bad


def _with_owners(step: Mapping[str, Any]) -> dict[str, Any]:
    """A step in which `owners` of a party are written `ID = NAME SHARE`, without a share where none is said."""
    made = dict(step)
    for part in ("ship", "data"):
        if part in step:
            made[part] = {word: _party(value) for word, value in _party(step[part]).items()}
    return made


def _party(value: Any) -> Any:
    if isinstance(value, list):
        return [_party(one) for one in value]
    if not isinstance(value, Mapping) or "owners" not in value:
        return value
    return {**value, "owners": [dict(_owner(text)) for text in value["owners"]]}


def _owner(text: str) -> Iterator[tuple[str, Any]]:
    identifier, _, rest = text.partition(" = ")
    name, _, share = rest.rpartition(" ")
    said = share.isdigit()
    yield from (("id", identifier), ("name", name if said else rest))
    if said:
        yield "share", int(share)


def told(texts: Iterable[str]) -> list[str]:
    """One line for each event: its kind, its subject, and why."""
    return [_told(orjson.loads(text)) for text in texts]


def _told(event: Mapping[str, Any]) -> str:
    data = event["data"]
    kind = event["type"].removeprefix("tpp.").removesuffix(".v1").removeprefix("shipment.").removeprefix("event.")
    words = [kind, *([event["subject"]] if kind != "rejected" else [])]
    words += [f"{error['code']} {error['pointer']}" for error in data.get("errors", ())]
    words += [_reason(reason) for reason in data.get("reasons", ())]
    return "; ".join(words)


def _reason(reason: Mapping[str, Any]) -> str:
    code, facts = reason["code"], reason["facts"]
    if code == "red_flag":
        return f"red flag {facts['number']} {facts['party']} of {facts['owned']}"
    if "chain" not in facts:
        return f"{code} {facts['party']} {facts['entry']}" if code == "party.screening_hit" else str(code)
    chain = ", ".join(f"{one['id']} {one['share']}" for one in facts["chain"])
    return f"{code} {facts['party']} {facts['entry']} of {facts['owned']} {facts['owned_share']} %: {chain}"


def findings(texts: Iterable[str]) -> list[str]:
    """What the findings on lists and owners say, of the first event."""
    data = orjson.loads(next(iter(texts)))["data"]
    return [f"{one['result']}: {one['detail']}" for one in data.get("findings", ()) if "744" in one["provision"]]


def story(path: Path) -> dict[str, Any]:
    """A story as its file has it."""
    return tomllib.loads(path.read_text("utf-8"))
