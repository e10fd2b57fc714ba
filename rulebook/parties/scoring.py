"""How much two names resemble each other: words are paired, and what is paired counts beside all that there is.

The measure is Dice's coefficient over weighted words (L. R. Dice, Measures of the amount of ecologic association between
species, 1945), where a pair of words counts by the letters in which it agrees (optimal string alignment distance). All
of it is done in integers.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz.distance import OSA

from rulebook.parties.weights import DISTINGUISHING, Weights

ONE = 10_000
"""A score of 1."""
SHORTEST = 8
"""The letters that a name has, without its legal form, if a letter in it may be wrong."""
_SHORTEST_WORD, _LONG_WORD = 3, 8


class Pair(NamedTuple):
    """A word of the one name beside that of the other: how much they agree, in ten thousandths."""

    asked: str
    listed: str
    score: int


class Alignment(NamedTuple):
    """Two names beside each other: the score in ten thousandths, whether a distinguishing word agrees, and the pairs."""

    score: int
    distinguishing: bool
    pairs: tuple[Pair, ...]


def agreement(asked: str, listed: str) -> int:
    """How much two words agree, in ten thousandths: equal, or one letter apart (two from eight letters on); else 0.

    >>> agreement("huawei", "huawel"), agreement("12", "13"), agreement("bel", "tel")
    (8333, 0, 6666)
    """
    if asked == listed:
        return ONE
    shorter, longer = sorted((len(asked), len(listed)))
    most = 2 if shorter >= _LONG_WORD else 1
    if shorter < _SHORTEST_WORD or longer - shorter > most or asked.isdigit() or listed.isdigit():
        return 0
    apart = OSA.distance(asked, listed, score_cutoff=most)
    return ONE * (longer - apart) // longer if apart <= most else 0


def align(asked: Sequence[str], listed: Sequence[str], weights: Weights) -> Alignment:
    """Pairs the words of two names, the weightiest first, each with the one that agrees most.

    A word with a letter wrong weighs what the word weighs that it is taken for.
    """
    left = list(listed)
    total = sum(weights[word] for word in listed)
    agreed = 0
    distinguishing = False
    pairs: list[Pair] = []
    for word in sorted(asked, key=lambda one: -weights[one]):
        best, other = max(((agreement(word, one), -at) for at, one in enumerate(left)), default=(0, 0))
        if not best:
            total += weights[word]
            continue
        taken = left.pop(-other)
        weight = weights[taken]
        agreed += 2 * weight * best
        total += weight
        distinguishing = distinguishing or weight >= DISTINGUISHING
        pairs.append(Pair(word, taken, best))
    return Alignment(agreed // total if total else 0, distinguishing, tuple(pairs))
