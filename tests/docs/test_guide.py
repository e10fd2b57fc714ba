"""The guide's commands print what its pages show, and the cookbook shows whole events and the answers that they get."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from consoles import ROOT, check, run_all, shown_in

from schemas.models.parts import ReviewKind

DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(DOCS)): path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}
WITH_CONSOLES = [name for name, text in PAGES.items() if "```console" in text and name != "integrate/kafka.md"]
RECIPES = [name for name in PAGES if name.startswith("cookbook/") and name != "cookbook/index.md"]
NEVER_TAKEN = {"LVS", "GBS"}


def _json(name: str) -> list[tuple[str, Any]]:
    """The titles and the values of the answers that a page shows, and of the lines of example files."""
    found = re.findall(r'^```json title="(answer|[^"]+, line \d+)"\n(.*?)^```', PAGES[name], re.MULTILINE | re.DOTALL)
    return [(title, json.loads(text)) for title, text in found]


def _shows(part: Any, whole: Any) -> bool:
    """Whether all that a page shows is in a value: of an object some members, of a list some elements."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and _shows(part[key], whole[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and bool(part) >= bool(whole) and all(
            any(_shows(one, other) for other in whole) for one in part
        )  # fmt: skip
    return type(part) is type(whole) and part == whole


@pytest.mark.parametrize("name", WITH_CONSOLES)
def test_a_page_shows_what_its_commands_print_and_answer(name: str, tmp_path: Path) -> None:
    """In a folder like a clone, with the files that the page has its reader save."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for title, text in re.findall(r'^```\w+ title="([\w-]+\.\w+)"\n(.*?)^```', PAGES[name], re.MULTILINE | re.DOTALL):
        (tmp_path / title).write_text(text, "utf-8")
    ran = run_all(shown_in(PAGES[name]), tmp_path)
    assert ran
    for one in ran:
        check(one)
    answers = tmp_path / "answers.jsonl"
    given = [json.loads(line) for line in answers.read_text("utf-8").splitlines()] if answers.exists() else []
    for title, shown in _json(name):
        assert title != "answer" or any(_shows(shown, answer) for answer in given), shown


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_shows_every_event_of_its_file(name: str) -> None:
    file = ROOT / f"examples/cookbook/{Path(name).stem}.jsonl"
    events = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    titles = [f"{file.relative_to(ROOT)}, line {number}" for number in range(1, len(events) + 1)]
    assert [one for one in _json(name) if one[0] != "answer"] == list(zip(titles, events, strict=True))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_shows_an_answer_that_lets_go_and_one_that_does_not(name: str) -> None:
    shown = [value for title, value in _json(name) if title == "answer"]
    assert {one["data"].get("outcome") in {"approved", "released"} for one in shown} == {True, False}


def test_every_authorization_has_a_recipe() -> None:
    taken = {
        value["data"]["authorization"]["kind"]
        for name in RECIPES
        for title, value in _json(name)
        if title == "answer" and value["data"].get("authorization")
    }
    named = {kind for kind in get_args(ReviewKind) if f"`{kind}`" in PAGES["cookbook/index.md"]}
    assert taken | {"NOT_YET_REQUIRED"} == set(get_args(ReviewKind)) - NEVER_TAKEN == named - NEVER_TAKEN


def test_every_recipe_is_linked_from_the_first_page() -> None:
    linked = re.findall(r"\]\(([a-z-]+\.md)\)", PAGES["cookbook/index.md"])
    assert {f"cookbook/{name}" for name in linked} == set(RECIPES)


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": None}, {}, False),
        ([{"a": 1}], [{"a": 2}, {"a": 1, "b": 1}], True),
        ([{"a": 1}], [{"a": 2}], False),
        ([], [1], False),
        ([], [], True),
        (True, 1, False),
    ],
)
def test_what_a_page_shows_is_compared(part: Any, whole: Any, shown: bool) -> None:
    assert _shows(part, whole) is shown
