"""The examples of docs/matching.md are what the program computes."""

import re
import tomllib

import pytest
from us_list import ROOT, us_index

from rulebook import Asked

PAGE = (ROOT / "docs/matching.md").read_text("utf-8")
EXAMPLES = re.findall(
    r"^### `([^`]+)` \((..)\), listed as `([^`]+)`\n(.*?)weigh ([\d,]+), the pairs count ([\d,]+): ([\d.]+)\..*?"
    r"\*\*([\d.]+)\*\*, (a hit|no hit)",
    PAGE,
    re.MULTILINE | re.DOTALL,
)


def _number(text: str) -> int:
    return int(re.sub(r"[,.]", "", text))


def test_the_page_has_three_examples() -> None:
    assert len(EXAMPLES) == PAGE.count("\n### ") == 3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[0])
def test_an_example_is_what_the_program_computes(example: tuple[str, ...]) -> None:
    name, country, listed, table, total, counts, alone, score, hit = example
    (match,) = [one for one in us_index().matches(Asked(name, country), 60) if one.matched == listed][:1]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines() if "|" in line]
    shown = [
        ("" if asked == "–" else asked, "" if other == "–" else other, _number(agrees))
        for asked, other, agrees, _, _ in rows[2:]
    ]
    assert shown == [(pair.asked, pair.listed, pair.score // 100) for pair in match.pairs]
    weights = [_number(row[3]) for row in rows[2:]]
    assert sum(_number(row[4]) for row in rows[2:]) == _number(counts)
    assert [_number(row[4]) for row in rows[2:]] == [
        2 * weight * pair.score // 10_000 for weight, pair in zip(weights, match.pairs, strict=True)
    ]
    both = [2 if pair.asked and pair.listed else 1 for pair in match.pairs]
    assert sum(map(int.__mul__, both, weights)) == _number(total)
    assert _number(counts) * 100 // _number(total) == _number(alone)
    assert match.score - match.country_points == _number(alone)
    assert match.score == _number(score)
    assert (match.score >= 85) == (hit == "a hit")


def test_the_page_says_how_many_common_words_there_are() -> None:
    found = tomllib.loads((ROOT / "rulebook/parties/words.toml").read_text("utf-8"))
    assert 755 <= len(set((found["common"] + found["places"]).split())) <= 765
