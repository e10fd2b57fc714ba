"""Which ledger a URL means: only `:memory:` is not stored, nothing shows a password."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cli_events import kinds, lines, request
from cli_run import Tpp, inside

NOT_STORED = (
    "", " ", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+pysqlite://", "sqlite:///file::memory:?uri=true",
    "sqlite:///file:x?mode=memory&uri=true", "sqlite:///file:x?mode=memory&cache=shared&uri=true",
    "sqlite:///file:/x?vfs=memdb&uri=true", "sqlite:///file:?uri=true", "sqlite:///file:%2500x?uri=true",
    "sqlite:///file://?uri=true", "sqlite:///?uri=true", "sqlite:///x?mode=memory",
)  # fmt: skip
COMMANDS = (
    ["screen", "in.jsonl"], ["check", "in.jsonl"], ["balance"], ["explain", "SHP-1"], ["holds"], ["obligations"],
    ["recheck", "--all"], ["statement", "*"], ["snapshot", "close", "2025-Q2"], ["snapshot", "list"],
    ["snapshot", "export", "2025-Q2", "--format", "csv"], ["reconcile", "s.csv"], ["audit", "verify"],
    ["audit", "prove", "SHP-1"], ["audit", "checkpoint"], ["audit", "export", "SHP-1", "--out", "pack"],
    ["audit", "key"], ["migrate"], ["backup", "f"], ["restore", "in.jsonl"], ["retention"],
    ["review", "SHP-1", "deny", "--reviewer", "a.one", "--reason", "no"],
    ["lists", "status"], ["lists", "search", "x"], ["lists", "export", "us", "--out", "o.jsonl"],
    ["met", "left_without_approval", "SHP-1", "--due", "2025-07-01", "--by", "c.three", "--reference", "R"],
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in.jsonl").write_bytes(lines(request("SHP-1")))
    (tmp_path / "s.csv").write_text("shipment_id,account,date,amount\n")
    return tmp_path


@pytest.mark.parametrize("url", NOT_STORED)
def test_what_would_not_be_stored_is_refused(tpp: Tpp, folder: Path, url: str) -> None:
    for words in (["screen", "in.jsonl"], ["check", "in.jsonl"], ["balance"], ["migrate"], ["audit", "verify"]):
        for named, environment in ((["--ledger", url], {}), ([], {"TPP_LEDGER_URL": url})):
            done = tpp(*words, *named, env=environment)
            assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1), words
    assert sorted(path.name for path in folder.iterdir()) == ["in.jsonl", "s.csv"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_memory_is_for_screen_and_check_alone(tpp: Tpp, folder: Path, words: list[str]) -> None:
    done = tpp(*words, "--ledger", ":memory:")
    if words[0] in ("screen", "check"):
        assert (done.returncode, kinds(done.stdout)) == (0, ["approved"])
    else:
        assert (done.returncode, done.stdout) == (2, b"")
        assert b":memory:" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["in.jsonl", "s.csv"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("folder")
def test_two_slashes_are_a_sentence(tpp: Tpp, words: list[str]) -> None:
    done = tpp(*words, "--ledger", "sqlite://l.db")
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert b"sqlite:///l.db" in done.stderr


def test_a_uri_of_sqlite_names_its_file(filled: Tpp) -> None:
    for query in ("uri=true", "mode=ro&uri=true", "immutable=1&uri=true"):
        done = filled("balance", "lpp/*", "--ledger", f"sqlite:///file:tpp-ledger.db?{query}")
        assert (done.returncode, b"15,958,656" in done.stdout) == (0, True), done.stderr
    done = filled("recheck", "--all", "--ledger", "sqlite:///file:tpp-ledger.db?mode=ro&uri=true")
    assert (done.returncode, b"read-only" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("postgresql://user:abc@127.0.0.1:notaport/db", "abc"),
        ("postgresql://user:top@secret@127.0.0.1/db", "secret"),
        ("postgresql://user:top@secret@127.0.0.1/db", "top"),
        ("postgresql://user:to/p@127.0.0.1:x/db", "to/p"),
        ("postgresql://user:p:hidden@127.0.0.1:x/db", "hidden"),
        ("postgresql://user@127.0.0.1:x/db?password=hidden", "hidden"),
        ("postgresql://user:hidden@127.0.0.1:1/db?connect_timeout=1", "hidden"),
        ("postgresql://127.0.0.1:1/db?connect_timeout=1&password=hidden&sslpassword=hidden", "hidden"),
        ("mysql://user:hidden@127.0.0.1/db", "hidden"),
        ("user:hidden@127.0.0.1", "hidden"),
    ],
)
def test_no_message_shows_a_password(tmp_path: Path, url: str, secret: str) -> None:
    for words in (["balance"], ["audit", "verify"], ["migrate"]):
        done = inside(tmp_path)(*words, "--ledger", url)
        assert done.returncode == 2
        assert secret not in done.stderr.decode()
    if "@secret" in url or ":notaport" in url:
        assert b"%40" in done.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_database_of_another_program_stays_as_it_is(tpp: Tpp, folder: Path, words: list[str]) -> None:
    """Not even its header changes, which names the journal that it keeps."""
    file = folder / "other.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE journal (day)")
        connection.execute("CREATE TABLE alembic (version_num)")
        connection.commit()
    before = file.read_bytes()
    done = tpp(*words, "--ledger", "sqlite:///other.db")
    assert file.read_bytes() == before
    assert not list(folder.glob("other.db-*"))
    if words[0] == "check" or words == ["audit", "key"]:  # they need no ledger
        return
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    if words[0] in ("screen", "migrate"):
        assert b"sqlite:///other.db is a database that is not a ledger; name another file" in done.stderr
