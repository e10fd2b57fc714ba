"""Texts of which those that are one letter apart from a text are found without looking at all of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from rapidfuzz.distance import OSA


class Nearby:
    """Texts by their halves.

    One wrong, missing or additional letter leaves one half of a text as it is; two letters swapped leave one too,
    unless they stand on either side of its middle. So two look-ups, and one for that case, find all that may be one
    letter apart, and only these are compared.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = frozenset(texts)
        self._heads: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._tails: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for text in sorted(self._texts):
            half = len(text) // 2
            self._heads[len(text)][text[:half]].append(text)
            self._tails[len(text)][text[half:]].append(text)

    def of(self, text: str) -> Iterator[str]:
        """The texts that are one letter apart from a text (optimal string alignment distance), each once."""
        length = len(text)
        for other in (length - 1, length, length + 1):
            if other not in self._heads:
                continue
            half = other // 2
            same_head = self._heads[other].get(text[:half], ())
            same_tail = self._tails[other].get(text[length - other + half :], ())
            for found in (*same_head, *(one for one in same_tail if one[:half] != text[:half])):
                if OSA.distance(text, found, score_cutoff=1) == 1:
                    yield found
        half = length // 2
        across = text[: half - 1] + text[half : half + 1] + text[half - 1 : half] + text[half + 1 :] if half else text
        if across != text and across in self._texts:
            yield across
