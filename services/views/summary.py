"""The summary of a run: how many answers of each kind there were."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import orjson

from schemas.kinds import LEFT_WITHOUT_APPROVAL
from services.views.wrapping import counted
from services.visible import visible

_TYPE = '"type":"'
_RECHECKED = '"released":['
_LEFT = f'"kind":"{LEFT_WITHOUT_APPROVAL}"'
_REASON = re.compile(r'"code":"([a-z_.]+)","citation":').findall
_SHOWN = ("approved", "released", "denied", "held", "recorded", "refused", "rejected")
_ALWAYS = ("approved", "held", "rejected")
_NOUNS = {
    "alert": ("shipment alert",),
    "obligation.due": ("obligation due", "obligations due"),
    "quota.alert": ("quota alert",),
    "recheck": ("recheck",),
    "recorded": ("further record",),
}
"""The words for an event that follows an answer, by its kind; other kinds are states."""


@cache
def _kind_of(type: str) -> tuple[str, str]:
    """The kind of an answer by its type, and the name that it is counted under."""
    kind = type.removeprefix("tpp.").removesuffix(".v1")
    return kind, kind if kind.endswith(".alert") else kind.removeprefix("shipment.").removeprefix("event.")


class Summary:
    """Counts the answers of each kind, the reasons of holds, the codes of rejections, and unapproved departures."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self.left = 0

    def add(self, texts: Sequence[str]) -> None:
        """Counts the answers to one event."""
        for index, text in enumerate(texts):
            start = text.index(_TYPE) + len(_TYPE)
            kind, name = _kind_of(text[start : text.index('"', start)])
            if index and name == "recorded" and _RECHECKED in text:
                name = "recheck"
            (self.others if index else self.answers)[name] += 1
            if kind == "shipment.alert":
                self.left += _LEFT in text
            elif kind == "shipment.held":
                for code in set(_REASON(text)):
                    self.held[code] += 1
            elif kind == "event.rejected":
                self._reject(orjson.loads(text)["data"])

    def _reject(self, data: dict[str, Any]) -> None:
        """Counts the codes of a rejection, and notes where each came first."""
        at = data.get("position") or {}
        place = f"{at['file']} line {at['line']}" if "line" in at else ""
        for code in {error["code"] for error in data["errors"]}:
            self.errors[code] += 1
            self._first.setdefault(code, place)

    @property
    def rejected(self) -> int:
        """How many lines were rejected."""
        return self.answers["rejected"]

    def lines(self) -> Iterator[str]:
        """The lines of the summary."""
        total = sum(self.answers.values())
        counts = ", ".join(f"{self.answers[kind]:,} {kind}" for kind in _SHOWN if self.answers[kind] or kind in _ALWAYS)
        yield f"{counted(total, 'event')}: {counts}"
        if self.left:
            yield f"  LEFT WITHOUT APPROVAL: {self.left:,}; tpp holds lists them first, until each is met"
        for code, count in sorted(self.held.items(), key=lambda item: (-item[1], item[0])):
            yield f"  held with {code}: {count:,}"
        for code, count in sorted(self.errors.items(), key=lambda item: (-item[1], item[0])):
            first = self._first[code]
            yield f"  rejected with {code}: {count:,}{f', first in {visible(first)}' if first else ''}"
        if self.others:
            follow = ", ".join(
                counted(count, *_NOUNS.get(kind, (kind, kind))) for kind, count in sorted(self.others.items())
            )
            yield f"  followed by: {follow}"
