"""Measures the first byte of every page over a large ledger, beside a route that reads nothing, in one run.

    python ops/bench_console.py                                       10,000 accounts, 5,000 holds, 100,000 shipments
    python ops/bench_console.py --ledger sqlite:///large.db           kept, and not filled again
    python ops/bench_console.py --accounts 200 --holds 60 --shipments 2000 --runs 5    a quick look

Of each page the median of the runs is printed: as a multiple of `/health/live` at the same time, in milliseconds, and
the size of the page. A page without a route is left out.
"""

import statistics
import tempfile
import time
from contextlib import closing
from multiprocessing import get_context

import click
import httpx
from bench_http import TPP, server
from bench_lists import fill

from ledger.database.store import Store
from ledger.journal import Ledger
from schemas.periods import period
from services.engine.period_close import close_period
from services.resources import wall_clock
from services.web.tokens import new_token

EMPTY = "/health/live"
PERIOD = "2025-06"
PAGES = (
    "/console", "/console/quotas", "/console/quotas?show=aia", "/console/accounts/lpp/CON-7/2025", "/console/holds",
    "/console/holds?reason=quota.exhausted", "/console/holds/SHP-0", "/console/shipments/SHP-7",
    "/console/obligations", "/console/search?q=SHP-7", "/console/search?q=CON", "/console/parties/CON-7",
    "/console/ask", "/console/law", "/console/tokens", "/console/periods", f"/console/periods/{PERIOD}",
    "/console/periods/compare", f"/console/periods/compare?from={PERIOD}&to=now", "/console/periods/reconcile",
)  # fmt: skip
"""The pages, as an administrator opens them on a ledger that `bench_lists.fill` makes."""


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


@click.command()
@click.option("--ledger", help="Keep the ledger here. [default: a file that is thrown away]")
@click.option("--accounts", default=10_000, show_default=True)
@click.option("--holds", default=5_000, show_default=True)
@click.option("--shipments", default=100_000, show_default=True)
@click.option("--runs", default=9, show_default=True)
def main(ledger: str | None, accounts: int, holds: int, shipments: int, runs: int) -> None:
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
            server([TPP, "serve", "--listen", "127.0.0.1:0", "--ledger", url]) as port,
            closing(signed_in(f"http://127.0.0.1:{port}", url)) as client,
        ):
            report(client, runs)


def report(client: httpx.Client, runs: int) -> None:
    """Prints a line for each page that is there."""
    for path in (EMPTY, *PAGES):
        _, status, size = first_byte(client, path)
        if status != 200:
            click.echo(f"{'':>8} {'':>9} {'':>9}  {path} is not there ({status})")
            continue
        pairs = [(first_byte(client, EMPTY)[0], first_byte(client, path)[0]) for _ in range(runs)]
        ratio = statistics.median(page / empty for empty, page in pairs)
        seconds = statistics.median(page for _, page in pairs)
        click.echo(f"{ratio:7.1f}x {seconds * 1_000:6.0f} ms {size:9,}  {path}")


if __name__ == "__main__":
    main()
