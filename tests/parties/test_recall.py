"""Every name and alias of the lists of the United States finds its entry, as written and as others may write it."""

import tomllib
from pathlib import Path
from zlib import crc32

import pytest
import variants
from soak import much
from us_list import listed_names, us_entries, us_index

from rulebook import Asked

CHANGES = tomllib.loads(Path(__file__).with_name("recall.toml").read_text("utf-8"))["change"]
THRESHOLD = 85
SAMPLES = much(3, 1)
"""One name of so many is changed; of a change that few names know, each."""


def test_every_name_and_alias_is_its_own() -> None:
    countries = {entry.id: entry.countries for entry in us_entries()}
    names = listed_names()
    assert len(names) == 10_131 - 19
    for entry, name in names:
        country = countries[entry][0] if countries[entry] else None
        for asked in (Asked(name), Asked(name, country)):
            assert entry in {match.entry.id for match in us_index().matches(asked, 100)}, name


@pytest.mark.soak
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change["why"])
def test_a_changed_name_finds_its_entry(change: dict) -> None:
    changed = [
        (entry, name, other)
        for entry, name in listed_names()
        if variants.long_enough(name, change.get("letters", 0))
        and (other := _changed(name, change["changes"])) not in (None, name)
    ]
    if len(changed) > 1_000:
        changed = [one for one in changed if crc32(one[1].encode()) % SAMPLES == 0]
    missed = [
        (name, other)
        for entry, name, other in changed
        if entry not in {match.entry.id for match in us_index().matches(Asked(other), THRESHOLD)}
    ]
    assert len(changed) >= 20
    found = len(changed) - len(missed)
    print(f"{change['why']}: {found} of {len(changed)}, {found * 10_000 // len(changed)} of ten thousand")
    assert 1_000 * found >= change["at_least"] * len(changed), missed


def _changed(name: str, changes: list[str]) -> str | None:
    for change in changes:
        found = getattr(variants, change)(name)
        if found is None:
            return None
        name = found
    return name
