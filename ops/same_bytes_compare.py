"""Compares two folders `KIND/DATABASE/INPUT/…` of what went out, file by file and line by line."""

import base64
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHOWN = 400
"""How many characters of a line an excerpt shows."""

BEFORE = 120
"""How many of them may stand before the first that differs."""

MISSING = "(no such file)"
LEFT_OUT = object()

_DIGESTS = frozenset({"checkpoint", "hash", "leaf", "note", "proof", "root"})
"""Members and columns that hash or sign answers, so that they differ where an answer does."""

_BINARY = frozenset({".parquet", ".xlsx"})


@dataclass(frozen=True)
class But:
    """What may differ: members of JSON documents by name, event types, and the program `verify.py` of a pack."""

    members: Collection[str] = ()
    types: Collection[str] = ()
    verifier: bool = False

    @property
    def some(self) -> bool:
        """Whether answers may differ at all; then only JSON documents and the exports of finance are compared."""
        return bool(self.members or self.types)

    def skips(self, file: Path) -> bool:
        """Whether a file of the kind's folder is left out."""
        packed = "pack" in file.parts
        if self.verifier and packed and file.name in ("verify.py", "pack.json", "pack.note"):
            return True
        if not self.some:
            return False
        if file.parts[0] == "exports":
            return packed or file.suffix in (".checkpoint", ".text")
        return file.suffix == ".text"

    def lines(self, file: Path, ids: Collection[str]) -> list[str]:
        """The lines of a file; where answers may differ, without what may. `ids`: of the events left out."""
        if file.suffix in _BINARY:
            return [file.read_bytes().hex()]
        text = file.read_bytes().decode(errors="surrogateescape")
        whole = text.split("\n")
        if not whole[-1]:
            whole.pop()
        else:
            whole[-1] += " (no end of line)"
        if not self.some:
            return whole
        if file.suffix == ".end":
            return whole[:1]
        try:
            if file.suffix == ".json" and text:
                return json.dumps(self.reduced(_read(text), ids), ensure_ascii=False, indent=1).split("\n")
            if file.suffix == ".jsonl":
                found = (self.reduced(_read(line), ids) for line in whole)
                return [json.dumps(one, ensure_ascii=False) for one in found if one is not LEFT_OUT]
        except ValueError:
            return whole
        return whole

    def reduced(self, value: Any, ids: Collection[str]) -> Any:
        """A JSON value without what may differ, also in JSON within its texts; LEFT_OUT for an event of `ids`."""
        if isinstance(value, dict):
            if "specversion" in value and value.get("id") in ids:
                return LEFT_OUT
            kept = {name: inner for name, inner in value.items() if name not in self.members and name not in _DIGESTS}
            return {name: self.reduced(inner, ids) for name, inner in kept.items()}
        if isinstance(value, list):
            return [one for one in (self.reduced(inner, ids) for inner in value) if one is not LEFT_OUT]
        if not isinstance(value, str):
            return value
        try:
            text = base64.b64decode(value).decode() if value.startswith("eyJ") else value  # {" in base64
            return self.reduced([_read(line) for line in text.split("\n")], ids) if text.startswith("{") else value
        except ValueError:
            return value


def _read(text: str) -> Any:
    """A JSON document, its decimals as they are written."""
    return json.loads(text, parse_float=lambda written: {"decimal": written})


@dataclass(frozen=True)
class Difference:
    """A file of an input, its first line that differs, how many do, and that line on both sides; None: no such line."""

    file: str
    line: int
    count: int
    old: str | None
    new: str | None

    def text(self) -> str:
        """The difference for people, the lines cut around the first character that differs."""
        old, new = self.old or "", self.new or ""
        at = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
        start = max(0, at - BEFORE)

        def cut(line: str | None) -> str:
            if line is None:
                return "(no such line)"
            shown = ("…" if start else "") + line[start : start + SHOWN] + ("…" if len(line) > start + SHOWN else "")
            return shown.encode(errors="surrogateescape").decode(errors="backslashreplace")

        first = f"  {self.file}, line {self.line} ({self.count:,} differ)"
        return f"{first}\n    old: {cut(self.old)}\n    new: {cut(self.new)}"


@dataclass
class Group:
    """The comparison of one kind of output on one kind of database.

    `uncovered`: of a verification, the tables and columns that it does not cover, by the reason.
    """

    name: str
    inputs: set[str] = field(default_factory=set)
    lines: int = 0
    differences: list[Difference] = field(default_factory=list)
    uncovered: dict[str, set[str]] = field(default_factory=dict)

    def add(self, given: str, file: str, old: list[str], new: list[str]) -> None:
        """Compares the lines of a file of an input."""
        self.inputs.add(given)
        length = max(len(old), len(new))
        self.lines += length
        if old == new:
            return
        full = [[*lines, *[None] * (length - len(lines))] for lines in (old, new)]
        found = [n for n, (a, b) in enumerate(zip(*full, strict=True)) if a != b]
        self.differences.append(
            Difference(f"{given}/{file}", found[0] + 1, len(found), full[0][found[0]], full[1][found[0]])
        )

    def text(self, shown: int) -> str:
        """One line, and below it the first differences, `shown` of them."""
        found = len(self.differences)
        result = f"{counted(found, 'file')} DIFFER{'S' * (found == 1)}" if found else "the same"
        first = f"{self.name}: {counted(len(self.inputs), 'input')}, {self.lines:,} lines: {result}"
        return "\n".join([first, *(one.text() for one in self.differences[:shown])])


def counted(number: int, what: str) -> str:
    """A number with its noun.

    >>> counted(1, "input"), counted(2_000, "input")
    ('1 input', '2,000 inputs')
    """
    return f"{number:,} {what}{'s' * (number != 1)}"


def compare(old: Path, new: Path, but: But) -> list[Group]:
    """Compares all files of two folders; a file of one side alone differs from its first line on."""
    groups: list[Group] = []
    for kind in sorted({path.name for side in (old, new) for path in side.glob("*")}):
        for database in sorted({path.name for side in (old, new) for path in (side / kind).glob("*")}):
            group = Group(f"{kind}, {database}")
            _fill(group, Path(kind) / database, (old, new), but)
            groups.append(group)
    return groups


def _fill(group: Group, folder: Path, sides: tuple[Path, Path], but: But) -> None:
    for name in sorted({path.relative_to(side) for side in sides for path in _files(side / folder)}):
        if but.skips(name):
            continue
        given = name.parts[2]
        ids = {one for side in sides for one in _ids(side, folder.name, given, but.types)}
        old, new = (but.lines(side / name, ids) if (side / name).exists() else [MISSING] for side in sides)
        group.add(given, "/".join(name.parts[3:]), old, new)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _ids(side: Path, database: str, given: str, types: Collection[str]) -> Iterator[str]:
    """The ids of the events of these types that went out for an input."""
    if not types:
        return
    for kind in ("answers", "rejections"):
        for file in (side / kind / database / given).glob("*.jsonl"):
            for line in file.read_text("utf-8").split("\n"):
                event = json.loads(line or "{}")
                if event.get("type") in types:
                    yield event["id"]
