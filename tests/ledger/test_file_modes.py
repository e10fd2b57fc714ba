"""The files of a ledger are for their owner alone, from the moment they exist."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.database import tables
from ledger.database.store import LedgerError, Store


@pytest.fixture(params=[0o000, 0o022])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    old = os.umask(request.param)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_a_ledger_and_its_log_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    store.open()
    with store.begin() as connection:
        connection.execute(tables.head.select())
        made = sorted(tmp_path.iterdir())
        assert [path.name for path in made] == ["ledger.db", "ledger.db-shm", "ledger.db-wal"]
        assert {mode(path) for path in made} == {0o600}
    store.close()


@pytest.mark.usefixtures("umask")
def test_the_file_is_private_before_it_holds_a_ledger(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    store = Store(f"sqlite:///{file}")
    assert not store.exists()
    assert not file.exists(), "looking makes no file"
    with store.read():
        assert mode(file) == 0o600
    store.close()


def test_the_mode_that_an_owner_gave_a_ledger_stays(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.touch(0o660)
    file.chmod(0o660)
    store = Store(f"sqlite:///{file}")
    store.open()
    store.close()
    assert mode(file) == 0o660


def test_a_file_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'none/ledger.db'}")
    with pytest.raises(LedgerError, match="unable to open database file"):
        store.open()
    store.close()


def test_a_second_connection_leaves_the_first_its_locks(tmp_path: Path) -> None:
    """Without them, another process that closes the file takes itself for the last one, and deletes the -wal."""
    file = tmp_path / "ledger.db"
    store = Store(f"sqlite:///{file}")
    store.open()
    with store.read() as first:
        assert first.execute(tables.head.select()).one().recorded == 0
        with store.read() as second:
            assert second.execute(tables.head.select()).one().recorded == 0
    writes = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
    writes += "c.execute('UPDATE head SET recorded = 7'); c.close()"
    subprocess.run([sys.executable, "-c", writes, file], check=True)
    assert file.with_name("ledger.db-wal").exists()
    with store.read() as connection:
        assert connection.execute(tables.head.select()).one().recorded == 7
    store.close()
