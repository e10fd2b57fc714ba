"""A ledger of the story, and its leaves as the contract words them, from the rows of its tables alone."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from click.testing import Result
from proof_ledger import opened
from sqlalchemy import text

PARTS = ("pending", "posted", "attested", "credits")
Tpp = Callable[..., Result]


@dataclass
class Made:
    """A ledger by its URL, its leaves as the contract words them, their data, and a checkpoint of before its end."""

    url: str
    key: Path
    leaves: list[dict[str, Any]]
    data: list[bytes]
    old: Path
    decided: list[set[str]]

    def of(self, shipment: str) -> list[int]:
        """The records of a shipment: its own, and the ticks and rechecks that decide it."""
        pairs = zip(self.leaves, self.decided, strict=True)
        return [leaf["n"] for leaf, decided in pairs if leaf["shipment_id"] == shipment or shipment in decided]

    @property
    def shipments(self) -> list[str]:
        """Every shipment that a record names or decides."""
        with opened(self.url) as store, store.read() as connection:
            named = connection.execute(text("SELECT shipment_id FROM journal UNION SELECT shipment_id FROM mention"))
            return sorted(name for name in named.scalars() if name)


def rfc3339(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    return instant.isoformat().replace("+00:00", "Z")


def canonical(leaf: dict[str, Any]) -> bytes:
    """RFC 8785 for names in ASCII and integers: sorted, without spaces."""
    return json.dumps(leaf, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def leaves_of(url: str) -> tuple[list[dict[str, Any]], list[set[str]]]:
    """The leaf of each record, and the shipments that it decides beside its own, from the rows of the tables alone."""
    with opened(url) as store, store.read() as connection:
        rows = connection.execute(text("SELECT * FROM journal ORDER BY n")).mappings().all()
        query = text(
            'SELECT a.path, e.* FROM entry e JOIN account a ON a.id = e.account ORDER BY a.path COLLATE "BINARY", e.entry'
        )
        entries = connection.execute(query).mappings().all()
    last: dict[str, int] = {}
    made, decisions = [], []
    for row in rows:
        answers = row["answers"].split("\n")
        mine = [one for one in entries if one["n"] == row["n"]]
        made.append(
            {
                "n": row["n"],
                "kind": row["type"][len("tpp.") : -len(".v1")],
                "recorded": rfc3339(row["recorded"]),
                "source": row["source"],
                "id": row["id"],
                "event": sha256(row["event"]).hexdigest(),
                "answers": [sha256(answer.encode()).hexdigest() for answer in answers],
                "shipment_id": row["shipment_id"],
                "previous": last.get(row["shipment_id"] or ""),
                "rests_on": sorted(int(n) for n in row["rests_on"].split()),
                "entries": [
                    {"account": one["path"], "happened": rfc3339(row["happened"])}
                    | {name: one[name] for name in ("entry", "booked", *PARTS, "balance", "limit", "late_for")}
                    for one in mine
                ],
            }
        )
        decided = {
            data["shipment_id"]
            for data in (json.loads(answer)["data"] for answer in answers)
            if data.get("outcome") in ("released", "expired")
        }
        for shipment in decided | {row["shipment_id"]} - {None}:
            last[shipment] = row["n"]
        decisions.append(decided)
    return made, decisions


def numbers_of(made: Made, kind: str, **data: Any) -> list[int]:
    """The records of a kind whose events say this."""
    with opened(made.url) as store, store.read() as connection:
        rows = connection.execute(text("SELECT n, type, event FROM journal WHERE type LIKE 'tpp.%' ORDER BY n")).all()
    found = []
    for n, type_, event in rows:
        if type_ == f"tpp.{kind}.v1":
            said = json.loads(event)["data"]
            if all(said.get(name) == value for name, value in data.items()):
                found.append(n)
    return found
