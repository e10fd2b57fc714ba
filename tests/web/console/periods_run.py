"""What the tests of periods ask of the page and of the command line."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import httpx
from reading_run import screen, something_of_everything
from web_run import TPP, Served, served

PERIODS = "/console/periods"
RECONCILE = f"{PERIODS}/reconcile"


def text(answer: httpx.Response) -> str:
    """What a page says, without tags."""
    plain = re.sub("</?(a|b|code|small|span|time)\\b[^>]*>", "", answer.text)
    return " ".join(unescape(re.sub("<[^>]+>", " ", plain)).split())


def form(client: httpx.Client) -> str:
    return re.findall(r'name="form" value="([0-9a-f]{64})"', client.get(PERIODS).text)[0]


def tpp(web: Served, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([TPP, *words, "--ledger", web.ledger], capture_output=True, cwd=folder, check=False)


@contextmanager
def everything(ledger: str, key: Path) -> Iterator[Served]:
    """A running `tpp serve` on a ledger with something of everything, and a key of its own."""
    screen(ledger, something_of_everything())
    with served(ledger, env={"TPP_SIGNING_KEY": str(key)}) as running:
        yield running


@contextmanager
def with_a_close(folder: Path) -> Iterator[Served]:
    """The same on SQLite, with 2025-06 closed."""
    url = f"sqlite:///{folder / 'still.db'}"
    screen(url, something_of_everything())
    subprocess.run([TPP, "snapshot", "close", "2025-06", "--ledger", url], cwd=folder, check=True)
    with served(url, env={"TPP_SIGNING_KEY": str(folder / "tpp-signing.key")}) as running:
        yield running
