"""The names of a list, so that those which resemble a name are found without looking at all of them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rapidfuzz.distance import OSA

from rulebook.parties.nearness import Nearby
from rulebook.parties.scoring import ONE, Pair, align, closeness, other_number
from rulebook.parties.spelling import spellings
from rulebook.parties.weights import Weights

_SHORT = 4
"""A name of up to so many letters is met by itself alone, letter for letter."""
_SHORTEST = 8
"""The letters that a name has, without its legal form, if a letter in it may be wrong."""
_SHORTEST_WORD = 3
"""The letters of a word in which one may be wrong, in the longer one of both."""
_KEPT = 1 << 15
"""How many words are remembered."""


class Resemblance(NamedTuple):
    """A listed name that resembles one: the number of its entry and of the name in it, the score of ONE, the pairs."""

    entry: int
    name: int
    score: int
    pairs: tuple[Pair, ...]


class _Form(NamedTuple):
    """A spelling of a listed name: its ways, its core, the letters and the weight of that, and of its usual words."""

    entry: int
    name: int
    ways: tuple[tuple[str, ...], ...]
    core: tuple[str, ...]
    letters: int
    total: int
    usual: int


class _Known(NamedTuple):
    """What a word may be, with a letter wrong: telling words of the list; its least weight; that of a usual word."""

    telling: tuple[str, ...]
    least: int
    usual: int


class NameIndex:
    """The names of a list. `entries`: of each its names; an entry and a name are known by their places."""

    def __init__(self, entries: Iterable[Sequence[str]]) -> None:
        spelt = [[spellings(name) for name in names] for names in entries]
        self._weights = Weights(frozenset(word for ways in names for way in ways for word in way) for names in spelt)
        self._forms: list[_Form] = []
        self._texts: dict[str, list[int]] = defaultdict(list)
        self._telling: dict[str, list[int]] = defaultdict(list)
        for entry, names in enumerate(spelt):
            for name, ways in enumerate(names):
                for way in ways:
                    self._add(entry, name, way)
        self._near_texts = Nearby(self._texts)
        self._near_words = Nearby(word for word in {one for form in self._forms for one in form.core} if _may_err(word))
        self._known: dict[str, _Known] = {}

    def _add(self, entry: int, name: int, words: tuple[str, ...]) -> None:
        weights = self._weights
        core = weights.core(words)
        usual = sum(weights[word] for word in core if not weights.tells(word))
        at = len(self._forms)
        total = sum(weights[word] for word in core)
        ways = self._ways(words, core)
        self._forms.append(_Form(entry, name, ways, core, len("".join(core)), total, usual))
        for text in _texts(ways):
            self._texts[text].append(at)
        for word in set(core):
            if weights.tells(word):
                self._telling[word].append(at)

    def _ways(self, words: tuple[str, ...], core: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """The words of a name that are compared as a whole: all, those of its core, and those that are no forms."""
        return words, core, self._weights.plain(words)

    def resembling(self, name: str, least: int) -> list[Resemblance]:
        """The entries that a name resembles at `least` (of ONE) or more, in order, each once, by its best name."""
        best: dict[int, Resemblance] = {}
        for words in spellings(name):
            for one in self._found(words, least):
                known = best.get(one.entry)
                if known is None or (-one.score, one.name) < (-known.score, known.name):
                    best[one.entry] = one
        return [best[entry] for entry in sorted(best)]

    def _found(self, words: tuple[str, ...], least: int) -> Iterator[Resemblance]:
        core = self._weights.core(words)
        whole = self._whole(words, core)
        for at, score in whole.items():
            if score >= least:
                form = self._forms[at]
                pairs = _run_together(align(core, form.core, self._weights).pairs)
                yield Resemblance(form.entry, form.name, score, pairs)
        letters = len("".join(core))
        for at in self._candidates(core, least):
            form = self._forms[at]
            if at in whole or form.letters <= _SHORT or max(letters, form.letters) < _SHORTEST:
                continue
            found = align(core, form.core, self._weights)
            if found.telling and found.score >= least:
                yield Resemblance(form.entry, form.name, found.score, found.pairs)

    def _whole(self, words: tuple[str, ...], core: tuple[str, ...]) -> dict[int, int]:
        """The spellings that are a name but for blanks and order, or but for one letter too, and their scores."""
        found: dict[int, int] = {}
        letters = len("".join(core))
        ways = self._ways(words, core)
        straight = "".join(words), "".join(core)
        for text in _texts(ways):
            for at in self._texts.get(text, ()):
                if self._forms[at].letters > _SHORT or text in straight:
                    found[at] = ONE
            for other in self._near_texts.of(text):
                for at in self._texts[other]:
                    form = self._forms[at]
                    score = closeness(max(letters, form.letters, 1))
                    if (
                        max(letters, form.letters) >= _SHORTEST
                        and score > found.get(at, 0)
                        and any(self._a_word_apart(*both) for both in zip(ways, form.ways, strict=True))
                    ):
                        found[at] = score
        return found

    def _a_word_apart(self, asked: Sequence[str], listed: Sequence[str]) -> bool:
        """Whether two names, in any order, are equal but for a letter in one word, or in initials run together.

        Another number is another name. A word of up to three letters with one of them wrong is another word where only
        one other agrees, and that one is common. A common word is never one with a letter wrong that tells companies
        apart.
        """
        others, left = _differing(asked, listed)
        one, other = "".join(others), "".join(left)
        longest = max(len(one), len(other))
        if OSA.distance(one, other, score_cutoff=1) > 1 or (not len(others) == len(left) == 1 and longest > _SHORT):
            return False
        if other_number(one, other):
            return False
        tells = self._weights.tells
        if any(map(tells, left)) and any(map(self._weights.is_common, others)):
            return False
        agreeing = [word for word in asked if word in listed]
        return longest >= _SHORT or not any(map(tells, left)) or len(agreeing) > 1 or any(map(tells, agreeing))

    def _candidates(self, core: tuple[str, ...], least: int) -> Iterator[int]:
        """The spellings that share a telling word with a name, if all that they may share could be enough."""
        shared: dict[int, int] = defaultdict(int)
        total = usual = 0
        for word, times in Counter(core).items():
            known = self._know(word)
            total += known.least * times
            usual += known.usual * times
            for other in known.telling:
                weight = self._weights[other]
                for at in self._telling[other]:
                    shared[at] += weight
        for at, weight in shared.items():
            form = self._forms[at]
            if 2 * (weight + min(usual, form.usual)) * ONE >= least * (total + form.total):
                yield at

    def _know(self, word: str) -> _Known:
        found = self._known.get(word)
        if found is None:
            weights = self._weights
            near = {word, *(self._near_words.of(word) if _may_err(word) and not weights.is_common(word) else ())}
            telling = tuple(sorted(one for one in near if one in self._telling))
            usual = max((weights[one] for one in near if not weights.tells(one)), default=0)
            found = _Known(telling, min(weights[one] for one in near), usual)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[word] = found
        return found


def _may_err(word: str) -> bool:
    """Whether a letter of a word may be wrong."""
    return len(word) >= _SHORTEST_WORD and not word.isdigit()


def _texts(ways: Sequence[Sequence[str]]) -> list[str]:
    """What a name is looked up by: its ways without blanks, and its core with the words sorted too."""
    return list(dict.fromkeys("".join(way) for way in (*ways, sorted(ways[1])) if way))


def _differing(asked: Sequence[str], listed: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of two names that the other one has not."""
    left = list(listed)
    others = []
    for word in asked:
        if word in left:
            left.remove(word)
        else:
            others.append(word)
    return others, left


def _run_together(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """The pairs of two names that are one text: words without a counterpart are those that are written in one."""
    asked = [pair.asked for pair in pairs if not pair.listed]
    listed = [pair.listed for pair in pairs if not pair.asked]
    if "".join(asked) != "".join(listed):
        return pairs
    both = [pair for pair in pairs if pair.asked and pair.listed]
    return (*both, Pair(" ".join(asked), " ".join(listed), ONE)) if asked else tuple(both)
