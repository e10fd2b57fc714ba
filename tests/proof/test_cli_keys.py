"""`tpp audit key`: how keys of a ledger are made, kept and replaced."""

import json
import re
from base64 import b64decode
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from proof_cli import Audit
from proof_ledger import STORY, b64, build, opened

from ledger.proof.checkpoints import OtherKey, cover
from ledger.proof.notes import PublicKey, SigningKey
from services.cli.commands import main

KEY_LINE = r"PRIVATE\+KEY\+tpp-ledger\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}\n"


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
    keys, spans = [], []
    for size in (40, 45, 50):
        build(audit.url, STORY[:size])
        done = audit("checkpoint", "--rotate", "--out", f"{size}.checkpoint")
        assert done.exit_code == 0
        assert "created the signing key" in done.stderr
        first = len(audit.leaves)
        keys.insert(0, audit("key").stdout.splitlines()[0])
        assert audit("key").stdout.splitlines() == keys
        build(audit.url, STORY[: size + 2])
        audit.checkpoint(f"{size + 2}.checkpoint")
        spans.insert(0, (first, len(audit.leaves)))
        audit.key.rename(audit.folder / f"{size}.key")
    (audit.folder / "50.key").rename(audit.key)
    told = audit.json("key", "--format", "json")
    assert told == [{"key": key, "first": one, "last": last} for key, (one, last) in zip(keys, spans, strict=True)]
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
