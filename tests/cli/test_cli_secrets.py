"""No password is printed or logged, whatever a command fails with, nor handed to another program as an argument."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ledger.database.store import ledger_url
from services.cli.commands import main
from services.resources import ledger_address

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[2]
SECRET = "hunter2sesame"
PARSABLE = [
    "postgresql://tpp:{}@127.0.0.1:1/tpp",
    "postgresql://tpp@127.0.0.1:1/tpp?password={}",
    "postgresql://tpp@127.0.0.1:1/tpp?sslpassword={}&sslmode=require",
    "postgresql://tpp@127.0.0.1:1/tpp?PASSWORD={}",
    "postgresql://tpp:{}@/tpp?host=/nonexistent",
    "postgresql://tpp:{}@127.0.0.1:1/tpp?nonsense=1",
    "postgresql://tpp:a/{}@127.0.0.1:1/tpp",
    "postgresql+asyncpg://tpp:{}@127.0.0.1:1/tpp",
    "mysql://tpp:{}@127.0.0.1/tpp",
]
UNPARSABLE = [
    "postgresql//tpp:{}@127.0.0.1/tpp",
    "postgresql:/tpp:{}@127.0.0.1/tpp",
    "postgresql://tpp:{}@127.0.0.1:port/tpp",
    "postgresql://tpp:a@{}@127.0.0.1:1/tpp",
    "postgresql://tpp:{}",
    " postgresql://tpp:{}@127.0.0.1:1/tpp",
    "host=127.0.0.1 port=1 user=tpp password={}",
    "tpp:{}@127.0.0.1",
]
BROKERS = [
    "tpp:{}@127.0.0.1:1",
    "kafka://tpp:{}@127.0.0.1:1",
    "SASL_SSL://tpp:{}@127.0.0.1:1",
    "127.0.0.1:1,tpp:{}@127.0.0.1:1",
    "tpp:{}:1",
    "127.0.0.1:{}",
    "tpp:{}@127.0.0.1",
]
WORDS = {
    "review": ["SHP-1", "deny", "--reviewer", "a.one", "--reason", "no"],
    "met": ["left_without_approval", "SHP-1", "--due", "2025-07-01", "--by", "c.three", "--reference", "R"],
    "backup": ["new.backup"], "restore": ["ledger.backup"],
    "token create": ["--role", "admin", "--name", "a.one"], "token link": ["--role", "admin", "--name", "a.one"],
    "token revoke": ["AbCdEf012345"],
    "policy set": ["four_eyes", "on", "--by", "a.one", "--reason", "two persons"],
    "screen": ["events.jsonl"], "check": ["events.jsonl"], "recheck": ["--all"], "explain": ["SHP-1"], "statement": ["lpp/A/2025"],
    "reconcile": ["statement.csv"], "publish": ["events.jsonl"], "snapshot close": ["2025-06"],
    "snapshot export": ["2025-06", "--format", "csv"], "audit prove": ["SHP-1"], "audit consistency": ["old", "new"],
    "audit export": ["SHP-1", "--out", "pack"], "audit check-pack": ["pack", "--key", "key"], "topics create": [],
    "watch": ["--max", "1", "--idle", "1"],
}  # fmt: skip
"""What each command needs, so that it comes to its ledger or its broker."""


def leaves(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{name} ")
        else:
            yield path + name, command


COMMANDS = dict(leaves(main))
OF_LEDGER = [name for name, command in COMMANDS.items() if "ledger" in {one.name for one in command.params}]
OF_BROKER = ["topics create", "publish", "watch", "audit intake", "worker", "relay", "up"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("TPP_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events.jsonl").write_text("{}\n")
    (tmp_path / "statement.csv").write_text("shipment_id,account,amount\n")
    (tmp_path / "ledger.backup").write_bytes(b"PGDMP")
    for name in ("old", "new"):
        (tmp_path / name).write_text("a note")
    return tmp_path


def test_every_command_with_a_ledger_or_a_broker_is_tried() -> None:
    assert set(WORDS) | set(OF_LEDGER) | set(OF_BROKER) | {"audit verifier"} == set(COMMANDS)
    assert len(OF_LEDGER) > 18


def silent(done: object, caplog: pytest.LogCaptureFixture, about: object) -> None:
    """A sentence and exit 2, and nowhere the secret."""
    assert isinstance(done.exception, SystemExit), (about, done.exception)
    assert done.exit_code == 2, (about, done.output)
    assert done.stderr.splitlines()[-1].startswith("Error: "), (about, done.stderr)
    assert "Traceback" not in done.output
    assert SECRET not in done.output + caplog.text, about


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", OF_LEDGER)
def test_no_command_tells_the_password_of_its_ledger(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TPP_BROKER", "127.0.0.1:1")
    for url in (one.format(SECRET) for one in (*PARSABLE, *UNPARSABLE)):
        words = [*name.split(), *WORDS.get(name, [])]
        silent(CliRunner().invoke(main, [*words, "--ledger", url]), caplog, url)
        silent(CliRunner().invoke(main, words, env={"TPP_LEDGER_URL": url}), caplog, url)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", OF_BROKER)
def test_no_command_tells_the_password_in_the_name_of_a_broker(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    CliRunner().invoke(main, ["migrate"])
    for broker in (one.format(SECRET) for one in BROKERS):
        words = [*name.split(), *WORDS.get(name, [])]
        silent(CliRunner().invoke(main, words, env={"TPP_BROKER": broker}), caplog, broker)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", OF_BROKER)
def test_no_command_tells_the_password_for_a_broker_that_does_not_answer(name: str) -> None:
    """As programs of their own, which are killed after a while: parts wait for their broker."""
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "TPP_BROKER": "127.0.0.1:1", "TPP_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "TPP_KAFKA_SASL_USERNAME": "tpp", "TPP_KAFKA_SASL_PASSWORD": SECRET, "TPP_KAFKA_SASL_MECHANISM": "PLAIN",
    }  # fmt: skip
    code = "from services.cli.commands import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *name.split(), *WORDS.get(name, [])], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=environment, text=True,
    ) as process:  # fmt: skip
        try:
            output, _ = process.communicate(timeout=4)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
    assert SECRET not in output


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("part", ["worker", "relay", "clock"])
def test_no_part_of_the_stream_tells_a_password(part: str) -> None:
    for url in (PARSABLE[0], UNPARSABLE[0], UNPARSABLE[2]):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TPP_BROKER": "127.0.0.1:1",
            "TPP_LEDGER_URL": url.format(SECRET),
        }
        done = subprocess.run(
            [sys.executable, "-m", "services.stream", part], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env=environment, check=False,
        )  # fmt: skip
        assert SECRET not in done.stdout + done.stderr
        assert "Error: " in done.stderr or done.returncode < 0


def test_a_password_comes_from_its_file_unless_the_url_has_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = f" {SECRET}@:/%?#é\\ "
    (folder / "password").write_bytes(f"{odd}\r\n".encode())
    monkeypatch.setenv("TPP_LEDGER_PASSWORD_FILE", str(folder / "password"))
    monkeypatch.setenv("TPP_LEDGER_URL", "postgresql://tpp@db/tpp")
    assert ledger_url(ledger_address(None)).password == odd
    assert ledger_url(ledger_address("postgresql://app@db:5433/x?sslmode=require")).password == odd
    assert ledger_url(ledger_address("postgresql://tpp:own@db/tpp")).password == "own"
    assert ledger_address("sqlite:///l.db") == "sqlite:///l.db"
    done = CliRunner().invoke(main, ["balance", "--ledger", "postgresql://tpp@127.0.0.1:1/tpp"])
    assert done.exit_code == 2
    assert SECRET not in done.output


def test_a_file_without_a_password_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "empty").write_text("\n")
    (folder / "bytes").write_bytes(b"\xff\xfe")
    for name, why in (
        ("none", "No such file"),
        (".", "Is a directory"),
        ("empty", "is empty"),
        ("bytes", "not a text"),
    ):
        monkeypatch.setenv("TPP_LEDGER_PASSWORD_FILE", name)
        for words in (["balance"], ["migrate"]):
            done = CliRunner().invoke(main, [*words, "--ledger", "postgresql://tpp@127.0.0.1:1/tpp"])
            assert (done.exit_code, done.stdout) == (2, "")
            assert done.stderr.startswith("Error: ")
            assert "TPP_LEDGER_PASSWORD_FILE" in done.stderr
            assert why in done.stderr


def test_a_private_key_in_the_place_of_its_file_is_not_repeated(folder: Path) -> None:
    secret = f"PRIVATE+KEY+tpp-ledger+00000000+{SECRET}"
    CliRunner().invoke(main, ["migrate"])
    for words in (["audit", "key"], ["audit", "key", "--new"], ["audit", "checkpoint"], ["audit", "verify"]):
        done = CliRunner().invoke(main, words, env={"TPP_SIGNING_KEY": secret})
        assert done.exit_code == 2
        assert SECRET not in done.output
    assert not [path for path in folder.iterdir() if SECRET in path.name]


def test_the_password_goes_to_pg_dump_without_being_an_argument(folder: Path) -> None:
    """A program in the place of `pg_dump` notes what it is started with; the ledger is only looked at before."""
    seen = folder / "seen.json"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from ledger.database import backup;"
        "from ledger.database.store import ledger_url; url = ledger_url(sys.argv[2]);"
        "backup._run(url, 'pg_dump', backup._libpq(url))"
    )
    program = folder / "pg_dump"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"json.dump([sys.argv[1:], os.environ.get('PGPASSWORD')], open({str(seen)!r}, 'w'))\n"
    )
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, str(ROOT), PARSABLE[0].format(SECRET)], env=environment, check=True)
    arguments, password = json.loads(seen.read_text())
    assert password == SECRET
    assert arguments == ["postgresql://tpp@127.0.0.1:1/tpp"]
