"""Stories of lists that change: steps of flows, loads of lists among them, and what is answered, one line for each event."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import orjson
from events import START, of_step

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.queries.balances import balances
from ledger.registers.names.lists import keep_content
from rulebook.parties.entries import ListEntry, ListKind, content_of, digest_of
from schemas.plan import ListInForce
from services.engine.commands.list_load import event_of
from services.engine.engine import Engine
from services.engine.message import Message
from services.proof.report import Discrepancy
from services.proof.verification import verify
from services.resources import software

NOW = 1_748_856_600_000_000
"""A reading of the clock in June 2025, in microseconds."""
ZHIPU = {"id": "CON-9", "name": "Zhipu Huazhang Ltd"}
USUAL: dict[str, Any] = {"claim": "LPP", "papers": ["lpp 2025-01-20"], "quantity": 1, "consignee": ZHIPU}
TPP = 15_832
"""TPP of one H100 SXM."""


class Ledgers:
    """A ledger and the engine on it, to which steps are sent."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        self.store.open()
        self.engine = Engine(Ledger(self.store), rulebook.load("ai-diffusion"), lambda: NOW, software())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def messages(self, steps: Sequence[Mapping[str, Any]], first: int = 1) -> list[Message]:
        """The messages of steps; the contents of lists are kept beside the journal."""
        return [self._message(number, step) for number, step in enumerate(steps, first)]

    def _message(self, number: int, step: Mapping[str, Any]) -> Message:
        if step["do"] != "load":
            return Message(of_step(number, step, {}, USUAL), {"file": "in.jsonl", "line": number})
        name = step.get("list", "us")
        entries = [
            ListEntry(id=entry, name=called, source="bis-entity-list", kind=ListKind.ENTITY)
            if isinstance(called, str)
            else ListEntry(**{"id": entry, "source": "bis-entity-list", "kind": ListKind.ENTITY, **called})
            for entry, called in step["entries"].items()
        ]
        text = content_of(entries)
        data = {
            "name": name, "version": step["version"], "sha256": digest_of(text), "file_sha256": "0" * 64,
            "entries": len(entries), "added": 0, "removed": 0, "changed": 0, "threshold": "0.85",
        }  # fmt: skip
        keep_content(self.store, text, data["sha256"])
        loaded = event_of(data, START + timedelta(minutes=number))
        return Message(loaded, {"request": f"lists load {name} {step['version']}"}, own=True)

    def send(self, steps: Sequence[Mapping[str, Any]], first: int = 1) -> list[list[str]]:
        """What is answered to steps, told."""
        return [told(texts) for texts in self.engine.run(self.messages(steps, first))]

    def pending(self) -> dict[str, int]:
        """What is pending and posted, by account; empty ones are left out."""
        with self.store.read() as connection:
            parts = {one.account: (one.pending, one.posted) for one in balances(connection)}
        return {
            f"{path} {name}": amount
            for path, both in parts.items()
            for name, amount in zip(("pending", "posted"), both, strict=True)
            if amount and not path.startswith("flow/")
        }

    def lists(self) -> Sequence[ListInForce]:
        """The lists in force."""
        with self.engine._ledger.shadow(NOW) as journal:
            return journal.lists.in_force()

    def bad(self) -> list[Discrepancy]:
        """What `audit verify` finds."""
        return verify(self.store, rulebook.load("ai-diffusion"), software(), list, []).bad


def told(texts: Iterable[str]) -> list[str]:
    """One line for each event: its kind, its subject, and what it says."""
    return [_told(orjson.loads(text)) for text in texts]


def _told(event: Mapping[str, Any]) -> str:
    data = event["data"]
    kind = event["type"].removeprefix("tpp.").removesuffix(".v1").removeprefix("shipment.")
    words = [kind.removeprefix("event."), event["subject"]]
    words += [str(data[name]) for name in ("state", "kind") if name in data]
    words += [str(reason["code"]) for reason in data.get("reasons", ())]
    for name in ("released", "held", "recheck", "skipped", "expired"):
        if data.get(name):
            count = [str(data[f"{name}_count"])] if f"{name}_count" in data else []
            words += [f"{name}:", *count, *data[name]]
    words += [
        f"{one['account']} {one['amount']} {one['state']} = {one['balance']}"
        for one in data.get("debits", data.get("entries", ()))
    ]
    return " ".join(words)


def story(path: Path) -> dict[str, Any]:
    """A story as its file has it."""
    return tomllib.loads(path.read_text("utf-8"))
