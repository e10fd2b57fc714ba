"""The verifier's rule between a leaf's entries and the answers, on what the engine itself decides."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from events import Line
from proof_pack import KEY, Log, good
from sqlalchemy import select

from ledger.database import tables
from ledger.database.store import Store
from ledger.journal import Ledger
from rulebook import load
from services.engine.engine import Engine
from services.engine.message import Message
from services.proof import verifier as verify
from services.resources import software, wall_clock

QUICKSTART = Path(__file__).resolve().parents[2] / "examples/quickstart.jsonl"
LPP, AIA, VEU = "lpp/CON-1/2025", "aia/CON-1", "nveu/CON-1/AE"
BY_HAND: list[tuple[str, dict[str, Any]]] = [
    *(("usage.attested", {"account": LPP, "tpp": tpp}) for tpp in (900, 400, 400)),
    *(("adjustment.made", {"account": LPP, "amount": amount}) for amount in (50, -70)),
    *(("adjustment.made", {"account": AIA, "amount": amount}) for amount in (0, 30)),
    *(("adjustment.made", {"account": VEU, "amount": amount}) for amount in (8, -8)),
    ("adjustment.made", {"account": "facility/FAC-1", "amount": 20}),
    ("party.merged", {"survivor": "CON-2", "absorbed": "CON-1"}),
    ("party.merged", {"survivor": "CON-3", "absorbed": "CON-2"}),
]


def events() -> list[bytes]:
    line = Line("//hand.example")
    return [*QUICKSTART.read_bytes().splitlines(), *(line.event(kind, data) for kind, data in BY_HAND)]


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    """The records that the engine makes, as leaves put together from the tables."""
    store = Store(":memory:")
    store.open()
    Engine(Ledger(store), load("ai-diffusion"), wall_clock, software()).run(
        [Message(raw, {"file": "-", "line": n}) for n, raw in enumerate(events(), 1)]
    )
    moved: dict[int, list[dict[str, Any]]] = {}
    entry, account = tables.entry, tables.account
    with store.read() as connection:
        query = (
            select(entry, account.c.path)
            .join(account, entry.c.account == account.c.id)
            .order_by(account.c.path, entry.c.entry)
        )
        for row in connection.execute(query).mappings():
            parts = {
                name: row[name] for name in ("entry", "pending", "posted", "attested", "credits", "balance", "limit")
            }
            times = {"booked": "2025-06-02", "happened": "2025-06-02T09:30:00Z", "late_for": None}
            moved.setdefault(row["n"], []).append({"account": row["path"]} | parts | times)
        log = Log()
        for row in connection.execute(select(tables.journal).order_by(tables.journal.c.n)):
            log.add(row.type.removeprefix("tpp.").removesuffix(".v1"), row.event, [], moved.get(row.n, []))
            log.answers[-1] = [line.encode() for line in row.answers]
            log.leaves[-1]["answers"] = [verify.sha256(one).hexdigest() for one in log.answers[-1]]
    store.close()
    return log


def told(answers: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """The entries that answers tell."""
    for answer in answers:
        data = json.loads(answer)["data"]
        yield from data.get("debits", [])
        yield from data.get("entries", [])


def test_what_the_engine_tells_is_what_the_leaves_say(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = good(log, range(1, len(log.leaves) + 1))
    pack.shipments.clear()
    certified = {n: verify._certifications(n, verify.Record({}, raw, set())) for n, raw in enumerate(log.events, 1)}
    rows = [
        dict(zip(("record", *verify.CERTIFICATION), one, strict=True)) for found in certified.values() for one in found
    ]
    pack.beside.clear()
    monkeypatch.chdir(pack.having(evidence=rows).write(tmp_path))
    assert verify.main([KEY.public]) == 0
    assert f"records {len(log.leaves)} of" in capsys.readouterr().out
    states = {(one["state"], one["amount"] < 0) for answers in log.answers for one in told(answers)}
    assert {state for state, _ in states} == {"pending", "posted", "voided", "attested", "credits"}
    assert {("attested", True), ("credits", False), ("voided", False)} <= states
