"""The summary of a run: how many answers of each kind there were."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

_TYPE = '"type":"'
_REASON = re.compile(r'"code":"([a-z_.]+)","citation":').findall
_SHOWN = ("approved", "released", "denied", "held", "recorded", "refused", "rejected")
_ALWAYS = ("approved", "held", "rejected")


class Summary:
    """How many answers of each kind were given, and why shipments were held."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.held: Counter[str] = Counter()

    def add(self, texts: Sequence[str]) -> None:
        """Counts what was given out for one event."""
        for index, text in enumerate(texts):
            start = text.index(_TYPE) + len(_TYPE)
            kind = text[start : text.index('"', start)].removeprefix("tpp.").removesuffix(".v1")
            name = kind if kind.endswith(".alert") else kind.removeprefix("shipment.").removeprefix("event.")
            (self.others if index else self.answers)[name] += 1
            if kind == "shipment.held":
                self.held.update(set(_REASON(text)))

    @property
    def rejected(self) -> int:
        """How many lines could not be taken."""
        return self.answers["rejected"]

    def lines(self) -> Iterator[str]:
        """The summary as people read it."""
        total = sum(self.answers.values())
        counts = ", ".join(f"{self.answers[kind]:,} {kind}" for kind in _SHOWN if self.answers[kind] or kind in _ALWAYS)
        yield f"{total:,} event{'' if total == 1 else 's'}: {counts or 'nothing to do'}"
        for code, count in self.held.most_common():
            yield f"  held with {code}: {count:,}"
        if self.others:
            follow = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.others.items()))
            yield f"  and followed by: {follow}"
