"""Packs of a real ledger: every life of a shipment, its leaves as the contract words them, and every byte of it."""

import base64
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result
from proof_ledger import FLOWS, KEY, SHA, STORY, b64, build, decided, opened, sign_all
from proof_tree import mth, path
from sqlalchemy import text

from ledger.notes import sign
from services import verify as verifier
from services.cli import main

PARTS = ("pending", "posted", "attested", "credits")
Tpp = Callable[..., Result]


@dataclass
class Made:
    """A ledger by its URL, its leaves as the contract words them, their data, and a checkpoint of before its end."""

    url: str
    key: Path
    leaves: list[dict[str, Any]]
    data: list[bytes]
    old: Path
    decided: list[set[str]]

    def of(self, shipment: str) -> list[int]:
        """The records of a shipment: its own, and the ticks and rechecks that decide it."""
        pairs = zip(self.leaves, self.decided, strict=True)
        return [leaf["n"] for leaf, decided in pairs if leaf["shipment_id"] == shipment or shipment in decided]

    @property
    def shipments(self) -> list[str]:
        """Every shipment that a record names or decides."""
        with opened(self.url) as store, store.read() as connection:
            named = connection.execute(text("SELECT shipment_id FROM journal UNION SELECT shipment_id FROM mention"))
            return sorted(name for name in named.scalars() if name)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    url, key = f"sqlite:///{folder / 'ledger.db'}", folder / "key"
    key.write_text(KEY.secret() + "\n")
    key.chmod(0o600)
    build(url, STORY[:60])
    (folder / "old").write_bytes(sign_all(url))
    build(url, STORY)
    sign_all(url)
    leaves, decided = leaves_of(url)
    return Made(url, key, leaves, [canonical(leaf) for leaf in leaves], folder / "old", decided)


@pytest.fixture
def tpp(made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tpp:
    """Runs a command of `tpp audit` on the ledger, in a folder of its own."""
    monkeypatch.setenv("TPP_SIGNING_KEY", str(made.key))
    monkeypatch.delenv("TPP_ORIGIN", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        done = CliRunner().invoke(main, ["audit", *words, "--ledger", made.url])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


@pytest.fixture
def valid(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """What the pack in a folder shows; a signature is computed once."""
    monkeypatch.setattr(verifier, "ed25519", lru_cache(verifier.ed25519))
    keys = verifier.keys_of(str(KEY.public))
    return lambda folder: verifier.verify(folder, keys)


# --- the leaves, as the contract words them


def rfc3339(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    return instant.isoformat().replace("+00:00", "Z")


def canonical(leaf: dict[str, Any]) -> bytes:
    """RFC 8785 for names in ASCII and integers: sorted, without spaces."""
    return json.dumps(leaf, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def leaves_of(url: str) -> tuple[list[dict[str, Any]], list[set[str]]]:
    """The leaf of each record, and the shipments that it decides beside its own, from the rows of the tables alone."""
    with opened(url) as store, store.read() as connection:
        rows = connection.execute(text("SELECT * FROM journal ORDER BY n")).mappings().all()
        query = text(
            'SELECT a.path, e.* FROM entry e JOIN account a ON a.id = e.account ORDER BY a.path COLLATE "BINARY", e.entry'
        )
        entries = connection.execute(query).mappings().all()
    last: dict[str, int] = {}
    made, decisions = [], []
    for row in rows:
        answers = row["answers"].split("\n")
        mine = [one for one in entries if one["n"] == row["n"]]
        made.append(
            {
                "n": row["n"],
                "kind": row["type"][len("tpp.") : -len(".v1")],
                "recorded": rfc3339(row["recorded"]),
                "source": row["source"],
                "id": row["id"],
                "event": sha256(row["event"]).hexdigest(),
                "answers": [sha256(answer.encode()).hexdigest() for answer in answers],
                "shipment_id": row["shipment_id"],
                "previous": last.get(row["shipment_id"] or ""),
                "rests_on": sorted(int(n) for n in row["rests_on"].split()),
                "entries": [
                    {"account": one["path"], "happened": rfc3339(row["happened"])}
                    | {name: one[name] for name in ("entry", "booked", *PARTS, "balance", "limit", "late_for")}
                    for one in mine
                ],
            }
        )
        decided = {
            data["shipment_id"]
            for data in (json.loads(answer)["data"] for answer in answers)
            if data.get("outcome") in ("released", "expired")
        }
        for shipment in decided | {row["shipment_id"]} - {None}:
            last[shipment] = row["n"]
        decisions.append(decided)
    return made, decisions


def test_what_is_proven_is_what_the_tables_say(made: Made, tpp: Tpp) -> None:
    with opened(made.url) as store, store.read() as connection:
        hashes = connection.execute(text("SELECT hash FROM leaf ORDER BY n")).scalars().all()
        events = dict(connection.execute(text("SELECT n, event FROM journal")).all())
        answers = dict(connection.execute(text("SELECT n, answers FROM journal")).all())
    assert [sha256(b"\x00" + data).digest() for data in made.data] == list(hashes)
    seen = set()
    for shipment in made.shipments:
        done = tpp("prove", shipment, "--format", "json")
        assert done.exit_code == 0
        told = json.loads(done.output)
        assert list(told) == ["shipment_id", "checkpoint", "records"]
        origin, size, root = told["checkpoint"].split("\n")[:3]
        assert (origin, int(size), root) == ("tpp-ledger", len(made.data), b64(mth(made.data)))
        numbers = [record["leaf"]["n"] for record in told["records"]]
        assert numbers == made.of(shipment)
        for record in told["records"]:
            n = record["leaf"]["n"]
            seen.add(n)
            assert record == {
                "leaf": made.leaves[n - 1],
                "proof": [b64(one) for one in path(n - 1, made.data)],
                "event": b64(events[n]),
                "answers": [b64(line.encode()) for line in answers[n].split("\n")],
            }
    assert len(seen) > 60


def numbers_of(made: Made, kind: str, **data: Any) -> list[int]:
    """The records of a kind whose events say this."""
    with opened(made.url) as store, store.read() as connection:
        rows = connection.execute(text("SELECT n, type, event FROM journal WHERE type LIKE 'tpp.%' ORDER BY n")).all()
    found = []
    for n, type_, event in rows:
        if type_ == f"tpp.{kind}.v1":
            said = json.loads(event)["data"]
            if all(said.get(name) == value for name, value in data.items()):
                found.append(n)
    return found


def test_a_decision_rests_on_the_facts_that_it_used_and_not_on_others(made: Made) -> None:
    def one(kind: str, **data: Any) -> int:
        return numbers_of(made, kind, **data)[0]

    def rests(kind: str, last: bool = False, **data: Any) -> set[int]:
        return set(made.leaves[numbers_of(made, kind, **data)[-1 if last else 0] - 1]["rests_on"])

    def asked(shipment: str) -> set[int]:
        return rests("shipment.requested", shipment_id=shipment)

    con_1, con_3 = one("party.registered", id="CON-1"), one("party.registered", id="CON-3")
    paper_3 = one("certification.received", party="CON-3")
    paper_6 = one("certification.received", party="CON-6")
    limit = one("allocation.set")
    merged = one("party.merged")
    veu, veu_end = one("veu.authorized"), one("veu.revoked")
    first_2, second_2, third_2 = numbers_of(made, "license.issued", number="L-2")
    revoked = one("license.revoked")
    assert con_1 in asked("S-1") and {con_3, paper_3, paper_6, limit, veu, merged}.isdisjoint(asked("S-1"))
    assert {con_3, paper_3} <= asked("S-2") and {con_1, paper_6, limit}.isdisjoint(asked("S-2"))
    assert asked("F-2") == {one("license.issued", number="L-1")}
    assert first_2 in asked("L-A")
    left = rests("shipment.dispatched", shipment_id="L-A")
    assert second_2 in left and first_2 not in left, "an amendment takes the place of the issue"
    assert one("shipment.requested", shipment_id="L-A") in left
    left = rests("shipment.dispatched", shipment_id="L-B")
    assert {second_2, revoked} <= left
    assert third_2 in rests("recheck.requested", shipment_id="L-B")
    assert limit in asked("Q-1") and limit in asked("Q-2") and limit not in asked("H-1")
    assert veu in asked("V-1") and veu not in asked("A-1") and veu_end not in asked("V-1")
    assert merged in asked("M-3") and merged not in asked("LATE-1") and merged not in asked("M-1")
    anew = one("shipment.dispatched", shipment_id="S-2")
    assert one("shipment.requested", shipment_id="S-2") in made.leaves[anew - 1]["rests_on"]
    again = numbers_of(made, "recheck.requested", all=True)[1]
    assert paper_6 in made.leaves[again - 1]["rests_on"]
    held = {one("shipment.requested", shipment_id=name) for name in ("H-1", "H-2", "H-3", "H-4")}
    assert held <= set(made.leaves[again - 1]["rests_on"])
    tick = numbers_of(made, "clock.ticked")[0]
    assert made.leaves[tick - 1]["rests_on"] == [one("shipment.requested", shipment_id=f"E-{n}") for n in (1, 2, 3)]
    assert all(n < leaf["n"] for leaf in made.leaves for n in leaf["rests_on"])


def test_what_follows_a_tick_or_a_recheck_names_it_as_the_record_before(made: Made) -> None:
    tick = numbers_of(made, "clock.ticked")[0]
    refused = numbers_of(made, "shipment.dispatched", shipment_id="E-1")[0]
    assert made.leaves[refused - 1]["previous"] == tick
    third = numbers_of(made, "shipment.cancelled", shipment_id="S-3")
    assert made.leaves[third[1] - 1]["previous"] == third[0], "a refused event follows, too"
    assert made.leaves[numbers_of(made, "shipment.dispatched", shipment_id="S-NONE")[0] - 1]["previous"] is None


# --- packs


def test_every_shipment_is_exported_and_valid(
    made: Made, tpp: Tpp, valid: Callable[[Path], str], tmp_path: Path
) -> None:
    for shipment in made.shipments:
        done = tpp("export", shipment, "--out", shipment)
        assert done.exit_code == 0, done.output
        folder = tmp_path / shipment
        assert valid(folder).startswith("shipments 1, records ")
        pack = json.loads((folder / "pack.json").read_bytes())
        mine = [record["leaf"]["n"] for record in records(folder)]
        assert closed(made, mine), shipment
        assert list(pack["shipments"]) == [shipment]
        last = pack["shipments"][shipment]
        assert last == max(made.of(shipment))


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_bytes().splitlines()]


def closed(made: Made, numbers: list[int]) -> bool:
    """Whether all that records rest on, and the records before them, are there."""
    need = {n for m in numbers for n in (*made.leaves[m - 1]["rests_on"], made.leaves[m - 1]["previous"]) if n}
    return need <= set(numbers) and numbers == sorted(set(numbers))


def test_an_expiry_among_several_brings_the_others_in(tpp: Tpp, tmp_path: Path, made: Made) -> None:
    assert tpp("export", "E-2", "--out", "p").exit_code == 0
    named = {record["leaf"]["shipment_id"] for record in records(tmp_path / "p")}
    assert {"E-1", "E-2", "E-3"} <= named
    assert numbers_of(made, "clock.ticked")[0] in [record["leaf"]["n"] for record in records(tmp_path / "p")]


def test_all_shipments_in_one_pack_by_the_verifier_alone(made: Made, tpp: Tpp, tmp_path: Path) -> None:
    done = tpp("export", *made.shipments, "--since", str(made.old), "--out", "p")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "p"
    names = {one.name for one in folder.iterdir()}
    assert names == {"records.jsonl", "checkpoint", "evidence.json", "consistency.json", "README.txt", "verify.py",
                     "pack.json", "pack.note"}  # fmt: skip
    told = json.loads((folder / "consistency.json").read_bytes())
    assert list(told) == ["old", "new", "proof"]
    assert told["old"] == made.old.read_text("utf-8")
    assert told["new"] == (folder / "checkpoint").read_text("utf-8")
    (tmp_path / "pub").write_text(f"{KEY.public}\n")
    for key in (str(KEY.public), str(tmp_path / "pub")):
        done_ = alone(folder, key)
        assert done_.returncode == 0, done_.stdout
        size = told["old"].split("\n")[1]
        assert done_.stdout.startswith(f"valid: shipments {len(made.shipments)}, ")
        assert f"of the older one the first {size}" in done_.stdout
        assert done_.stderr == ""
    assert alone(folder).returncode == 2
    listed = json.loads((folder / "evidence.json").read_bytes())
    assert all(list(one) == ["record", "kind", "party", "reference", "sha256"] for one in listed)
    assert {one["sha256"] for one in listed} == set(SHA.values())
    by = {(one["party"], one["sha256"]) for one in listed}
    assert {
        ("CON-3", SHA["statement"]),
        ("CON-6", SHA["statement"]),
        ("CON-1", SHA["own"]),
        ("CON-1", SHA["amended"]),
    } == by
    (folder / "evidence").mkdir()
    (folder / "evidence/paper.pdf").write_bytes(b"statement")
    assert "of which files are here 1" in alone(folder, str(KEY.public)).stdout
    (folder / "evidence/paper.pdf").write_bytes(b"another")
    assert alone(folder, str(KEY.public)).stdout.startswith("invalid: evidence/paper.pdf: ")
    assert not list(folder.rglob("__pycache__"))


def alone(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "verify.py", *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False, env={"LANG": "C"}
    )


def test_the_list_of_the_pack(tpp: Tpp, tmp_path: Path) -> None:
    assert tpp("export", "S-1", "E-1", "--out", "p").exit_code == 0
    folder = tmp_path / "p"
    raw = (folder / "pack.json").read_bytes()
    pack = json.loads(raw)
    assert list(pack) == ["format", "origin", "period", "shipments", "files"]
    assert (pack["format"], pack["origin"], pack["period"]) == ("tpp-pack/1", "tpp-ledger", None)
    files = {one["path"]: (one["bytes"], one["sha256"]) for one in pack["files"]}
    there = {one.name: one.read_bytes() for one in folder.iterdir() if one.name not in ("pack.json", "pack.note")}
    assert files == {name: (len(data), sha256(data).hexdigest()) for name, data in there.items()}
    note = (folder / "pack.note").read_text("utf-8").split("\n")
    assert note[:4] == ["tpp-ledger", "tpp-pack/1", b64(sha256(raw).digest()), ""]
    assert [base64.b64decode(note[4].split()[2])[:4]] == [KEY.public.id]
    assert (folder / "verify.py").read_bytes() == Path(verifier.__file__).read_bytes()


@pytest.mark.parametrize("period", ["2025", "2025-Q2", "2025-06", "2025-01", "2024"])
def test_the_pack_of_a_period_has_every_shipment_with_an_entry_booked_in_it(
    period: str, made: Made, tpp: Tpp, valid: Callable[[Path], str], tmp_path: Path
) -> None:
    months = {"2025": range(1, 13), "2025-Q2": range(4, 7), "2025-06": (6,), "2025-01": (1,), "2024": ()}[period]
    wanted = {
        entry_shipment
        for leaf in made.leaves
        for entry_shipment in shipments_of_entries(made, leaf["n"], [f"2025-{month:02}" for month in months])
    }
    done = tpp("export", "--period", period, "--out", "p")
    assert done.exit_code == 0, done.output
    pack = json.loads((tmp_path / "p/pack.json").read_bytes())
    assert pack["period"] == period
    assert set(pack["shipments"]) == wanted
    assert valid(tmp_path / "p").startswith(f"shipments {len(wanted)}, ")


def shipments_of_entries(made: Made, n: int, months: list[str]) -> set[str]:
    with opened(made.url) as store, store.read() as connection:
        rows = connection.execute(text("SELECT shipment_id, booked FROM entry WHERE n = :n"), {"n": n}).all()
    return {shipment for shipment, booked in rows if shipment and booked[:7] in months}


def test_every_flipped_byte_of_a_pack_is_seen(
    tpp: Tpp, valid: Callable[[Path], str], tmp_path: Path, made: Made
) -> None:
    assert tpp("export", "Q-2", "M-3", "--since", str(made.old), "--out", "p").exit_code == 0
    folder = tmp_path / "p"
    shown = valid(folder)
    for file in sorted(folder.iterdir()):
        raw, chance = file.read_bytes(), Random(file.name)
        places = range(len(raw)) if len(raw) < 400 else sorted(chance.sample(range(len(raw)), 60))
        for place in places:
            file.write_bytes(raw[:place] + bytes([raw[place] ^ 1 << chance.randrange(8)]) + raw[place + 1 :])
            with pytest.raises(verifier.Invalid) as refused:
                valid(folder)
            name, why = refused.value.args
            assert name == file.name
            assert len(why.split()) > 2
        file.write_bytes(raw)
    assert valid(folder) == shown


def test_an_insider_who_signs_the_list_anew_cannot_change_a_record(
    tpp: Tpp, valid: Callable[[Path], str], tmp_path: Path
) -> None:
    """Each record of the pack left out, and an amount of an answer changed, with the list and its note made anew."""
    assert tpp("export", "E-2", "L-B", "--out", "p").exit_code == 0
    folder = tmp_path / "p"
    lines = records(folder)
    for index in range(len(lines)):
        write(folder, lines[:index] + lines[index + 1 :])
        with pytest.raises(verifier.Invalid):
            valid(folder)
    changed = json.loads(json.dumps(lines))
    answer = json.loads(base64.b64decode(changed[-1]["answers"][0]))
    changed[-1]["answers"][0] = b64(json.dumps(answer | {"subject": "x"}).encode())
    write(folder, changed)
    with pytest.raises(verifier.Invalid):
        valid(folder)
    write(folder, lines)
    assert valid(folder)


def write(folder: Path, lines: list[dict[str, Any]]) -> None:
    """Puts other records into a pack and signs it anew."""
    (folder / "records.jsonl").write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    pack = json.loads((folder / "pack.json").read_bytes())
    for one in pack["files"]:
        data = (folder / one["path"]).read_bytes()
        one.update(bytes=len(data), sha256=sha256(data).hexdigest())
    raw = json.dumps(pack).encode()
    (folder / "pack.json").write_bytes(raw)
    (folder / "pack.note").write_bytes(sign(f"tpp-ledger\ntpp-pack/1\n{b64(sha256(raw).digest())}\n", KEY))


def test_what_cannot_be_exported(tpp: Tpp, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a").write_text("a")
    (tmp_path / "file").write_text("a")
    for words in (
        ["S-1", "--out", "full"], ["S-1", "--out", "file"], ["S-1", "--out", "file/p"], ["S-99", "--out", "p"],
        ["S-1", "S-99", "--out", "p"], ["--out", "p"], ["S-1", "--period", "2025", "--out", "p"], ["S-1"],
        ["--period", "2025-Q5", "--out", "p"], ["S-1", "--out", "p", "--since", "file"],
        ["S-1", "--out", "p", "--since", "nothing"],
    ):  # fmt: skip
        done = tpp("export", *words)
        assert done.exit_code == 2, words
        assert done.stdout == ""
        assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert [one.name for one in (tmp_path / "full").iterdir()] == ["a"]
    assert not (tmp_path / "p").exists()
    stranger = f"sqlite:///{tmp_path / 'stranger.db'}"
    build(stranger, STORY[5:20])
    (tmp_path / "theirs").write_bytes(sign_all(stranger))
    done = tpp("export", "S-1", "--out", "p", "--since", "theirs")
    assert (done.exit_code, done.stdout) == (1, "")
    assert not (tmp_path / "p").exists()
    (tmp_path / "empty").mkdir()
    assert tpp("export", "S-1", "--out", "empty").exit_code == 0
    assert tpp("prove", "S-99").exit_code == 2


def test_shipments_of_flows_are_valid(
    tmp_path: Path, valid: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch, made: Made
) -> None:
    monkeypatch.setenv("TPP_SIGNING_KEY", str(made.key))
    monkeypatch.chdir(tmp_path)
    for name in ("recheck/all", "facts/merged_wait", "life/dispatch_without_room", "life/late_and_twice",
                 "license/revoked_twice", "review/deny_and_two", "veu/universal_life"):  # fmt: skip
        url = f"sqlite:///{tmp_path / name.replace('/', '-')}.db"
        decided(url, tomllib.loads((FLOWS / f"{name}.toml").read_text("utf-8")))
        with opened(url) as store, store.read() as connection:
            named = connection.execute(text("SELECT shipment_id FROM journal UNION SELECT shipment_id FROM mention"))
            ids = [one for one in named.scalars() if one]
        out = name.replace("/", "-")
        done = CliRunner().invoke(main, ["audit", "export", *ids, "--out", out, "--ledger", url])
        assert done.exit_code == 0, (name, done.output)
        assert valid(tmp_path / out).startswith(f"shipments {len(ids)}, ")
