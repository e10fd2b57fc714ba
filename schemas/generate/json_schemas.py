"""The JSON Schema (2020-12) of each type of event."""

import json
from typing import Any

from pydantic import BaseModel

from schemas import event_types
from schemas.event_types import INCOMING, LEDGER_SOURCE, OUTGOING
from schemas.generate.descriptions import descriptions, models_in, summary
from schemas.models.values import COUNTRY_SCHEMA, TEXT_MOST, TIME_MOST
from schemas.wire.read import EXTENSION_MOST, ID_LENGTH

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_OUT_MOST = 2_048
"""The most characters of an attribute that goes out."""

_NO_CONTROL = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_URI_CHARACTERS = r"^(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$"
_RFC3339 = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
_TIME = {"type": "string", "format": "date-time", "pattern": _RFC3339}

_JSON_TYPE = "^[ \\t]*[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/[Jj][Ss][Oo][Nn][ \\t]*(;.*)?$"
"""How RFC 2045 lets `application/json` be written."""


def _text(most: int, **more: Any) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": most, "pattern": _NO_CONTROL} | more


def _attributes(most: int) -> dict[str, Schema]:
    """The attributes of every event, strings of at most so many characters; an optional one that is null is not set."""
    return {
        "specversion": {"const": "1.0", "description": "The version of CloudEvents."},
        "id": _text(ID_LENGTH, description="Identifies the event together with `source`, permanently."),
        "source": _text(most, format="uri-reference", pattern=_URI_CHARACTERS, description="Who published the event."),
        "type": {"type": "string", "description": "The type of the event."},
        "subject": _text(most, description="What the event is about; events about one thing keep their order."),
        "time": _TIME | {"description": "When it happened, in the publisher's clock."},
        "datacontenttype": {
            "type": ["string", "null"],
            "pattern": _JSON_TYPE,
            "description": "The media type of `data`: `application/json`, perhaps with parameters.",
        },
        "dataschema": {
            "type": ["string", "null"],
            "format": "uri",
            "maxLength": most,
            "description": "The schema of `data`.",
        },
    }


_EXTENSION: Schema = {
    "type": ["string", "integer", "boolean", "null"],
    "minimum": -(2**31),
    "maximum": 2**31 - 1,
    "maxLength": TEXT_MOST,
    "pattern": _NO_CONTROL,
    "description": "An extension attribute.",
}
_EXTENSIONS: Schema = {"propertyNames": {"pattern": "^[a-z0-9]+$"}, "additionalProperties": _EXTENSION}


def event_schema(name: str) -> Schema:
    """The JSON Schema (2020-12) of the whole CloudEvent of a type. Raises KeyError for an unknown type."""
    incoming = name in INCOMING
    model: type[BaseModel] = INCOMING[name].model if incoming else OUTGOING[name].model
    parts = definitions(model, incoming)
    properties = _attributes(TEXT_MOST if incoming else _OUT_MOST) | {
        "data": {"$ref": f"#/$defs/{model.__name__}", "description": "What the event says."}
    }
    properties["type"] = {"const": name, "description": "The type of the event."}
    required = ["specversion", "id", "source", "type", "subject", "time", "data"]
    properties["time"]["maxLength"] = TIME_MOST
    if incoming:
        properties |= {attribute: _EXTENSION | {"maxLength": most} for attribute, most in EXTENSION_MOST.items()}
    else:
        properties["source"] = {"const": LEDGER_SOURCE, "description": "The ledger."}
        properties["id"] = _text(_OUT_MOST, description="Derived from the causing event: the same input, the same id.")
        properties["time"]["description"] = "The time of the causing event."
        properties["sequence"] = {"type": "string", "minLength": 1, "description": "The order of publication."}
        required.append("sequence")
    if name == event_types.EVENT_REJECTED:
        required = [attribute for attribute in required if attribute not in ("subject", "time")]
    return {
        "$schema": DIALECT,
        "$id": f"urn:tpp-ledger:schema:{name}",
        "title": name,
        "description": parts[model.__name__]["description"],
        "type": "object",
        "properties": properties,
        "required": required,
        **_EXTENSIONS,
        "$defs": dict(sorted(parts.items())),
    }


def definitions(model: type[BaseModel], incoming: bool) -> dict[str, Schema]:
    """The schemas of a model and of its parts, by name; `incoming`: without null."""
    schema = model.model_json_schema(ref_template="#/$defs/{model}")
    parts: dict[str, Schema] = schema.pop("$defs", {})
    parts[model.__name__] = schema
    tidied = {name: _tidied(part, incoming) for name, part in parts.items()}
    if "#/$defs/Country" in json.dumps(tidied):
        tidied["Country"] = dict(COUNTRY_SCHEMA)
    for name, part in tidied.items():
        part["title"] = name
    for name, one in models_in(model).items():
        tidied[name]["description"] = summary(one)
        for member, description in descriptions(one).items():
            tidied[name]["properties"][member]["description"] = description
    return tidied


def _tidied(node: Any, incoming: bool) -> Any:
    """A schema without generated titles, with countries by reference and, if incoming, without null."""
    if isinstance(node, list):
        return [_tidied(part, incoming) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("title") == COUNTRY_SCHEMA["title"] and "enum" in node:  # members of this name have the title too
        return {"$ref": "#/$defs/Country"}
    node = {key: value for key, value in node.items() if key != "title" or not isinstance(value, str)}
    if node.get("default", "") is None:
        del node["default"]
    choices = node.get("anyOf")
    if incoming and choices and {"type": "null"} in choices:
        left = [choice for choice in choices if choice != {"type": "null"}]
        node = {key: value for key, value in node.items() if key != "anyOf"} | (
            {"anyOf": left} if len(left) > 1 else left[0]
        )
        return _tidied(node, incoming)
    return {key: _tidied(value, incoming) for key, value in node.items()}
