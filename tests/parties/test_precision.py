"""Companies that are not on the lists of the United States do not resemble their entries, whatever common words they have."""

import gzip
import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rapidfuzz.distance import OSA
from us_list import ROOT, company_names, listed_names, us_index
from variants import chance

from rulebook import Asked
from rulebook.parties.spelling import words
from rulebook.parties.vocabulary import FORMS

THRESHOLD = 85
MOST_IN_TEN_THOUSAND = 20
JUDGED = tomllib.loads(Path(__file__).with_name("precision.toml").read_text("utf-8"))["hit"]


def hits(name: str, country: str | None = None) -> list[str]:
    """The listed names that a name resembles, best first."""
    return [match.matched for match in us_index().matches(Asked(name, country), THRESHOLD)]


def test_of_9_000_real_companies_only_those_that_are_judged_hit() -> None:
    names = [*company_names(), *sorted({name for name, _ in cluster_parties() if "row " not in name})]
    found = {name: listed[0] for name in names if (listed := hits(name))}
    assert len(names) >= 9_000
    assert found == {one["name"]: one["listed"] for one in JUDGED}
    assert len(found) * 10_000 <= MOST_IN_TEN_THOUSAND * len(names)


def test_each_hit_is_judged_in_the_decision() -> None:
    decision = (ROOT / "docs/adr/0013-names-are-matched-by-words.md").read_text("utf-8")
    assert {one["judged"] for one in JUDGED} == {"right", "same name", "letter"}
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in decision.splitlines()]
    assert [row for row in rows if row[-1] in ("right", "same name", "letter")] == [
        (one["name"], one["listed"], one["judged"]) for one in JUDGED
    ]


def test_names_made_of_the_commonest_words_hit_whole_names_only() -> None:
    """But for a letter, in any order, and without the forms and joining words, which say nothing."""
    often = Counter(word for _, name in listed_names() for word in set(words(name)) if word not in FORMS)
    commonest = [word for word, _ in often.most_common(40)]
    whole = {_sorted(name) for _, name in listed_names()}
    assert {"technology", "beijing", "huawei"} <= set(commonest)
    for n in range(3_000):
        parts = [commonest[chance(str(n), str(place), 40)] for place in range(2 + chance(str(n), "words", 3))]
        if hits(" ".join(parts)):
            asked = _sorted(" ".join(parts))
            assert any(OSA.distance(asked, other, score_cutoff=1) <= 1 for other in whole), parts


def _sorted(name: str) -> str:
    return "".join(sorted(word for word in words(name) if word not in FORMS))


def test_no_party_of_the_clusters_is_listed() -> None:
    parties = cluster_parties()
    assert len(parties) > 340
    assert {name: found for name, country in parties if (found := hits(name, country))} == {}


def test_the_one_owner_of_the_clusters_that_is_listed_hits() -> None:
    assert hits("Zhipu AI", "CN")[0] == "Zhipu AI"


def cluster_parties() -> list[tuple[str, str | None]]:
    """The names and countries of all parties of the cluster events."""
    lines = gzip.decompress((ROOT / "examples/gpu-clusters.jsonl.gz").read_bytes()).splitlines()
    return sorted({party for line in lines for party in _parties(json.loads(line))}, key=str)


def _parties(value: Any) -> Iterator[tuple[str, str | None]]:
    if isinstance(value, dict):
        if isinstance(value.get("name"), str) and "id" in value:
            yield value["name"], value.get("country") or value.get("headquarters")
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _parties(one)
