"""What the document says of answers is what the program gives: its examples, and the members of everything that is read."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from reading_run import event, screen, something_of_everything
from web_run import TPP, served

from schemas.generate.openapi import openapi

EXAMPLES = Path(__file__).parents[2] / "examples"
GIVEN = {
    "account": "/v1/accounts/lpp/CON-20/2025", "accounts": "/v1/accounts?limit=2", "snapshots": "/v1/snapshots",
    "entries": "/v1/accounts/lpp/CON-70/2025/entries", "holds": "/v1/holds", "obligations": "/v1/obligations?limit=2",
    "shipment": "/v1/shipments/SHP-0001",
}  # fmt: skip
"""The examples of the document, and what was asked for each of them of the ledger of the first example."""
SEARCHED = {"lists": "/v1/lists", "search": "/v1/lists/search?name=Zhipu+AI&country=CN&limit=1"}
"""As GIVEN, of a ledger in which the lists of the example are in force."""
MODELS = (
    "AccountListed", "AccountShown", "EntryListed", "Forecast", "HoldListed", "LineListed", "ObligationListed",
    "ProblemGiven", "RequestFault", "ShipmentDebit", "ShipmentGoing", "ShipmentShown", "SnapshotListed", "ListListed",
    "MatchListed", "SearchShown", "WordsCompared",
)  # fmt: skip
"""The parts of the document whose members are all named."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server on the ledger of the first example, in which a period is closed."""
    folder = tmp_path_factory.mktemp("examples")
    url = f"sqlite:///{folder / 'ledger.db'}"
    screen(url, (EXAMPLES / "quickstart.jsonl").read_bytes().splitlines())
    closing = [TPP, "snapshot", "close", "2025-06", "--force", "--ledger", url]
    subprocess.run(closing, cwd=folder, check=True, capture_output=True)
    with served(url) as web, web.client(web.token("admin")) as made:
        yield made


def load_lists(url: str) -> None:
    """Puts the example's lists in force."""
    load = [TPP, "lists", "load", EXAMPLES / "us-restricted-parties.csv.gz", "--name", "us", "--version", "2026-07-09"]
    subprocess.run([*load, "--ledger", url], check=True, capture_output=True)


def lasting(value: Any) -> Any:
    """A value without the times at which the ledger committed what it tells of or a list was loaded, and without the program's version."""
    if isinstance(value, list):
        return [lasting(one) for one in value]
    if isinstance(value, dict):
        return {name: lasting(one) for name, one in value.items() if name not in ("recorded", "software", "loaded")}
    return value


@pytest.mark.parametrize("name", GIVEN)
def test_an_example_is_what_the_program_gives(client: httpx.Client, name: str) -> None:
    written = json.loads((EXAMPLES / f"http/{name}.json").read_text("utf-8"))
    found = client.get(GIVEN[name]).json()
    assert lasting(found) == lasting(written)
    assert list(found) == list(written)


def test_an_example_of_lists_is_what_the_program_gives(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    load_lists(url)
    with served(url) as web, web.client(web.token("reviewer")) as client:
        for name, path in SEARCHED.items():
            written = json.loads((EXAMPLES / f"http/{name}.json").read_text("utf-8"))
            assert lasting(client.get(path).json()) == lasting(written)


def test_the_example_of_answers_is_what_the_program_gives(client: httpx.Client) -> None:
    event = (EXAMPLES / "quickstart.jsonl").read_bytes().splitlines()[1]
    headers = {"Content-Type": "application/cloudevents+json"}
    found = client.post("/v1/check", content=event, headers=headers)
    assert lasting(found.json()) == lasting(json.loads((EXAMPLES / "http/answers.json").read_text("utf-8")))


def closed_models() -> dict[str, Any]:
    """The document, whose models have no members but those that it names."""
    document = openapi()
    for name in MODELS:
        document["components"]["schemas"][name]["additionalProperties"] = False
    return document


def test_everything_that_is_read_has_the_members_of_the_document(ledger_url: str) -> None:
    document = closed_models()

    def check(client: httpx.Client, route: str, asked: str, status: int = 200) -> Any:
        answer = client.get(asked)
        assert answer.status_code == status, asked
        response = document["paths"][route]["get"]["responses"][str(status)]
        if "$ref" in response:
            response = document["components"]["responses"][f"Problem{status}"]
        [content] = response["content"].values()
        schema = {**content["schema"], "components": document["components"]}
        faults = list(Draft202012Validator(schema).iter_errors(answer.json()))
        assert faults == [], asked
        return answer.json()

    screen(ledger_url, (EXAMPLES / "quickstart.jsonl").read_bytes().splitlines())
    screen(ledger_url, something_of_everything())
    full = {"account": "lpp/CON-20/2025", "limit": 26_000_000, "valid_from": "2025-06-01"}  # after its projection
    screen(ledger_url, [event("full", "allocation.set", full, "2025-08-12T08:00:00Z")])
    with served(ledger_url) as web, web.client(web.token("admin")) as client:
        accounts = check(client, "/v1/accounts", "/v1/accounts?limit=1000")["items"]
        accounts += check(client, "/v1/accounts", "/v1/accounts?match=flow/*")["items"]
        check(client, "/v1/accounts", "/v1/accounts?sort=used&limit=3")
        check(client, "/v1/accounts", "/v1/accounts?as_of=2025-06-10")
        for one in accounts:
            check(client, "/v1/accounts/{path}", f"/v1/accounts/{one['account']}")
            check(client, "/v1/accounts/{path}/entries", f"/v1/accounts/{one['account']}/entries")
        assert {"exhausted_on": "2025-08-12", "earliest": None, "latest": None} in [one["forecast"] for one in accounts]
        holds = check(client, "/v1/holds", "/v1/holds?limit=1000")["items"]
        assert {"unknown", "held"} <= {one["state"] for one in holds}
        owed = check(client, "/v1/obligations", "/v1/obligations?state=all&limit=1000")["items"]
        assert len({"shipment_id" in one for one in owed}) == 2
        shipments = {one["shipment_id"] for one in (*holds, *owed) if "shipment_id" in one} - {"SHP-UNKNOWN"}
        for shipment in shipments:
            check(client, "/v1/shipments/{id}", f"/v1/shipments/{shipment}")
        check(client, "/v1/lists/search", "/v1/lists/search?name=x", 404)
        load_lists(ledger_url)
        assert check(client, "/v1/lists", "/v1/lists")["items"]
        assert check(client, "/v1/lists/search", "/v1/lists/search?name=Zhipu+AI&country=CN")["matches"]
        check(client, "/v1/lists/search", "/v1/lists/search?name=x&country=XX&lei=1&z=2", 400)
        check(client, "/v1/accounts", "/v1/accounts?limit=x&y=z", 400)
        check(client, "/v1/shipments/{id}", "/v1/shipments/none", 404)
        check(client, "/health/live", "/health/live")
        check(client, "/health/ready", "/health/ready")
