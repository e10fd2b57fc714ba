"""`tpp token link`: the link alone on standard output, and what it begins with."""

import re
from pathlib import Path

import pytest
from cli_run import inside

from ledger.database.store import Store
from ledger.doors.sessions import find_link
from ledger.doors.tokens import digest_of
from services.web.pages.sessions import LINK_SECONDS

LINK = re.compile(r"(https?://[^/]+)/link/([A-Za-z0-9_-]{43})\n").fullmatch


def test_it_prints_a_link_of_which_the_ledger_keeps_the_digest(empty_url: str, tmp_path: Path) -> None:
    done = inside(tmp_path)("token", "link", "--role", "reviewer", "--name", "r.osei", "--ledger", empty_url)
    found = LINK(done.stdout.decode())
    assert found is not None, done.stderr
    assert found[1] == "http://127.0.0.1:8080"
    store = Store(empty_url)
    with store.read() as connection:
        kept = find_link(connection, digest_of(found[2]))
        assert find_link(connection, found[2]) is None
    store.close()
    assert kept is not None
    assert (kept.name, kept.role, kept.used) == ("r.osei", "reviewer", None)
    assert kept.expires - kept.created == LINK_SECONDS * 1_000_000


@pytest.mark.parametrize(
    ("env", "begins"),
    [
        ({"TPP_PUBLIC_URL": "https://ledger.example/"}, "https://ledger.example"),
        ({"TPP_LISTEN": "0.0.0.0:9000"}, "http://127.0.0.1:9000"),
        ({"TPP_LISTEN": "[::1]:9000"}, "http://[::1]:9000"),
    ],
    ids=str,
)
def test_it_begins_where_people_reach_the_page(tmp_path: Path, env: dict[str, str], begins: str) -> None:
    done = inside(tmp_path)("token", "link", "--role", "admin", "--name", "a", "--ledger", "sqlite:///l.db", env=env)
    found = LINK(done.stdout.decode())
    assert found is not None
    assert found[1] == begins


@pytest.mark.parametrize("name", ["", "two words", ".dot", "a" * 65, "é", "a\n", "a/b"])
def test_a_name_that_is_none_makes_no_link(tmp_path: Path, name: str) -> None:
    done = inside(tmp_path)("token", "link", "--role", "admin", "--name", name, "--ledger", "sqlite:///l.db")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"is not a name" in done.stderr
    assert not (tmp_path / "l.db").exists()


@pytest.mark.parametrize("role", ["publisher", "calendar", "owner"])
def test_only_people_sign_in_by_a_link(tmp_path: Path, role: str) -> None:
    done = inside(tmp_path)("token", "link", "--role", role, "--name", "a", "--ledger", "sqlite:///l.db")
    assert (done.returncode, done.stdout) == (2, b"")
    assert not (tmp_path / "l.db").exists()


@pytest.mark.parametrize(
    "address", ["ledger.example", "https://", "ftp://ledger.example", "https://a@b", "https://a?b", "https://a b"]
)
def test_a_public_address_that_is_none_is_a_sentence(tmp_path: Path, address: str) -> None:
    env = {"TPP_PUBLIC_URL": address}
    done = inside(tmp_path)("token", "link", "--role", "admin", "--name", "a", "--ledger", "sqlite:///l.db", env=env)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"is not an address such as https://ledger.example" in done.stderr
