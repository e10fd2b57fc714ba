"""The OpenAPI 3.1.0 document of the HTTP interface (docs/contract/http.md)."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from schemas.codes import ReasonCode
from schemas.event_types import CLOCK_TICKED, INCOMING, OUTGOING, SHIPMENT_REQUESTED, short_name
from schemas.generate.asyncapi import VERSION
from schemas.generate.json_schemas import Schema, definitions, event_schema
from schemas.models import reading
from schemas.models.values import ADDRESS_MOST, COUNTRY_SCHEMA, LEI, TEXT_MOST

ONE, BATCH, BINARY = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"
PROBLEM = "application/problem+json"
EXAMPLES = Path(__file__).parents[2] / "examples"

_REFUSALS = {
    400: "The query is not valid, or what was sent is not HTTP.",
    401: "The token is missing, unknown, expired or revoked.",
    403: "The token may not do this.",
    404: "The route, the account or the shipment does not exist, or no list is loaded.",
    405: "The method is not allowed here; `Allow` says which are.",
    408: "The request did not arrive within 30 seconds.",
    413: "The body is larger than 8 MiB, or the batch has more than 1,000 events.",
    415: "The content type, its charset or its encoding is not supported.",
    421: "The name in `Host` is not served here.",
    429: "The token makes too many requests; `Retry-After` says when to try again.",
    431: "The request line and headers are larger than 16 KiB, or there are more than 100 headers.",
    503: "The ledger is busy or does not answer; nothing was decided.",
}
FIRST_PAGE = "first"
_TAKEN = tuple(name for name in INCOMING if name != CLOCK_TICKED)
_EVERYWHERE = (400, 405, 408, 421, 431, 503)
_WITH_TOKEN = (401, 403, 429)
_HEADERS = {
    "X-Request-Id": {
        "description": "The request's own `X-Request-Id` where it is 1 to 128 of `A-Za-z0-9._~-`, else a new one.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,128}$"},
    }
}
_MORE_HEADERS = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    405: {"Allow": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"schema": {"type": "string"}}},
}


def openapi() -> Schema:
    """The OpenAPI 3.1.0 document of every route."""
    schemas: Schema = {}
    for name in _TAKEN:
        _event(schemas, name)
    outgoing = [_event(schemas, name) for name in OUTGOING]
    schemas["EventIn"] = _event_in(schemas)
    schemas["EventOut"] = {"description": "An outgoing event, as published.", "anyOf": outgoing}
    schemas["Answers"] = {
        "description": "The answer to each event, in order.", "type": "array", "items": _ref("EventOut"),
    }  # fmt: skip
    for model in (
        reading.AccountListed, reading.AccountShown, reading.EntryListed, reading.ShipmentShown, reading.HoldListed,
        reading.ObligationListed, reading.SnapshotListed, reading.ListListed, reading.SearchShown, reading.ProblemGiven,
    ):  # fmt: skip
        _model(schemas, model)
    description = (
        "Screens shipments of advanced computing items under a rulebook and keeps the quota ledgers. Each request "
        "needs a token, whose role says what it may do."
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "TPP quota ledger", "version": VERSION, "description": description},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": "events"}, {"name": "reading"}, {"name": "operating"}],
        "paths": {**_writing(), **_reading(), **_operating()},
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {f"Problem{status}": _refusal(status) for status in _REFUSALS},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of `tpp token create`."},
                "calendar": {"type": "apiKey", "in": "query", "name": "token", "description": "One of role calendar."},
            },
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _moved(node: Any) -> Any:
    """A schema that refers to the document's components for its definitions."""
    if isinstance(node, dict):
        return {key: _moved(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_moved(part) for part in node]
    return node.replace("#/$defs/", "#/components/schemas/") if isinstance(node, str) else node


def _keep(schemas: Schema, name: str, schema: Schema) -> None:
    if schemas.setdefault(name, schema) != schema:
        raise ValueError(f"two schemas have the name {name}")


def _event(schemas: Schema, name: str) -> Schema:
    schema = event_schema(name)
    for part, definition in schema.pop("$defs").items():
        _keep(schemas, part, _moved(definition))
    _keep(schemas, name, _moved({key: value for key, value in schema.items() if key not in ("$schema", "$id")}))
    return _ref(name)


def _event_in(schemas: Schema) -> Schema:
    """The envelope of every event that comes in; the schema of a type, with its `data`, is found by the mapping.

    A choice of all types would ask generators of tests for more than ten thousand requests.
    """
    first: Schema = schemas[_TAKEN[0]]
    properties = first["properties"] | {
        "type": {"type": "string", "enum": list(_TAKEN), "description": "The type of the event."},
        "data": {"type": "object", "description": "What the event says, by the schema of its type."},
    }
    mapping = {name: f"#/components/schemas/{name}" for name in _TAKEN}
    return first | {
        "title": "EventIn",
        "description": "An event that the program takes; `components` has a schema of each type.",
        "properties": properties,
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }


def _model(schemas: Schema, model: type[BaseModel]) -> None:
    for part, definition in definitions(model, incoming=False).items():
        _keep(schemas, part, _moved(definition))


def _example(path: str) -> Any:
    return json.loads((EXAMPLES / path).read_text("utf-8"))


def _refusal(status: int) -> Schema:
    return {
        "description": _REFUSALS[status],
        "headers": _HEADERS | _MORE_HEADERS.get(status, {}),
        "content": {PROBLEM: {"schema": _ref("ProblemGiven")}},
    }


def _answers(found: Schema, *refusals: int, token: bool = True, status: int = 200) -> Schema:
    """The responses of a route: what it gives, and how it refuses."""
    every = sorted({*_EVERYWHERE, *(_WITH_TOKEN if token else ()), *refusals})
    given = {str(status): {"headers": _HEADERS, **found}}
    return given | {str(one): {"$ref": f"#/components/responses/Problem{one}"} for one in every}


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


_TEXT: Schema = {"type": "string", "minLength": 1, "pattern": "^[^\\u0000]+$"}
_DAY: Schema = {"type": "string", "format": "date"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_RECORD: Schema = {"type": "string", "pattern": "^record:[0-9]+$"}
_PATTERN = "In it, `*` stands for any text."
_LIMIT = _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "The most items.")
# The server refuses a cursor that it did not give: the lookahead keeps generators of tests from making one up.
_NEXT: Schema = {"type": "string", "pattern": r"^(?=c\.)c\.[A-Za-z0-9_-]+$"}
_CURSOR = _query(
    "cursor", {"anyOf": [{"const": FIRST_PAGE}, _NEXT], "default": FIRST_PAGE},
    f"The `next` of the page before, as it stands, with the same other parameters; `{FIRST_PAGE}` for the first page.",
)  # fmt: skip
_MOMENT = [
    _query("as_of", {"anyOf": [_DAY, _TIME]}, "Only events up to this RFC 3339 time, or to the end of this UTC date."),
    _query(
        "known_at", {"anyOf": [_DAY, _TIME, _RECORD]},
        "Only records up to this time, date or `record:N`; or, as `snapshot:ID`, what a closed period saw.",
    ),
]  # fmt: skip


def _posting(name: str, summary: str, description: str, parameters: list[Schema]) -> Schema:
    examples = {name: {"value": _example(f"events/{name}.json")} for name in _TAKEN}
    example = examples[SHIPMENT_REQUESTED]["value"]
    binary = (
        "Binary mode: the body is `data`, and each attribute is a header `ce-NAME`, percent-encoded as the CloudEvents "
        "HTTP binding says."
    )
    body = {
        ONE: {"schema": _ref("EventIn"), "examples": examples},
        BATCH: {
            "schema": {"type": "array", "items": _ref("EventIn"), "description": "At most 1,000 events."},
            "example": [example, _example("events/tpp.shipment.dispatched.v1.json")],
        },
        BINARY: {"schema": {"type": "object", "description": binary}, "example": example["data"]},
    }
    given = {
        "description": "An answer for each event, in order: a decision, a record, a refusal or a rejection.",
        "content": {BATCH: {"schema": _ref("Answers"), "example": _example("http/answers.json")}},
    }
    responses = _answers(given, 413, 415)
    responses["422"] = {"headers": _HEADERS, **given} | {"description": "Every event was rejected; the body says why."}
    return {
        "operationId": name,
        "tags": ["events"],
        "summary": summary,
        "description": description,
        "parameters": parameters,
        "requestBody": {"required": True, "content": body},
        "responses": dict(sorted(responses.items())),
    }


def _writing() -> Schema:
    follow = _query(
        "follow", {"type": "boolean", "default": False}, "Whether what follows from an event comes after its answer."
    )
    events = _posting(
        "postEvents", "Decide events.",
        "Decides events in order, in one transaction, and answers each. The same event again gets the same answer.",
        [follow],
    )  # fmt: skip
    check = _posting(
        "postCheck", "Decide events without keeping them.",
        "Answers what `POST /v1/events` would answer now, each event after those before it, and writes nothing.",
        [follow],
    )  # fmt: skip
    events["responses"]["200"]["links"] = _link("getShipment", "id", "$response.body#/0/data/shipment_id")
    return {"/v1/events": {"post": events}, "/v1/check": {"post": check}}


def _get(
    name: str, summary: str, parameters: list[Schema], found: Schema, *refusals: int, tag: str = "reading"
) -> Schema:
    return {
        "get": {
            "operationId": name,
            "tags": [tag],
            "summary": summary,
            "parameters": parameters,
            "responses": _answers(found, *refusals),
        }
    }


def _link(operation: str, parameter: str, value: str) -> Schema:
    """How a parameter of another operation follows from a response (a runtime expression of OpenAPI)."""
    return {operation: {"operationId": operation, "parameters": {parameter: value}}}


def _json(schema: Schema, description: str, example: Any, links: Schema | None = None) -> Schema:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"description": description, "content": content} | ({"links": links} if links else {})


def _list(item: str, example: str, links: Schema | None = None) -> Schema:
    """A page of items."""
    page = {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": _ref(item)},
            "next": {
                "anyOf": [_NEXT, {"type": "null"}],
                "description": "The cursor of the next page; null on the last.",
            },
        },
    }
    return _json(page, "A page of the list.", _example(f"http/{example}.json"), links)


def _in_path(name: str, description: str) -> Schema:
    schema = {"type": "string", "minLength": 1, "maxLength": 512}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


_FIRST_ITEM = "$response.body#/items/0"
_TO_SHIPMENT = _link("getShipment", "id", f"{_FIRST_ITEM}/shipment_id")


def _accounts() -> Schema:
    path = _in_path("path", "The path of the account; its slashes as they are, or as `%2F`.")
    sort = _query(
        "sort", {"type": "string", "enum": ["path", "used"], "default": "path"},
        "By path, or nearest to the limit first and those without one last.",
    )  # fmt: skip
    match = _query("match", _TEXT, f"Only accounts that match this pattern. {_PATTERN}")
    days = [_query("from", _DAY, "The first booked day."), _query("to", _DAY, "The last booked day.")]
    to_account, to_entries = (_link(name, "path", f"{_FIRST_ITEM}/account") for name in ("getAccount", "listEntries"))
    shown = _json(
        _ref("AccountShown"), "The account.", _example("http/account.json"),
        _link("listEntries", "path", "$response.body#/account"),
    )  # fmt: skip
    return {
        "/v1/accounts": _get(
            "listAccounts", "List accounts and their balances.", [match, *_MOMENT, sort, _LIMIT, _CURSOR],
            _list("AccountListed", "accounts", to_account | to_entries),
        ),
        "/v1/accounts/{path}": _get("getAccount", "Show an account.", [path, *_MOMENT], shown, 404),
        "/v1/accounts/{path}/entries": _get(
            "listEntries", "List the entries of an account.", [path, *days, _LIMIT, _CURSOR],
            _list("EntryListed", "entries", _TO_SHIPMENT), 404,
        ),
    }  # fmt: skip


def _reading() -> Schema:
    code = {"type": "string", "enum": [str(one) for one in ReasonCode]}
    states = {"type": "string", "enum": ["open", "met", "withdrawn", "all"], "default": "open"}
    account = _query("account", _TEXT, f"Only holds that wait for room on this account. {_PATTERN}")
    shipment = _json(_ref("ShipmentShown"), "The shipment.", _example("http/shipment.json"))
    to_accounts = _link("listAccounts", "known_at", f"snapshot:{{{_FIRST_ITEM}/snapshot_id}}")
    return {
        **_accounts(),
        "/v1/shipments/{id}": _get(
            "getShipment", "Show a shipment.", [_in_path("id", "The shipment.")], shipment, 404,
        ),
        "/v1/holds": _get(
            "listHolds", "List held shipments, the oldest hold first.",
            [_query("code", code, "Only holds for this reason."), account, _LIMIT, _CURSOR],
            _list("HoldListed", "holds", _TO_SHIPMENT),
        ),
        "/v1/obligations": _get(
            "listObligations", "List what must be filed, and by when.",
            [_query("due_by", _DAY, "Only obligations due on or before this day."),
             _query("state", states, "Only obligations in this state."), _LIMIT, _CURSOR],
            _list("ObligationListed", "obligations", _TO_SHIPMENT),
        ),
        "/v1/obligations.ics": _calendar(),
        "/v1/snapshots": _get(
            "listSnapshots", "List closed periods, in the order of closing.", [_LIMIT, _CURSOR],
            _list("SnapshotListed", "snapshots", to_accounts),
        ),
        "/v1/lists": _get(
            "listLists", "List the restricted-party lists in force.", [_LIMIT, _CURSOR], _list("ListListed", "lists"),
        ),
        "/v1/lists/search": _search(),
        "/v1/stream": _stream(),
    }  # fmt: skip


def _search() -> Schema:
    parameters = [
        {**_query("name", {**_TEXT, "maxLength": TEXT_MOST}, "The name of the party."), "required": True},
        _query("country", COUNTRY_SCHEMA, "Its country."),
        _query("address", {**_TEXT, "maxLength": ADDRESS_MOST}, "Its address."),
        _query("lei", {"type": "string", "pattern": LEI}, "Its Legal Entity Identifier."),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}, "The most entries."),
    ]
    found = _json(_ref("SearchShown"), "The entries, best first.", _example("http/search.json"))
    return _get("searchLists", "List the entries of all lists that a name resembles.", parameters, found, 404)


def _calendar() -> Schema:
    found = {"description": "The open obligations.", "content": {"text/calendar": {"schema": {"type": "string"}}}}
    route = _get("getCalendar", "Subscribe to the obligations as a calendar (RFC 5545).", [], found)
    route["get"]["security"] = [{"calendar": []}]
    return route


def _stream() -> Schema:
    names = [short_name(name) for name in OUTGOING]
    types = {"type": "string", "description": f"Of {', '.join(names)}; joined by commas."}
    parameters = [
        _query("types", types, "Only events of these types; without it, all that is published."),
        _query("account", _TEXT, f"Only what concerns an account that fits. {_PATTERN}"),
        _query("after", {"type": "integer", "minimum": 0}, "Begin after this sequence; 0 for the first event."),
        {
            "name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"},
            "description": "As `after`, before which it counts; `EventSource` sends it when it connects again.",
        },
    ]  # fmt: skip
    found = {
        "description": "Server-sent events: `id` is the sequence, `event` the type, `data` the event as published.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    return _get("stream", "Follow what is published.", parameters, found)


def _operating() -> Schema:
    state = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    live = _json(state, "The process answers.", {"status": "live"})
    ready = _json(state, "The ledger answers within 2 seconds.", {"status": "ready"})
    document = _json({"type": "object"}, "This document.", {"openapi": "3.1.0"})
    metrics = {"description": "Metrics of Prometheus.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    routes = {
        "/health/live": ("live", "Whether the process answers.", live),
        "/health/ready": ("ready", "Whether the ledger answers.", ready),
        "/openapi.json": ("getDocument", "This document.", document),
    }
    found: Schema = {"/metrics": _get("getMetrics", "Metrics of Prometheus.", [], metrics, tag="operating")}
    for path, (name, summary, given) in routes.items():
        route = {"operationId": name, "tags": ["operating"], "summary": summary, "security": []}
        found[path] = {"get": route | {"responses": _answers(given, token=False)}}
    found["/health/ready"]["get"]["responses"]["503"] = _json(
        {**state, "required": ["status", "why"]}, "The ledger does not answer.",
        {"status": "unready", "why": "the ledger does not answer within 2 seconds"},
    )  # fmt: skip
    return found
