"""Two names of one owner: what makes them equal, how much they resemble each other, and by what they are found.

A name with a letter wrong is found by the words that it is with any one letter left out, on both sides: W. Garbe's
symmetric delete, so that no name is looked at that could not be it.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from rulebook.parties.scoring import ONE, align
from rulebook.parties.spelling import words
from rulebook.parties.vocabulary import LAST_FORMS, LEGAL
from rulebook.parties.weights import Weights
from schemas.lookalikes import same_identifier

LEAST = 92
"""The score, in hundredths, from which on two names resemble each other."""
_SHORTEST = 4
"""The letters that a word has if it is looked up with one of them wrong."""
_WEIGHTS = Weights()
_KEPT = 1 << 14


class Compared(NamedTuple):
    """What an owner is found by. `exact` are the forms that only equal ones share: name, LEI, identifier.

    `loose` are forms that those share which may resemble it: its words, what it is run together, its words with a
    letter left out.
    """

    exact: tuple[str, ...]
    loose: tuple[str, ...]

    @property
    def forms(self) -> tuple[str, ...]:
        """All forms."""
        return self.exact + self.loose


@lru_cache(_KEPT)
def compared(identifier: str, name: str, lei: str | None) -> Compared:
    """What an owner is found by.

    >>> compared("CON-1", "Sundaram Holdings Ltd", None).exact
    ('id con-l', 'name sundaram holdings')
    """
    some = name_words(name)
    exact = [f"id {same_identifier(identifier)}", f"name {' '.join(some)}"]
    if lei is not None:
        exact.append(f"lei {lei}")
    telling = [word for word in dict.fromkeys(some) if _WEIGHTS.tells(word)]
    loose = [f"word {word}" for word in telling]
    if telling:
        loose.append(f"run {''.join(some)}")
    if len(telling) == 1:
        loose += [f"less {one}" for one in sorted(set(_less(telling[0])))]
    return Compared(tuple(exact), tuple(loose))


@lru_cache(_KEPT)
def name_words(name: str) -> tuple[str, ...]:
    """The words of a name without its legal forms, as equal names have them; all if there are no others.

    >>> name_words("The Sundaram & Co., Ltd."), name_words("SUNDARAM PVT"), name_words("Limited")
    (('sundaram',), ('sundaram',), ('limited',))
    >>> name_words("Sundaram Sp. z o.o."), name_words("Sundaram W.L.L."), name_words("Aps Sundaram")
    (('sundaram',), ('sundaram',), ('aps', 'sundaram'))
    """
    every = words(name) or (" ".join(name.casefold().split()),)
    last = next((len(form) for form in LAST_FORMS if every[-len(form) :] == form and len(form) < len(every)), 0)
    some = [word for word in every[: len(every) - last] if word not in LEGAL]
    if len(some) > 1 and some[0] == "the":
        del some[0]
    if len(some) > 1 and some[-1] == "and":
        del some[-1]
    return tuple(some) or every


def equal(name: str, other: str) -> bool:
    """Whether two names are equal without legal form, case, accents and punctuation, in Latin letters.

    >>> equal("Société Générale S.A.", "SOCIETE GENERALE"), equal("Sundaram One", "Sundaram Two")
    (True, False)
    """
    return name_words(name) == name_words(other)


@lru_cache(_KEPT)
def likeness(name: str, other: str) -> int:
    """How much two names resemble each other, in hundredths, rounded down; 0 where no distinguishing word agrees.

    Numbers and single letters tell companies of one group apart, and have to be the same.

    >>> likeness("Brahmaputra Compute Ltd", "Bramaputra Compute"), likeness("Sundaram 1", "Sundaram 2")
    (95, 0)
    """
    some, others = name_words(name), name_words(other)
    if "".join(some) == "".join(others):
        return 100
    if _tags(some) != _tags(others):
        return 0
    found = align(some, others, _WEIGHTS)
    return found.score * 100 // ONE if found.telling else 0


def _tags(some: tuple[str, ...]) -> list[str]:
    return sorted(word for word in some if len(word) == 1 or any(one.isdigit() for one in word))


def _less(word: str) -> Iterator[str]:
    """A word, and the word with each one letter left out."""
    yield word
    if len(word) >= _SHORTEST:
        yield from (word[:at] + word[at + 1 :] for at in range(len(word)))
