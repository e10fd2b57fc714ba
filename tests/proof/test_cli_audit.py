"""`tpp audit` as it is run: keys, checkpoints, their consistency, and what `verify` says by its exit status."""

import json
import os
import re
import shutil
import sqlite3
import sys
from base64 import b64decode
from contextlib import closing
from pathlib import Path
from typing import Any

import proof_mutants as mutants
import pytest
from click.testing import CliRunner, Result
from databases import Databases, Server
from proof_ledger import STORY, b64, build, opened
from proof_tree import root, subproof_of
from sqlalchemy import text

from ledger.proof.checkpoints import OtherKey, cover
from ledger.proof.notes import Checkpoint, PublicKey, SigningKey, open_checkpoint, sign
from services.cli.commands import main
from services.proof import verifier as verify

sys.path.append(str(Path(__file__).resolve().parents[1] / "cli"))

from cli_run import Tpp, runner

KEY_LINE = r"PRIVATE\+KEY\+tpp-ledger\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}\n"


class Audit:
    """Runs `tpp` within this process, in a folder of its own with its ledger and its key."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.key = folder, folder / "ledger.db", folder / "signing.key"
        self.url = f"sqlite:///{self.file}"

    def __call__(self, *words: str, group: str = "audit") -> Result:
        done = CliRunner().invoke(main, [group, *words, *([] if "--ledger" in words else ["--ledger", self.url])])
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
        if done.exit_code == 2:
            assert any(line.startswith("Error: ") for line in done.stderr.splitlines()), done.stderr
        return done

    def json(self, *words: str) -> Any:
        done = self(*words)
        return json.loads(done.stdout)

    def checkpoint(self, name: str) -> Path:
        """Writes a checkpoint to a file."""
        assert self("checkpoint", "--out", name).exit_code == 0
        return self.folder / name

    @property
    def leaves(self) -> list[bytes]:
        with opened(self.url) as store, store.read() as connection:
            return list(connection.execute(text("SELECT hash FROM leaf ORDER BY n")).scalars())


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    for name in [name for name in os.environ if name.startswith("TPP_")]:
        monkeypatch.delenv(name)
    made = Audit(tmp_path)
    monkeypatch.setenv("TPP_SIGNING_KEY", str(made.key))
    monkeypatch.chdir(tmp_path)
    build(made.url, STORY[:40])
    return made


# --- keys


def test_the_key_is_made_at_first_need_and_nobody_else_may_read_it(audit: Audit) -> None:
    assert not audit.key.exists()
    assert audit("verify").exit_code == 0
    assert not audit.key.exists(), "nothing was to be signed"
    first = audit("key")
    assert first.exit_code == 0
    assert audit.key.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(KEY_LINE, audit.key.read_text("ascii"))
    (line,) = first.stdout.splitlines()
    key = PublicKey.parse(line)
    assert key.name == "tpp-ledger"
    assert first.stderr == f"created the signing key {key.short} in {audit.key}\n"
    again = audit("key")
    assert (again.stdout, again.stderr) == (first.stdout, "")
    assert sorted(one.name for one in audit.folder.iterdir() if "ledger.db" not in one.name) == ["signing.key"]


SIGNS = (["key"], ["checkpoint"], ["prove", "S-1"], ["export", "S-1", "--out", "p"], ["consistency", "a.checkpoint"])


@pytest.mark.parametrize("words", SIGNS[:4], ids=lambda words: words[0])
def test_each_command_that_signs_says_that_it_made_the_first_key(audit: Audit, words: list[str]) -> None:
    done = audit(*words)
    assert done.exit_code == 0
    assert done.stderr.startswith("created the signing key tpp-ledger+")
    assert done.stderr.count("\n") == 1
    assert "created" not in done.stdout


def close(audit: Audit) -> Result:
    return audit("close", "2025-06", group="snapshot")


def test_a_signed_ledger_wants_its_own_key(audit: Audit) -> None:
    """A missing key is not made anew, and another is not taken: both, with the file and the key that is wanted."""
    audit.checkpoint("a.checkpoint")
    kept = audit.key.read_bytes()
    own = PublicKey.parse(audit("key").stdout.strip())
    audit.key.unlink()
    for words in SIGNS:
        done = audit(*words)
        assert (done.exit_code, done.stdout) == (2, ""), words
        assert (
            f"the signing key {audit.key} does not exist, and this ledger is signed with the key {own.short}: "
            in done.stderr
        )
    assert close(audit).exit_code == 2
    assert not audit.key.exists()
    assert audit("verify").exit_code == 0, "which needs no private key"
    assert audit("key", "--new").exit_code == 0
    other = audit.key.read_bytes()
    for words in SIGNS:
        done = audit(*words)
        assert (done.exit_code, done.stdout) == (2, ""), words
        assert f"{audit.key} contains the key " in done.stderr
        assert f"but this ledger is signed with the key {own.short}: " in done.stderr
    assert close(audit).exit_code == 2
    assert audit.json("verify", "--format", "json")["checkpoints"] == 1, "nothing was signed"
    assert audit.key.read_bytes() == other
    audit.key.write_bytes(kept)
    for words in SIGNS:
        assert audit(*words).exit_code == 0, words


def test_a_key_is_made_beforehand_and_never_over_another(audit: Audit, tmp_path: Path) -> None:
    made = audit("key", "--new", "--ledger", f"sqlite:///{tmp_path / 'nowhere.db'}")
    assert made.exit_code == 0
    assert made.stdout == audit("key").stdout
    assert not (tmp_path / "nowhere.db").exists()
    kept = audit.key.read_bytes()
    done = audit("key", "--new")
    assert (done.exit_code, done.stdout) == (2, "")
    assert str(audit.key) in done.stderr
    assert audit.key.read_bytes() == kept
    assert audit("checkpoint").stderr == "", "the key was there"


def test_the_ledger_tells_from_which_checkpoint_on_which_key_signs(audit: Audit) -> None:
    keys = []
    for size in (40, 45, 50):
        build(audit.url, STORY[:size])
        done = audit("checkpoint", "--rotate", "--out", f"{size}.checkpoint")
        assert done.exit_code == 0
        assert "created the signing key" in done.stderr
        keys.insert(0, audit("key").stdout.splitlines()[0])
        assert audit("key").stdout.splitlines() == keys
        build(audit.url, STORY[: size + 2])
        audit.checkpoint(f"{size + 2}.checkpoint")
        audit.key.rename(audit.folder / f"{size}.key")
    (audit.folder / "50.key").rename(audit.key)
    told = audit.json("key", "--format", "json")
    assert told == [{"key": key, "first": size, "last": size + 2} for key, size in zip(keys, (50, 45, 40), strict=True)]
    (audit.folder / "pub").write_text("\n".join(keys) + "\n")
    given = [word for size in (40, 42, 45, 47, 50, 52) for word in ("--checkpoint", f"{size}.checkpoint")]
    assert audit("verify", *given, "--key", "pub").exit_code == 0
    assert audit("verify", *given).exit_code == 0, "those of the ledger are known"
    assert audit("verify", "--key", keys[0]).exit_code == 1, "an examiner who knows the newest key alone"
    assert audit("verify", *(word for key in keys for word in ("--key", key))).exit_code == 0
    for old in ("42.checkpoint", "47.checkpoint"):
        assert audit("consistency", old, "--key", "pub").exit_code == 0
    assert audit("export", "S-1", "--since", "40.checkpoint", "--out", "p").exit_code == 0
    assert CliRunner().invoke(main, ["audit", "check-pack", "p", "--key", "pub"]).exit_code == 0


def test_a_key_that_was_replaced_does_not_sign_again(audit: Audit) -> None:
    audit.checkpoint("a.checkpoint")
    old = PublicKey.parse(audit("key").stdout.strip())
    audit.key.rename(audit.folder / "old.key")
    build(audit.url, STORY[:50])
    assert audit("checkpoint", "--rotate").exit_code == 0
    new = PublicKey.parse(audit("key").stdout.splitlines()[0])
    (audit.folder / "old.key").rename(audit.key)
    for words in (["checkpoint"], ["checkpoint", "--rotate"], ["prove", "S-1"]):
        done = audit(*words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert old.short in done.stderr
        assert new.short in done.stderr


def test_a_key_is_replaced_after_another_record_at_the_earliest(audit: Audit) -> None:
    """Otherwise nothing would tell which of the two came later."""
    audit.checkpoint("a.checkpoint")
    own = PublicKey.parse(audit("key").stdout.strip())
    audit.key.rename(audit.folder / "old.key")
    done = audit("checkpoint", "--rotate")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"the key {own.short} has just begun to sign this ledger" in done.stderr
    build(audit.url, STORY[:41])
    assert audit("checkpoint", "--rotate").exit_code == 0
    assert audit("checkpoint").exit_code == 0


def test_two_that_sign_a_ledger_first_with_keys_of_their_own_do_not_both_succeed(audit: Audit) -> None:
    """The second looked before the first had signed."""
    one, two = SigningKey.make("tpp-ledger"), SigningKey.make("tpp-ledger")
    with opened(audit.url) as store:
        cover(store, one)
        with pytest.raises(OtherKey, match=re.escape(one.public.short)):
            cover(store, two)


@pytest.mark.parametrize("content", ["", "no key", "PRIVATE+KEY+tpp-ledger+00000000+AAAA"])
def test_a_key_file_that_is_none_is_said_and_kept(audit: Audit, content: str) -> None:
    audit.key.write_text(content)
    audit.key.chmod(0o600)
    for words in (["key"], ["checkpoint"], ["prove", "S-1"], ["export", "S-1", "--out", "p"]):
        done = audit(*words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert content not in done.stderr or not content
    assert audit.key.read_text() == content


def test_the_origin_is_the_name_of_key_checkpoint_and_pack(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPP_ORIGIN", "exports.example/ledger")
    name, _, _ = audit("key").stdout.partition("+")
    assert name == "exports.example/ledger"
    assert audit("checkpoint").stdout.split("\n")[0] == name
    assert audit("export", "S-1", "--out", "p").exit_code == 0
    assert json.loads((audit.folder / "p/pack.json").read_bytes())["origin"] == name
    assert (audit.folder / "p/checkpoint").read_text().startswith(f"{name}\n")
    assert audit("verify").exit_code == 0
    monkeypatch.delenv("TPP_ORIGIN")
    done = audit("checkpoint")
    assert (done.exit_code, done.stdout) == (2, ""), "the key is another name's"


def test_the_private_key_is_nowhere_but_in_its_file(audit: Audit) -> None:
    audit.checkpoint("a.checkpoint")
    (audit.folder / "out").write_text(audit("key").output + audit("verify", "--format", "json").output)
    (audit.folder / "proof").write_text(audit("prove", "S-1", "--format", "json").output)
    assert audit("export", "S-1", "S-2", "--since", "a.checkpoint", "--out", "p").exit_code == 0
    assert audit("close", "2025-06", group="snapshot").exit_code == 0
    secret = audit.key.read_text("ascii").strip().split("+", 4)[-1]
    raw = SigningKey.parse(audit.key.read_text("ascii").strip())
    assert secret in raw.secret()
    seed = b64decode(secret)[1:]
    assert len(seed) == 32
    files = [one for one in audit.folder.rglob("*") if one.is_file() and one != audit.key]
    assert len(files) > 10
    for file in files:
        data = file.read_bytes()
        for form in (secret.encode(), secret[2:-2].encode(), seed, seed.hex().encode(), b64(seed)[:-1].encode()):
            assert form not in data, file


# --- checkpoints


def test_a_checkpoint_is_a_signed_note_over_all_records(audit: Audit) -> None:
    first = audit.checkpoint("a.checkpoint").read_bytes()
    key = PublicKey.parse(audit("key").stdout.strip())
    told = open_checkpoint(first, [key])
    assert told == Checkpoint("tpp-ledger", 40, root(audit.leaves))
    assert audit("checkpoint").stdout.encode() == first, "the same bytes as long as nothing is recorded"
    build(audit.url, STORY[:50])
    second = open_checkpoint(audit.checkpoint("b.checkpoint").read_bytes(), [key])
    assert (second.size, second.root) == (50, root(audit.leaves))
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
    leaves = {"middle": 55}
    for words in (["old", "middle"], ["old"], ["middle"], ["old", "old"]):
        done = audit("consistency", *words)
        assert done.exit_code == 0, done.stderr
        told = json.loads(done.stdout)
        assert list(told) == ["old", "new", "proof"]
        size = leaves.get(words[-1], 60) if words != ["old", "old"] else 40
        size = 60 if len(words) == 1 else size
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
    (tmp_path / "spoilt").write_bytes(old.read_bytes().replace(b"\n40\n", b"\n41\n"))
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
        assert done.stdout.startswith("verified: 99 records, ")
        told = audit.json("verify", *words, "--format", "json")
        assert told["ok"] is True
        assert (told["records"], told["snapshots"], told["checkpoints"], told["bad"]) == (99, 3, 2, [])
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
