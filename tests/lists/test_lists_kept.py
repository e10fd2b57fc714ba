"""What is kept of lists and clearings, and taken along: by a pack, a replay, a back-up, a migration; nothing by a check."""

import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import orjson
from click.testing import CliRunner
from databases import UNDO_PARTIES, Databases
from memory_run import Listed, in_words

from ledger.database import migrate
from ledger.database.backup import back_up
from ledger.database.store import VERSION
from ledger.proof.checkpoints import cover
from ledger.proof.notes import SigningKey
from services.cli.commands import main
from services.engine.indexes import KEPT

VERIFIER = Path(__file__).parents[2] / "services/proof/verifier.py"
ZHIPU = {"id": "CON-9", "name": "Zhipu AI", "country": "PL"}
LOAD: dict[str, Any] = {"do": "load", "version": "1", "entries": {"E-1": "Zhipu AI"}}
CLEAR = {"do": "clear", "data": {"party": "CON-9", "list": "us", "entry": "E-1"}}


def ask(name: str, consignee: dict[str, str] | None = None) -> dict[str, Any]:
    return {"do": "request", "ship": {"id": name, "consignee": consignee or ZHIPU}}


STEPS = [LOAD, ask("S-1"), CLEAR, ask("S-2")]


def test_a_pack_has_the_load_and_the_clearing_on_which_a_decision_rests(tmp_path: Path) -> None:
    key, url, folder = SigningKey.make("tpp-ledger"), f"sqlite:///{tmp_path / 'l.db'}", tmp_path / "pack"
    (tmp_path / "key").write_text(key.secret() + "\n")
    (tmp_path / "key").chmod(0o600)
    with Listed(url) as listed:
        listed.run(STEPS)
        cover(listed.store, key)
    words = ("audit", "export", "S-2", "--out", str(folder), "--ledger", url)
    done = CliRunner().invoke(main, words, env={"TPP_SIGNING_KEY": str(tmp_path / "key")})
    assert done.exit_code == 0, done.output
    records = [orjson.loads(line) for line in (folder / "records.jsonl").read_bytes().splitlines()]
    last = records[-1]["leaf"]
    rests = [orjson.loads(b64decode(one["event"])) for one in records if one["leaf"]["n"] in last["rests_on"]]
    assert {one["type"] for one in rests} >= {"tpp.list.loaded.v1", "tpp.match.cleared.v1"}
    told = subprocess.run(
        [sys.executable, "-I", VERIFIER, str(key.public), folder], capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stdout.split(":")[0]) == (0, "valid"), told.stdout + told.stderr


def test_a_check_says_the_same_and_writes_nothing(ledger_url: str) -> None:
    with Listed(ledger_url) as listed:
        listed.run([CLEAR])
        listed.run([LOAD])
        before = listed.rows("clearing", "party"), listed.rows("last_hit", "party"), listed.rows("head", "n")
        message = listed.message(ask("S-1"))
        (checked,) = listed.engine.check([message])
        cleared = listed.message({"do": "clear", "data": {"party": "CON-8", "list": "us", "entry": "E-1"}})
        other = listed.message(ask("S-2", {"id": "CON-8", "name": "Zhipu AI"}))
        listed.engine.check([cleared, other])
        assert (listed.rows("clearing", "party"), listed.rows("last_hit", "party"), listed.rows("head", "n")) == before
        (answer,) = listed.engine.run([message])
        assert answer == checked
        assert [row[5:] for row in listed.rows("clearing", "party")] != [row[5:] for row in before[0]]


def test_memory_survives_a_restart_and_another_process_knows_it(ledger_url: str) -> None:
    with Listed(ledger_url) as one, Listed(ledger_url) as other:
        assert one.run([LOAD, ask("S-1")]) == [[], ["held S-1 for CON-9 us E-1"]]
        other._numbers = one._numbers
        assert other.run([ask("S-2")]) == [["held S-2 for CON-9 us E-1"]]
        assert other.run([CLEAR]) == [["recorded", "recorded released S-1 S-2", "released S-1", "released S-2"]]
        assert one.run([ask("S-3")]) == [["approved S-3"]]
        for name in ("S-1", "S-2", "S-3"):
            one.run([{"do": "cancel", "data": {"shipment_id": name}}])
        changed = {**LOAD, "version": "2", "entries": {"E-1": {"name": "Zhipu AI", "notes": "amended"}}}
        assert other.run([ask("S-4")]) == [["approved S-4"]]
        other.run([{"do": "cancel", "data": {"shipment_id": "S-4"}}])
        one.run([changed])
        assert other.run([ask("S-5")]) == [["held S-5 for CON-9 us E-1"]], "with its next batch"
        assert one.verified() == []


def test_indexes_of_many_versions_are_not_all_kept(ledger_url: str) -> None:
    with Listed(ledger_url) as listed:
        listed.run([{"do": "register", "data": {"id": "CON-7", "name": "Plain Trading"}}])
        for version in range(12):
            entries = {"E-1": "Zhipu AI", **{f"X-{n}": f"Quarry {n} Works" for n in range(version)}}
            listed.run([{**LOAD, "version": str(version), "entries": entries}])
            said = listed.run([ask(f"S-{version}")])
            assert said == [[f"held S-{version} for CON-9 us E-1"]]
            assert len(listed.engine.indexes._built) <= KEPT
        assert listed.verified() == []


def test_a_batch_that_needs_more_indexes_than_are_kept_is_decided(ledger_url: str) -> None:
    """Clearings rest on versions of long ago, and more lists are in force than indexes are kept."""
    with Listed(ledger_url) as listed:
        for number in range(KEPT + 2):
            listed.run([{**LOAD, "name": f"list-{number}"}])
        (said,) = listed.run([ask("S-1")])
        assert len(said) == 1
        assert said[0].count("E-1") == 5
        steps = [{"do": "clear", "data": {**CLEAR["data"], "list": f"list-{n}"}} for n in range(KEPT + 2)]
        assert listed.run(steps, at_once=True)[-1] == ["recorded", "recorded released S-1", "released S-1"]


def test_a_back_up_has_lists_and_clearings(databases: Databases, tmp_path: Path) -> None:
    url, restored = databases.ledger(), databases.empty()
    with Listed(url) as listed:
        listed.run(STEPS)
        before = [listed.rows(table, "1, 2") for table in ("list_content", "clearing", "last_hit")]
        back_up(listed.store, tmp_path / "kept")
    done = CliRunner().invoke(main, ["restore", str(tmp_path / "kept"), "--ledger", restored])
    assert done.exit_code == 0, done.output
    with Listed(restored) as listed:
        assert [listed.rows(table, "1, 2") for table in ("list_content", "clearing", "last_hit")] == before
        listed._numbers = iter(range(100, 200))
        assert listed.run([ask("S-3")]) == [["approved S-3"]]
        assert listed.verified() == []
    for each in (url, restored):
        databases.drop(each)


def test_a_ledger_of_before_is_migrated_and_screens(ledger_url: str) -> None:
    """A clearing of before is kept: it stands for what is seen first."""
    with Listed(ledger_url) as listed:
        listed.run([ask("S-1"), CLEAR])
        with listed.store.begin() as connection:
            for statement in UNDO_PARTIES:
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0010'")
    assert migrate.upgrade(ledger_url) == ("0010", VERSION)
    with Listed(ledger_url) as listed:
        listed._numbers = iter(range(100, 200))
        assert listed.run([{"do": "dispatch", "data": {"shipment_id": "S-1", "export_date": "2025-06-05"}}]) == [
            ["recorded"]
        ]
        assert listed.run([LOAD, ask("S-2"), ask("S-3", {**ZHIPU, "name": "ZHIPU AI"}), CLEAR])[1:] == [
            ["approved S-2"], ["held S-3 for CON-9 us E-1"], ["recorded", "recorded released S-3", "released S-3"],
        ]  # fmt: skip


def test_a_ledger_that_may_only_be_read_answers_checks_with_its_lists(tmp_path: Path) -> None:
    folder, file = tmp_path / "shared", tmp_path / "event.jsonl"
    folder.mkdir()
    with Listed(f"sqlite:///{folder / 'l.db'}") as listed:
        listed.run(STEPS)
        messages = [listed.message(ask("S-3")), listed.message(ask("S-4", {"id": "CON-1", "name": "Zhipu AI"}))]
    file.write_bytes(b"\n".join(one.raw for one in messages))
    (folder / "l.db").chmod(0o400)
    folder.chmod(0o500)
    try:
        done = CliRunner().invoke(main, ["check", str(file), "--ledger", f"sqlite:///{folder / 'l.db'}"])
    finally:
        folder.chmod(0o700)
    assert in_words(done.stdout.splitlines()) == [
        "approved S-3",
        "held S-4 for CON-1 us E-1 (cleared for CON-9) for red_flag",
    ]


def test_a_ledger_in_memory_has_lists_too() -> None:
    with Listed(":memory:") as listed:
        assert listed.run(STEPS)[1:] == [
            ["held S-1 for CON-9 us E-1"], ["recorded", "recorded released S-1", "released S-1"], ["approved S-2"],
        ]  # fmt: skip
