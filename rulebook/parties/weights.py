"""How much a word says about which company is meant: forms next to nothing, common words some, others by their rarity."""

import tomllib
from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from rapidfuzz.distance import OSA

FORM, COMMON, NUMBER, SHORT, WHOLE = 20, 400, 600, 800, 1_000
"""Weights, in thousandths: of a legal form or a joining word, a common word, a number, a word of up to three letters, others."""
DISTINGUISHING = 500
"""From this weight on a word tells companies apart."""
_OFTEN, _STEP, _LEAST = 8, 140, 550
"""In a list, how many entries may have a word before it weighs less; by how much at each doubling; the least of it all."""
_FUZZY, _CLEAR = 3, 4
"""The letters from which on a form is known with a letter wrong; of up to _CLEAR letters not with the first one wrong."""


@cache
def _known() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The legal forms, these with the joining words, and the common words with the places."""
    found = tomllib.loads((files(__package__) / "words.toml").read_text("utf-8"))
    legal, joining = (frozenset(found[name].split()) for name in ("forms", "joining"))
    return legal, legal | joining, frozenset((found["common"] + found["places"]).split()) - legal - joining


def legal_forms() -> frozenset[str]:
    """The legal forms, in Latin letters."""
    return _known()[0]


class Weights:
    """The weights of words beside a list: `entries` are the words of each of its entries."""

    def __init__(self, entries: Iterable[frozenset[str]] = ()) -> None:
        self._legal, self._forms, self._common = _known()
        self._long = [form for form in self._legal if len(form) >= _FUZZY]
        self._often = Counter(word for words in entries for word in words)
        self._weights: dict[str, int] = {}
        self._is_form: dict[str, bool] = {}

    def __getitem__(self, word: str) -> int:
        """The weight of a word, in thousandths."""
        found = self._weights.get(word)
        if found is None:
            found = self._weights[word] = self._weigh(word)
        return found

    def _weigh(self, word: str) -> int:
        if word in self._forms:
            return FORM
        if word in self._common:
            return COMMON
        if word.isdigit():
            return NUMBER
        plain = WHOLE if len(word) > _FUZZY else SHORT
        doublings = max(self._often[word] // _OFTEN, 1).bit_length() - 1
        return plain * max(_LEAST, WHOLE - _STEP * doublings) // WHOLE

    def is_form(self, word: str) -> bool:
        """Whether a word is a legal form or a joining word, or a form with one letter wrong that is nothing else known."""
        found = self._is_form.get(word)
        if found is None:
            found = self._is_form[word] = word in self._forms or self._nearly(word)
        return found

    def _nearly(self, word: str) -> bool:
        if len(word) < _FUZZY or word.isdigit() or word in self._common or word in self._often:
            return False
        return any(
            (word[0] == form[0] or len(form) > _CLEAR) and OSA.distance(word, form, score_cutoff=1) <= 1
            for form in self._long
        )

    def plain(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The words of a name without its legal forms and joining words, spelt as they should be; none if it is one."""
        some = tuple(word for word in words if word not in self._forms)
        return some if len(some) > 1 else ()

    def core(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The words of a name without its legal forms and joining words, if a distinguishing one is among them.

        Else all but the legal forms that are spelt as they should be; and all, if it has nothing else.
        """
        some = tuple(word for word in words if not self.is_form(word))
        if any(self[word] >= DISTINGUISHING for word in some):
            return some
        return tuple(word for word in words if word not in self._legal) or words
