"""Measures `tpp serve` with 16 clients, beside an empty Litestar route that reads the same bodies, in one run.

    python ops/bench_http.py                    4,000 requests each, on SQLite
    python ops/bench_http.py --requests 500     a quick look
    python ops/bench_http.py --ledger postgresql://tpp@localhost/bench    a ledger of its own, which is empty

`/v1/events` one by one and `/v1/check` are printed as a share of the empty route, batches of 100 as one of what
`tpp screen` decides of the same events; the clients are two processes with eight connections each, which write and read
bytes, so that they take little of the machine. Then come the pages of 1,000 of 10,000 accounts, many of them with a
forecast, in either order.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
from bench import write_events
from large import example

from ledger.database.store import Store
from services.resources import wall_clock
from services.web.tokens import new_token

TPP = Path(sys.executable).with_name("tpp")
Done = multiprocessing.Queue  # of when a process began and ended, and how long each request took
CLIENTS, PROCESSES, BATCH = 16, 2, 100
ACCOUNTS, PAGE = 10_000, 1_000
ONE, MANY = "application/cloudevents+json", "application/cloudevents-batch+json"
EMPTY = """
import socket, sys
import uvicorn
from litestar import Litestar, Request, Response, post

@post("/v1/events", status_code=200)
async def read(request: Request) -> Response[bytes]:
    await request.body()
    return Response(b"[]", media_type="application/cloudevents-batch+json")

bound = socket.create_server(("127.0.0.1", 0))
bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print("listening on http://127.0.0.1:%d" % bound.getsockname()[1], file=sys.stderr, flush=True)
app = Litestar([read], openapi_config=None, logging_config=None)
uvicorn.Server(uvicorn.Config(app, http="h11", log_config=None, access_log=False)).run(sockets=[bound])
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests a second, and the time in milliseconds that 99 of 100 took at most."""

    rate: float
    p99: float


@contextlib.contextmanager
def server(command: Sequence[str | Path]) -> Iterator[tuple[int, int]]:
    """A server, which says on standard error where it listens: its port, and its process."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"TPP_RATE": "0"})
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"listening on http://\S+:(\d+)", line):
                break
        else:
            raise SystemExit("the server did not start")
        rest = threading.Thread(target=process.stderr.read, daemon=True)
        rest.start()
        yield int(found[1]), process.pid
    finally:
        process.terminate()
        process.wait()


def client(port: int, requests: Sequence[bytes], times: list[float], problems: list[bytes]) -> None:
    """Sends requests over one connection, one after the other, and notes how long each took."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            start = time.perf_counter()
            connection.sendall(request)
            found = b""
            while b"\r\n\r\n" not in found:
                found += connection.recv(1 << 18)
            head, _, body = found.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            left = (int(length[1]) if length else 0) - len(body)
            while left > 0:
                left -= len(connection.recv(min(left, 1 << 18)))
            times.append(time.perf_counter() - start)
            if not head.startswith(b"HTTP/1.1 200"):
                problems.append(found[:500])


def clients(
    port: int, shares: Sequence[Sequence[bytes]], done: "multiprocessing.Queue[tuple[float, float, list[float]]]"
) -> None:
    """Several clients in one process."""
    times: list[float] = []
    problems: list[bytes] = []
    threads = [threading.Thread(target=client, args=(port, share, times, problems)) for share in shares]
    start = time.time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise SystemExit(f"{len(problems)} requests failed: {problems[0].decode(errors='replace')}")
    done.put((start, time.time(), times))


def measure(port: int, requests: Sequence[bytes]) -> Measured:
    """All requests, by all clients at once."""
    shares = [requests[number::CLIENTS] for number in range(CLIENTS)]
    done: Done = multiprocessing.Queue()
    each = [
        multiprocessing.Process(target=clients, args=(port, shares[number::PROCESSES], done))
        for number in range(PROCESSES)
    ]
    for process in each:
        process.start()
    found = [done.get() for _ in each]
    for process in each:
        process.join()
    seconds = max(end for _, end, _ in found) - min(start for start, _, _ in found)
    times = sorted(one for _, _, times in found for one in times)
    return Measured(len(requests) / seconds, times[int(len(times) * 0.99)] * 1_000)


def request(path: str, body: bytes, kind: str, token: str) -> bytes:
    """The bytes of a request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def screened(events: Path, folder: Path) -> float:
    """Events a second that `tpp screen` decides, without its start."""

    def seconds(file: Path) -> float:
        ledger = folder / f"{file.stem}.db"
        command = [TPP, "screen", file, "--ledger", f"sqlite:///{ledger}", "--out", folder / "out.jsonl", "--force"]
        start = time.perf_counter()
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    none = folder / "none.jsonl"
    none.write_bytes(b"")
    idle = seconds(none)
    return len(events.read_bytes().splitlines()) / (seconds(events) - idle)


def write_accounts(file: Path) -> None:
    """Events that give each of many parties an account with a limit, and a tick that projects when it is full."""
    with file.open("wb") as lines:
        for n in range(ACCOUNTS):
            event = example("shipment.requested") | {"id": f"account-{n}", "subject": f"ACCOUNT-{n}"}
            data, party = event["data"], f"PARTY-{n}"
            data["shipment_id"], data["items"][0]["quantity"] = f"ACCOUNT-{n}", 1 + n % 1_600
            data["ultimate_consignee"]["ultimate_parent"] |= {"id": party, "name": f"Holding {party}"}
            data["certifications"][0]["party"] = party
            lines.write(orjson.dumps(event) + b"\n")
        tick = example("clock.ticked") | {"id": "tick"}
        tick["data"]["now"] = tick["time"] = "2025-06-20T00:00:00Z"
        lines.write(orjson.dumps(tick) + b"\n")


def pages(port: int, token: str) -> dict[str, object]:
    """How long the pages of all accounts take, in milliseconds, in either order."""
    found: dict[str, object] = {}
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as reader:
        for order in ("path", "used"):
            times, forecasts, cursor = [], 0, "first"
            while cursor:
                start = time.perf_counter()
                answer = reader.get("/v1/accounts", params={"sort": order, "limit": PAGE, "cursor": cursor})
                times.append(round((time.perf_counter() - start) * 1_000))
                page = answer.raise_for_status().json()
                forecasts += sum(one["forecast"] is not None for one in page["items"])
                cursor = page["next"]
            found[f"pages of 1,000 accounts by {order}, {forecasts:,} with a forecast, ms (under 300)"] = str(times)
    return found


def run(count: int, ledger: str, folder: Path) -> dict[str, object]:
    """Every figure, measured one after the other."""
    events = folder / "events.jsonl"
    write_events(events, 3 * count)
    lines = events.read_bytes().splitlines()
    singles, checks, rest = lines[:count], lines[count : count + count // 4], lines[2 * count :]
    batches = [b"[" + b",".join(rest[at : at + BATCH]) + b"]" for at in range(0, len(rest), BATCH)]
    with server([sys.executable, "-c", EMPTY]) as (port, _):
        measure(port, [request("/v1/events", line, ONE, "none") for line in singles[:CLIENTS]])
        empty = measure(port, [request("/v1/events", line, ONE, "none") for line in singles])
    store = Store(ledger)
    store.open()
    token = new_token(store, "admin", "bench", ("*",), None, wall_clock())
    store.close()
    with server([TPP, "serve", "--listen", "127.0.0.1:0", "--ledger", ledger]) as (port, _):
        one = measure(port, [request("/v1/events", line, ONE, token) for line in singles])
        check = measure(port, [request("/v1/check", line, ONE, token) for line in checks])
        many = measure(port, [request("/v1/events", body, MANY, token) for body in batches])
    write_accounts(folder / "accounts.jsonl")
    command = [TPP, "screen", folder / "accounts.jsonl", "--ledger", ledger, "--out", folder / "out.jsonl", "--force"]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
    with server([TPP, "serve", "--listen", "127.0.0.1:0", "--ledger", ledger]) as (port, _):
        read = pages(port, token)
    whole = folder / "batches.jsonl"
    whole.write_bytes(b"\n".join(rest) + b"\n")
    screen = screened(whole, folder)
    return {
        "empty route, requests/s": round(empty.rate),
        "empty route, p99 ms": round(empty.p99, 1),
        "/v1/events one by one, requests/s": round(one.rate),
        "/v1/events one by one, p99 ms": round(one.p99, 1),
        "/v1/events one by one, share of the empty route (at least 0.25)": round(one.rate / empty.rate, 3),
        "/v1/check, requests/s": round(check.rate),
        "/v1/check, p99 ms": round(check.p99, 1),
        "/v1/check, share of the empty route (at least 0.10)": round(check.rate / empty.rate, 3),
        "batches of 100, events/s": round(many.rate * BATCH),
        "batches of 100, p99 ms": round(many.p99, 1),
        "tpp screen, events/s": round(screen),
        "batches of 100, share of tpp screen (at least 0.6)": round(many.rate * BATCH / screen, 3),
        **read,
    }


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--ledger", help="[default: a new SQLite file]")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tpp-bench-"))
    try:
        ledger = arguments.ledger or f"sqlite:///{folder / 'ledger.db'}"
        print(json.dumps(run(arguments.requests, ledger, folder), indent=1))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
