"""Loads a restricted-party list: keeps its content, and has the engine put it in force."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from ledger.journal import Ledger
from ledger.registers.facts import ALL
from ledger.registers.names.lists import content, keep_content
from schemas.event_types import CLI_SOURCE, EVENT_REJECTED, LIST_LOADED
from schemas.kinds import FactKind
from schemas.models.facts import ListLoaded
from services.engine.engine import Engine, Texts
from services.engine.message import Message


class NotLoaded(Exception):
    """A list that is not put in force, and why; nothing was written."""


@dataclass(frozen=True, slots=True)
class Load:
    """A load: the data of its record, the answers to it, and whether the ledger had it already."""

    data: Mapping[str, Any]
    texts: Texts
    repeated: bool


def loads_of(ledger: Ledger, name: str, recorded: int) -> tuple[list[ListLoaded], bool]:
    """The loads under a name, oldest first, and whether work of an earlier event is left to do; writes nothing."""
    with ledger.shadow(recorded) as journal:
        loads = [fact.data for fact in journal.facts.of(FactKind.LIST, ALL) if fact.data.name == name]
        return loads, journal.unfinished.next() is not None


def load_list(
    ledger: Ledger, engine: Engine, wanted: Mapping[str, Any], text: bytes, time: datetime, recorded: int,
    compare: Callable[[bytes | None], tuple[int, int, int]],
) -> Load:  # fmt: skip
    """Puts a list in force, whose content is `text`, and rescreens what is open; the same load again changes nothing.

    `wanted` has the members of the load's data but for `added`, `removed` and `changed`, which `compare` gives for the
    content in force before, None where there is none; it may raise NotLoaded. Raises NotLoaded where other content or
    settings were loaded under this version, or another version is in force since; also by another process meanwhile.
    """
    made = _load(ledger, engine, wanted, text, time, recorded, compare)
    if _is_rejected(made.texts):
        made = _load(ledger, engine, wanted, text, time, recorded, compare)
    if _is_rejected(made.texts):
        raise NotLoaded(orjson.loads(made.texts[0])["data"]["errors"][0]["message"])
    return made


def _load(
    ledger: Ledger, engine: Engine, wanted: Mapping[str, Any], text: bytes, time: datetime, recorded: int,
    compare: Callable[[bytes | None], tuple[int, int, int]],
) -> Load:  # fmt: skip
    """The load as it was answered, which may be a rejection; raises NotLoaded."""
    loads, is_left = loads_of(ledger, wanted["name"], recorded)
    same = [one for one in loads if one.version == wanted["version"]]
    before = content(ledger.store, loads[-1].sha256) if loads else None
    if same:
        data = same[-1].model_dump(exclude_none=True)
        _check_same(data, wanted, is_in_force=same[-1] is loads[-1])
    else:
        added, removed, changed = compare(before)
        data = {**wanted, "added": added, "removed": removed, "changed": changed}
        keep_content(ledger.store, text, wanted["sha256"])
    load = Message(event_of(data, time), {"request": _request(data)}, own=True)
    (texts,) = engine.run([load])
    if not any(map(_ends, texts)):
        (texts,) = engine.run([load])  # others have done some of its chunks; what is told again has them all
    return Load(data, texts, repeated=bool(same) and not is_left)


def _is_rejected(texts: Texts) -> bool:
    """Whether a load was rejected, since another process loaded that version meanwhile."""
    return bool(orjson.loads(texts[0])["type"] == EVENT_REJECTED)


def _ends(text: str) -> bool:
    """Whether an answer is the record that ends a rescreening."""
    return "held_count" in orjson.loads(text)["data"]


def _check_same(data: Mapping[str, Any], wanted: Mapping[str, Any], *, is_in_force: bool) -> None:
    named = f"version {data['version']} of the list {data['name']}"
    if data["sha256"] != wanted["sha256"]:
        raise NotLoaded(f"{named} was loaded with other content; give the file another version")
    for member, said in (("threshold", "threshold"), ("max_age_days", "maximum age")):
        if data.get(member) != wanted.get(member):
            raise NotLoaded(f"{named} was loaded with another {said}; give it another version")
    if not is_in_force:
        raise NotLoaded(f"{named} is no longer in force; give the file another version to load it again")


def _request(data: Mapping[str, Any]) -> str:
    return f"lists load {data['name']} {data['version']}"


def event_of(data: Mapping[str, Any], time: datetime) -> bytes:
    """The event of a load."""
    event = {
        "specversion": "1.0",
        "id": f"{data['name']}/{data['version']}",
        "source": CLI_SOURCE,
        "type": LIST_LOADED,
        "subject": data["name"],
        "time": time.isoformat(),
        "data": dict(data),
    }
    return orjson.dumps(event)
