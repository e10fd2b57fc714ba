"""Back-ups of earlier revisions, and a restore that ends before its upgrade."""

import gzip
from pathlib import Path

import pytest
from cli_kept import QUICKSTART, ROOT, epoch, events, records, screen, sentence, tpp
from databases import UNDO_PARTIES, Databases, Server

from ledger.database.backup import back_up
from ledger.database.door_tables import DOORS
from ledger.database.store import Store
from ledger.doors.sessions import Link, Session, add_link, open_session
from ledger.doors.tokens import revoke_token
from services.resources import wall_clock
from services.web.tokens import new_token


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs each test in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def _as_of(url: str, revision: str) -> None:
    """Gives a ledger the tables of an earlier revision, or the name of one."""
    store = Store(url)
    with store.begin() as connection:
        if revision < "0011":
            for statement in UNDO_PARTIES:
                connection.exec_driver_sql(statement)
        if revision < "0010":
            connection.exec_driver_sql("DROP INDEX obligation_left")
        if revision < "0009":
            for table in DOORS:
                table.drop(connection)
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


def _doors(url: str) -> dict[str, int]:
    """The number of rows of the tables of sessions, links and tokens."""
    store = Store(url)
    with store.read() as connection:
        found = {
            name: connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one()
            for name in ("session", "link", "token")
        }
    store.close()
    return found


def test_a_restore_signs_everybody_out_and_lists_the_tokens(databases: Databases) -> None:
    url, into, now = databases.ledger(), databases.ledger(), wall_clock()
    screen(url, events(1))
    store = Store(url)
    names = ("kept", "revoked", "past", "later-revoked")
    ids = {
        name: new_token(store, "admin", name, (), now if name == "past" else None, now).split("_")[1] for name in names
    }
    revoke_token(store, ids["revoked"], now)
    open_session(store, Session("kept", "admin", (), None, now, now + 10**12), "digest", None)
    add_link(store, Link("kept", "admin", now, now + 10**12), "digest")
    back_up(store, Path("kept"))
    revoke_token(store, ids["later-revoked"], now)
    store.close()
    assert _doors(url) == {"session": 1, "link": 1, "token": 4}
    for target in (into, url):
        done = tpp("restore", "kept", "--force", url=target)
        assert done.stdout.startswith(b"verified: ")
        told = done.stderr.decode()
        lines = {line.split()[0]: line for line in told.splitlines() if line.startswith("  ")}
        assert lines.keys() == set(ids.values())
        assert {name for name in names if "revoked" in lines[ids[name]].partition(", ")[2]} == {"revoked"}
        assert _doors(target) == {"session": 0, "link": 0, "token": 4}
    databases.drop(url)
    databases.drop(into)


def test_a_back_up_of_before_the_doors_takes_the_place_of_a_ledger_that_has_them(databases: Databases) -> None:
    old, url, now = databases.ledger(), databases.ledger(), wall_clock()
    screen(old, events(1))
    _as_of(old, "0008")
    store = Store(old)
    back_up(store, Path("old"))
    store.close()
    store = Store(url)
    open_session(store, Session("kept", "admin", (), None, now, now + 10**12), "digest", None)
    token = new_token(store, "admin", "kept", (), None, now)
    store.close()
    done = tpp("restore", "old", "--force", url=url)
    assert done.stdout.startswith(b"verified: ")
    assert token.split("_")[1] not in done.stderr.decode()
    assert _doors(url) == {"session": 0, "link": 0, "token": 0}
    databases.drop(old)
    databases.drop(url)
