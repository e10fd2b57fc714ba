"""The names of a list, so that those which resemble a name are found without looking at all of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

from rulebook.parties.scoring import ONE, SHORTEST, Pair, align
from rulebook.parties.spelling import words
from rulebook.parties.weights import DISTINGUISHING, Weights

_SWAPPED = ONE - ONE // 100
_SHORT_ALIAS = 4
"""An alias of up to so many letters is a name by itself alone, letter for letter."""
_REMEMBERED = 1 << 14


class Resemblance(NamedTuple):
    """A listed name that resembles one: the number of its entry, the name, the score in ten thousandths, the pairs."""

    entry: int
    name: str
    score: int
    pairs: tuple[Pair, ...]


class _Form(NamedTuple):
    entry: int
    name: str
    whole: str
    core: tuple[str, ...]
    joined: str


class Index:
    """The names of a list. `entries`: of each its name and its aliases; an entry is known by its place."""

    def __init__(self, entries: Iterable[Sequence[str]]) -> None:
        spelt = [[(name, words(name)) for name in names] for names in entries]
        self.weights = Weights(frozenset(word for _, some in names for word in some) for names in spelt)
        self._forms: list[_Form] = []
        self._joined: dict[str, list[int]] = defaultdict(list)
        self._having: dict[str, list[int]] = defaultdict(list)
        for entry, names in enumerate(spelt):
            for name, some in names:
                if some:
                    self._add(entry, name, some)
        self._by_length: dict[int, list[str]] = defaultdict(list)
        for text in self._joined:
            self._by_length[len(text)].append(text)
        self._words: dict[int, list[str]] = defaultdict(list)
        for word in self._having:
            if self.weights[word] >= DISTINGUISHING:
                self._words[len(word)].append(word)
        self._similar: dict[str, tuple[str, ...]] = {}

    def _texts(self, some: tuple[str, ...], core: tuple[str, ...]) -> set[str]:
        """What a name is looked up by without its blanks: whole, without forms, and in the order of the alphabet."""
        return {"".join(some), "".join(core), "".join(self.weights.plain(some)), "".join(sorted(core))} - {""}

    def _add(self, entry: int, name: str, some: tuple[str, ...]) -> None:
        core = self.weights.core(some)
        at = len(self._forms)
        self._forms.append(_Form(entry, name, "".join(some), core, "".join(core)))
        for text in self._texts(some, core):
            self._joined[text].append(at)
        for word in set(core):
            self._having[word].append(at)

    def resembling(self, name: str, least: int) -> list[Resemblance]:
        """The entries that a name resembles at `least` (in ten thousandths) or more, best first, each once."""
        best: dict[int, Resemblance] = {}
        for one in self._found(name):
            known = best.get(one.entry)
            if one.score >= least and (known is None or one.score > known.score):
                best[one.entry] = one
        return sorted(best.values(), key=lambda one: (-one.score, one.entry))

    def _found(self, name: str) -> Iterator[Resemblance]:
        some = words(name)
        core = self.weights.core(some)
        joined = "".join(core)
        texts = self._texts(some, core)
        sure = set()
        for text in texts:
            for at in self._joined.get(text, ()):
                sure.add(at)
                yield self._whole(at, joined, ONE if text in (joined, "".join(some)) else _SWAPPED)
        if len(joined) >= SHORTEST - 1:
            for text in texts:
                yield from self._a_letter_apart(text, joined)
        candidates = {at for word in set(core) if self.weights[word] >= DISTINGUISHING for near in self._near(word) for at in self._having[near]}
        for at in candidates - sure:
            form = self._forms[at]
            if max(len(joined), len(form.joined)) < SHORTEST or len(form.joined) <= _SHORT_ALIAS:
                continue
            found = align(core, form.core, self.weights)
            if found.distinguishing:
                yield Resemblance(form.entry, form.name, found.score, found.pairs)

    def _whole(self, at: int, joined: str, score: int) -> Resemblance:
        form = self._forms[at]
        return Resemblance(form.entry, form.name, score, (Pair(joined, form.joined, score),))

    def _a_letter_apart(self, text: str, joined: str) -> Iterator[Resemblance]:
        """Names that are one letter apart, words run together or not."""
        for length in (len(text) - 1, len(text), len(text) + 1):
            for other, apart, _ in process.extract_iter(text, self._by_length.get(length, ()), scorer=OSA.distance, score_cutoff=1):
                if not apart:
                    continue
                longer = max(len(text), length)
                score = ONE * (longer - int(apart)) // longer
                for at in self._joined[other]:
                    if max(len(joined), len(self._forms[at].joined)) >= SHORTEST:
                        yield self._whole(at, joined, score)

    def _near(self, word: str) -> tuple[str, ...]:
        """The distinguishing words of the list that a word may be, with letters wrong."""
        found = self._similar.get(word)
        if found is None:
            found = tuple(self._look(word))
            if len(self._similar) >= _REMEMBERED:
                self._similar.clear()
            self._similar[word] = found
        return found

    def _look(self, word: str) -> Iterator[str]:
        if word in self._having:
            yield word
        if len(word) < 4 or word.isdigit():
            return
        most = 2 if len(word) >= 8 else 1
        for length in range(len(word) - most, len(word) + most + 1):
            for other, apart, _ in process.extract_iter(word, self._words.get(length, ()), scorer=OSA.distance, score_cutoff=most):
                if apart:
                    yield other
