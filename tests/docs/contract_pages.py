"""What the pages of the contract say, and what the program has: each side as a value that can be compared."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from rulebook.books.ai_diffusion import CONTENTS
from schemas import accounts
from schemas.codes import ReasonCode, RejectionCode
from schemas.columns import TABLES
from schemas.event_types import INCOMING, OF_COMMANDS, OUTGOING, TOPICS
from schemas.generate.descriptions import members
from schemas.generate.pages import asked_for, parts
from schemas.kinds import LASTING
from services.cli.commands import main
from services.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/contract"
CODE = re.compile(r"`([^`]+)`")

Pages = dict[str, str]


def pages() -> Pages:
    """The text of each page of the contract, by its name."""
    return {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.md")}


def rows(text: str, *heads: str) -> Iterator[list[str]]:
    """The cells of each row of the tables that have these heads in their first columns."""
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")] if line.startswith("|") else []
        if not cells:
            inside = False
        elif inside and not line.startswith("|---"):
            yield cells
        elif not line.startswith("|---"):
            inside = cells[: len(heads)] == list(heads)


def named(text: str, *heads: str) -> list[str]:
    """What stands in backquotes in the first cell of each row of such tables."""
    return [name for row in rows(text, *heads) for name in CODE.findall(row[0])]


def types_named(found: Pages) -> set[str]:
    """The types of event that stand anywhere on the pages."""
    return {name for text in found.values() for name in re.findall(r"tpp\.[a-z]+\.[a-z]+\.v1", text)}


def types_placed(found: Pages) -> list[str]:
    """The types of event that have a heading, a table of data or a row of the decisions; sorted, each as often as there."""
    headed = re.findall(r"^### (tpp\.[a-z.]+\.v1)$", found["events-in.md"], re.MULTILINE)
    data = [asked.removeprefix("data ") for asked in asked_for(found["answers.md"]) if asked.startswith("data ")]
    return sorted([*headed, *data, *named(found["answers.md"], "type", "outcome")])


def types_had() -> set[str]:
    """The types of event that the program knows."""
    return INCOMING.keys() | OF_COMMANDS.keys() | OUTGOING.keys()


def objects_told(found: Pages) -> set[tuple[str, ...]]:
    """The members of each object whose table stands on the pages."""
    known = {base.__name__: base for part, _ in parts().values() for base in part.__mro__}
    known |= {one.name: one.model for one in (*INCOMING.values(), *OF_COMMANDS.values(), *OUTGOING.values())}
    names = [asked.partition(" ")[2] for text in found.values() for asked in asked_for(text)]
    return {tuple(members(known[name])) for name in names if name in known}


def objects_had() -> set[tuple[str, ...]]:
    """The members of each object that stands in the data of an event."""
    return {tuple(members(model)) for model, _ in parts().values()}


def commands_told(found: Pages) -> list[tuple[str, str]]:
    """Each command on the page, and each of its options; an empty option stands for the command itself."""
    told = []
    for part in re.split(r"^## ", found["command-line.md"], flags=re.MULTILINE)[1:]:
        commands = [" ".join(re.findall(r"(?<= )[a-z][a-z-]*", name)) for name in named(part, "command")]
        told += [(command, "") for command in commands]
        for option, of, *_ in rows(part, "option"):
            names = commands if of == "all" else CODE.findall(of)
            told += [(name, option.strip("`").split()[0]) for name in names]
    return sorted(told)


def commands_had(command: click.Command = main, path: str = "") -> list[tuple[str, str]]:
    """Each command of the program, and each of its options but --help."""
    if isinstance(command, click.Group):
        below = [commands_had(one, f"{path} {name}".strip()) for name, one in command.commands.items()]
        own = _own(command, path) if command.invoke_without_command and path else []
        return sorted([*own, *(one for found in below for one in found)])
    return _own(command, path)


def _own(command: click.Command, path: str) -> list[tuple[str, str]]:
    """A command and each of its options but --help."""
    options = [max(one.opts, key=len) for one in command.params if isinstance(one, click.Option)]
    return [(path, ""), *((path, name) for name in options)]


def settings_had() -> set[str]:
    """The settings of the program, and what it reads from the environment besides."""
    sources = [path.read_text("utf-8") for path in (ROOT / "services").rglob("*.py")]
    read = {name for text in sources for name in re.findall(r'os\.environ\.get\("(TPP_[A-Z_]+)"', text)}
    return {f"TPP_{name.upper()}" for name in Settings.model_fields} | read


def defaults_told(found: Pages) -> dict[str, str]:
    """The default of each setting that has one on the page."""
    return {row[0].strip("`"): row[1].strip("`") for row in rows(found["settings.md"], "name") if "`" in row[1]}


def duties_had() -> set[str]:
    """The kinds of obligation that the functions of the law plan, by the names in their calls or in constants.

    And those that end only by being met, which the engine brings.
    """
    found = {"record_retention", *LASTING}
    for path in (ROOT / "rulebook/sections").glob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        lists = {
            target.id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple | ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name) and _literal(node.value)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.GeneratorExp) and isinstance(node.elt, ast.Call):
                over: Any = node.generators[0]
                if getattr(node.elt.func, "id", "") == "duty":
                    found.update(lists[over.iter.id])
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "duty":
                kind: Any = node.args[2]
                if not (isinstance(kind, ast.Name) and kind.id not in lists):
                    found.add(kind.value if isinstance(kind, ast.Constant) else lists[kind.id])
    return found


def _literal(node: ast.expr) -> bool:
    return all(isinstance(one, ast.Constant) for one in getattr(node, "elts", [node]))


def releasable_told(found: Pages) -> set[str]:
    """The reasons that a reviewer may set aside, as the page says."""
    text = found["reason-codes.md"].partition("A reviewer may set aside")[2].partition(". ")[0]
    return set(CODE.findall(text))


def columns_told(found: Pages) -> dict[str, list[str]]:
    """The columns of each table of the books, as the page says."""
    return {row[0]: CODE.findall(row[1]) for row in rows(found["books.md"], "table", "columns")}


Comparison = tuple[Callable[[Pages], Any], Callable[[], Any]]
COMPARISONS: dict[str, Comparison] = {
    "types named": (types_named, types_had),
    "types placed": (types_placed, lambda: sorted(types_had())),
    "objects": (objects_told, objects_had),
    "reason codes": (lambda found: named(found["reason-codes.md"], "code", "meaning"), lambda: list(ReasonCode)),
    "reason codes with facts": (
        lambda found: set(named(found["reason-codes.md"], "code", "facts")) - set(ReasonCode),
        set,
    ),
    "releasable reasons": (releasable_told, lambda: set(CONTENTS.releasable)),
    "rejection codes": (lambda found: named(found["rejection-codes.md"], "code"), lambda: list(RejectionCode)),
    "account families": (
        lambda found: list(dict.fromkeys(named(found["accounts.md"], "family"))),
        lambda: list(accounts.FAMILIES),
    ),
    "topics": (lambda found: named(found["topics.md"], "topic"), lambda: list(TOPICS)),
    "settings": (lambda found: sorted(named(found["settings.md"], "name")), lambda: sorted(settings_had())),
    "settings named": (
        lambda found: {name for text in found.values() for name in re.findall(r"TPP_[A-Z_]+", text)} - settings_had(),
        set,
    ),
    "commands and options": (commands_told, commands_had),
    "obligations": (lambda found: set(named(found["answers.md"], "kind", "under")), duties_had),
    "columns": (columns_told, lambda: {name: [one.name for one in columns] for name, columns in TABLES.items()}),
}
"""What the pages say and what the program has, which are to be equal."""


def differing(found: Pages) -> list[str]:
    """The comparisons in which the pages and the program differ."""
    return [name for name, (told, had) in COMPARISONS.items() if told(found) != had()]
