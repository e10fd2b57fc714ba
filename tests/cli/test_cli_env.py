"""The file `.env`: its encoding, and names that do not exist."""

from pathlib import Path

import pytest
from cli_run import Tpp

from services.settings import Settings

COMMANDS = (
    ["balance"],
    ["balance", "--ledger", "sqlite:///tpp-ledger.db"],
    ["screen", "-"],
    ["audit", "key"],
    ["migrate"],
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("TPP_LEDGER_URL=sqlite:///l.db\r\n".encode("utf-16"), "UTF-16"),
        ("TPP_LEDGER_URL=sqlite:///l.db\r\n".encode("utf-16-le"), "UTF-16"),
        ("A=1\nTPP_ORIGIN=Zürich\n".encode("latin-1"), "line 2 of .env is not UTF-8"),
        (b"TPP_LEDGER=sqlite:///l.db\n", "TPP_LEDGER is not a setting; did you mean TPP_LEDGER_URL?"),
        (b"tpp_broker_url=x\n", "did you mean TPP_BROKER?"),
        (b"export TPP_KAFKA_SASL_PASWORD=secret-7\n", "did you mean TPP_KAFKA_SASL_PASSWORD?"),
        (b"TPP_XYZZY\n", "TPP_XYZZY is not a setting; did you mean"),
    ],
)
def test_what_is_wrong_with_the_file_is_a_sentence(tpp: Tpp, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / ".env").write_bytes(content)
    for words in COMMANDS:
        done = tpp(*words)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1), words
        assert said in done.stderr.decode()
        assert b"secret-7" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_every_setting_and_what_compose_reads_are_known(tpp: Tpp, tmp_path: Path) -> None:
    others = ("DB_PASSWORD", "PARTITIONS", "KAFKA_PORT", "CACHE", "HTTP_PORT", "LOCK", "SECRETS")
    values = {
        "ledger_url": "sqlite:///named.db", "kafka_sasl_mechanism": "PLAIN", "kafka_security_protocol": "SSL",
        "rate": "1", "connections": "1", "insecure": "1", "log_format": "json",
    }  # fmt: skip
    known = {name: values.get(name, "") for name in Settings.model_fields if name != "rulebook"}
    text = "".join(f"TPP_{name.upper()}={value}\n" for name, value in {**known, **dict.fromkeys(others, "1")}.items())
    (tmp_path / ".env").write_text("\ufeff" + text + "OTHER=1\nCOMPOSE_FILE=x\n")
    assert tpp("migrate").returncode == 0
    assert (tmp_path / "named.db").is_file()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("TPP_RATE", "often", "must be a whole number, not 'often'"),
        ("TPP_CONNECTIONS", "0", "must be at least 1, not '0'"),
        ("TPP_INSECURE", "perhaps", "must be 1 or 0, not 'perhaps'"),
    ],
)
def test_a_setting_with_a_wrong_value_is_named(tpp: Tpp, name: str, value: str, why: str) -> None:
    done = tpp("balance", env={name: value})
    assert (done.returncode, done.stderr.decode()) == (2, f"Error: {name}: {why}\n")


def test_no_message_shows_the_password_of_the_file(tpp: Tpp, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "TPP_LEDGER_URL=postgresql://user:hidden@127.0.0.1:x/db\nTPP_KAFKA_SASL_PASSWORD=hidden\n"
    )
    done = tpp("balance")
    assert (done.returncode, b"hidden" in done.stderr) == (2, False)
