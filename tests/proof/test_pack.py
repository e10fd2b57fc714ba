"""Packs of a real ledger: every life of a shipment, and every byte of it."""

import base64
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from proof_ledger import FLOWS, KEY, SHA, STORY, b64, build, decided, opened, sign_all
from proof_made import Made, Tpp, numbers_of
from sqlalchemy import text
from waiting import PATIENCE

from ledger.proof.notes import sign
from services.cli.commands import main
from services.proof import verifier


@pytest.fixture
def valid(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """What the pack in a folder shows; a signature is computed once."""
    monkeypatch.setattr(verifier, "ed25519", lru_cache(verifier.ed25519))
    keys = verifier.keys_of(str(KEY.public))
    return lambda folder: verifier.verify(folder, keys)


def test_every_shipment_is_exported_and_valid(
    made: Made, tpp: Tpp, valid: Callable[[Path], str], tmp_path: Path
) -> None:
    for shipment in made.shipments:
        done = tpp("export", shipment, "--out", shipment)
        assert done.exit_code == 0, done.output
        folder = tmp_path / shipment
        assert valid(folder).startswith("1 shipment, ")
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
        assert done_.stdout.startswith(f"valid: {len(made.shipments)} shipments, ")
        assert f"which extends an older one of {size} record" in done_.stdout
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
    assert "1 file present" in alone(folder, str(KEY.public)).stdout
    (folder / "evidence/paper.pdf").write_bytes(b"another")
    assert alone(folder, str(KEY.public)).stdout.startswith("invalid: evidence/paper.pdf: ")
    assert not list(folder.rglob("__pycache__"))


def alone(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "verify.py", *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False, env={"LANG": "C"}
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
    assert valid(tmp_path / "p").startswith(f"{len(wanted)} shipment")


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
        assert done.exit_code == (1 if "S-99" in words else 2), words
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
    assert tpp("prove", "S-99").exit_code == 1


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
        assert valid(tmp_path / out).startswith(f"{len(ids)} shipment")
