"""Addresses as they are compared: their numbers must be equal, their words are compared as those of names."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from rapidfuzz.distance import OSA

from rulebook.parties.scoring import ONE, Pair, align, closeness
from rulebook.parties.spelling import latin_text
from rulebook.parties.vocabulary import ADDRESS_WORDS, SHORTENED
from rulebook.parties.weights import Weights

_IS_ADDRESS = re.compile(r"\s*address(?:es)?[\s\d.,#-]*", re.IGNORECASE)
_BETWEEN = re.compile(r";\s?(?:and\s)?|,\s?and\s", re.IGNORECASE)
"""What stands between several addresses in one text."""
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")
_PARTS = re.compile(r"\d+|[a-z]+")
_POSTAL_CODE = 5
"""The digits from which on a number is a postal code, which an address may leave out."""
_SAME = 8_500
_WEIGHTS = Weights(common=ADDRESS_WORDS)


class _Address(NamedTuple):
    """The numbers of an address, sorted; its postal codes; its words in their order."""

    numbers: tuple[str, ...]
    codes: frozenset[str]
    words: tuple[str, ...]


def is_address(name: str) -> bool:
    """Whether an entry of this name is an address.

    >>> is_address("Address 12"), is_address("Address Technologies Ltd.")
    (True, False)
    """
    return _IS_ADDRESS.fullmatch(name) is not None


def same_address(asked: str, listed: Iterable[str]) -> bool:
    """Whether an address is one of those that are listed, each of which may be several in one text."""
    known = _read(asked)
    return any(_compare(known, _read(one))[0] >= _SAME for text in listed for one in _BETWEEN.split(text))


class AddressIndex:
    """Addresses by their numbers. `entries`: of each its addresses."""

    def __init__(self, entries: Mapping[int, Iterable[str]]) -> None:
        self._by_numbers: dict[tuple[str, ...], list[tuple[int, str, _Address]]] = {}
        for entry, addresses in entries.items():
            for written in (one.strip() for text in addresses for one in _BETWEEN.split(text)):
                address = _read(written)
                self._by_numbers.setdefault(address.numbers, []).append((entry, written, address))

    def resembling(self, address: str) -> Iterator[tuple[int, str, int, tuple[Pair, ...]]]:
        """The entries of which an address has the same numbers as this one: entry, address, score of ONE, pairs."""
        for asked in map(_read, _BETWEEN.split(address)):
            for entry, written, listed in self._by_numbers.get(asked.numbers, ()):
                score, pairs = _compare(asked, listed)
                if score:
                    yield entry, written, score, pairs


def _read(address: str) -> _Address:
    parts = _PARTS.findall(_ORDINAL.sub("", latin_text(address)))
    numbers = [part.lstrip("0") or "0" for part in parts if part.isdigit()]
    words = (SHORTENED.get(part, part) for part in parts if not part.isdigit())
    return _Address(
        tuple(sorted(number for number in numbers if len(number) < _POSTAL_CODE)),
        frozenset(number for number in numbers if len(number) >= _POSTAL_CODE),
        tuple(word for word in words if word),
    )


def _compare(asked: _Address, listed: _Address) -> tuple[int, tuple[Pair, ...]]:
    """How much two addresses resemble each other, of ONE, and their words' pairs; 0 where their numbers differ."""
    codes_differ = asked.codes and listed.codes and asked.codes.isdisjoint(listed.codes)
    if asked.numbers != listed.numbers or codes_differ:
        return 0, ()
    found = align(asked.words, listed.words, _WEIGHTS)
    whole, other = "".join(asked.words), "".join(listed.words)
    if whole == other:
        return (ONE if whole else 0), found.pairs
    if OSA.distance(whole, other, score_cutoff=1) == 1:
        return closeness(max(len(whole), len(other))), found.pairs
    return (found.score if found.telling else 0), found.pairs
