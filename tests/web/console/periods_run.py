"""What the tests of periods ask of the page and of the command line."""

import re
import subprocess
from html import unescape
from pathlib import Path

import httpx
from web_run import TPP, Served

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
