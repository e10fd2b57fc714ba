"""The sentences of the page: in `words/`, a file for each page, so that another language is another folder of files.

Sentences with figures that the command line says too are not here: the views make them for both.
"""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from services.visible import visible


@cache
def _words() -> Mapping[str, Any]:
    """Every sentence, by its file and its name."""
    found: dict[str, Any] = {}
    for file in (files("services.views.console") / "words").iterdir():
        if file.name.endswith(".toml"):
            found[file.name.removesuffix(".toml")] = tomllib.loads(file.read_text("utf-8"))
    return found


def say(name: str, /, **values: Any) -> Markup:
    """A sentence as HTML; `values` take the places that it has for them, and are escaped unless they are HTML.

    `name` is FILE.NAME, or FILE.PART.NAME. A sentence with forms for one and for several is chosen by the value `n`.
    Raises KeyError for a name or a value that is missing.

    >>> say("frame.held", n=1), say("frame.held", n=1200)
    (Markup('1 held'), Markup('1,200 held'))
    """
    found: Any = _words()
    for part in name.split("."):
        found = found[part]
    if isinstance(found, Mapping):
        found = found["one" if values["n"] == 1 else "other"]
    return Markup(found).format(**{name: _shown(value) for name, value in values.items()})  # noqa: S704  our own text


def words_of(part: str) -> Sequence[str]:
    """The names of the sentences in a part of a file, FILE.PART."""
    found: Any = _words()
    for name in part.split("."):
        found = found[name]
    return tuple(found)


def _shown(value: Any) -> Any:
    """A value of which nothing is invisible; numbers as they are, for the sentence says how they look."""
    return visible(value) if type(value) is str else value
