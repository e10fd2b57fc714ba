"""Layouts of lists' files: in which column each field stands, and how several values are joined in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

FIELDS = (
    "id", "list", "entry", "name", "aliases", "country", "address", "lei", "programs", "effective_date", "expires",
    "license_requirement", "license_policy", "federal_register", "notes",
)  # fmt: skip
"""What `--map` can name. `id` is the entry's id; without it the id is `list/entry`, or `entry` alone."""


class Joined(NamedTuple):
    """The signs between several values of a field; none where a field has one value."""

    aliases: str = "|"
    address: str = ";"
    programs: str = ";"


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout: its name, the column of each field that it has, and the columns by which it is known."""

    name: str
    columns: Mapping[str, str]
    marks: frozenset[str]
    joined: Joined = field(default_factory=Joined)


TPP = Layout(
    "tpp",
    {
        "list": "list", "entry": "entry", "name": "name", "aliases": "aliases", "country": "country",
        "address": "address", "effective_date": "effective_date", "federal_register": "federal_register",
        "notes": "notes",
    },
    frozenset(("list", "entry", "name")),
)  # fmt: skip
_CSL = {
    "list": "source", "name": "name", "aliases": "alt_names", "address": "addresses", "programs": "programs",
    "effective_date": "start_date", "expires": "end_date", "license_requirement": "license_requirement",
    "license_policy": "license_policy", "federal_register": "federal_register_notice", "notes": "remarks",
    "lei": "ids",
}  # fmt: skip
CSL_CSV = Layout("csl", {"id": "_id", **_CSL}, frozenset(("_id", "source", "name")), Joined(aliases=";"))
CSL_JSON = Layout(
    "csl", {"id": "id", "country": "country", **_CSL}, frozenset(("id", "source", "name")), Joined(aliases=";")
)
OPENSANCTIONS = Layout(
    "opensanctions",
    {
        "id": "id", "list": "dataset", "name": "name", "aliases": "aliases", "country": "countries",
        "address": "addresses", "lei": "identifiers", "programs": "sanctions",
    },
    frozenset(("id", "schema", "name", "dataset")),
    Joined(aliases=";"),
)  # fmt: skip
OTHER = replace(TPP, name="other", columns={}, marks=frozenset())

FORMATS = ("tpp", "csl", "opensanctions")


def layout_of(chosen: str | None, columns: Sequence[str], is_json: bool, mapped: bool) -> Layout | None:
    """The layout of a file: the one that is chosen, else the one that its columns tell; None where they tell none.

    `mapped`: whether the user names columns; then a file of no known layout is read by those alone, and by columns
    that have the names of fields.
    """
    known = [CSL_JSON] if is_json else [CSL_CSV, OPENSANCTIONS, TPP]
    if chosen is not None:
        return next((one for one in known if one.name == chosen), None)
    found = next((one for one in known if one.marks <= set(columns)), None)
    if found is None and mapped:
        return replace(OTHER, columns={one: one for one in FIELDS if one in columns})
    return found
