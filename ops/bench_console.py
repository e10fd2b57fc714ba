"""Measures the first byte of every page over a large ledger, beside a route that reads nothing, in one run.

    python ops/bench_console.py                                       10,000 accounts, 5,000 holds, 100,000 shipments
    python ops/bench_console.py --ledger sqlite:///large.db           kept, and not filled again
    python ops/bench_console.py --ledger postgresql://tpp@localhost/large    likewise
    python ops/bench_console.py --accounts 200 --holds 60 --shipments 2000 --runs 5    a quick look
    python ops/bench_console.py --only quotas                         the pages whose addresses have this text

Of each page are printed: the median of the runs as a multiple of `/health/live` at the same time; the first request
after the server's start, and the least and the median of the others, in milliseconds; the least CPU that the server
took, which other programs on the machine do not change (of PostgreSQL's own there is none in it); the size.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from multiprocessing import get_context
from pathlib import Path

import click
import httpx
from bench_http import TPP, server
from bench_lists import fill

from ledger.database.store import Store
from ledger.journal import Ledger
from schemas.periods import period
from services.engine.commands.period_close import close_period
from services.resources import wall_clock
from services.web.tokens import new_token

EMPTY = "/health/live"
PERIOD = "2025-06"
ACCOUNT = "lpp/CON-11/2025"
FILES = f"/console/periods/{PERIOD}"
QUOTAS, HOLDS, DUTIES = "/console/quotas", "/console/holds", "/console/obligations"
PAGES = (
    "/console", QUOTAS, f"{QUOTAS}?show=aia", f"{QUOTAS}?year=2025", f"{QUOTAS}?year=all", f"{QUOTAS}?year=all&page=50",
    f"{QUOTAS}?year=all&account=nvidia", f"{QUOTAS}?year=all&account=con-77", f"{QUOTAS}?year=all&account=lpp/CON-7*",
    f"{QUOTAS}?year=all&country=IN", f"{QUOTAS}?year=all&near=50", f"{QUOTAS}?year=all&kind=lpp",
    f"/console/accounts/{ACCOUNT}", "/console/accounts/lpp/CON-0/2025",
    HOLDS, f"{HOLDS}?reason=quota.exhausted", f"{HOLDS}?view=past", f"{HOLDS}?view=all", f"{HOLDS}?view=all&country=IN",
    f"{HOLDS}?view=all&party=CON-7", f"{HOLDS}?view=past&by=2025-06-30", f"{HOLDS}?account={ACCOUNT}",
    f"{HOLDS}/SHP-0", f"{HOLDS}/SHP-20", f"{HOLDS}/SHP-40", "/console/shipments/SHP-7",
    DUTIES, f"{DUTIES}?part=overdue", f"{DUTIES}?part=keep", f"{DUTIES}?state=met", f"{DUTIES}?kind=record_retention",
    f"{DUTIES}?about=CON-7", f"{DUTIES}?about=SHP-7", f"{DUTIES}?due_by=2025-07-31",
    "/console/search?q=HP-7", "/console/search?q=CON", "/console/search?q=nvidia", "/console/search?q=nobody-at-all",
    "/console/parties/CON-7", "/console/ask", "/console/law", "/console/tokens", "/console/periods", FILES,
    "/console/periods/compare", f"/console/periods/compare?from={PERIOD}&to=now", "/console/periods/reconcile",
)  # fmt: skip
"""The pages, as an administrator opens them on a ledger that `bench_lists.fill` makes."""
DOWNLOADS = (
    f"/console/accounts-statement?account={ACCOUNT}&format=csv", f"{DUTIES}.ics", "/console/shipments/SHP-7/memo.html",
    "/console/shipments/SHP-7/events.jsonl", f"{FILES}/csv/accounts.csv", f"{FILES}/csv/holds.csv",
)  # fmt: skip
"""Files, which may be as large as what they tell."""


def signed_in(url: str, ledger: str) -> httpx.Client:
    """A browser in which an administrator is signed in."""
    store = Store(ledger)
    token = new_token(store, "admin", "bench", (), None, wall_clock())
    store.close()
    client = httpx.Client(base_url=url, timeout=120, follow_redirects=False)
    answer = client.post("/sign-in", data={"token": token}, headers={"Sec-Fetch-Site": "same-origin"})
    if answer.status_code != 303:
        raise click.ClickException(f"nobody was signed in: {answer.status_code}")
    return client


def first_byte(client: httpx.Client, path: str) -> tuple[float, int, int]:
    """Seconds until the first byte of an answer's body, its status, and its size."""
    started = time.perf_counter()
    with client.stream("GET", path) as answer:
        pieces = answer.iter_raw()
        first = next(pieces, b"")
        seconds = time.perf_counter() - started
        return seconds, answer.status_code, len(first) + sum(map(len, pieces))


def used(process: int) -> float:
    """Seconds of CPU that the threads of a process have used; 0 where the system does not tell."""
    found = 0
    for thread in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with suppress(OSError):
            found += int(thread.read_text().split()[0])
    return found / 1e9


@click.command()
@click.option("--ledger", help="Keep the ledger here. [default: a file that is thrown away]")
@click.option("--accounts", default=10_000, show_default=True)
@click.option("--holds", default=5_000, show_default=True)
@click.option("--shipments", default=100_000, show_default=True)
@click.option("--runs", default=9, show_default=True)
@click.option("--only", default="", help="The pages whose addresses have this text.")
def main(ledger: str | None, accounts: int, holds: int, shipments: int, runs: int, only: str) -> None:
    """Fill the ledger if it does not exist, close a period, and fetch every page."""
    with tempfile.TemporaryDirectory(prefix="tpp-console-") as folder:
        url = ledger or f"sqlite:///{folder}/ledger.db"
        store = Store(url)
        if not store.exists():
            filler = get_context("spawn").Process(target=fill, args=(url, shipments, holds, accounts))
            filler.start()
            filler.join()
        close_period(Ledger(store), period(PERIOD), wall_clock())
        store.close()
        with (
            server([TPP, "serve", "--listen", "127.0.0.1:0", "--ledger", url]) as (port, process),
            closing(signed_in(f"http://127.0.0.1:{port}", url)) as client,
        ):
            report(client, process, runs, [path for path in (*PAGES, *DOWNLOADS) if only in path])


def report(client: httpx.Client, process: int, runs: int, paths: Sequence[str]) -> None:
    """Prints a line for each page that is there."""
    click.echo(f"{'':>8} {'first':>8} {'least':>8} {'median':>8} {'CPU':>8} {'bytes':>10}")
    for path in (EMPTY, *paths):
        cold, status, size = first_byte(client, path)
        if status != 200:
            click.echo(f"{'':>54}  {path} is not there ({status})")
            continue
        empty, took, worked = list[float](), list[float](), list[float]()
        for _ in range(runs):
            empty.append(first_byte(client, EMPTY)[0])
            before = used(process)
            took.append(first_byte(client, path)[0])
            worked.append(used(process) - before)
        ratio = statistics.median(page / nothing for page, nothing in zip(took, empty, strict=True))
        told = (cold, min(took), statistics.median(took), min(worked))
        times = " ".join(f"{seconds * 1_000:5.0f} ms" for seconds in told)
        click.echo(f"{ratio:7.1f}x {times} {size:10,}  {path}")


if __name__ == "__main__":
    main()
