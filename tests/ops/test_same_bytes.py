"""Two commits compared by what goes out: the same is called the same, and every planted difference is found."""

import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "ops"))

from same_bytes_compare import But, compare  # noqa: E402  (the path is set above)

EVENT = {"specversion": "1.0", "id": "a1", "type": "tpp.shipment.held.v1", "sequence": "1", "data": {"message": "no"}}


def same_bytes(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "ops/same_bytes.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_commit_is_the_same_as_itself() -> None:
    done = same_bytes("HEAD", "HEAD", "--only", "quickstart,flow-lpp-line_1699", "--database", "sqlite")
    assert done.returncode == 0, done.stderr + done.stdout
    lines = done.stdout.splitlines()
    named = {line.partition(":")[0] for line in lines if line.endswith(": the same")}
    kinds = {f"{kind}, sqlite" for kind in ("answers", "exports", "readings", "tables", "verified")}
    assert kinds | {"help, commands", "OLD's ledgers verified by NEW, sqlite"} <= named
    assert lines[-1].startswith("HEAD and HEAD: 2 inputs, ")


def test_wrong_usage_and_an_unknown_commit_end_with_2() -> None:
    assert same_bytes("HEAD").returncode == 2
    done = same_bytes("HEAD", "no-such-commit")
    assert (done.returncode, done.stderr) == (
        2,
        "same_bytes.py: no-such-commit is not a commit of this repository\n",
    )


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of output that are the same."""
    for side in ("old", "new"):
        put(tmp_path / side, "answers/sqlite/one/screen-1.jsonl", jsonl(EVENT))
        put(tmp_path / side, "answers/sqlite/one/screen-1.end", "exit 0\n1 event\n")
        put(tmp_path / side, "tables/sqlite/one/journal.jsonl", jsonl({"n": 1, "answers": json.dumps(EVENT)}))
        put(tmp_path / side, "tables/sqlite/one/leaf.jsonl", jsonl({"n": 1, "hash": {"hex": "00"}}))
        put(tmp_path / side, "readings/sqlite/one/1-holds.text", "no\n")
        put(tmp_path / side, "readings/sqlite/one/2-prove.json", json.dumps({"answers": [coded(EVENT)]}))
        put(tmp_path / side, "exports/sqlite/one/pack/verify.py", "pass\n")
        put(tmp_path / side, "exports/sqlite/one/book.xlsx", "PK")
    return tmp_path / "old", tmp_path / "new"


def put(side: Path, name: str, text: str) -> None:
    (side / name).parent.mkdir(parents=True, exist_ok=True)
    (side / name).write_text(text, "utf-8")


def jsonl(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def coded(event: dict[str, Any]) -> str:
    return b64encode(json.dumps(event, separators=(",", ":")).encode()).decode()


def different(sides: tuple[Path, Path], but: But) -> set[str]:
    return {one.file for group in compare(*sides, but) for one in group.differences}


def test_a_line_that_differs_is_shown_around_its_first_difference(sides: tuple[Path, Path]) -> None:
    put(sides[0], "tables/sqlite/one/account.jsonl", "same\n" + "x" * 900 + "old\n")
    put(sides[1], "tables/sqlite/one/account.jsonl", "same\n" + "x" * 900 + "new\nmore\n")
    *same, tables = compare(*sides, But())
    assert [group.differences for group in same] == [[], [], []]
    assert (tables.name, tables.inputs) == ("tables, sqlite", {"one"})
    first, second, old, new = tables.text(3).splitlines()
    assert first.endswith(": 1 file DIFFERS")
    assert second == "  one/account.jsonl, line 2 (2 differ)"
    assert old == "    old: …" + "x" * 120 + "old"
    assert new == "    new: …" + "x" * 120 + "new"


@pytest.mark.parametrize(
    "name",
    ["readings/sqlite/one/1-holds.text", "exports/sqlite/one/book.xlsx", "answers/sqlite/one/screen-1.end"],
)
def test_a_byte_that_differs_and_a_file_that_is_missing_are_found(sides: tuple[Path, Path], name: str) -> None:
    assert different(sides, But()) == set()
    (sides[1] / name).write_bytes((sides[1] / name).read_bytes() + b"\xff")
    assert different(sides, But()) == {name.removeprefix(name.split("one/", maxsplit=1)[0])}
    (sides[1] / name).unlink()
    assert different(sides, But()) == {name.removeprefix(name.split("one/", maxsplit=1)[0])}


def plant(side: Path, event: dict[str, Any]) -> None:
    """A commit that answers with another event, with all that follows from it."""
    put(side, "answers/sqlite/one/screen-1.jsonl", jsonl(event))
    put(side, "tables/sqlite/one/journal.jsonl", jsonl({"n": 1, "answers": json.dumps(event)}))
    put(side, "tables/sqlite/one/leaf.jsonl", jsonl({"n": 1, "hash": {"hex": "ff"}}))
    put(side, "readings/sqlite/one/1-holds.text", "other\n")
    put(side, "readings/sqlite/one/2-prove.json", json.dumps({"answers": [coded(event)]}))


ANSWERED = {"one/screen-1.jsonl", "one/journal.jsonl", "one/2-prove.json"}


def test_members_that_may_differ_are_left_out_wherever_they_stand(sides: tuple[Path, Path]) -> None:
    plant(sides[1], EVENT | {"data": {"message": "other words"}})
    assert different(sides, But()) == ANSWERED | {"one/leaf.jsonl", "one/1-holds.text"}
    assert different(sides, But({"message"})) == set()
    assert different(sides, But({"detail"})) == ANSWERED
    plant(sides[1], EVENT | {"data": {"message": "no", "more": 1}})
    assert different(sides, But({"message"})) == ANSWERED


def test_an_event_of_a_type_that_may_differ_is_left_out_on_both_sides(sides: tuple[Path, Path]) -> None:
    plant(sides[1], EVENT | {"type": "tpp.event.refused.v1", "data": {"outcome": "refused"}})
    assert different(sides, But(types={"tpp.event.refused.v1"})) == set()
    assert different(sides, But(types={"tpp.shipment.denied.v1"})) == ANSWERED
    plant(sides[1], EVENT | {"id": "a2"})
    assert different(sides, But(types={"tpp.event.refused.v1"})) == ANSWERED


def test_the_verifier_of_a_pack_may_differ_alone(sides: tuple[Path, Path]) -> None:
    put(sides[1], "exports/sqlite/one/pack/verify.py", "import sys\n")
    assert different(sides, But()) == {"one/pack/verify.py"}
    assert different(sides, But(verifier=True)) == set()
    put(sides[1], "readings/sqlite/one/1-holds.text", "other\n")
    assert different(sides, But(verifier=True)) == {"one/1-holds.text"}
