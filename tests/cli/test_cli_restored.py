"""Back-ups of earlier revisions, and a restore that ends before its upgrade."""

import gzip
from pathlib import Path

import pytest
from cli_kept import QUICKSTART, ROOT, epoch, events, records, screen, sentence, tpp
from databases import Databases, Server

from ledger.database.backup import back_up
from ledger.database.store import Store


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs each test in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def _as_of(url: str, revision: str) -> None:
    """Gives a ledger the tables of an earlier revision, or the name of one."""
    store = Store(url)
    with store.begin() as connection:
        if revision == "0007":
            connection.exec_driver_sql("DROP INDEX journal_alerts")
            connection.exec_driver_sql("ALTER TABLE shipment DROP COLUMN parties")
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    store.close()


def test_a_back_up_of_an_earlier_revision_is_upgraded_and_marked(databases: Databases) -> None:
    url, restored = databases.ledger(), databases.empty()
    screen(url, QUICKSTART)
    tables_of_before = Path("old")
    balances = tpp("balance", "--format", "json", url=url).stdout
    _as_of(url, "0007")
    store = Store(url)
    back_up(store, tables_of_before)
    store.close()
    assert tpp("restore", tables_of_before, url=restored).stdout.startswith(b"verified: ")
    assert epoch(restored) is not None
    assert tpp("balance", "--format", "json", url=restored).stdout == balances
    screen(restored, events(1))
    databases.drop(url)
    databases.drop(restored)


def test_a_back_up_of_the_first_version_is_upgraded_and_marked() -> None:
    """Its tables have no column for the mark."""
    Path("old").write_bytes(gzip.decompress((ROOT / "tests/proof/versions/0.1.0.db.gz").read_bytes()))
    assert tpp("restore", "old", url="sqlite:///new.db").stdout.startswith(b"verified: ")
    assert epoch("sqlite:///new.db") is not None
    screen("sqlite:///new.db", QUICKSTART)


def test_an_archive_is_restored_with_its_mark_or_not_at_all(postgres: Server) -> None:
    """A restore that fails after the tables are there, at their upgrade, leaves a mark that running parts notice."""
    url, into = postgres.create(postgres.template()), postgres.create(postgres.template())
    screen(url, QUICKSTART)
    _as_of(url, "0000")
    store = Store(url)
    back_up(store, Path("file"))
    store.close()
    sentence(tpp("restore", "file", url=into, code=2), "0000")
    assert records(into) == records(url)
    assert epoch(into) is not None
