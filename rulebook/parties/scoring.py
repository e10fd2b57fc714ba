"""How much two names resemble each other: words are paired, and what is paired counts beside all that there is.

The measure is Dice's coefficient over weighted words (L. R. Dice, Measures of the amount of ecologic association
between species, 1945), where a pair of words counts by the letters in which it agrees (optimal string alignment
distance). All of it is done in integers.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz.distance import OSA

from rulebook.parties.weights import Weights

ONE = 10_000
"""A score of 1."""
_SHORTEST = 3
"""The letters that a word has if one of them may be wrong."""


class Pair(NamedTuple):
    """A word of the one name beside that of the other, `""` where it has none, and how much they agree, of ONE."""

    asked: str
    listed: str
    score: int


class Alignment(NamedTuple):
    """Two names beside each other: the score, of ONE; whether a word agrees that tells companies apart; the pairs."""

    score: int
    telling: bool
    pairs: tuple[Pair, ...]


def agreement(asked: str, listed: str) -> int:
    """How much two words agree, of ONE: equal, or one letter apart but for numbers; else 0.

    >>> agreement("huawei", "huawel"), agreement("12", "13"), agreement("bel", "tel"), agreement("54th", "14th")
    (8333, 0, 6666, 0)
    """
    if asked == listed:
        return ONE
    shorter, longer = sorted((len(asked), len(listed)))
    if shorter < _SHORTEST or longer - shorter > 1 or other_number(asked, listed):
        return 0
    return closeness(longer) if OSA.distance(asked, listed, score_cutoff=1) == 1 else 0


def other_number(asked: str, listed: str) -> bool:
    """Whether two texts have different numbers, or one of them is a number and the other has none.

    >>> other_number("14th", "54th"), other_number("5", ""), other_number("mi1andr", "milandr")
    (True, True, False)
    """
    if asked.isalpha() and listed.isalpha():
        return False
    one, other = ("".join(filter(str.isdigit, text)) for text in (asked, listed))
    return one != other and (bool(one and other) or asked.isdigit() or listed.isdigit())


def closeness(letters: int) -> int:
    """How much two texts agree that are one letter apart, of ONE, the longer one having so many letters."""
    return ONE * (letters - 1) // letters


def align(asked: Sequence[str], listed: Sequence[str], weights: Weights) -> Alignment:
    """Pairs the words of two names: equal ones first, then those a letter apart, the weightiest first.

    A word with a letter wrong weighs what the word weighs that it is taken for.
    """
    left = list(listed)
    total = sum(weights[word] for word in listed)
    agreed = 0
    telling = False
    partners = _partners(asked, left, weights)
    pairs = []
    for word, partner in zip(asked, partners, strict=True):
        if partner is None:
            total += weights[word]
            pairs.append(Pair(word, "", 0))
            continue
        score = agreement(word, partner)
        agreed += 2 * weights[partner] * score
        total += weights[partner]
        telling = telling or weights.tells(partner)
        pairs.append(Pair(word, partner, score))
    pairs += [Pair("", word, 0) for word in left]
    return Alignment(agreed // total if total else 0, telling, tuple(pairs))


def _partners(asked: Sequence[str], left: list[str], weights: Weights) -> list[str | None]:
    """For each word its partner of those that are left, which it is taken out of."""
    found: list[str | None] = []
    for word in asked:
        if word in left:
            left.remove(word)
            found.append(word)
        else:
            found.append(None)
    unpaired = [at for at, one in enumerate(found) if one is None]
    for at in sorted(unpaired, key=lambda at: -weights[asked[at]]):
        if not left:
            break
        best, place = max((agreement(asked[at], one), -place) for place, one in enumerate(left))
        if best:
            found[at] = left.pop(-place)
    return found
