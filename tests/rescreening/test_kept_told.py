"""What is told of a shipment that a list holds with its debits: work list, flows, snapshots, alerts, packs."""

import base64
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rescreen_run import TPP, ZHIPU, Ledgers

import rulebook
from ledger.proof.notes import SigningKey
from ledger.queries.balances import Moment, flows
from ledger.queries.records import records
from ledger.queries.snapshots import held_at, tables_of
from ledger.queries.work_list import held_count
from schemas.periods import period
from services.engine.commands.period_close import close_period
from services.proof import pack, verifier
from services.views.memo import Memo, memo_of

LATE = 1_800_000_000_000_000
STEPS = [
    {"do": "request", "ship": {"id": "S-1"}},
    {"do": "request", "ship": {"id": "S-2"}},
    {"do": "load", "version": "1", "entries": {"e/2": ZHIPU["name"]}},
    {"do": "review", "data": {"shipment_id": "S-2"}},
]


def test_it_is_a_hold_whose_tpp_is_still_ahead(ledger_url: str) -> None:
    with Ledgers(ledger_url) as run:
        run.send(STEPS)
        with run.store.read() as connection:
            assert held_count(connection) == 1
            assert [(one.account, one.pending, one.posted) for one in flows(connection)] == [
                ("flow/PL/2025", 2 * TPP, 0)
            ]
            now = held_at(connection, Moment(as_of=LATE, record=100))
            assert [(one.shipment_id, one.codes, one.tpp) for one in now] == [("S-1", "party.screening_hit", TPP)]
            before = held_at(connection, Moment(as_of=LATE, record=now[0].record))
            assert [one.shipment_id for one in before] == ["S-1", "S-2"], "before the release"
            assert held_at(connection, Moment(as_of=LATE, record=now[0].record - 1)) == []
        run.send([{"do": "cancel", "data": {"shipment_id": "S-1"}}], 20)
        with run.store.read() as connection:
            assert [(one.account, one.pending) for one in flows(connection)] == [("flow/PL/2025", TPP)]


def test_its_memo_says_what_is_owed_all_the_same(ledger_url: str) -> None:
    with Ledgers(ledger_url) as run:
        run.send(STEPS)
        for shipment, state in (("S-1", "held"), ("S-2", "released")):
            owed = dict(_memo(run, shipment, state).rows)["Owed"]
            assert owed[0] == "2025-07-05 lpp certification copy (15 CFR 740.29(g)(1))."
        run.send([{"do": "review", "data": {"shipment_id": "S-1", "authorization": "LICENSE L-1"}}], 20)
        assert dict(_memo(run, "S-1", "held").rows)["Owed"] == ("Nothing.",), "voided: nothing stays owed"


def _memo(run: Ledgers, shipment: str, state: str) -> Memo:
    with run.store.read() as connection:
        return memo_of(connection, rulebook.load("ai-diffusion"), shipment, state, records(connection, shipment))


def test_a_closed_period_has_the_hold_and_its_debits(ledger_url: str) -> None:
    with Ledgers(ledger_url) as run:
        run.send(STEPS)
        made = close_period(run.engine._ledger, period("2025-Q2"), LATE)
        with run.store.read() as connection:
            assert [one.shipment_id for one in tables_of(connection, made).holds] == ["S-1"]
        assert run.send([{"do": "review", "data": {"shipment_id": "S-1", "action": "deny"}}], 20) == [
            [f"denied S-1 lpp/CON-9/2025 {TPP} voided = {TPP}"]
        ]
        assert run.bad() == []


def test_its_pack_is_valid_with_the_verifier_as_it_was(tmp_path: Path) -> None:
    with Ledgers(f"sqlite:///{tmp_path / 'ledger.db'}") as run:
        run.send([*STEPS, {"do": "review", "data": {"shipment_id": "S-1", "action": "deny"}}])
        key = SigningKey("tpp-ledger", Ed25519PrivateKey.from_private_bytes(b"7" * 32))
        folder = tmp_path / "pack"
        pack.export(run.store, key, ["S-1", "S-2"], None, list, folder)
        assert verifier.verify(folder, verifier.keys_of(str(key.public))).startswith("2 shipments, ")
        records = [json.loads(line) for line in (folder / "records.jsonl").read_bytes().splitlines()]
        events = [json.loads(base64.b64decode(one["event"])) for one in records]
        assert [one["data"]["sha256"] for one in events if one["source"] == "//tpp-cli"] == [run.lists()[0].sha256]
