"""`audit verify` computes the digest of each list that was loaded, whatever version of the program decided."""

import zlib
from hashlib import sha256
from pathlib import Path

import pytest
from databases import unguarded
from memory_run import Listed

ZHIPU = {"id": "CON-9", "name": "Zhipu AI", "country": "PL"}
STEPS = [
    {"do": "load", "version": "1", "entries": {"E-1": "Zhipu AI"}},
    {"do": "request", "ship": {"id": "S-1", "consignee": ZHIPU}},
    {"do": "load", "version": "2", "entries": {"E-1": "Zhipu AI", "E-2": "Northern Dockyard"}},
    {"do": "clear", "data": {"party": "CON-9", "list": "us", "entry": "E-1"}},
    {"do": "request", "ship": {"id": "S-2", "consignee": ZHIPU}},
]
BAD = {
    "missing": ("DELETE FROM list_content", "the content of the list is missing"),
    "damaged": ("UPDATE list_content SET content = X'00FF'", "the content is damaged"),
    "another": ("UPDATE list_content SET content = :other", "the content has another digest"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A ledger that decided under two versions of a list."""
    path = tmp_path / "listed.db"
    with Listed(f"sqlite:///{path}") as listed:
        listed.run(STEPS)
        assert listed.verified() == []
    return path


@pytest.mark.parametrize("version", ["", "0.0.1"], ids=["same", "another version"])
@pytest.mark.parametrize("kind", BAD)
def test_a_content_that_is_not_what_was_loaded(file: Path, kind: str, version: str) -> None:
    statement, why = BAD[kind]
    connection = unguarded(file)
    connection.execute(statement, {"other": zlib.compress(b'{"id":"E-1","kind":"entity","name":"Other"}\n')})
    connection.close()
    with Listed(f"sqlite:///{file}") as listed:
        found = [one for one in listed.verified(version) if one.startswith("list_content")]
    assert len(found) == 2
    assert all(why in one for one in found)


@pytest.mark.parametrize("right", [True, False])
def test_a_content_that_no_load_names_must_have_its_digest_all_the_same(file: Path, right: bool) -> None:
    content = b'{"id":"E-1","kind":"entity","name":"Other"}\n'
    digest = sha256(content if right else b"").hexdigest()
    connection = unguarded(file)
    connection.execute("INSERT INTO list_content VALUES (?, ?)", (digest, zlib.compress(content)))
    connection.close()
    with Listed(f"sqlite:///{file}") as listed:
        found = listed.verified()
    assert [one.split()[:2] for one in found] == ([] if right else [["list_content", digest]])


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("clearing", "UPDATE clearing SET content = NULL"),
        ("clearing", "DELETE FROM clearing"),
        ("last_hit", "UPDATE last_hit SET n = n + 1"),
    ],
)
def test_what_is_remembered_follows_from_the_journal(file: Path, table: str, change: str) -> None:
    connection = unguarded(file)
    connection.execute(change)
    connection.close()
    with Listed(f"sqlite:///{file}") as listed:
        assert [one.split()[0] for one in listed.verified()] == [table]
        assert f"left out: {table}" in listed.verified("0.0.1")
