"""A ledger that is damaged is said in a sentence, by every command that opens one, whatever the damage."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from cli_run import Done, inside
from databases import unguarded
from soak import much

ROOT = Path(__file__).resolve().parent.parent.parent
QUICKSTART = ROOT / "examples/quickstart.jsonl"
STATEMENT = "shipment_id,account,date,amount\nSHP-0001,lpp/CON-70/2025,2025-06-05,126656\n"
COMMANDS = {
    "screen": ("screen", str(QUICKSTART)),
    "screen more": ("screen", "more.jsonl"),
    "check": ("check", "more.jsonl"),
    "recheck": ("recheck", "--all"),
    "review": ("review", "SHP-0003", "release", "--reviewer", "a.one", "--reason", "visited"),
    "review proposed": ("review", "SHP-0003", "propose-deny", "--reviewer", "a.one", "--reason", "visited"),
    "review of one that is not held": ("review", "SHP-0002", "deny", "--reviewer", "a.one", "--reason", "visited"),
    "met": ("met", "veu_training", "CON-50", "--due", "2025-08-01", "--by", "c.three", "--reference", "R-1"),
    "backup": ("backup", "new.backup"),
    "retention": ("retention", "--on", "2090-01-01"),
    "balance": ("balance", "--format", "json"),
    "balance as of": ("balance", "--as-of", "2025-06-10", "--known-at", "record:9"),
    "explain": ("explain", "SHP-0002"),
    "holds": ("holds", "--format", "json"),
    "hold counts": ("holds", "--summary"),
    "shipments": ("shipments", "--format", "json"),
    "alerts": ("alerts",),
    "thresholds": ("thresholds",),
    "obligations": ("obligations", "--all"),
    "migrate": ("migrate",),
    "statement": ("statement", "lpp/CON-70/2025", "--format", "json"),
    "snapshot list": ("snapshot", "list"),
    "snapshot close": ("snapshot", "close", "2025-08"),
    "snapshot export": ("snapshot", "export", "2025-06", "--format", "csv", "--out", "exported"),
    "reconcile": ("reconcile", "statement.csv"),
    "audit key": ("audit", "key"),
    "audit checkpoint": ("audit", "checkpoint"),
    "audit prove": ("audit", "prove", "SHP-0002"),
    "audit consistency": ("audit", "consistency", "first.checkpoint"),
    "audit export": ("audit", "export", "SHP-0002", "--out", "pack"),
}  # fmt: skip
NAMED = (
    "damaged", "cannot be read", "cannot open", "is not a valid event", "`tpp audit verify`", "the table head has no row",
    "matches", "does not exist", "is closed", "revision", "journal record", "a note must be",
)  # fmt: skip
"""What a sentence says: what is damaged, or that what was asked for is not in the ledger."""

VERIFY = ("audit", "verify", "--format", "json")


def page(file: Path, name: str, fill: bytes) -> None:
    """Fills the first page of a table or an index, its file closed and whole."""
    with closing(sqlite3.connect(file)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    overwrite(file, (root - 1) * size, fill * size)


def overwrite(file: Path, at: int, these: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(at)
        stream.write(these)


def cut(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)


def changed(*statements: str) -> Callable[[Path], None]:
    """Changes rows as an insider does."""

    def change(file: Path) -> None:
        with closing(unguarded(file)) as connection:
            for statement in statements:
                connection.execute(statement)

    return change


TABLES = ("journal", "entry", "account", "shipment", "fact", "head", "leaf", "alembic_version", "obligation", "waiting")
ROWS = {
    "answers": "UPDATE journal SET answers = '{' WHERE n % 2 = 0",
    "answers of another shape": "UPDATE journal SET answers = '[]'",
    "answers without members": "UPDATE journal SET answers = '{}'",
    "event": "UPDATE journal SET event = x'fffe00'",
    "event of another shape": "UPDATE journal SET event = CAST('[1]' AS BLOB)",
    "position": "UPDATE journal SET position = 'nowhere'",
    "rests on": "UPDATE journal SET rests_on = 'a b'",
    "type": "UPDATE journal SET type = 'tpp.nonsense.v1'",
    "happened": "UPDATE journal SET happened = 9000000000000000000",
    "recorded": "UPDATE journal SET recorded = -9000000000000000000",
    "terms": "UPDATE shipment SET terms = '{'",
    "terms of another shape": 'UPDATE shipment SET terms = \'{"debits": [1], "lines": 7}\'',
    "state": "UPDATE shipment SET state = 'nonsense'",
    "export date": "UPDATE shipment SET export_date = 'soon'",
    "expires": "UPDATE shipment SET expires = '1'",
    "path": "UPDATE account SET path = 'nonsense' || id",
    "kind of a fact": "UPDATE fact SET kind = 'nonsense'",
    "obligation": "UPDATE obligation SET due = 'soon' || rowid, subject = 'nobody'",
    "obligation of no kind": "UPDATE obligation SET kind = 'nonsense' || rowid",
    "snapshot": "UPDATE snapshot SET id = 'nonsense', as_of = 'soon'",
    "unfinished": "INSERT INTO unfinished VALUES (3, 1, '{')",
    "unfinished of another shape": "INSERT INTO unfinished VALUES (3, 1, '{}')",
    "checkpoint": "UPDATE checkpoint SET note = 'nonsense'",
    "leaf": "UPDATE leaf SET hash = x'00'",
    "entry": "UPDATE entry SET booked = 'soon'",
    "head": "DELETE FROM head",
    "head twice back": "UPDATE head SET n = n - 3",
    "closed": "UPDATE head SET closed = 'soon'",
    "revision": "DELETE FROM alembic_version",
    "bytes that are no text": "UPDATE journal SET answers = CAST(x'ff22fe' AS TEXT)",
    "identifier": "UPDATE identifier SET kind = 'nonsense'",
}
DAMAGES: dict[str, Callable[[Path], None]] = {
    "header": lambda file: overwrite(file, 0, b"\xff" * 100),
    "header zeroed": lambda file: overwrite(file, 0, bytes(100)),
    "cut": cut,
    "empty page": lambda file: overwrite(file, 4096, bytes(4096)),
    "middle": lambda file: overwrite(file, file.stat().st_size // 8192 * 4096, b"\xff" * 4096 * 4),
    **{f"{name} zeroed": lambda file, name=name: page(file, name, b"\0") for name in TABLES[:6]},
    **{f"{name} filled": lambda file, name=name: page(file, name, b"\xff") for name in TABLES[5:]},
    "index zeroed": lambda file: page(file, "sqlite_autoindex_journal_1", b"\0"),
    "index filled": lambda file: page(file, "sqlite_autoindex_account_1", b"\xff"),
    "index emptied": lambda file: page(file, "journal_shipment", b"\x0a\0\0\0\0\x10\0\0"),
    **{f"no {name}": changed(f"DROP TABLE {name}") for name in (*TABLES, "snapshot", "checkpoint", "relay")},
    **{f"a row: {name}": changed(statement) for name, statement in ROWS.items()},
    "no column": changed("ALTER TABLE account DROP COLUMN forecast"),
}


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger of the quickstart, a closed period, a checkpoint, and what commands need."""
    folder = tmp_path_factory.mktemp("kept")
    tpp = inside(folder)
    assert tpp("screen", str(QUICKSTART)).returncode == 1
    assert tpp("snapshot", "close", "2025-06").returncode == 0
    assert tpp("audit", "checkpoint", "--out", "first.checkpoint").returncode == 0
    lines = [orjson.loads(line) for line in QUICKSTART.read_bytes().splitlines() if b"shipment.requested" in line]
    more = b""
    for number, event in enumerate(lines):
        event |= {"id": f"more-{number}", "subject": f"MORE-{number}"}
        event["data"]["shipment_id"] = f"MORE-{number}"
        more += orjson.dumps(event) + b"\n"
    (folder / "more.jsonl").write_bytes(more)
    (folder / "statement.csv").write_text(STATEMENT)
    with closing(sqlite3.connect(folder / "tpp-ledger.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


@pytest.fixture(scope="session")
def whole(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What each command does on the whole ledger."""
    folder, found = tmp_path_factory.mktemp("whole") / "copy", {}
    for name, words in COMMANDS.items():
        shutil.copytree(kept, folder)
        found[name] = inside(folder)(*words)
        shutil.rmtree(folder)
    return found


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return shutil.copytree(kept, tmp_path / "copy")


DIFFERENT = ("`tpp audit verify` shows where", "is not a prefix", "does not exist", "exists in this ledger")
"""What a command says where the damage changed or hid what it looks for."""


def check_said(done: Done, whole: Done) -> None:
    """The command could not run and says why, or the damage is nowhere that it looks."""
    said = "".join(line for line in done.stderr.decode().splitlines(True) if not line.startswith("this also closes "))
    if done.returncode == 2:
        assert said.startswith("Error: "), said
        assert len(said.splitlines()) == 1, said
        assert any(words in said for words in NAMED), said
    elif done.returncode != whole.returncode:
        assert done.returncode == 1
        assert any(words in said for words in DIFFERENT) or done.stdout.startswith(b"Refused: "), said


@pytest.mark.soak
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_command_says_what_is_damaged(kept: Path, whole: dict[str, Done], folder: Path, damage: str) -> None:
    """In every run each damage meets a third of the commands, another third than the damage before it."""
    step, place = much(3, soak=1), list(DAMAGES).index(damage)
    for name, words in list(COMMANDS.items())[place % step :: step]:
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        DAMAGES[damage](folder / "tpp-ledger.db")
        check_said(inside(folder)(*words), whole[name])


def test_verify_names_every_record_that_cannot_be_read(kept: Path, folder: Path) -> None:
    """Three pages of the journal are lost; what is on the others is verified all the same."""
    tpp, file = inside(folder), folder / "tpp-ledger.db"
    with closing(sqlite3.connect(file)) as connection:
        pages = [
            number
            for (number,) in connection.execute(
                "SELECT pageno FROM dbstat WHERE name = 'journal' AND pagetype = 'leaf'"
            )
        ]
    assert len(pages) >= 5
    for number in (pages[1], pages[2], pages[4]):
        overwrite(file, (number - 1) * 4096, b"\xff" * 4096)
    done = tpp(*VERIFY)
    assert done.returncode == 1
    report = orjson.loads(done.stdout)
    lost = [one["record"] for one in report["bad"] if "malformed" in one["why"] and one["record"]]
    with closing(sqlite3.connect(kept / "tpp-ledger.db")) as connection:
        (last,) = connection.execute("SELECT n FROM head").fetchone()
    assert len(lost) >= 3
    assert lost == sorted(set(lost))
    assert report["records"] == last
    assert all(one["record"] in lost for one in report["bad"] if one["table"] == "journal" and one["record"])
