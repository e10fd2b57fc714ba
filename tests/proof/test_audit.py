"""`audit verify` on real ledgers: whole ones are whole."""

import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest
from databases import OF_PARTIES, Databases
from proof_audit import CLOSES, DOORS, NOT_COVERED, fine, url_of
from proof_ledger import (
    BOOK,
    FLOWS,
    KEY,
    STORY,
    build,
    decided,
    opened,
    sign_all,
    untie,
    verified,
)
from sqlalchemy import event, inspect, text

from ledger.database import tables
from ledger.database.migrate import upgrade
from ledger.database.store import VERSION
from rulebook import load
from services.proof import verification as audit
from services.resources import software


def test_the_story_has_all_that_a_ledger_may_have(whole_ledger: Path) -> None:
    with opened(url_of(whole_ledger)) as store, store.read() as connection:
        given = [
            orjson.loads(line)
            for answers in connection.execute(text("SELECT answers FROM journal")).scalars()
            for line in answers.split("\n")
        ]
        rows = {
            name: connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()
            for name in tables.metadata.tables
            if name not in DOORS
        }
        late = set(connection.execute(text("SELECT late_for FROM entry")).scalars())
    data = [one["data"] for one in given]
    outcomes = {one["outcome"] for one in data if "outcome" in one}
    assert outcomes == {"approved", "held", "released", "denied", "expired", "refused"}
    kinds = {one["kind"] for one in data if "crossed_by" in one}
    assert kinds == {"threshold", "exhausted", "replenished", "forecast", "over_limit"}
    codes = {reason["code"] for one in data for reason in one.get("reasons", ())}
    assert {"shipment.state", "shipment.unknown", "shipment.duplicate", "quota.exhausted", "license.expired"} <= codes
    assert {"2025-05", "2025-06", None} <= late
    empty = [name for name, number in rows.items() if not number and name not in OF_PARTIES]
    assert empty == ["unfinished", "relay"], "and what lists bring, which tests/lists has"
    assert rows["snapshot"] == CLOSES


@pytest.mark.parametrize(
    ("sealed", "batch"),
    [((), 1), ((1, 2, 3, 50, 51), 40), ((len(STORY),), 9)],
    ids=["never", "in steps", "at the end"],
)
def test_a_whole_ledger_is_verified(databases: Databases, sealed: tuple[int, ...], batch: int) -> None:
    url = databases.ledger()
    build(url, batch=batch, sealed=sealed)
    fine(verified(url), url, NOT_COVERED if sealed and sealed[-1] == len(STORY) else NOT_COVERED | {("leaf", None)})
    note = sign_all(url)
    fine(verified(url, [("a", note)]), url)
    databases.drop(url)


def test_flows_are_verified(tmp_path: Path) -> None:
    for number, path in enumerate(sorted(FLOWS.glob("*/*.toml"))[::4]):
        url = url_of(tmp_path / f"{number}.db")
        book = decided(url, tomllib.loads(path.read_text("utf-8")))
        assert verified(url, book=book).to_json()["bad"] == [], path.name


def test_what_was_recorded_before_rests_on_was_noted_is_not_bad(databases: Databases) -> None:
    """A ledger of revision 0001 that is brought to this version, and goes on."""
    url, source = databases.empty(), databases.ledger()
    cut = next(index for index, step in enumerate(STORY) if step.get("close"))
    opening = [step for step in STORY[: cut + 50] if "close" not in step]
    build(source, opening)
    upgrade(url, "0001")
    with opened(url) as new, opened(source) as old, old.read() as read, new.begin() as write:
        for name in (
            "journal",
            "mention",
            "account",
            "entry",
            "shipment",
            "waiting",
            "fact",
            "attestation",
            "obligation",
        ):
            columns = [column["name"] for column in inspect(write).get_columns(name)]
            listed = ", ".join(f'"{column}"' for column in columns)
            rows = read.execute(text(f'SELECT {listed} FROM "{name}"')).mappings().all()
            marks = ", ".join(f":{column}" for column in columns)
            if rows:
                write.execute(text(f'INSERT INTO "{name}" ({listed}) VALUES ({marks})'), [dict(row) for row in rows])
        head = read.execute(text("SELECT n, sequence, accounts, recorded, ticked FROM head")).mappings().one()
        write.execute(
            text("UPDATE head SET n=:n, sequence=:sequence, accounts=:accounts, recorded=:recorded, ticked=:ticked"),
            dict(head),
        )
        old_records = head["n"]
    assert upgrade(url) == ("0001", VERSION)
    silent = NOT_COVERED | {("journal", "rests_on")}
    fine(verified(url), url, silent | {("leaf", None)})
    fine(verified(url, [("a", sign_all(url))]), url, silent)
    build(url, opening + STORY[-5:])
    found = verified(url)
    fine(found, url, silent | {("leaf", None)})
    whys = [one["why"] for one in found.to_json()["not_records"] if one["column"] == "rests_on"]
    with opened(url) as store, store.read() as connection:
        first = connection.execute(text("SELECT min(n) FROM journal WHERE rests_on <> ''")).scalar_one()
        assert first > old_records
    numbers = [int(word) for word in whys[0].split() if word.isdigit()]
    assert len(numbers) == 1 and numbers[0] <= old_records
    sign_all(url)
    untie(url)
    with opened(url) as store, store.begin() as connection:
        connection.execute(text("UPDATE journal SET rests_on = '' WHERE n = :n"), {"n": first})
    told = verified(url).to_json()
    assert told["bad"][0]["record"] == first, "of a record of this version it is no excuse"
    databases.drop(url)
    databases.drop(source)


def test_records_of_another_book_are_told_as_not_decided_anew(tmp_path: Path) -> None:
    url = url_of(tmp_path / "a.db")
    build(url)
    sign_all(url)
    told = verified(url, book=load("ai-diffusion", {"lpp_5a002": True})).to_json()
    assert told["ok"]
    left = {(one["table"], one["column"]) for one in told["not_records"]} - NOT_COVERED
    assert {("shipment", None), ("obligation", None), ("account", "forecast"), ("head", "ticked")} <= left
    assert not left & {("entry", None), ("journal", None), ("account", None), ("snapshot", None), ("leaf", None)}


def test_a_writer_at_work_is_no_finding(tmp_path: Path) -> None:
    """What another process records and seals while the verification reads is not there for it."""
    url = url_of(tmp_path / "a.db")
    build(url, STORY[:30])
    sign_all(url)
    done: list[str] = []
    with opened(url) as store:

        @event.listens_for(store.engine, "after_cursor_execute")
        def write(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "FROM head" in statement and not done:
                done.append(statement)
                build(url, STORY[:40], sealed=[40])

        found = audit.verify(store, BOOK, software(), lambda recorded: [KEY.public, *recorded], [])
    assert done
    assert found.to_json()["bad"] == []
    assert found.records == 30
