"""Tokens from the command line: made and shown once, listed, revoked."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cli_run import Tpp, runner

from ledger.database.store import Store
from ledger.doors.tokens import digest_of, find_token, note_use
from schemas.times import instant_text
from services.cli.terminal import tables
from services.cli.terminal.grid import Grid, text_of
from services.resources import wall_clock

FORM = re.compile(r"tpp_([A-Za-z0-9]{12})_[A-Za-z0-9]{32,}\n")
PUBLISHER = ("token", "create", "--role", "publisher", "--name", "erp")


def made(tpp: Tpp, *words: str) -> str:
    """A new token; standard output has it alone."""
    done = tpp("token", "create", *words)
    assert (done.returncode, done.stderr) == (0, b"")
    assert FORM.fullmatch(done.stdout.decode())
    return done.stdout.decode().strip()


def listed(tpp: Tpp) -> list[dict[str, Any]]:
    return json.loads(tpp("token", "list", "--format", "json").stdout)


def sentence(done: Any) -> str:
    """The one sentence of an error."""
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    return line.removeprefix("Error: ")


def test_a_token_is_shown_once_and_kept_as_its_digest(tpp: Tpp, tmp_path: Path) -> None:
    token = made(tpp, "--role", "publisher", "--name", "erp", "--source", "//erp.example/*", "--source", "//a",
                 "--source", "//a")  # fmt: skip
    another = made(tpp, "--role", "reviewer", "--name", "a.one@example.com", "--expires", "2999-12-31")
    store = Store(f"sqlite:///{tmp_path / 'tpp-ledger.db'}")
    with store.read() as connection:
        found = find_token(connection, digest_of(token))
    store.close()
    assert found is not None
    assert (found.id, found.role, found.sources) == (token[4:16], "publisher", ("//erp.example/*", "//a"))
    for file in tmp_path.iterdir():
        assert token[17:].encode() not in file.read_bytes(), file
    first, second = listed(tpp)
    assert list(first) == ["id", "name", "role", "sources", "created", "expires", "revoked", "last_used"]
    assert (first["id"], first["name"], first["role"]) == (token[4:16], "erp", "publisher")
    assert first["sources"] == ["//erp.example/*", "//a"]
    assert (first["expires"], first["revoked"], first["last_used"]) == (None, None, None)
    assert (second["id"], second["sources"]) == (another[4:16], [])
    assert second["expires"].startswith("2999-12-31T23:59:59")
    assert first["created"] <= second["created"]


def test_a_token_ends_at_a_time_or_with_a_day(tpp: Tpp) -> None:
    made(tpp, "--role", "admin", "--name", "a", "--expires", "2999-06-01T12:00:00+02:00")
    assert listed(tpp)[0]["expires"] == "2999-06-01T10:00:00Z"
    today = wall_clock() // 86_400_000_000
    made(tpp, "--role", "admin", "--name", "a", "--expires", instant_text(today * 86_400_000_000)[:10])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*PUBLISHER,), "a publisher needs at least one --source, such as --source //erp.example"),
        ((*PUBLISHER, "--source", "//a b"), "'//a b' is not a URI-reference"),
        ((*PUBLISHER, "--source", ""), "'' is not a URI-reference"),
        ((*PUBLISHER, "--source", "//a\n//b"), "is not a URI-reference"),
        (("token", "create", "--role", "admin", "--name", "a b"), "'a b' is not a name"),
        (("token", "create", "--role", "admin", "--name", ""), "'' is not a name"),
        (("token", "create", "--role", "admin", "--name", ".a"), "'.a' is not a name"),
        (("token", "create", "--role", "admin", "--name", "a" * 65), "is not a name"),
        (("token", "create", "--role", "admin", "--name", "a", "--expires", "2020-01-01"), "2020-01-01 is past"),
        (("token", "create", "--role", "admin", "--name", "a", "--expires", "2020-01-01T00:00:00Z"), "is past"),
        (("token", "create", "--role", "admin", "--name", "a", "--expires", "tomorrow"), "neither a date nor"),
        (("token", "create", "--role", "admin", "--name", "a", "--ledger", ":memory:"), "ends with its command"),
        (("token", "list"), "no ledger at"),
        (("token", "revoke", "AbCdEf012345"), "no ledger at"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_makes_no_ledger(
    tpp: Tpp, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    done = tpp(*words)
    assert done.returncode == 2
    assert says in sentence(done)
    assert list(tmp_path.iterdir()) == []


def test_a_role_that_there_is_not_is_wrong_usage(tpp: Tpp) -> None:
    done = tpp("token", "create", "--role", "owner", "--name", "a")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"'owner' is not one of 'publisher'" in done.stderr


def test_a_pattern_of_the_programs_own_sources_is_no_error(tpp: Tpp) -> None:
    made(tpp, "--role", "publisher", "--name", "erp", "--source", "//tpp-*")


def test_a_token_is_revoked_for_good(tpp: Tpp) -> None:
    token = made(tpp, "--role", "admin", "--name", "a")
    made(tpp, "--role", "admin", "--name", "b")
    done = tpp("token", "revoke", token[4:16])
    assert (done.returncode, done.stdout.decode()) == (0, f"The token {token[4:16]} is revoked.\n")
    first, second = listed(tpp)
    assert first["revoked"] is not None
    assert second["revoked"] is None
    assert tpp("token", "revoke", token[4:16]).returncode == 0
    assert listed(tpp) == [first, second]


def test_a_token_that_there_is_not_cannot_be_revoked(tpp: Tpp) -> None:
    token = made(tpp, "--role", "admin", "--name", "a")
    done = tpp("token", "revoke", "AbCdEf012345")
    assert (done.returncode, sentence(done)) == (
        1,
        "token 'AbCdEf012345' does not exist; `tpp token list` lists the tokens",
    )
    done = tpp("token", "revoke", token)
    assert done.returncode == 2
    assert sentence(done).endswith(f"name it by its id, {token[4:16]}")
    assert token not in done.stderr.decode()
    assert listed(tpp)[0]["revoked"] is None


def test_the_list_fits_a_terminal_and_shows_the_hour_of_use(tpp: Tpp, tmp_path: Path) -> None:
    made(tpp, "--role", "admin", "--name", "a")
    tpp("token", "list")
    token = made(
        tpp, "--role", "publisher", "--name", "n" * 20, "--source", "//erp.example/*", "--expires", "2999-01-01"
    )
    store = Store(f"sqlite:///{tmp_path / 'tpp-ledger.db'}")
    note_use(store, {token[4:16]: 1_748_856_600_000_000})
    store.close()
    assert listed(tpp)[1]["last_used"] == "2025-06-02T09:00:00Z"
    text = tpp("token", "list").stdout.decode()
    heading, _, first, second = text.splitlines()
    assert heading.split() == ["id", "name", "role", "expires", "revoked", "created", "last", "used", "sources"]
    assert "2025-06-02T09:00:00Z" in second
    assert "2999-01-01T23:59:59Z" in second
    assert "//erp.example/*" in second
    assert first.split()[1:3] == ["a", "admin"]


def test_no_line_of_the_list_is_longer_than_a_terminal_is_wide() -> None:
    day = "2999-01-01T23:59:59Z"
    row = {"id": "AbCdEf012345", "role": "publisher", "created": day, "expires": day, "revoked": day, "last_used": day}
    rows = [{**row, "name": "n" * size, "sources": " ".join(["//erp.example/*"] * 9)} for size in (1, 20, 64)]
    for some in (rows[:2], rows):
        text = text_of(Grid(tables.TOKENS, some, tables._KEYS, tables._TEXTS, tables._BELOW), 80)
        assert max(map(len, text.splitlines())) <= 80
        assert text.count(day) == 4 * len(some)


def test_an_empty_list_says_so(tpp: Tpp) -> None:
    tpp("migrate")
    done = tpp("token", "list")
    assert (done.returncode, done.stdout) == (0, b"no token exists\n")
    assert listed(tpp) == []


def test_tokens_are_kept_in_postgresql_too(ledger_url: str, tmp_path: Path) -> None:
    tpp = runner(tmp_path)
    at = ("--ledger", ledger_url)
    token = made(tpp, "--role", "monitor", "--name", "dashboard", *at)
    assert tpp("token", "revoke", token[4:16], *at).returncode == 0
    (found,) = json.loads(tpp("token", "list", "--format", "json", *at).stdout)
    assert (found["name"], found["sources"], found["revoked"] is None) == ("dashboard", [], False)
