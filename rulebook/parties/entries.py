"""Entries of restricted-party lists, and the canonical content of a list, whose digest names it."""

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

import orjson


class ListKind(StrEnum):
    """Which of the United States' lists an entry stands on, as far as the law treats it by itself."""

    ENTITY = "entity"
    """The Entity List: 15 CFR 744.11, Supplement No. 4 to part 744."""
    MEU = "meu"
    """The Military End-User List: 15 CFR 744.21, Supplement No. 7 to part 744."""
    DENIED = "denied"
    """Persons denied export privileges: 15 CFR 764.3(a)(2)."""
    SDN = "sdn"
    """Specially Designated Nationals under one of the programs of 15 CFR 744.8."""
    OTHER = "other"


class ListEntry(NamedTuple):
    """One entry of a restricted-party list.

    `id` is the list's own; `source` the list as the file names it, such as `bis-entity-list`. `countries` are ISO
    3166-1 alpha-2 codes, sorted. `effective` is the first day on which it counts and `expires` the last one, None where
    the list has none. `requirement` and `policy` are the licence requirement and the review policy, empty if unknown.
    """

    id: str
    name: str
    source: str = ""
    kind: ListKind = ListKind.OTHER
    aliases: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    leis: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    effective: date | None = None
    expires: date | None = None
    requirement: str = ""
    policy: str = ""
    published: str = ""
    notes: str = ""

    def to_json(self) -> dict[str, Any]:
        """The entry as a JSON object, without what is not known."""
        return {name: value for name, value in self._asdict().items() if value}

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> "ListEntry":
        """The entry of a JSON object that `to_json` made."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in found.items()
        }
        values |= {name: date.fromisoformat(values[name]) for name in ("effective", "expires") if name in values}
        return cls(**{**values, "kind": ListKind(values.get("kind", ListKind.OTHER))})

    def line(self) -> bytes:
        """The entry in canonical JSON: members in the order of the alphabet, no blanks, UTF-8, and a line's end."""
        return orjson.dumps(self.to_json(), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)

    @property
    def digest(self) -> str:
        """The SHA-256 of the entry's line, in hexadecimal: what it says, whatever version of the list says it."""
        return sha256(self.line()).hexdigest()


def content_of(entries: Iterable[ListEntry]) -> bytes:
    """The canonical content of a list: one entry a line, sorted by id."""
    return b"".join(entry.line() for entry in sorted(entries, key=lambda one: one.id))


def digest_of(content: bytes) -> str:
    """The digest of a list's content: its SHA-256, in hexadecimal."""
    return sha256(content).hexdigest()


def entries_of(content: bytes) -> tuple[ListEntry, ...]:
    """The entries of a list's content, in its order."""
    return tuple(ListEntry.read(orjson.loads(line)) for line in content.splitlines())
