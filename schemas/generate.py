"""Writes the wire contract out: JSON Schema files, an AsyncAPI document, and the page of rejection codes.

`python -m schemas.generate` writes them; with `--check` it writes nothing, names those that are stale and exits with 1.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from schemas import event_types
from schemas.codes import RejectionCode
from schemas.event_types import INCOMING, INPUTS, LEDGER_SOURCE, OUTGOING
from schemas.models.values import COUNTRY_SCHEMA
from schemas.wire.read import ID_LENGTH, LONGEST

ROOT = Path(__file__).parent.parent
VERSION = "1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_MEMBER = re.compile(r"(\w+): (.+)")
_NO_CONTROL = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_URI_CHARACTERS = r"^(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$"
_RFC3339 = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
_TIME = {"type": "string", "format": "date-time", "pattern": _RFC3339}


def _text(most: int, **more: Any) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": most, "pattern": _NO_CONTROL} | more


def _attributes() -> dict[str, Schema]:
    """The attributes of every event; the optional ones may be null, which means that they are not set."""
    return {
        "specversion": {"const": "1.0", "description": "The version of CloudEvents."},
        "id": _text(ID_LENGTH, description="With `source` it identifies the event for ever."),
        "source": _text(
            LONGEST, format="uri-reference", pattern=_URI_CHARACTERS, description="Who published the event."
        ),
        "type": {"type": "string", "description": "The type of the event."},
        "subject": _text(LONGEST, description="What the event is about; events about one thing keep their order."),
        "time": _TIME | {"description": "When it happened, in the publisher's clock."},
        "datacontenttype": {"enum": ["application/json", None], "description": "The form of `data`."},
        "dataschema": {
            "type": ["string", "null"],
            "format": "uri",
            "maxLength": LONGEST,
            "description": "The schema of `data`.",
        },
    }


_EXTENSIONS: Schema = {
    "propertyNames": {"pattern": "^[a-z0-9]+$"},
    "additionalProperties": {
        "type": ["string", "integer", "boolean", "null"],
        "minimum": -(2**31),
        "maximum": 2**31 - 1,
        "pattern": _NO_CONTROL,
        "description": "An extension attribute.",
    },
}


def event_schema(name: str) -> Schema:
    """The JSON Schema (2020-12) of the whole CloudEvent of one type, in or out. Raises KeyError for another type."""
    incoming = name in INCOMING
    model: type[BaseModel] = INCOMING[name].model if incoming else OUTGOING[name].model
    parts = _definitions(model, incoming)
    properties = _attributes() | {"data": {"$ref": f"#/$defs/{model.__name__}"}}
    properties["type"] = {"const": name, "description": "The type of the event."}
    required = ["specversion", "id", "source", "type", "subject", "time", "data"]
    if not incoming:
        properties["source"] = {"const": LEDGER_SOURCE, "description": "The ledger."}
        properties["id"] = _text(LONGEST, description="Derived from the causing event: the same input, the same id.")
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


def _definitions(model: type[BaseModel], incoming: bool) -> dict[str, Schema]:
    """The schemas of a model and of what it is made of, by name."""
    schema = model.model_json_schema(ref_template="#/$defs/{model}")
    parts: dict[str, Schema] = schema.pop("$defs", {})
    parts[model.__name__] = schema
    tidied = {name: _tidied(part, incoming) for name, part in parts.items()}
    if "#/$defs/Country" in json.dumps(tidied):
        tidied["Country"] = dict(COUNTRY_SCHEMA)
    for name, part in tidied.items():
        part["title"] = name
        if "properties" in part:
            _describe(part)
    return tidied


def _tidied(node: Any, incoming: bool) -> Any:
    """A schema without generated titles, with countries by reference and, of what comes in, without null."""
    if isinstance(node, list):
        return [_tidied(part, incoming) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("title") == COUNTRY_SCHEMA["title"]:
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


def _describe(part: Schema) -> None:
    """Moves the lines `member: …` of the description to the members."""
    rest = []
    for line in part.get("description", "").split("\n"):
        match = _MEMBER.fullmatch(line.strip())
        if match and match[1] in part["properties"]:
            part["properties"][match[1]]["description"] = match[2]
        else:
            rest.append(line)
    part["description"] = "\n".join(rest).strip()


_TOPICS = {
    event_types.SHIPMENTS: "Shipment, review and recheck events.",
    event_types.FACTS: "Facts and ticks.",
    event_types.DECISIONS: "Decisions, records and refusals.",
    event_types.ALERTS: "Alerts and obligations.",
    event_types.SNAPSHOTS: "Snapshots.",
    event_types.REJECTED: "What could not be read.",
}
"""What each topic holds."""
_KEYS = {
    "shipment_id": "The shipment_id, else the subject.",
    "account": "The account.",
    "period": "The period.",
    "subject": "The subject.",
}
"""The key of a message, by the member that is its key."""


def asyncapi() -> Schema:
    """The AsyncAPI 3.0.0 document of all topics."""
    channels: Schema = {}
    operations: Schema = {}
    messages: Schema = {}
    schemas: Schema = {}
    for topic, summary in _TOPICS.items():
        action = "receive" if topic in INPUTS else "send"
        keys = {name: _KEYS[one.key] for name, one in [*INCOMING.items(), *OUTGOING.items()] if one.topic == topic}
        label = topic.removeprefix("tpp.")
        channels[label] = {
            "address": topic,
            "title": topic,
            "description": summary,
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in keys},
            "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
        }
        operations[f"{action}{label.capitalize()}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{label}"},
            "summary": summary,
            "messages": [{"$ref": f"#/channels/{label}/messages/{name}"} for name in keys],
        }
        for name, key in keys.items():
            schema = event_schema(name)
            for part, definition in schema.pop("$defs").items():
                if schemas.setdefault(part, _moved(definition)) != _moved(definition):
                    raise ValueError(f"two schemas are called {part}")
            schemas[name] = _moved({key: value for key, value in schema.items() if key not in ("$schema", "$id")})
            messages[name] = {
                "name": name,
                "title": name,
                "summary": schema["description"],
                "contentType": "application/cloudevents+json",
                "payload": {"$ref": f"#/components/schemas/{name}"},
                "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}},
            }
    return _document(channels, operations, messages, schemas)


def _document(channels: Schema, operations: Schema, messages: Schema, schemas: Schema) -> Schema:
    description = "Screens shipments of advanced computing items against a rulebook and keeps the quota ledgers."
    broker = {
        "host": "{broker}",
        "protocol": "kafka",
        "description": "The brokers of the setting TPP_BROKER; TPP_KAFKA_SECURITY_PROTOCOL says how they are reached.",
        "variables": {"broker": {"description": "host:port[,host:port]"}},
    }
    return {
        "asyncapi": "3.0.0",
        "id": "urn:tpp-ledger",
        "info": {"title": "TPP quota ledger", "version": VERSION, "description": description},
        "defaultContentType": "application/cloudevents+json",
        "servers": {"broker": broker},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def _moved(node: Any) -> Any:
    """A schema whose definitions stand in the document's components."""
    if isinstance(node, dict):
        return {key: _moved(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_moved(part) for part in node]
    return node.replace("#/$defs/", "#/components/schemas/") if isinstance(node, str) else node


_PAGE = """# Rejection codes

A message that cannot be read is answered with `tpp.event.rejected.v1`. Its `errors` list everything that is wrong with
it, sorted by pointer: each has the JSON pointer (RFC 6901) of the place, one of these codes, and a sentence with the
figures. The empty pointer is the whole message. A rejected event does not use up its id: mend it and send it again.

| code | what is wrong | how to mend it |
|---|---|---|
"""


def files() -> dict[Path, str]:
    """All that is published: each file's path under the project's folder, and its text."""
    found = {
        Path("docs/rejections.md"): _PAGE
        + "".join(f"| `{code}` | {code.meaning} | {code.remedy} |\n" for code in RejectionCode)
    }
    for name in (*INCOMING, *OUTGOING):
        found[Path(f"schemas/json/{name}.schema.json")] = _written(event_schema(name))
    found[Path("schemas/asyncapi.yaml")] = _written(asyncapi())
    return found


def _written(document: Schema) -> str:
    """JSON, which is YAML too; a list of short words stands on one line."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return re.sub(
        r"\[\n\s+((?:\"[^\"\n]{0,60}\"|null)(?:,\n\s+(?:\"[^\"\n]{0,60}\"|null))*)\n\s+\]", _on_one_line, text
    )


def _on_one_line(match: re.Match[str]) -> str:
    return "[" + re.sub(r",\n\s+", ", ", match[1]) + "]"


def stale(root: Path = ROOT) -> dict[Path, str | None]:
    """The published files that are not as the models say, with the text they should have; None: it should not be."""
    wanted = files()
    old: dict[Path, str | None] = {
        path: text
        for path, text in wanted.items()
        if not (root / path).is_file() or (root / path).read_text("utf-8") != text
    }
    present = (path.relative_to(root) for path in (root / "schemas/json").glob("*"))
    return old | dict.fromkeys(path for path in present if path not in wanted)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Writes or checks the published files under `root`; 1 where a check finds a stale one."""
    parser = argparse.ArgumentParser(
        prog="python -m schemas.generate", description="Writes the published schemas from the models."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; name the stale files and exit with 1")
    check: bool = parser.parse_args(arguments).check
    old = stale(root)
    for path, text in old.items():
        if check:
            sys.stderr.write(f"stale: {path}\n")
        elif text is None:
            (root / path).unlink()
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, "utf-8")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
