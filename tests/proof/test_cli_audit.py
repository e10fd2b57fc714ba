"""`tpp audit` as it is run: checkpoints, their consistency, and what `verify` says by its exit status."""

import json
import shutil
import sqlite3
import sys
from base64 import b64decode
from contextlib import closing
from pathlib import Path

import proof_mutants as mutants
from databases import Databases, Server
from proof_cli import Audit
from proof_ledger import STORY, b64, build, opened
from proof_tree import root, subproof_of
from sqlalchemy import text

from ledger.proof.notes import Checkpoint, PublicKey, SigningKey, open_checkpoint, sign
from services.proof import verifier as verify

sys.path.append(str(Path(__file__).resolve().parents[1] / "cli"))

from cli_run import Tpp, runner


def test_a_checkpoint_is_a_signed_note_over_all_records(audit: Audit) -> None:
    first = audit.checkpoint("a.checkpoint").read_bytes()
    key = PublicKey.parse(audit("key").stdout.strip())
    told = open_checkpoint(first, [key])
    assert told == Checkpoint("tpp-ledger", len(audit.leaves), root(audit.leaves))
    assert audit("checkpoint").stdout.encode() == first, "the same bytes as long as nothing is recorded"
    build(audit.url, STORY[:50])
    second = open_checkpoint(audit.checkpoint("b.checkpoint").read_bytes(), [key])
    assert told.size < second.size
    assert (second.size, second.root) == (len(audit.leaves), root(audit.leaves))
    assert audit("checkpoint", "--out", "none/a").exit_code == 2


def test_each_close_makes_a_checkpoint(audit: Audit) -> None:
    assert audit("close", "2025-06", group="snapshot").exit_code == 0
    with opened(audit.url) as store, store.read() as connection:
        n = connection.execute(text("SELECT max(n) FROM snapshot")).scalar_one()
        assert connection.execute(text("SELECT n FROM checkpoint")).scalars().all() == [n]
    assert audit("verify").exit_code == 0


def test_one_checkpoint_begins_another(audit: Audit) -> None:
    old = audit.checkpoint("old")
    build(audit.url, STORY[:55])
    middle = audit.checkpoint("middle")
    build(audit.url, STORY[:60])
    last = open_checkpoint(audit.checkpoint("last").read_bytes(), [PublicKey.parse(audit("key").stdout.strip())]).size
    for words in (["old", "middle"], ["old"], ["middle"], ["old", "old"]):
        done = audit("consistency", *words)
        assert done.exit_code == 0, done.stderr
        told = json.loads(done.stdout)
        assert list(told) == ["old", "new", "proof"]
        size = last if len(words) == 1 else int((audit.folder / words[1]).read_text("utf-8").split("\n")[1])
        assert told["old"] == (old if words[0] == "old" else middle).read_text("utf-8")
        new = open_checkpoint(told["new"].encode(), [PublicKey.parse(audit("key").stdout.strip())])
        assert new.size == size
        assert [len(one) for one in told["proof"]] == [44] * len(told["proof"])
        begin = int(told["old"].split("\n")[1])
        assert told["proof"] == [b64(one) for one in subproof_of(begin, audit.leaves[:size])]


def test_what_does_not_begin_another(audit: Audit, tmp_path: Path) -> None:
    old = audit.checkpoint("old")
    build(audit.url, STORY[:50])
    audit.checkpoint("new")
    other = f"sqlite:///{tmp_path / 'other.db'}"
    build(other, STORY[3:70])
    (tmp_path / "theirs").write_text(audit("checkpoint", "--ledger", other).stdout)
    build(other + "2", STORY[3:20])
    (tmp_path / "short").write_text(audit("checkpoint", "--ledger", other + "2").stdout)
    for words in (["new", "old"], ["short"], ["theirs"], ["old", "theirs"], ["old", "short"], ["short", "new"]):
        done = audit("consistency", *words)
        assert (done.exit_code, done.stdout) == (1, ""), words
        assert done.stderr.count("\n") == 1
    (tmp_path / "garbage").write_bytes(b"\xff\x00 garbage")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "spoilt").write_bytes(old.read_bytes().replace(b"\n41\n", b"\n42\n"))
    stranger = SigningKey.make("tpp-ledger")
    (tmp_path / "strange").write_bytes(sign("\n".join([*old.read_text().split("\n")[:3], ""]), stranger))
    for words in (["garbage"], ["empty"], ["nothing"], ["."], ["spoilt"], ["strange"], ["old", "garbage"], ["old", "spoilt"],
                  ["old", "--key", "x"], ["old", "--key", str(stranger.public)]):  # fmt: skip
        done = audit("consistency", *words)
        assert (done.exit_code, done.stdout) == (2, ""), words
    own = audit("key").stdout.strip()
    assert audit("consistency", "strange", "new", "--key", str(stranger.public), "--key", own).exit_code == 0


def test_a_ledger_that_lost_a_leaf_says_so_in_a_sentence(audit: Audit) -> None:
    audit.checkpoint("old")
    build(audit.url, STORY[:50])
    audit.checkpoint("new")
    with closing(mutants.connect(audit.file)) as connection:
        connection.execute("DELETE FROM leaf WHERE n = 20")
    for words in (["consistency", "old"], ["prove", "S-1"], ["export", "S-1", "--out", "p"]):
        assert audit(*words).exit_code == 2, words
    done = audit("verify")
    assert done.exit_code == 1
    assert "leaf" in done.stdout


# --- verify


def test_verify_by_its_exit_status_and_its_words(audit: Audit, tmp_path: Path) -> None:
    audit.checkpoint("old")
    build(audit.url, STORY)
    audit.checkpoint("new")
    own = audit("key").stdout.strip()
    for words in ([], ["--checkpoint", "old"], ["--checkpoint", "old", "--checkpoint", "new", "--key", own]):
        done = audit("verify", *words)
        assert done.exit_code == 0
        assert done.stdout.startswith("verified: 108 records, ")
        told = audit.json("verify", *words, "--format", "json")
        assert told["ok"] is True
        assert (told["records"], told["snapshots"], told["checkpoints"], told["bad"]) == (108, 3, 2, [])
        assert b64decode(told["root"]) == root(audit.leaves)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    build(other, STORY[3:20])
    (tmp_path / "theirs").write_text(audit("checkpoint", "--ledger", other).stdout)
    done = audit("verify", "--checkpoint", "theirs", "--format", "json")
    assert done.exit_code == 1
    (bad,) = json.loads(done.stdout)["bad"]
    assert (bad["table"], bad["key"], bad["record"]) == ("checkpoint", "theirs", 17)
    stranger = SigningKey.make("tpp-ledger").public
    assert audit("verify", "--key", str(stranger)).exit_code == 1, "no checkpoint of the ledger is of this key"
    (tmp_path / "garbage").write_bytes(b"\xff\x00 garbage")
    for words in (["--checkpoint", "old", "--key", str(stranger)], ["--checkpoint", "garbage"], ["--checkpoint", "nothing"],
                  ["--key", "garbage"], ["--key", "nothing"], ["--rulebook", "none"]):  # fmt: skip
        done = audit("verify", *words)
        assert (done.exit_code, done.stdout) == (2, ""), words


def test_verify_says_what_is_bad_on_a_line_each(audit: Audit) -> None:
    audit.checkpoint("old")
    with closing(mutants.connect(audit.file)) as connection:
        connection.execute("UPDATE entry SET posted = posted + 1 WHERE n = (SELECT min(n) FROM entry WHERE posted > 0)")
        (n,) = connection.execute("SELECT min(n) FROM entry WHERE posted > 0").fetchone()
    done = audit("verify")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("FAILED: ")
    assert next(line for line in lines if line.startswith("bad: ")).startswith(f"bad: record {n}, ")
    told = audit.json("verify", "--format", "json")
    assert told["ok"] is False
    assert told["bad"][0]["record"] == n


def test_without_a_ledger_nothing_can_be_done(audit: Audit, tmp_path: Path) -> None:
    nowhere = f"sqlite:///{tmp_path / 'nowhere.db'}"
    text_file = tmp_path / "text.db"
    text_file.write_text("this is no database, whatever its name is" * 100)
    dead = f"postgresql://nobody@/none?host={tmp_path}&connect_timeout=1"
    for url in (nowhere, "nonsense", "mysql://a/b", f"sqlite:///{text_file}", dead):
        for words in (["verify"], ["checkpoint"], ["prove", "S-1"], ["export", "S-1", "--out", "p"]):
            done = audit(*words, "--ledger", url)
            assert (done.exit_code, done.stdout) == (2, ""), (url, words)
        done = audit("key", "--ledger", url)
        assert done.exit_code == (0 if url == nowhere else 2), url
    assert not (tmp_path / "nowhere.db").exists()
    with closing(mutants.connect(audit.file)) as connection:
        connection.execute("DROP TABLE alembic_version")
    assert audit("verify").exit_code == 2
    with closing(sqlite3.connect(audit.file)) as connection:
        assert "alembic_version" not in mutants.tables_of(connection)
    for words in (["verify"], ["key"], ["checkpoint"], ["prove", "S-1"], ["export", "S-1", "--out", "p"]):
        assert audit(*words, "--ledger", ":memory:").exit_code == 2


def test_as_it_is_installed(audit: Audit, tmp_path: Path) -> None:
    """The same in processes of their own, with the key in the default place: the working folder."""
    folder = tmp_path / "own"
    folder.mkdir()
    shutil.copy(audit.file, folder / "tpp-ledger.db")
    tpp: Tpp = runner(folder)
    assert tpp("audit", "verify").returncode == 0
    assert tpp("audit", "checkpoint", "--out", "a").returncode == 0
    assert (folder / "tpp-signing.key").stat().st_mode & 0o777 == 0o600
    done = tpp("audit", "verify", "--checkpoint", "a", "--key", tpp("audit", "key").stdout.decode().strip())
    assert (done.returncode, done.stderr) == (0, b"")
    assert tpp("audit", "consistency", "nothing").returncode == 2
    with closing(mutants.connect(folder / "tpp-ledger.db")) as connection:
        connection.execute("DROP TABLE waiting")
    done = tpp("audit", "verify", "--format", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["bad"][0]["table"] == "waiting"


def test_on_postgresql(postgres: Server, audit: Audit) -> None:
    databases = Databases("postgresql", audit.folder, postgres)
    url = databases.ledger()
    build(url, STORY[:60])
    assert audit("checkpoint", "--out", "old", "--ledger", url).exit_code == 0
    build(url)
    assert audit("verify", "--checkpoint", "old", "--ledger", url).exit_code == 0
    assert audit("consistency", "old", "--ledger", url).exit_code == 0
    assert audit("export", "--period", "2025", "--since", "old", "--out", "p", "--ledger", url).exit_code == 0
    key = audit("key", "--ledger", url).stdout
    assert verify.verify(audit.folder / "p", verify.keys_of(key)).partition(" ")[2].startswith("shipments, ")
    databases.drop(url)
