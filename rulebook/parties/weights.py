"""How much a word says about which company is meant: forms next to nothing, common words some, others by rarity."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rulebook.parties.nearness import Nearby
from rulebook.parties.vocabulary import COMMON, FORMS, LEGAL

FORM, USUAL, NUMBER, SHORT, WHOLE = 20, 400, 600, 800, 1_000
"""Weights, in thousandths: of a form, a common word, a number, a word of up to three letters, any other word."""
_TELLING = 500
"""From this weight on a word tells companies apart, unless it is a number."""
_OFTEN, _STEP, _LEAST = 8, 140, 550
"""How many entries of a list may have a word before it weighs less; by how much at each doubling; the least."""
_FUZZY, _CLEAR = 3, 4
"""The letters from which on a form is known with a letter wrong; up to _CLEAR letters not with the first wrong."""
_KEPT = 1 << 15
"""How many words that are not in the list are remembered."""
_LONG_FORMS = Nearby(form for form in LEGAL if len(form) >= _FUZZY)


class Weights:
    """The weights of words beside a list: `entries` are the words of each of its entries, `common` the common words."""

    def __init__(self, entries: Iterable[frozenset[str]] = (), common: frozenset[str] = COMMON) -> None:
        self._common = common
        self._often = Counter(word for words in entries for word in words)
        self._weights: dict[str, int] = {}
        self._forms: dict[str, bool] = {}

    def __getitem__(self, word: str) -> int:
        """The weight of a word, in thousandths."""
        found = self._weights.get(word)
        if found is None:
            found = self._weigh(word)
            if len(self._weights) >= _KEPT:
                self._weights.clear()
            self._weights[word] = found
        return found

    def _weigh(self, word: str) -> int:
        if word in FORMS:
            return FORM
        if word in self._common:
            return USUAL
        if word.isdigit():
            return NUMBER
        plain = WHOLE if len(word) > _FUZZY else SHORT
        doublings = max(self._often[word] // _OFTEN, 1).bit_length() - 1
        return plain * max(_LEAST, WHOLE - _STEP * doublings) // WHOLE

    def is_common(self, word: str) -> bool:
        """Whether a word is one of those that many companies have."""
        return word in self._common

    def tells(self, word: str) -> bool:
        """Whether a word tells companies apart: no form, no common word, no number, and not in too many entries."""
        return self[word] >= _TELLING and not word.isdigit()

    def _is_form(self, word: str) -> bool:
        """Whether a word is a legal form, or an unknown word that is one letter away from a form."""
        found = self._forms.get(word)
        if found is None:
            found = word in FORMS or self._nearly(word)
            if len(self._forms) >= _KEPT:
                self._forms.clear()
            self._forms[word] = found
        return found

    def _nearly(self, word: str) -> bool:
        if len(word) < _FUZZY or word.isdigit() or word in self._common or word in self._often:
            return False
        return any(word[0] == form[0] or len(form) > _CLEAR for form in _LONG_FORMS.of(word))

    def plain(self, words: Sequence[str]) -> tuple[str, ...]:
        """The words of a name without the forms that are spelt as they should be; none if only one is left."""
        some = tuple(word for word in words if word not in FORMS)
        return some if len(some) > 1 else ()

    def core(self, words: Sequence[str]) -> tuple[str, ...]:
        """The words of a name without its legal forms and joining words, if one of them tells companies apart.

        Else all but the legal forms that are spelt as they should be; and all, if it has nothing else.
        """
        some = tuple(word for word in words if not self._is_form(word))
        if any(self.tells(word) for word in some):
            return some
        return tuple(word for word in words if word not in LEGAL) or tuple(words)
