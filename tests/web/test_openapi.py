"""The OpenAPI document is that of the program: its routes, its examples, its schemas."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from reading_run import request, screen
from web_run import Served

from schemas.generate.openapi import openapi
from services.web.app import ROUTES
from services.web.openapi import document

PAGES = ("/console", "/sign-in", "/sign-out", "/link")
"""What begins like this is for people, and no interface for programs."""


def examples(node: Any) -> Iterator[tuple[Any, Any]]:
    """Each schema of the document that has an example beside it, with the example."""
    if isinstance(node, dict):
        if "schema" in node and "example" in node:
            yield node["schema"], node["example"]
        for one in node.get("examples", {}).values() if "schema" in node else ():
            yield node["schema"], one["value"]
            yield {"$ref": f"#/components/schemas/{one['value']['type']}"}, one["value"]
        for value in node.values():
            yield from examples(value)
    elif isinstance(node, list):
        for value in node:
            yield from examples(value)


def routes() -> set[tuple[str, str]]:
    """The methods and paths of the program, with the paths' parameters as the document writes them."""
    found = {(method, path) for part in ROUTES for one in part for path in one.paths for method in one.http_methods}
    told = {(method, path) for method, path in found if not path.startswith(PAGES) and method != "OPTIONS"}
    return {(method, re.sub(r"\{(\w+):\w+\}", "{}", path)) for method, path in told}


def test_the_document_has_the_routes_of_the_program() -> None:
    paths = {re.sub(r"\{\w+\}", "{}", path): item for path, item in openapi()["paths"].items()}
    told = {(method.upper(), path) for path, item in paths.items() for method in item}
    told.discard(("GET", "/v1/accounts/{}/entries"))  # a path may have slashes, so one route serves both
    assert told == routes()


def test_every_example_validates() -> None:
    written = json.loads(document())
    found = list(examples(written))
    assert len(found) > 60
    for schema, example in found:
        Draft202012Validator({**schema, "components": written["components"]}).validate(example)


def test_anybody_may_read_the_document(web: Served) -> None:
    with web.client() as client:
        answered = client.get("/openapi.json")
    assert (answered.status_code, answered.headers["content-type"]) == (200, "application/json")
    assert answered.json() == openapi()


@pytest.mark.parametrize("name", ["EventIn", "EventOut", "ProblemGiven", "AccountListed"])
def test_the_schemas_of_the_document_are_valid(name: str) -> None:
    written = openapi()
    Draft202012Validator.check_schema({**written["components"]["schemas"][name], "components": written["components"]})


def test_no_route_takes_a_name_that_is_unknown_or_stands_twice(web: Served) -> None:
    screen(web.ledger, [request("SHP-1")])
    admin, calendar = web.token("admin"), web.token("calendar")
    with web.client(admin) as client:
        account = client.get("/v1/accounts").json()["items"][0]["account"]
        for path, item in openapi()["paths"].items():
            method = next(iter(item))
            known = {"token": calendar} if path.endswith(".ics") else {}
            for query in ({"unknown": "1"}, {"limit": ["1", "1"]}):
                answered = client.request(
                    method, path.replace("{path}", account).replace("{id}", "SHP-1"), params=known | query
                )
                assert answered.status_code == 400 and answered.json()["errors"], (path, answered.text)
