"""Ledgers of either database that commands keep and restore."""

import threading
from pathlib import Path

import orjson
from cli_run import Done, inside

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software, wall_clock

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = (ROOT / "examples/quickstart.jsonl").read_bytes().splitlines()


def tpp(*words: object, url: str, code: int = 0) -> Done:
    """Runs a command on a ledger, and holds its exit code against what is expected."""
    done = inside(Path.cwd())(*map(str, words), "--ledger", url)
    assert done.returncode == code, done.stderr + done.stdout
    return done


def screen(url: str, lines: list[bytes], ended: threading.Event | None = None) -> None:
    store = Store(url)
    store.open()
    engine = Engine(Ledger(store), rulebook.load("ai-diffusion", {}), wall_clock, software())
    for n, line in enumerate(lines):
        if ended is not None and ended.is_set():
            break
        engine.run([Message(line, {"file": "f", "line": n})])
    store.close()


def epoch(url: str) -> int | None:
    """Which restore a ledger is of."""
    store = Store(url)
    with store.read() as connection:
        found: int | None = connection.exec_driver_sql("SELECT epoch FROM head").scalar()
    store.close()
    return found


def events(count: int) -> list[bytes]:
    request = next(line for line in QUICKSTART if b"shipment.requested" in line)
    found = []
    for n in range(count):
        event = orjson.loads(request)
        event |= {"id": f"evt-many-{n}", "subject": f"SHP-MANY-{n}"}
        event["data"]["shipment_id"] = f"SHP-MANY-{n}"
        found.append(orjson.dumps(event))
    return found


def records(url: str) -> int:
    store = Store(url)
    with store.read() as connection:
        found: int = connection.exec_driver_sql("SELECT n FROM head").scalar_one()
    store.close()
    return found


def sentence(done: Done, said: str) -> None:
    """Nothing on standard output, and one sentence that says so."""
    assert done.stdout == b""
    told = done.stderr.decode()
    assert told.startswith("Error: "), told
    assert told.count("\n") == 1, told
    assert said in told
