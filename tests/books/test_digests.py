"""The digest of a snapshot: the same wherever the same events were taken, and recomputed with coreutils."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import orjson
from books_events import CLOCK, desk, play, some_steps
from databases import Databases, Server
from jsonschema import Draft202012Validator
from ledger_checks import JOURNAL, rows

from ledger.queries.snapshots import snapshots, tables_of
from schemas.models.outgoing import SnapshotClosed
from schemas.periods import period
from services.finance.exports import export

SCHEMA = Path(__file__).parents[2] / "schemas/json/tpp.snapshot.closed.v1.schema.json"
HISTORY = some_steps(11, 110)
NAMES = ("accounts.csv", "entries.csv", "holds.csv")


def recomputed(folder: Path, name: str, previous: str | None) -> str:
    """The digest as the contract words it."""
    sums = subprocess.run(["sha256sum", *NAMES], cwd=folder, capture_output=True, check=True).stdout
    head = f"{name}\n{previous or '-'}\n"
    return f"sha256:{hashlib.sha256(head.encode() + sums).hexdigest()}"


def played(url: str, size: int, clock: int, folder: Path) -> tuple[list[dict[str, Any]], dict[str, bytes], list[Any]]:
    """What the closes of the history told, their CSV files, and the records of the closes."""
    files = {}
    with desk(url, clock) as made:
        for _ in play(made, HISTORY, size):
            pass
        made.check_snapshots()
        with made.store.read() as connection:
            found = snapshots(connection)
            for one in found:
                own = tables_of(connection, one)
                readers = {"accounts": own.accounts, "entries": own.entries, "holds": lambda own=own: own.holds}
                for path in export(folder / one.id, period(one.id), "csv", readers):
                    files[f"{one.id}/{path.name}"] = path.read_bytes()
        closes = [row for row in rows(made.store, JOURNAL) if row.type == "tpp.snapshot.closed.v1"]
    return [one.to_json() for one in found], files, closes


def test_the_same_events_give_the_same_digests(tmp_path: Path, postgres: Server) -> None:
    """Whatever the database, the batches and the clock."""
    runs = []
    for kind, size, clock in (("sqlite", 3, CLOCK), ("postgresql", 7, 1), ("sqlite", 1, 2 * CLOCK)):
        databases = Databases(kind, tmp_path, postgres if kind == "postgresql" else None)
        url = databases.ledger()
        runs.append(played(url, size, clock, tmp_path / f"{kind}-{size}"))
        databases.drop(url)
    told, files, closes = runs[0]
    assert [(other[0], other[1]) for other in runs[1:]] == [(told, files)] * 2
    assert [row.answers for row in closes] == [row.answers for row in runs[1][2]] == [row.answers for row in runs[2][2]]

    assert len(told) > 8
    assert sum(one["entries"] for one in told) > 30
    previous = None
    for one, row in zip(told, closes, strict=True):
        assert one["previous_digest"] == previous
        assert one["digest"] == recomputed(tmp_path / "sqlite-3" / one["period"], one["period"], previous)
        previous = one["digest"]
        counts = [files[f"{one['period']}/{name}"].count(b"\n") - 1 for name in NAMES[:2]]
        assert counts == [one["accounts"], one["entries"]]
        answer = orjson.loads(row.answers)
        assert answer["data"] == one
        assert (answer["type"], answer["subject"], answer["source"]) == (row.type, one["period"], "//tpp-ledger")
        SnapshotClosed.model_validate(answer["data"])
        Draft202012Validator(orjson.loads(SCHEMA.read_bytes())).validate(answer)


def test_other_events_or_another_order_of_closes_give_another_chain(tmp_path: Path) -> None:
    """Two closes in the other order name each other's digest, and not the same one."""
    digests = []
    for order in (("2025-Q1", "2025-Q2"), ("2025-Q2", "2025-Q1")):
        with desk(f"sqlite:///{tmp_path / order[0]}.db") as made:
            for _ in play(made, [step for step in HISTORY[:20] if step.action != "close"]):
                pass
            chain = {name: made.close(name) for name in order}
            assert chain[order[1]].previous == chain[order[0]].digest
            digests.append({name: one.digest for name, one in chain.items()})
    assert digests[0]["2025-Q1"] != digests[1]["2025-Q1"]
    assert digests[0]["2025-Q2"] != digests[1]["2025-Q2"]
