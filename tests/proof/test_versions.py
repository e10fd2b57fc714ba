"""Ledgers of the program's versions so far, one in `versions/` each: today's program calls every one good.

A new one is kept when a version is released: `python -P tests/proof/test_versions.py` with that version installed, and
PYTHONPATH=tests:tests/proof, writes the story of the proof's tests with two checkpoints to `versions/`. It has holds,
events that a shipment's state does not allow, reviews, closes and late events, rejections, mergers and expiries.
"""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from proof_audit import NOT_COVERED, fine, url_of, whole
from proof_ledger import BOOK, STORY, build, opened, sign_all, verified
from sqlalchemy import text

from ledger.database.migrate import upgrade
from services.resources import software

VERSIONS = sorted(Path(__file__).with_name("versions").glob("*.db.gz"))


@pytest.mark.parametrize("program", [software(), "0.0.0"])
@pytest.mark.parametrize("kept", VERSIONS, ids=lambda kept: kept.name.removesuffix(".db.gz"))
def test_a_ledger_of_every_version_is_good(
    kept: Path, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program of another version than the ledger's decides nothing anew, and says what it therefore does not cover."""
    monkeypatch.setattr("proof_ledger.software", lambda: program)
    file = tmp_path / "ledger.db"
    file.write_bytes(gzip.decompress(kept.read_bytes()))
    upgrade(url_of(file))
    with opened(url_of(file)) as store, store.read() as connection:
        first = """SELECT answers FROM journal WHERE answers LIKE '%"basis"%' ORDER BY n LIMIT 1"""
        answers = connection.execute(text(first)).scalar_one()
    own = f'"software":"{program}"' in answers and f'"rulebook_digest":"{BOOK.digest}"' in answers
    found = verified(url_of(file))
    uncovered = {(one.table, one.column) for one in found.not_records}
    assert (uncovered > NOT_COVERED) == (not own)
    fine(found, url_of(file), uncovered)


def test_the_first_version_is_kept() -> None:
    assert "0.1.0.db.gz" in {kept.name for kept in VERSIONS}


def test_the_holds_of_the_first_version_note_what_they_name(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.write_bytes(gzip.decompress(Path(__file__).with_name("versions").joinpath("0.1.0.db.gz").read_bytes()))
    upgrade(url_of(file))
    with closing(sqlite3.connect(file)) as connection:
        held = {row[0] for row in connection.execute("SELECT id FROM shipment WHERE state LIKE 'held%'")}
        noted = {row[0] for row in connection.execute("SELECT shipment_id FROM noted")}
        keys = {row[0] for row in connection.execute("SELECT key FROM noted")}
    assert held
    assert noted == held
    assert "*" not in keys


def keep() -> None:
    """Writes the ledger of the version that is installed."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.db"
        for steps in (STORY[:60], STORY):
            build(url_of(file), steps)
            sign_all(url_of(file))
        with closing(sqlite3.connect(whole(file))) as connection:
            connection.execute("VACUUM")
        packed = gzip.compress(file.read_bytes(), mtime=0)
        Path(__file__).with_name("versions").joinpath(f"{software()}.db.gz").write_bytes(packed)


if __name__ == "__main__":
    keep()
