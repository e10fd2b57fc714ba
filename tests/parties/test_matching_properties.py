"""What holds of matching whatever the names are."""

import sys
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from rulebook import Asked, ListIndex, Match
from rulebook.parties.entries import ListEntry
from rulebook.parties.spelling import words

COUNTRIES = st.sampled_from([None, "CN", "HK", "RU", "US"])
PARTS = st.sampled_from(
    ["Zhipu", "Huazhang", "Beijing", "Technology", "Co.", "Ltd", "and", "&", "13", "(HK)", "Engineering", "J.S.C.", "Bel", "Bei-jing",
     "«Заря»", "商湯", "/ADR/", "Oy", "of", "Huawei", "HUAWEL", "A.", "B.", "12", "Ёлка", "a.k.a.", "Main Street 5,"]
)  # fmt: skip
MADE = st.lists(PARTS, min_size=1, max_size=7).map(" ".join)
ANY = st.text(max_size=512) | st.text(st.sampled_from("ab \u200f\u202e(𝒵é—/.,;'😀ﷺ\u0301"), max_size=512)
NAMES = MADE | ANY
ENTRIES = st.lists(
    st.builds(
        ListEntry, st.uuids().map(str), NAMES, aliases=st.lists(NAMES, max_size=2).map(tuple),
        countries=COUNTRIES.map(lambda code: (code,) if code else ()), addresses=st.lists(MADE, max_size=1).map(tuple),
    ),
    max_size=6, unique_by=lambda entry: entry.id,
)  # fmt: skip
ASKED = st.builds(Asked, NAMES, COUNTRIES, st.none() | MADE)


def shown(matches: list[Match]) -> bytes:
    """Matches as text, to the last byte."""
    return repr([(match.entry.id, *match[1:]) for match in matches]).encode()


@given(ENTRIES, ASKED, st.integers(0, 100))
def test_scores_and_their_parts_are_within_bounds(entries: list[ListEntry], asked: Asked, least: int) -> None:
    found = ListIndex(entries).matches(asked, least)
    assert len({match.entry.id for match in found}) == len(found)
    assert [(-match.score, match.entry.id) for match in found] == sorted((-m.score, m.entry.id) for m in found)
    for match in found:
        assert least <= match.score <= 100
        assert -5 <= match.country_points <= 5
        assert 0 <= match.address_points <= 5
        assert 0 <= match.score - match.country_points - match.address_points <= 100
        assert all(0 <= pair.score <= 10_000 and (pair.asked or pair.listed) for pair in match.pairs)
        assert (match.country_agrees is None) == (not asked.country or not match.entry.countries)


@given(ENTRIES, COUNTRIES)
@example([ListEntry("1", "!!!")], None)
@example([ListEntry("1", "(a.k.a.")], None)
@example([ListEntry("1", "Ltd.")], "CN")
@example([ListEntry("1", "😀")], "CN")
def test_an_own_name_always_hits_at_whatever_threshold(entries: list[ListEntry], country: str | None) -> None:
    index = ListIndex(entries)
    for entry in entries:
        for name in (entry.name, *entry.aliases):
            if name.strip() and not name.lower().startswith("address"):
                assert entry.id in {match.entry.id for match in index.matches(Asked(name, country), 100)}


@given(ENTRIES, ASKED, st.randoms(use_true_random=False))
def test_the_order_of_the_entries_says_nothing(entries: list[ListEntry], asked: Asked, random) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)
    first, second = ListIndex(entries), ListIndex(shuffled)
    assert shown(first.matches(asked, 50)) == shown(second.matches(asked, 50)) == shown(first.matches(asked, 50))


@given(ENTRIES, ASKED, st.integers(50, 100))
def test_a_higher_threshold_only_leaves_out(entries: list[ListEntry], asked: Asked, least: int) -> None:
    """But for an own name in another country, which stays at the threshold."""
    index = ListIndex(entries)
    lower = {match.entry.id: match for match in index.matches(asked, 50)}
    higher = {match.entry.id: match for match in index.matches(asked, least)}
    assert set(higher) <= set(lower)
    assert {key for key, match in lower.items() if match.score >= least} <= set(higher)


LETTERS = st.lists(st.text("bcdfghkmnrtvwx", min_size=7, max_size=9), min_size=1, max_size=4).map(" ".join)


@given(LETTERS, LETTERS)
def test_who_is_asked_and_who_is_listed_is_alike_of_words_that_nobody_knows(one: str, other: str) -> None:
    def score(asked: str, listed: str) -> list[int]:
        return [match.score for match in ListIndex([ListEntry("1", listed)]).matches(Asked(asked), 0)]

    assert score(one, other) == score(other, one)


@given(st.text(max_size=512))
@example("".join(map(chr, range(sys.maxunicode - 2_000, sys.maxunicode))))
def test_words_are_of_latin_letters_and_digits(name: str) -> None:
    found = words(name)
    assert all(found)
    if unicodedata.normalize("NFKD", name).isascii() and any(map(str.isalnum, name)):
        assert all(word.isalnum() and word.isascii() for word in found)


def test_a_name_of_2_048_characters_looks_at_few_names(monkeypatch) -> None:
    """What is compared is counted, not timed: each comparison costs a few microseconds for each word."""
    entries = [ListEntry(str(n), f"Huawei {chr(97 + n % 26)}{n} Technology") for n in range(500)]
    index = ListIndex(entries)
    compared = []
    from rulebook.parties import index as module

    original = module.align
    monkeypatch.setattr(module, "align", lambda *words: compared.append(1) or original(*words))
    long = " ".join(["huawei", *(f"w{n}" for n in range(500))])[:2_048]
    index.matches(Asked(long), 50)
    index.matches(Asked("(" * 2_048), 50)
    index.matches(Asked("/" + " " * 2_000 + "a/ "), 50)
    index.matches(Asked("a, " * 680 + "5 street"), 50)
    index.matches(Asked("huawei " * 290), 50)
    assert len(compared) == 0
