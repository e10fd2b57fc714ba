"""A broker that wants TLS and a password: every part works with them, and says in one sentence where they are wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import started, tpp
from containers import missing
from databases import Databases
from secured_run import PASSWORD, USER, SecuredBroker, authority
from stream_run import ROOT, Stream, example
from waiting import PATIENCE

from services.failure import BrokerError
from services.kafka.local_broker import jars, java

QUICKSTART = ROOT / "examples" / "quickstart.jsonl"
COMMANDS = ("worker", "relay", "up", f"publish {QUICKSTART}", "watch", "topics create", "audit intake")


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kafka.aiokafka_client.KNOCK_SECONDS", PATIENCE)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    try:
        java(), jars()
    except BrokerError as error:
        missing(str(error))
    broker = started(lambda: SecuredBroker(tmp_path_factory.mktemp("secured")))
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The ledger whose answers are on the broker's topics."""
    return Databases("sqlite", tmp_path_factory.mktemp("ledger")).ledger()


def told(broker: SecuredBroker, mechanism: str, **other: str | None) -> dict[str, str | None]:
    """The settings with which the broker is reached."""
    return {
        "TPP_BROKER": broker.secured,
        "TPP_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "TPP_KAFKA_SASL_MECHANISM": mechanism,
        "TPP_KAFKA_SASL_USERNAME": USER,
        "TPP_KAFKA_SASL_PASSWORD": PASSWORD,
        "TPP_KAFKA_CA_FILE": str(broker.authority),
        **other,
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_every_part_works_with_tls_and_a_password(
    secured: SecuredBroker, ledger: str, tmp_path: Path, mechanism: str
) -> None:
    how = told(secured, mechanism)
    stream = Stream(secured.address, ledger, tmp_path)
    how |= {"TPP_GROUP": stream.group, "TPP_LEDGER_URL": stream.url}
    address = how.pop("TPP_BROKER")
    tpp(address, "topics", "create", **how)
    parts = [stream.start(name, TPP_BROKER=address, **how) for name in ("worker", "relay", "clock")]
    try:
        done = tpp(address, "publish", str(QUICKSTART), **how)
        assert f"{sum(map(bool, example('quickstart.jsonl')))} events acknowledged" in done.stderr
        stream.wait(lambda: any("tpp.clock.ticked" in one or "//tpp-clock" in one for one in stream.answers()), parts)
        stream.wait_decided(*parts)
        stream.wait_published(*parts)
        watched = tpp(address, "watch", "tpp.decisions", "--from-start", "--idle", "1", "--format", "jsonl", **how)
        mine = [one for one in stream.answers() if one in watched.stdout.splitlines()]
        assert len(mine) > 5
        found = json.loads(tpp(address, "audit", "intake", **how).stdout)
        assert found["missing"] == found["doubled"] == []
        assert [part.end() for part in parts] == [0, 0, 0]
    finally:
        stream.kill_all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"TPP_KAFKA_SASL_PASSWORD": "guessed"},
            "rejects the user 'desk' or the password: see TPP_KAFKA_SASL_USERNAME",
        ),
        (
            {"TPP_KAFKA_CA_FILE": "other.pem"},
            "is not trusted (unable to get local issuer certificate): set TPP_KAFKA_CA_FILE",
        ),
    ],
)
def test_what_the_broker_refuses_is_said_in_one_sentence_by_every_command(secured, tmp_path, wrong, said) -> None:
    authority(tmp_path / "other.pem")
    how = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    how |= told(
        secured, "SCRAM-SHA-512", TPP_LEDGER_URL=Databases("sqlite", tmp_path).ledger(), PYTHONPATH=str(ROOT), **wrong
    )
    patient = f"import services.kafka.aiokafka_client as client; client.KNOCK_SECONDS = {PATIENCE}"
    code = f"{patient}; from services.cli.commands import main; main()"
    running = {
        name: subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, *name.split(" ", 1)],
            cwd=tmp_path, env=how, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in COMMANDS
    }  # fmt: skip
    for name, process in running.items():
        out, error = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (2, ""), (name, error)
        assert error.startswith("Error: ") and said in error, (name, error)
        assert len(error.splitlines()) == 1, (name, error)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"TPP_KAFKA_SASL_USERNAME": None}, "SASL_SSL needs a user; set TPP_KAFKA_SASL_USERNAME"),
        ({"TPP_KAFKA_CA_FILE": "none.pem"}, "TPP_KAFKA_CA_FILE: none.pem does not contain certificates"),
        (
            {"TPP_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"},
            "does not accept passwords with SCRAM-SHA-256: see TPP_KAFKA_SASL_MECHANISM",
        ),
        ({"TPP_KAFKA_SASL_PASSWORD": "guessed", "TPP_KAFKA_SASL_MECHANISM": "PLAIN"}, "rejects the user 'desk'"),
    ],
)
def test_other_things_that_are_wrong_are_named_too(
    secured: SecuredBroker, wrong: dict[str, str | None], said: str
) -> None:
    how = told(secured, "SCRAM-SHA-512", **wrong)
    assert said in tpp(how.pop("TPP_BROKER"), "topics", "create", code=2, **how).stderr
