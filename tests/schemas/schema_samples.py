"""The example events, and validators of the published schemas."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

ROOT = Path(__file__).parents[2]
EXAMPLES = {
    path.name.removesuffix(".json"): path.read_bytes() for path in sorted((ROOT / "examples/events").glob("*.json"))
}


@cache
def validator(name: str) -> Draft202012Validator:
    """The validator of one type of event, from its published file."""
    schema = json.loads((ROOT / f"schemas/json/{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


@cache
def asyncapi() -> dict[str, Any]:
    """The published AsyncAPI document."""
    document: dict[str, Any] = json.loads((ROOT / "schemas/asyncapi.yaml").read_text("utf-8"))
    return document


@cache
def message_validator(name: str) -> Draft7Validator:
    """The validator of one message of the AsyncAPI document, whose schemas are a superset of draft 7."""
    payload = asyncapi()["components"]["messages"][name]["payload"]
    schema = {"allOf": [payload], "components": asyncapi()["components"]}
    return Draft7Validator(schema, format_checker=FormatChecker())
