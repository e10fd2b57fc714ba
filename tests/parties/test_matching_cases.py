"""Who resembles which entry of a short list, as matching_cases.toml has it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from us_list import ROOT

from rulebook import Asked, ListIndex
from rulebook.parties.entries import ListEntry

FOUND = tomllib.loads(Path(__file__).with_name("matching_cases.toml").read_text("utf-8"))
ENTRIES = [ListEntry.read(entry) for entry in FOUND["entry"]]
INDEX = ListIndex(ENTRIES)
THRESHOLD = 85
BY_ID = {entry.id: entry for entry in ENTRIES}


@pytest.mark.parametrize("case", FOUND["case"], ids=lambda case: case["why"])
def test_a_party_resembles(case: dict) -> None:
    asked = Asked(case["name"], case.get("country"), case.get("address"), case.get("lei"))
    assert [[match.entry.id, match.score] for match in INDEX.matches(asked, THRESHOLD)] == case["finds"]


def test_the_example_of_the_contract_is_explained_word_by_word() -> None:
    (match,) = INDEX.matches(Asked("Zhipu AI", "CN"), THRESHOLD)
    assert (match.matched, match.country_agrees) == ("Zhipu AI", True)
    assert match.pairs == (("zhipu", "zhipu", 10_000), ("ai", "ai", 10_000))


def test_words_that_are_written_in_one_are_a_pair() -> None:
    (match,) = INDEX.matches(Asked("ZhipuAI"), THRESHOLD)
    assert match.pairs == (("zhipuai", "zhipu ai", 10_000),)


def test_a_word_without_a_counterpart_is_in_the_explanation() -> None:
    (match,) = INDEX.matches(Asked("Huazhang Zhipu Research"), 60)
    assert ("research", "", 0) in match.pairs
    assert ("", "beijing", 0) in match.pairs


@pytest.mark.parametrize("least", [85, 97, 98, 99, 100])
def test_another_country_never_takes_an_own_name_below_the_threshold(least: int) -> None:
    (match,) = INDEX.matches(Asked("Zhipu AI", "FR"), least)
    assert (match.score, match.country_points) == (max(98, least), max(98, least) - 100)


def test_a_search_scores_an_own_name_as_the_screening_at_the_lists_threshold() -> None:
    asked = Asked("Zhipu AI", "FR")
    assert INDEX.matches(asked, 50, 99)[0] == INDEX.matches(asked, 99)[0]
    assert INDEX.matches(asked, 50)[0].score == 98


def test_a_country_that_only_one_side_has_says_nothing() -> None:
    unplaced = ListIndex([BY_ID["zhipu"]._replace(countries=())])
    (match,) = unplaced.matches(Asked("Zhipu AI", "FR"), THRESHOLD)
    assert (match.score, match.country_agrees, match.country_points) == (100, None, 0)


def test_what_is_remembered_is_what_was_found() -> None:
    index = ListIndex(ENTRIES)
    asked = Asked("Beijing Zhipu Huozhang Technology")
    assert index.matches(asked, THRESHOLD) == index.matches(asked, THRESHOLD) == INDEX.matches(asked, THRESHOLD)
    assert [match.entry.id for match in index.matches(asked, 97)] == []


def test_names_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rulebook.parties.matching._ROOM", 2_000)
    index = ListIndex(ENTRIES)
    for n in range(100):
        index.matches(Asked(f"Example Trading {n}"), THRESHOLD)
    assert len(index._remembered) < 10


def test_the_matcher_is_loaded_when_it_is_first_needed() -> None:
    code = (
        "import sys, rulebook; print('anyascii' in sys.modules); rulebook.ListIndex; print('anyascii' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("command", ["--help", "balance --ledger URL"])
def test_commands_that_compare_no_name_load_no_matcher(command: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    code = """
import sys
from services.cli.commands import main
for command in sys.argv[1:]:
    sys.argv = ["tpp", *command.split()]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended.code
print("loaded:", *sorted({"rapidfuzz", "cleanco", "anyascii"} & sys.modules.keys()))
"""
    commands = [one.replace("URL", url) for one in ("migrate --ledger URL", command)]
    ran = subprocess.run([sys.executable, "-c", code, *commands], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "loaded:"
