"""Several processes on one ledger, and processes that are killed: nothing is lost and nothing is counted twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from databases import Databases
from events import UNIT
from ledger_checks import JOURNAL, check_debits, check_ledger, now, opened, rows
from ledger_events import Line
from soak import much
from waiting import PATIENCE

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "ledger")))}
LPP = "lpp/CON-20/2025"
LIMIT = 26_900_000
Answer = dict[str, Any]
APPROVALS = ("tpp.shipment.approved.v1", "tpp.shipment.released.v1")


def hot(source: str, many: int, seed: int) -> list[bytes]:
    """Requests and cancellations that all touch one account, and that it cannot hold all."""
    chance, line = random.Random(seed), Line(source)
    name = source.removeprefix("//").replace("/", "-")
    raws: list[bytes] = []
    for number in range(many):
        raws.append(
            line.requested(
                f"{name}-{number}", chance.choice(["CON-20", "CON-22"]), chance.choice([1, 7, 30, 60]), "LPP"
            )
        )
        if number % 9 == 8:
            raws.append(line.cancelled(f"{name}-{number - 4}"))
        if number % 7 == 6:
            raws.append(line.dispatched(f"{name}-{number - 3}"))
    return raws


def together(url: str, files: Sequence[Path], sizes: Sequence[int]) -> list[list[Answer]]:
    """What each process gave out, all of them begun at one moment."""
    pipe = subprocess.PIPE
    program = str(Path(__file__).with_name("ledger_process.py"))
    processes = [
        subprocess.Popen(
            [sys.executable, program, url, str(file), str(size)], stdin=pipe, stdout=pipe, stderr=pipe, env=ENVIRONMENT
        )
        for file, size in zip(files, sizes, strict=True)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    told = []
    for process in processes:
        out, error = process.communicate(timeout=PATIENCE)
        assert (process.returncode, error) == (0, b"")
        told.append([orjson.loads(line) for line in out.splitlines()])
    return told


def check_hot(url: str, told: Sequence[Answer]) -> None:
    """The account holds just what was answered, and refused just what did not fit."""
    check_debits(list(told))
    pending = {a["data"]["shipment_id"]: a["data"]["tpp"] for a in told if a["type"] in APPROVALS}
    posted = {}
    for answer in told:
        data = answer["data"]
        if answer["type"] == "tpp.event.recorded.v1" and data["entries"]:
            amount = pending.pop(data["shipment_id"])
            if data["state"] == "dispatched":
                posted[data["shipment_id"]] = amount
        for reason in data.get("reasons", ()):
            if reason["code"] == "quota.exhausted":
                assert reason["facts"]["available"] < reason["facts"]["asked"]
                assert reason["facts"]["balance"] + reason["facts"]["available"] == LIMIT
    with opened(url) as store:
        check_ledger(store)
        assert now(store)[LPP][:2] == (sum(pending.values()), sum(posted.values()))
        assert LIMIT - UNIT < sum(now(store)[LPP][:2]) <= LIMIT, "the account is full to the last unit that fits"


def rechecks(told: Sequence[Answer]) -> list[Answer]:
    """The records of rechecks that room on the account has brought."""
    return [answer for answer in told if "released" in answer["data"]]


def test_two_processes_on_one_account(databases: Databases, tmp_path: Path) -> None:
    url = databases.ledger()
    files, raws = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"], []
    for file, source in zip(files, ("//a.example", "//b.example"), strict=True):
        raws += hot(source, 150, 1)
        file.write_bytes(b"\n".join(raws[-len(raws) // 2 :] if source == "//b.example" else raws))
    told = together(url, files, (3, 5))
    check_hot(url, sorted(told[0] + told[1], key=lambda answer: str(answer["sequence"])))
    with opened(url) as store:
        many = len(raws) + len(rechecks(told[0] + told[1]))
        assert [row.n for row in rows(store, JOURNAL)] == list(range(1, many + 1))
    databases.drop(url)


def test_the_same_events_in_two_processes(databases: Databases, tmp_path: Path) -> None:
    url = databases.ledger()
    file, raws = tmp_path / "a.jsonl", hot("//a.example", 200, 2)
    file.write_bytes(b"\n".join(raws))
    told = together(url, [file, file], (4, 7))
    assert told[0] == told[1]
    check_hot(url, told[0])
    with opened(url) as store:
        assert len(rows(store, JOURNAL)) == len(raws) + len(rechecks(told[0]))
    databases.drop(url)


# --- killed -----------------------------------------------------------------------------------------------------------


def lives(many: int) -> list[bytes]:
    """Whole lives of shipments under every authorization, facts between them, and some lines that cannot be read."""
    chance, line = random.Random(3), Line()
    raws = [line.licensed("LIC-1", 300 * UNIT)]
    for number in range(many):
        consignee, kind = chance.choice(
            [("CON-20", "LPP"), ("CON-21", "LPP"), ("CON-22", "LPP"), ("CON-30", "AIA"), ("CON-40", "LICENSE")]
        )
        name = f"SHP-{number}"
        raws.append(line.requested(name, consignee, chance.choice([1, 2, 5]), kind))
        life = chance.randrange(6)
        if life < 3:
            raws.append(line.dispatched(name, chance.choice(["2025-06-16", "2025-06-17", "2026-01-05"])))
        elif life == 3:
            raws.append(line.cancelled(name))
        elif life == 4:
            raws.append(raws[chance.randrange(len(raws))])
        if number % 97 == 0:
            raws += [b"{", line.attested(LPP, chance.randrange(1_000_000)), line.adjusted(LPP, chance.choice([-5, 5]))]
        if number == many // 2:
            raws.append(line.merged("CON-21", "CON-20"))
    return raws


class Screening:
    """Runs `tpp screen` over a file, read by its name or from standard input: then a batch is what a read gives."""

    def __init__(self, folder: Path, file: Path, piped: bool) -> None:
        self.out = folder / f"out-{piped}.jsonl"
        self._file, self._piped = file, piped

    def start(self, url: str) -> "subprocess.Popen[bytes]":
        """Begins a run."""
        program = [sys.executable, "-c", "from services.cli.commands import main; main()", "screen"]
        command = [*program, "-" if self._piped else str(self._file), "--ledger", url, "--out", str(self.out)]
        with self._file.open("rb") as lines:
            return subprocess.Popen(
                command, stdin=lines, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT, cwd=ROOT
            )

    def finish(self, url: str) -> tuple[bytes, dict[str, tuple[int, ...]], float]:
        """A whole run: what it wrote, the balances, and how long it took."""
        begun = time.monotonic()
        process = self.start(url)
        _, error = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1, error.decode()
        took = time.monotonic() - begun
        with opened(url) as store:
            check_ledger(store)
            return self.out.read_bytes(), now(store), took

    def kill(self, url: str, after: float) -> None:
        """A run that is killed at a moment."""
        process = self.start(url)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.mark.kills
@pytest.mark.soak
@pytest.mark.parametrize(
    ("piped", "many", "kills"),
    [(False, 1_200, (much(6, soak=60),)), (True, 600, (much(5, soak=60),) * 2)],
    ids=["file", "piped"],
)
def test_killed_and_run_again(
    databases: Databases, tmp_path: Path, piped: bool, many: int, kills: tuple[int, ...]
) -> None:
    """A killed run that is repeated ends with the bytes and the balances of one undisturbed run."""
    if databases.kind == "postgresql":
        kills = (much(5, soak=50),) if piped else ()
    if not kills:
        pytest.skip("PostgreSQL is killed in small batches only")
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"\n".join(lives(many)))
    screening = Screening(tmp_path, file, piped)
    url = databases.empty()
    wanted, balances, took = screening.finish(url)
    assert screening.finish(url)[:2] == (wanted, balances), "run once more it moves nothing"
    databases.drop(url)
    chance = random.Random(f"{databases.kind}-{piped}")
    for times in kills:
        url = databases.empty()
        for _ in range(times):
            screening.kill(url, chance.uniform(0.25, 0.95) * took)
        assert screening.finish(url)[:2] == (wanted, balances)
        databases.drop(url)
