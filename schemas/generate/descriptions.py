"""What the docstrings of models say of them and of their members."""

import inspect
import re
from typing import Any

from pydantic import BaseModel

_MEMBER = re.compile(r"(\w+): (.+)")
_INDENT = "    "


def members(model: type[BaseModel]) -> list[str]:
    """The names of a model's members, as they stand on the wire."""
    return [field.alias or name for name, field in model.model_fields.items()]


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """The description of each member that has one: the lines `member: …` of the model's docstring and of its bases'."""
    found: dict[str, str] = {}
    names = set(members(model))
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel):
            found |= {name: text for name, text in _parsed(base)[1].items() if name in names}
    return found


def summary(model: type[BaseModel]) -> str:
    """What a model's docstring says of it as a whole."""
    return _parsed(model)[0]


def models_in(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """A model and every model that it is made of, by name."""
    found: dict[str, type[BaseModel]] = {}
    waiting: list[Any] = [model]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, type) and issubclass(part, BaseModel):
            if part.__name__ in found:
                continue
            found[part.__name__] = part
            waiting.extend(field.annotation for field in part.model_fields.values())
        waiting.extend(getattr(part, "__args__", ()))
    return found


def _parsed(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """The sentences and the lines `member: …` of a docstring; an indented line goes on from the one before it."""
    names = set(members(model))
    rest: list[str] = []
    found: dict[str, str] = {}
    name = None
    for line in inspect.cleandoc(model.__doc__ or "").split("\n"):
        match = _MEMBER.fullmatch(line)
        if match and match[1] in names:
            name = match[1]
            found[name] = match[2]
        elif name is not None and line.startswith(_INDENT):
            found[name] += f" {line.strip()}"
        else:
            name = None
            rest.append(line)
    return "\n".join(rest).strip(), found
