"""The lists of the United States as entries, out of examples/us-restricted-parties.csv.gz."""

import csv
import gzip
from functools import cache
from pathlib import Path

import pycountry

from rulebook.parties.addresses import is_address
from rulebook.parties.entries import ListEntry
from rulebook.parties.matching import ListIndex

ROOT = Path(__file__).resolve().parents[2]
OTHER_NAMES = {"Russia": "RU", "Turkey": "TR", "Iran": "IR", "Syria": "SY", "North Korea": "KP", "Vietnam": "VN"}


@cache
def us_entries() -> tuple[ListEntry, ...]:
    """All entries of the lists."""
    with gzip.open(ROOT / "examples/us-restricted-parties.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return tuple(_entry(row) for row in csv.DictReader(file))


def _entry(row: dict[str, str]) -> ListEntry:
    aliases = tuple(alias.strip() for alias in row["aliases"].split("|") if alias.strip())
    return ListEntry(
        f"{row['list']}/{row['entry']}", row["name"], row["list"], aliases=aliases,
        countries=_countries(row["country"]), addresses=(row["address"],) if row["address"] else (),
    )  # fmt: skip


def _countries(name: str) -> tuple[str, ...]:
    found = pycountry.countries.get(name=name)
    code = OTHER_NAMES.get(name, found.alpha_2 if found else None)
    return (code,) if code else ()


@cache
def us_index() -> ListIndex:
    """The index of all entries."""
    return ListIndex(us_entries())


@cache
def listed_names() -> tuple[tuple[str, str], ...]:
    """The id of the entry and the name, of every name and alias; addresses that are an entry left out."""
    return tuple(
        (entry.id, name)
        for entry in us_entries()
        if not is_address(entry.name)
        for name in (entry.name, *entry.aliases)
    )


def company_names() -> list[str]:
    """Names of companies that are registered with the Securities and Exchange Commission."""
    return gzip.decompress((Path(__file__).parent / "sec_registrants.txt.gz").read_bytes()).decode().splitlines()
