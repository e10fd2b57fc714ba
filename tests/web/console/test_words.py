"""Every sentence of the page stands in `words/`: none in a template, none missing, none unused, the values agree."""

import ast
import re
import string
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, nodes

ROOT = Path(__file__).resolve().parents[3]
CONSOLE = ROOT / "services/views/console"
TEMPLATES = sorted((CONSOLE / "templates").glob("*.html"))
SOURCES = sorted([*CONSOLE.rglob("*.py"), ROOT / "services/views/signin.py", *(ROOT / "services/web").rglob("*.py")])
SCRIPTS = sorted((CONSOLE / "assets").glob("*.js"))
SPOKEN = {"alt", "placeholder", "aria-label", "aria-description", "title", "label", "summary", "data-label"}
"""Attributes that people read or hear."""
PLAIN = {"kbd", "style", "script"}
"""Elements whose text is not a sentence: keys, and what templates of ours may not have anyway."""
ENVIRONMENT = Environment(autoescape=True)


def words() -> dict[str, str]:
    """Every sentence by its whole name; one with forms for one and for several is two, under `NAME` with both texts."""

    def flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, str):
            yield name, value
        elif set(value) == {"one", "other"}:
            yield name, f"{value['one']}\n{value['other']}"
        else:
            for key, below in value.items():
                yield from flat(f"{name}.{key}", below)

    return {
        key: text
        for path in (CONSOLE / "words").glob("*.toml")
        for key, text in flat(path.stem, tomllib.loads(path.read_text("utf-8")))
    }


WORDS = words()


def placeholders(text: str) -> set[str]:
    """The values that a sentence has places for."""
    return {name.partition(".")[0].partition("[")[0] for _, name, _, _ in string.Formatter().parse(text) if name}


class Literal(HTMLParser):
    """What stands in a template between its expressions and is read by people."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{name}={value}" for name, value in attrs if name in SPOKEN and lettered(value or "")]
        if tag in PLAIN:
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within and lettered(data):
            self.found.append(data.strip())


def lettered(text: str) -> bool:
    return any(character.isalpha() for character in text)


def literal(source: str) -> list[str]:
    """The words that a template has of its own."""
    source = re.sub(r"\{#.*?#\}", "", source, flags=re.DOTALL)
    source = re.sub(r"\{%.*?%\}", "", source, flags=re.DOTALL)
    parser = Literal()
    parser.feed(re.sub(r"\{\{.*?\}\}", "0", source, flags=re.DOTALL))
    parser.close()
    return parser.found


def called(path: Path) -> Iterator[tuple[str, bool, set[str] | None]]:
    """What a template says: a name, whether it is only how the name begins, and the values, None if unknown."""
    tree = ENVIRONMENT.parse(path.read_text("utf-8"))
    for call in tree.find_all(nodes.Call):
        if not isinstance(call.node, nodes.Name) or call.node.name != "say":
            continue
        given = None if call.dyn_kwargs else {one.key for one in call.kwargs}
        for name, partial in _names(call.args[0]):
            yield name, partial, given


def _names(node: nodes.Node) -> Iterator[tuple[str, bool]]:
    if isinstance(node, nodes.Const):
        yield str(node.value), False
    elif isinstance(node, nodes.CondExpr):
        yield from _names(node.expr1)
        if node.expr2 is not None:
            yield from _names(node.expr2)
    elif isinstance(node, nodes.Concat) and isinstance(node.nodes[0], nodes.Const):
        yield str(node.nodes[0].value), True
    else:
        pytest.fail(f"the name of a sentence does not begin with a text: {node}")


def said(path: Path) -> Iterator[tuple[str, bool, set[str] | None]]:
    """As `called`, of a file of Python."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say" and node.args):
            continue
        keys = {one.arg for one in node.keywords}
        given = None if None in keys else {str(key) for key in keys}
        for one in _texts(node.args[0]):
            yield (*one, given)


def _texts(node: ast.AST) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Constant):
        yield str(node.value), False
    elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        yield str(node.values[0].value), True
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def uses() -> list[tuple[Path, str, bool, set[str] | None]]:
    found = [(path, *one) for path in TEMPLATES for one in called(path)]
    return found + [(path, *one) for path in SOURCES for one in said(path)]


USES = uses()


@pytest.mark.parametrize("path", TEMPLATES, ids=[path.name for path in TEMPLATES])
def test_a_template_has_no_words_of_its_own(path: Path) -> None:
    source = path.read_text("utf-8")
    assert literal(source) == []
    assert not re.search(r"\|\s*safe\b|autoescape\s+false|Markup\(", source)
    assert not re.search(r"\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)[^>]*>|https?://", source)


def test_words_that_a_template_has_would_be_found() -> None:
    assert literal('{# Note #}<p title="{{ x }}">{% if a %}{{ say("a.b") }}{% endif %} – 1 <kbd>g</kbd></p>') == []
    assert literal("<p>{{ x }} held</p>") == ["0 held"]
    assert literal('<input placeholder="Id" aria-label="{{ x }} of it"><img alt="">') == [
        "placeholder=Id", "aria-label=0 of it",
    ]  # fmt: skip


@pytest.mark.parametrize("use", USES, ids=[f"{path.name}:{name}" for path, name, _, _ in USES])
def test_what_is_said_exists_and_has_its_values(use: tuple[Path, str, bool, set[str] | None]) -> None:
    _, name, partial, given = use
    if partial:
        assert any(one.startswith(name) for one in WORDS), name
        return
    assert name in WORDS
    text = WORDS[name]
    if given is not None:
        assert placeholders(text) <= given, f"{name} needs {placeholders(text) - given}"
        several = {"n"} if "\n" in text else set()
        assert given <= placeholders(text) | several, f"{name} has no place for {given - placeholders(text) - several}"


def test_every_sentence_is_said() -> None:
    names = {name for _, name, partial, _ in USES if not partial}
    begins = tuple(name for _, name, partial, _ in USES if partial)
    texts = "\n".join(path.read_text("utf-8") for path in (*SOURCES, *SCRIPTS))
    unused = [
        name
        for name in WORDS
        if name not in names and not name.startswith(begins or ("\0",)) and f'"{name}"' not in texts
    ]
    assert unused == []


@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_sentence_is_whole(name: str) -> None:
    text = WORDS[name]
    tags = re.findall(r"</?([a-z]+)[^>]*>", text)
    assert set(tags) <= {"b", "code", "kbd", "small", "span", "strong"}, "a sentence has inline parts only"
    assert re.findall(r"<([a-z]+)", text) == re.findall(r"</([a-z]+)", text)
    if "\n" in text:
        one, other = text.split("\n")
        assert placeholders(one) <= placeholders(other)
    assert not re.search(r"\b(OK|Submit|Are you sure|Oops|Sorry|Please)\b|!", text)
