"""`audit verify`: what an insider changed so that it is consistent in itself is told by checkpoints, keys and the events."""

import sqlite3
from contextlib import closing
from pathlib import Path

import proof_mutants as mutants
import pytest
from proof_audit import Copies, fine, url_of
from proof_ledger import (
    KEY,
    ORIGIN,
    STORY,
    build,
    opened,
    sign_all,
    verified,
)

from ledger.database import tables
from ledger.proof.leaves import leaves
from ledger.proof.merkle import leaf_hash
from ledger.proof.notes import NoteError, SigningKey


def reseal(url: str, first: int) -> None:
    """Hashes the leaves of records anew, as an insider would."""
    with opened(url) as store:
        with store.read() as connection:
            hashes = [(leaf_hash(leaf), row.n) for row, leaf in leaves(connection, store, first - 1)]
        with store.begin() as connection:
            for digest, n in hashes:
                connection.execute(tables.leaf.update().where(tables.leaf.c.n == n).values(hash=digest))


@pytest.mark.parametrize("with_leaves", [False, True])
def test_an_entry_and_its_account_changed_together(ledger: Copies, with_leaves: bool) -> None:
    file = ledger()
    with closing(mutants.connect(file)) as connection:
        account, number, n = connection.execute(
            "SELECT account, entry, n FROM entry WHERE pending > 0 AND shipment_id = 'S-1'"
        ).fetchone()
        connection.execute("UPDATE entry SET pending = pending + 1 WHERE account = ? AND entry = ?", (account, number))
        connection.execute("UPDATE entry SET balance = balance + 1 WHERE account = ? AND entry >= ?", (account, number))
        connection.execute("UPDATE account SET pending = pending + 1 WHERE id = ?", (account,))
    if with_leaves:
        reseal(url_of(file), n)
    bad = ledger.verified().to_json()["bad"]
    assert bad[0]["record"] == n
    assert {"checkpoint", "journal"} <= {one["table"] for one in bad}


def test_an_answer_and_its_leaf_changed_together(ledger: Copies) -> None:
    file = ledger()
    with closing(mutants.connect(file)) as connection:
        (n,) = connection.execute(
            "SELECT n FROM journal WHERE shipment_id = 'H-3' AND answers LIKE '%held%'"
        ).fetchone()
        connection.execute("UPDATE journal SET answers = replace(answers, 'a note', 'a word') WHERE n = ?", (n,))
        connection.execute("UPDATE journal SET answers = replace(answers, 'red_flag', 'red_flap') WHERE n = ?", (n,))
    reseal(url_of(file), n)
    told = ledger.verified().to_json()
    assert {"checkpoint", "journal"} <= {one["table"] for one in told["bad"]}
    assert n in {one["record"] for one in told["bad"]}
    with closing(mutants.connect(file)) as connection:
        connection.execute("DELETE FROM checkpoint")
    told = ledger.verified().to_json()
    assert told["bad"][0]["record"] == n, "the events decided anew tell"


def without_last(file: Path, *, checkpoints: bool) -> None:
    """Removes the last record with all that follows from it: an adjustment of 5 TPP on one account."""
    with closing(mutants.connect(file)) as connection:
        (n, answers) = connection.execute("SELECT n, answers FROM journal ORDER BY n DESC LIMIT 1").fetchone()
        ((account, posted),) = connection.execute("SELECT account, posted FROM entry WHERE n = ?", (n,)).fetchall()
        assert posted == 5
        for table in ("journal", "entry", "leaf"):
            connection.execute(f"DELETE FROM {table} WHERE n = ?", (n,))
        connection.execute("UPDATE account SET posted = posted - 5, entries = entries - 1 WHERE id = ?", (account,))
        connection.execute(
            "UPDATE head SET n = n - 1, sequence = sequence - ?, recorded = (SELECT max(recorded) FROM journal)",
            (answers.count("\n") + 1,),
        )
        if checkpoints:
            connection.execute("DELETE FROM checkpoint")


def test_the_last_record_is_missed_by_whoever_holds_a_checkpoint(ledger: Copies, whole_ledger: Path) -> None:
    with closing(sqlite3.connect(whole_ledger)) as connection:
        size, note = connection.execute("SELECT n, note FROM checkpoint ORDER BY n DESC LIMIT 1").fetchone()
    file = ledger()
    without_last(file, checkpoints=False)
    told = ledger.verified().to_json()
    assert [(one["table"], one["record"]) for one in told["bad"]] == [("checkpoint", size)]
    file = ledger()
    without_last(file, checkpoints=True)
    told = verified(url_of(file), [("outside", note.encode())]).to_json()
    assert [(one["table"], one["key"], one["record"]) for one in told["bad"]] == [("checkpoint", "outside", size)]
    fine(ledger.verified(), url_of(file))  # nobody holds a checkpoint: the ledger is what it was before it


def test_a_ledger_written_anew_is_told_by_a_checkpoint_or_the_key(tmp_path: Path, whole_ledger: Path) -> None:
    with closing(sqlite3.connect(whole_ledger)) as connection:
        size, note = connection.execute("SELECT n, note FROM checkpoint ORDER BY n DESC LIMIT 1").fetchone()
    story = [dict(step) for step in STORY]
    story[-1] = {**story[-1], "data": {**story[-1]["data"], "amount": 6}}
    same, other = url_of(tmp_path / "same.db"), url_of(tmp_path / "other.db")
    stranger = SigningKey.make(ORIGIN)
    for url, key in ((same, KEY), (other, stranger)):
        build(url, story)
        sign_all(url, key)
    fine(verified(same), same)
    for url in (same, other):
        told = verified(url, [("outside", note.encode())]).to_json()
        assert [(one["table"], one["key"], one["record"]) for one in told["bad"]] == [("checkpoint", "outside", size)]
    told = verified(other, keys=[KEY.public]).to_json()
    assert [one["table"] for one in told["bad"]] == ["checkpoint"]
    assert verified(same, keys=[KEY.public]).to_json()["ok"]


def test_older_checkpoints_are_prefixes_and_others_are_not(ledger: Copies, whole_ledger: Path, tmp_path: Path) -> None:
    url = url_of(ledger())
    with closing(sqlite3.connect(whole_ledger)) as connection:
        notes = [(str(n), note.encode()) for n, note in connection.execute("SELECT n, note FROM checkpoint ORDER BY n")]
    assert len(notes) == 2
    fine(verified(url, notes), url)
    with pytest.raises(NoteError):
        verified(url, notes, [SigningKey.make(ORIGIN).public])
    with pytest.raises(NoteError):
        verified(url, [("broken", notes[0][1].replace(b"=", b"+", 1))])
    empty = url_of(tmp_path / "empty.db")
    build(empty, [])
    fine(verified(empty, [("none", sign_all(empty))]), empty)
    assert [one["key"] for one in verified(empty, notes).to_json()["bad"]] == [name for name, _ in notes]


def test_a_spoilt_key_of_a_checkpoint_does_not_hide_what_a_file_shows(ledger: Copies, whole_ledger: Path) -> None:
    with closing(sqlite3.connect(whole_ledger)) as connection:
        note = connection.execute("SELECT note FROM checkpoint ORDER BY n DESC LIMIT 1").fetchone()[0].encode()
    file = ledger()
    without_last(file, checkpoints=False)
    with closing(mutants.connect(file)) as connection:
        connection.execute("UPDATE checkpoint SET key = 'x' || key")
    told = verified(url_of(file), [("outside", note)]).to_json()
    assert "outside" in {one["key"] for one in told["bad"]}
