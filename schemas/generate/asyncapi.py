"""The AsyncAPI 3.0.0 document of the topics."""

from typing import Any

from schemas.event_types import (
    ALERTS,
    DECISIONS,
    FACTS,
    INCOMING,
    INPUTS,
    OUTGOING,
    REJECTED,
    SHIPMENTS,
    SNAPSHOTS,
    EventType,
)
from schemas.generate.json_schemas import Schema, event_schema

VERSION = "1"

HOLDS = {
    SHIPMENTS: "Shipment, review and recheck events.",
    FACTS: "Facts and ticks.",
    DECISIONS: "Decisions, records and refusals.",
    ALERTS: "Alerts and obligations.",
    SNAPSHOTS: "Snapshots.",
    REJECTED: "What could not be read.",
}
"""What each topic holds."""
_KEYS = {
    "shipment_id": "The shipment_id, else the subject.",
    "account": "The account.",
    "party": "The party.",
    "period": "The period.",
    "list": "The list.",
    "subject": "The subject.",
}
"""The key of a message, by the member that is its key."""


def types_of(topic: str) -> list[EventType]:
    """The types of event that a topic holds."""
    return [one for one in (*INCOMING.values(), *OUTGOING.values()) if one.topic == topic]


def key_of(one: EventType) -> str:
    """The key of a message of this type, as a sentence."""
    return _KEYS[one.key]


def asyncapi() -> Schema:
    """The AsyncAPI 3.0.0 document of all topics."""
    channels: Schema = {}
    operations: Schema = {}
    messages: Schema = {}
    schemas: Schema = {}
    for topic, summary in HOLDS.items():
        action = "receive" if topic in INPUTS else "send"
        keys = {one.name: key_of(one) for one in types_of(topic)}
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
                    raise ValueError(f"two schemas have the name {part}")
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
    description = "Screens shipments of advanced computing items under a rulebook and keeps the quota ledgers."
    broker = {
        "host": "{broker}",
        "protocol": "kafka",
        "description": "The brokers of the setting TPP_BROKER; TPP_KAFKA_SECURITY_PROTOCOL sets how to connect.",
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
    """A schema that refers to the document's components for its definitions."""
    if isinstance(node, dict):
        return {key: _moved(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_moved(part) for part in node]
    return node.replace("#/$defs/", "#/components/schemas/") if isinstance(node, str) else node
