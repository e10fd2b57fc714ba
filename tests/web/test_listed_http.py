"""Restricted-party lists over HTTP: what the command line says, and what is refused."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from web_run import TPP, Served, served

HEAD = "list,entry,name,aliases,country,address\n"
ROWS = "l,1,Alpha Lantern Electronics,ALE Lantern,China,\nl,2,Granite Shipping,,Russia,1 Quay Moscow\n"


def tpp(url: str, *words: str, folder: Path) -> Any:
    """The JSON that a command of `tpp lists` prints."""
    done = subprocess.run([TPP, "lists", *words, "--ledger", url], cwd=folder, check=True, capture_output=True)
    return json.loads(done.stdout)


@pytest.fixture
def web(ledger_url: str) -> Iterator[Served]:
    with served(ledger_url) as running:
        yield running


def load(web: Served, folder: Path, name: str, version: str, rows: str = ROWS) -> None:
    """Puts a list in force while the server runs."""
    (folder / "list.csv").write_text(HEAD + rows)
    tpp(web.ledger, "load", "list.csv", "--name", name, "--version", version, "--output", "json", folder=folder)


def test_lists_and_a_search_are_those_of_the_command_line(web: Served, tmp_path: Path) -> None:
    with web.client(web.token("reviewer")) as client:
        assert client.get("/v1/lists").json() == {"items": [], "next": None}
        none = client.get("/v1/lists/search", params={"name": "Granite Shipping"})
        assert (none.status_code, none.json()["detail"]) == (404, "No list is loaded.")
        for name in ("b", "a", "c"):
            load(web, tmp_path, name, "1")
        told = tpp(web.ledger, "status", "--format", "json", folder=tmp_path)
        assert [one["name"] for one in told] == ["a", "b", "c"]
        assert client.get("/v1/lists").json() == {"items": told, "next": None}
        first = client.get("/v1/lists", params={"limit": 2}).json()
        rest = client.get("/v1/lists", params={"limit": 2, "cursor": first["next"]}).json()
        assert (first["items"] + rest["items"], rest["next"]) == (told, None)
        for name, more in (("ALE Lantern", {"country": "CN"}), ("Granite Shiping", {"limit": "2"}), ("Quxquux", {})):
            words = [word for key, value in more.items() for word in (f"--{key}", value)]
            (found,) = tpp(web.ledger, "search", name, *words, "--format", "json", folder=tmp_path)
            assert client.get("/v1/lists/search", params={"name": name, **more}).json() == found
        load(web, tmp_path, "a", "2", "l,9,Kestrel Mining,,,\n" + ROWS)
        best = client.get("/v1/lists/search", params={"name": "Kestrel Mining"}).json()["matches"][0]
        assert (best["list"], best["version"], best["entry"], best["hit"]) == ("a", "2", "l/9", True)


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ({}, "/name"),
        ({"name": " "}, "/name"),
        ({"name": "A" * 513}, "/name"),
        ({"name": "A", "country": "China"}, "/country"),
        ({"name": "A", "country": "XK"}, "/country"),
        ({"name": "A", "country": "cn"}, "/country"),
        ({"name": "A", "lei": "123"}, "/lei"),
        ({"name": "A", "address": "B" * 2_049}, "/address"),
        ({"name": "A", "limit": "101"}, "/limit"),
        ({"name": "A", "limit": "0"}, "/limit"),
        ({"name": "A", "file": "x"}, "/file"),
        ({"country": "China", "limit": "0"}, "/name /country /limit"),
    ],
)
def test_what_cannot_be_searched_is_told(client: httpx.Client, query: dict[str, str], pointers: str) -> None:
    answer = client.get("/v1/lists/search", params=query)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/query-invalid")
    assert " ".join(one["pointer"] for one in answer.json()["errors"]) == pointers


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("listed")
    with served(f"sqlite:///{folder / 'ledger.db'}") as running, running.client(running.token("monitor")) as made:
        yield made
