"""The dated values of a book: read once from its TOML, then given out as of a day."""

import ast
import hashlib
import json
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from rulebook.law.law import Law, Period
from schemas.models.values import country_codes

_DATED = ("amounts", "decimals", "groups", "eccn", "part_of", "policies", "rules")
_CHANGES = ("values", "adds", "removes")


@cache
def _text(folder: str, name: str) -> bytes:
    return resources.files("rulebook").joinpath(folder, name).read_bytes()


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two books' tables, entry by entry; an entry of `over` takes the place of the one in `base`."""
    joined = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(joined.get(key), dict)
        joined[key] = joined[key] | value if both else value
    return joined


def _files(module: str) -> tuple[dict[str, Any], list[bytes]]:
    raw = _text("books", f"{module}.toml")
    tables = tomllib.loads(raw.decode())
    if "extends" not in tables:
        return tables, [raw]
    base, texts = _files(tables["extends"])
    return _merged(base, tables), [*texts, raw]


class Values:
    """All values of a book with their dates, and the catalogues that go with it.

    `tables` is the book's TOML; a book that names another under `extends` replaces single entries of that one.
    """

    def __init__(self, module: str, switches: Mapping[str, bool]) -> None:
        self.tables, texts = _files(module)
        self.name: str = self.tables["name"]
        known = self.tables.get("switches", {})
        for switch in switches:
            if switch not in known:
                raise ValueError(
                    f"unknown switch {switch!r} of {self.name}; known: {', '.join(sorted(known)) or 'none'}"
                )
        self.switches = {name: bool(switches.get(name, entry["default"])) for name, entry in known.items()}
        for kind in ("chips", "designers"):
            texts.append(_text("data", f"{self.tables[kind]}.toml"))
        chips, designers = (tomllib.loads(text.decode()) for text in texts[-2:])
        self.chips: list[dict[str, Any]] = chips["chips"]
        self.designers: tuple[str, ...] = tuple(designers["names"])
        self.checked: dict[str, date] = {"chips": chips["checked_until"], "designers": designers["checked_until"]}
        self.digest = _digest(texts, self.switches)
        status = self.tables["law_status"]
        self.status = {"codified": status["codified"], "not_enforced_since": str(status["not_enforced_since"])}
        self.dates = {name: entry["day"] for name, entry in self.tables["dates"].items()}
        self._cuts = sorted(_cut_days(self.tables))
        self._everything = country_codes()
        self._periods: dict[int, Period] = {}
        self._laws: dict[date, Law] = {}

    def law(self, day: date) -> Law:
        """The values in force on a day; those of the book's first day where it is earlier."""
        law = self._laws.get(day)
        if law is None:
            index = max(bisect_right(self._cuts, day) - 1, 0)
            period = self._periods.get(index)
            if period is None:
                period = self._periods[index] = self._period(max(self._cuts[index], self.dates["effective"]))
            if len(self._laws) > 20_000:
                self._laws.clear()
            law = self._laws[day] = Law(day, period)
        return law

    def steps(self, name: str) -> list[tuple[date, int]]:
        """Each first day of an amount and the amount from then on, in order."""
        return sorted((date.fromisoformat(day), value) for day, value in self.tables["amounts"][name]["values"].items())

    def _period(self, day: date) -> Period:
        tables = self.tables
        groups = {name: _members(entry, day, self.switches) for name, entry in tables["groups"].items()}
        parts = tables.get("part_of", {})
        places = {code: of for of, entry in parts.items() for code in _value(entry, day) or ()}
        for name, entry in tables.get("derived", {}).items():
            groups[name] = _evaluate(entry["expression"], groups | {"everything": self._everything})
        return Period(
            first=day,
            amounts={name: _value(entry, day) for name, entry in tables["amounts"].items()},
            decimals={name: Decimal(v) for name, e in tables["decimals"].items() if (v := _value(e, day)) is not None},
            groups=groups,
            eccns={name: tuple(_value(entry, day) or ()) for name, entry in tables["eccn"].items()},
            prefixed=frozenset(name for name, entry in tables["eccn"].items() if entry.get("prefixes")),
            dates=self.dates,
            notices=tables["notices"],
            yearly={name: tuple(entry["days"]) for name, entry in tables.get("yearly", {}).items()},
            switches=self.switches,
            not_modelled=(tables["not_modelled"]["names"], tables["not_modelled"]["page"]),
            policies={use: (_value(e, day), e["citation"]) for use, e in tables.get("policies", {}).items()},
            rules={name: _value(entry, day) or "" for name, entry in tables.get("rules", {}).items()},
            places=places,
            seats={
                code: of
                for of, entry in parts.items()
                if entry.get("headquarters")
                for code in _value(entry, day) or ()
            },
            territories=frozenset(places),
            noted=groups["watched"].union(places),
            chips=self.chips,
            designers=self.designers,
            checked=self.checked,
        )


def _digest(texts: list[bytes], switches: Mapping[str, bool]) -> str:
    total = hashlib.sha256()
    for text in texts:
        total.update(hashlib.sha256(text).digest())
    total.update(json.dumps(switches, sort_keys=True).encode())
    return f"sha256:{total.hexdigest()}"


def _cut_days(tables: Mapping[str, Any]) -> set[date]:
    days = {entry["day"] for entry in tables["dates"].values()}
    for table in _DATED:
        for entry in tables.get(table, {}).values():
            days.update(date.fromisoformat(day) for kind in _CHANGES for day in entry.get(kind, ()))
            if "ends" in entry:
                days.add(entry["ends"])
    return days


def _value(entry: Mapping[str, Any], day: date) -> Any:
    """The value in force on a day; None before the first and from `ends` on."""
    if "ends" in entry and day >= entry["ends"]:
        return None
    past = [first for first in entry["values"] if date.fromisoformat(first) <= day]
    return entry["values"][max(past)] if past else None


def _members(entry: Mapping[str, Any], day: date, switches: Mapping[str, bool]) -> frozenset[str]:
    """The members of a group on a day; `without` takes out those of a reading that was chosen."""
    members = set(entry["members"])
    changes = [(first, kind, codes) for kind in ("adds", "removes") for first, codes in entry.get(kind, {}).items()]
    for first, kind, codes in sorted(changes):
        if date.fromisoformat(first) <= day:
            members = members.union(codes) if kind == "adds" else members.difference(codes)
    for switch, codes in entry.get("without", {}).items():
        if switches[switch]:
            members = members.difference(codes)
    return frozenset(members)


def _evaluate(expression: str, groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The members of a derived group: names of groups and `everything`, joined by `|`, `-` and `&`."""

    def of(node: ast.expr) -> frozenset[str]:
        if isinstance(node, ast.Name):
            return groups[node.id]
        if isinstance(node, ast.BinOp):
            left, right = of(node.left), of(node.right)
            if isinstance(node.op, ast.BitOr):
                return left | right
            return left - right if isinstance(node.op, ast.Sub) else left & right
        raise ValueError(f"not an expression of groups: {expression}")

    return of(ast.parse(expression, mode="eval").body)
