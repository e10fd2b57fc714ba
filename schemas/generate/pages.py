"""The tables of the contract's pages, written between `<!-- generated: … -->` and `<!-- end -->`.

A marker may ask for `data TYPE`, `object MODEL`, `reason codes`, `refusal codes`, `rejection codes`, `topics`,
`types TOPIC`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from schemas.codes import REFUSALS, Code, ReasonCode, RejectionCode
from schemas.event_types import INCOMING, INPUTS, OF_COMMANDS, OUTGOING, TOPICS
from schemas.generate.asyncapi import HOLDS, key_of, types_of
from schemas.generate.descriptions import descriptions, members, models_in, summary
from schemas.generate.json_schemas import Schema, definitions
from schemas.models.decisions import DIGEST
from schemas.models.values import ECCN, IDENTIFIER, LEI, SHA256, TEXT_MOST
from schemas.periods import PERIOD

_BLOCK = re.compile(r"(<!-- generated: ([^>]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_TITLES = {
    "Taken": "Authorization taken",
    "LineDecided": "Line",
    "DebitDone": "Entry",
    "ReasonGiven": "Reason",
    "FindingGiven": "Finding",
    "ObligationOwed": "Obligation",
    "ReviewGiven": "Review",
    "LawStatus": "Law status",
    "ListUsed": "List",
    "InFile": "Position in a file",
    "InTopic": "Position in a topic",
    "InBody": "Position in a request",
    "InRequest": "Position in a command",
    "ListedFacility": "Listed facility",
    "RedFlag": "Red flag",
    "ReturnedItem": "Returned item",
}
"""The headings of models whose names are not the words of the contract."""
_PATTERNS = {
    IDENTIFIER: "identifier",
    ECCN: "ECCN",
    LEI: "LEI",
    SHA256: "SHA-256",
    DIGEST: "`sha256:` and SHA-256",
    PERIOD: "period",
}
_CODES = {"ReasonCode": "[reason code](reason-codes.md)", "RejectionCode": "[rejection code](rejection-codes.md)"}


def filled_in(page: str) -> str:
    """A page with its tables generated from the models; raises ValueError for an unknown marker."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{_generated(match[2])}\n\n{match[3]}", page)


def asked_for(page: str) -> list[str]:
    """What the markers of a page ask for, in order."""
    return [match[2] for match in _BLOCK.finditer(page)]


def parts() -> dict[str, tuple[type[BaseModel], bool]]:
    """Every model in the data of an event by its name, and whether it is incoming."""
    taken = (*INCOMING.values(), *OF_COMMANDS.values())
    types = [*((one.model, True) for one in taken), *((one.model, False) for one in OUTGOING.values())]
    return {name: (part, incoming) for model, incoming in types for name, part in models_in(model).items()}


def _object(name: str) -> tuple[type[BaseModel], bool] | None:
    """The model of that name, or the base of models, and whether it is incoming."""
    for part, incoming in parts().values():
        for base in part.__mro__:
            if base.__name__ == name and issubclass(base, BaseModel):
                return base, incoming
    return None


def _generated(asked: str) -> str:
    kind, _, name = asked.partition(" ")
    if kind == "data" and (one := INCOMING.get(name) or OF_COMMANDS.get(name)):
        return _members(one.model, incoming=True)
    if kind == "data" and name in OUTGOING:
        return _members(OUTGOING[name].model, incoming=False)
    if kind == "object" and (found := _object(name)):
        return f"### {_title(name)}\n\n{summary(found[0])}\n\n{_members(*found)}"
    if asked == "reason codes":
        return _codes(ReasonCode)
    if asked == "refusal codes":
        return _codes(REFUSALS)
    if asked == "rejection codes":
        return _codes(RejectionCode)
    if asked == "topics":
        return _table(("topic", "you", "holds", "key"), _topics())
    if kind == "types" and name in TOPICS:
        return _table(("type", "key"), ((f"`{one.name}`", key_of(one)) for one in types_of(name)))
    raise ValueError(f"nothing is generated for {asked!r}")


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [heads, *rows]
    texts = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([texts[0], re.sub(r"[^|]+", "---", texts[0]), *texts[1:]])


def _codes(codes: Iterable[Code]) -> str:
    return _table(("code", "meaning", "what to do"), ((f"`{code}`", code.meaning, code.remedy) for code in codes))


def _topics() -> Iterator[tuple[str, str, str, str]]:
    for topic in TOPICS:
        keys = " ".join(dict.fromkeys(key_of(one) for one in types_of(topic)))
        yield f"`{topic}`", "write" if topic in INPUTS else "read", HOLDS[topic], keys


def _members(model: type[BaseModel], incoming: bool) -> str:
    """The table of a model's members."""
    schemas = definitions(model, incoming)
    schema, said = schemas[model.__name__], descriptions(model)
    required = schema.get("required", ())
    rows = (
        (
            f"`{name}`",
            _type(schema["properties"][name], schemas),
            "yes" if name in required else "no",
            said[name],
        )
        for name in members(model)
    )
    return _table(("member", "type", "required", "meaning"), rows)


def _title(name: str) -> str:
    return _TITLES.get(name, name)


def _type(node: Schema, schemas: Mapping[str, Schema]) -> str:
    """The JSON type of a member in the words of the contract."""
    if reference := node.get("$ref"):
        return _named(reference.rpartition("/")[2], schemas)
    if "const" in node:
        return f"`{_json(node['const'])}`"
    if "enum" in node:
        return _either([f"`{_json(one)}`" for one in node["enum"]])
    if choices := node.get("anyOf"):
        return _either([_type(choice, schemas) for choice in choices])
    if node.get("type") == "array":
        least = ", one or more" if node.get("minItems") else ""
        most = f", up to {node['maxItems']:,}" if "maxItems" in node else ""
        return f"list of {_type(node['items'], schemas)}{least}{most}"
    if node.get("type") == "string":
        return _text(node)
    if node.get("type") == "integer":
        least = node.get("minimum", -1)
        return f"integer, {least} or more" if least >= 0 else "integer"
    return str(node["type"])


def _either(types: Sequence[str]) -> str:
    *others, last = types
    return f"{', '.join(others)} or {last}" if others else last


def _text(node: Schema) -> str:
    if node.get("format") in ("date", "date-time"):
        return "date" if node["format"] == "date" else "time"
    pattern = node.get("pattern", "")
    if pattern in _PATTERNS:
        return _PATTERNS[pattern]
    if pattern.startswith("^("):
        return "account path"
    most = node.get("maxLength", TEXT_MOST)
    bounds = f" of up to {most:,} characters" if most != TEXT_MOST else ""
    return "decimal string" if pattern.startswith("^[0-9]+") else f"string{bounds}"


def _named(name: str, schemas: Mapping[str, Schema]) -> str:
    if name == "Country":
        return "country code"
    if name in _CODES:
        return _CODES[name]
    if "enum" in schemas[name]:
        return _type({"enum": schemas[name]["enum"]}, schemas)
    return f"[{_title(name).lower()}](#{_title(name).lower().replace(' ', '-')})"


def _json(value: Any) -> str:
    return "true" if value is True else str(value)
