"""What nomenklatura's scorer says of pairs of names, beside ours: `pip install -e '.[second-opinion]'`, else skipped."""

import pytest
import variants
from us_list import company_names, listed_names, us_index

from rulebook import Asked

THRESHOLD = 85
THEIRS = 0.7
"""Their threshold: what nomenklatura's own command line takes for a match of its logic-v2."""
NEAR = 650
JUDGED_ALONE = 5
"""Registrants that only we find: each is judged in precision.toml."""

pytest.importorskip("nomenklatura")
pytestmark = pytest.mark.filterwarnings("ignore")


def pairs() -> dict[str, list[tuple[str, str]]]:
    """Some 2,000 pairs of names by their kind: changed and listed, registrants and what they resemble, unrelated."""
    names = sorted({name for _, name in listed_names()})
    near = [
        (matches[0].score, name, matches[0].matched)
        for name in company_names()
        if (matches := us_index().matches(Asked(name), 50))
    ]
    return {
        "a letter": [(variants.wrong(name), name) for name in _some(filter(variants.long_enough, names))],
        "the order": [
            (other, name) for name in _some(filter(variants.swapped, names)) if (other := variants.swapped(name))
        ],
        "the legal form": [(variants.other_form(name), name) for name in _some(names)],
        "two letters": [
            (variants.wrong_too(variants.wrong(name)), name)
            for name in _some(name for name in names if variants.long_enough(name, 16))
        ],
        "registrants": [(name, listed) for _, name, listed in sorted(near, reverse=True)[:NEAR]],
        "unrelated": list(zip(_some(names, "one", 350), _some(names, "other", 350), strict=True)),
    }


def _some(names, salt: str = "", count: int = 250) -> list[str]:
    return sorted(names, key=lambda name: (variants.chance(name, salt, 1 << 32), name))[:count]


def test_where_both_scorers_differ_is_known() -> None:
    """What only they find has two letters wrong, or an acronym; what only we find is a listed name, or is judged."""
    from followthemoney import EntityProxy
    from nomenklatura.matching import get_algorithm
    from nomenklatura.matching.types import ScoringConfig

    scorer, config = get_algorithm("logic-v2"), ScoringConfig.defaults()
    numbers = iter(range(1 << 32))

    def entity(name: str) -> EntityProxy:
        """An entity of its own: the scorer remembers names by id."""
        found = {"id": f"e{next(numbers)}", "schema": "LegalEntity", "properties": {"name": [name]}}
        return EntityProxy.from_dict(found)

    differences = {}
    for kind, some in pairs().items():
        ours_alone, theirs_alone = [], []
        for asked, listed in some:
            found = [match.entry for match in us_index().matches(Asked(asked), THRESHOLD)]
            ours = any(listed in (entry.name, *entry.aliases) for entry in found)
            theirs = scorer.compare(entity(asked), entity(listed), config).score >= THEIRS
            ours_alone += [(asked, listed)] if ours and not theirs else []
            theirs_alone += [(asked, listed)] if theirs and not ours else []
        differences[kind] = len(some), ours_alone, theirs_alone
    for kind, (count, ours_alone, theirs_alone) in differences.items():
        print(f"{kind}: {count} pairs, ours alone {len(ours_alone)}, theirs alone {len(theirs_alone)}")
        print(*ours_alone, "--", *theirs_alone, sep="\n    ")
    counts = {kind: (len(ours), len(theirs)) for kind, (_, ours, theirs) in differences.items()}
    assert sum(count for count, _, _ in differences.values()) >= 2_000
    assert counts["unrelated"] == (0, 0)
    assert counts["registrants"][0] <= JUDGED_ALONE
    assert counts["a letter"][1] <= 5
    assert counts["the order"][1] == counts["the legal form"][1] == 0
