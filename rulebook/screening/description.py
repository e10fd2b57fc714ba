"""What a book says on a day, for people to read: values, lists, readings, authorizations, paragraphs, obligations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from rulebook.law.contents import Contents
from rulebook.law.law import Law
from rulebook.law.provisions import all_provisions, in_force
from rulebook.law.values import Values
from rulebook.screening.tried import tried_for


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, a day or a policy of the book: what it is, its citation, its value, and since when it has that value.

    `unit` is empty for what has none, `value` None where nothing is printed for the day.
    """

    name: str
    title: str
    citation: str
    value: int | str | None
    unit: str
    since: date | None
    note: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of the book: countries by code, or ECCNs. `since` is the day of the last change, up to the day."""

    name: str
    title: str
    citation: str
    members: tuple[str, ...]
    since: date | None
    note: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to read the text that differs from the default, and whether it is in force."""

    name: str
    title: str
    citation: str
    on: bool


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph in its version of the day: the row of the decision guide, its citation, what it says, since when."""

    row: str
    citation: str
    says: str
    since: date


@dataclass(frozen=True, slots=True)
class Authorization:
    """A way to go, in the order in which it is tried; `order` is 0 for one that is tried only where it is claimed."""

    kind: str
    says: str
    order: int
    paragraphs: tuple[Paragraph, ...]


@dataclass(frozen=True, slots=True)
class Owed:
    """An obligation of the book: what it asks for, of which authorizations, when it is due, to whom it is sent."""

    kind: str
    citation: str
    what: str
    due: str
    to: str
    authorizations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """A book on a day. `others` are the paragraphs of no authorization: gates, classification, policies of review."""

    day: date
    title: str
    status: str
    readings: tuple[Reading, ...]
    figures: tuple[Figure, ...]
    days: tuple[Figure, ...]
    policies: tuple[Figure, ...]
    groups: tuple[Listed, ...]
    eccns: tuple[Listed, ...]
    authorizations: tuple[Authorization, ...]
    others: tuple[Paragraph, ...]
    obligations: tuple[Owed, ...]
    not_modelled: tuple[str, ...]


class Text:
    """A book for people to read."""

    def __init__(self, contents: Contents, values: Values) -> None:
        self._contents = contents
        self._values = values
        self.first_day: date = values.dates["effective"]

    def on(self, day: date) -> Description:
        """What the book says on a day."""
        return _describe(self._contents, self._values, day)

    def tried_in(self, citations: Sequence[str], claim: str | None = None) -> list[tuple[str, str]]:
        """Of each finding of a decision, by its citation: the authorization for which it was tried, empty for none, and
        the rule in plain words, empty where the book has no such paragraph. `claim` is the one that was claimed.
        """
        return tried_for(self._contents, citations, claim)


def _describe(contents: Contents, values: Values, day: date) -> Description:
    """What a book says on a day."""
    law, tables = values.law(day), values.tables
    paragraphs = _paragraphs(day)
    ways = tuple(_authorizations(contents, paragraphs))
    taken = {one.row for way in ways for one in way.paragraphs}
    return Description(
        day=day,
        title=str(tables["title"]),
        status=str(tables["status"]),
        readings=tuple(
            Reading(name, entry["title"], entry["citation"], values.switches[name])
            for name, entry in tables.get("switches", {}).items()
        ),
        figures=tuple(
            _figure(name, entry, day)
            for kind in ("amounts", "decimals", "rules")
            for name, entry in tables.get(kind, {}).items()
        ),
        days=tuple(_day(name, entry) for name, entry in tables["dates"].items()),
        policies=tuple(_figure(name, entry, day) for name, entry in tables.get("policies", {}).items()),
        groups=tuple(_groups(tables, law, day)),
        eccns=tuple(_listed(name, entry, law.eccns(name), day) for name, entry in tables["eccn"].items()),
        authorizations=ways,
        others=tuple(one for one in paragraphs if one.row not in taken),
        obligations=tuple(_owed(kind, entry) for kind, entry in law.period.notices.items()),
        not_modelled=tuple(law.period.not_modelled[0]),
    )


def _paragraphs(day: date) -> list[Paragraph]:
    return [
        Paragraph(one.row, one.citation, " ".join(one.doc.split("\n\n")[0].split()), one.since)
        for one in in_force(all_provisions(), day)
    ]


def _authorizations(contents: Contents, paragraphs: list[Paragraph]) -> Iterator[Authorization]:
    claimed = [kind for kind in contents.authorizations if kind not in contents.order]
    for kind in (*contents.order, *claimed):
        says = (contents.authorizations[kind].__doc__ or "").strip().splitlines()[0]
        order = contents.order.index(kind) + 1 if kind in contents.order else 0
        yield Authorization(kind, says, order, tuple(one for one in paragraphs if one.row.split()[0] == kind))


def _figure(name: str, entry: Mapping[str, Any], day: date) -> Figure:
    past = [first for first in entry["values"] if date.fromisoformat(first) <= day]
    ended = "ends" in entry and day >= entry["ends"]
    since = entry["ends"] if ended else date.fromisoformat(max(past)) if past else None
    value = None if ended or not past else entry["values"][max(past)]
    return Figure(name, entry["title"], entry["citation"], value, entry.get("unit", ""), since, entry.get("note", ""))


def _day(name: str, entry: Mapping[str, Any]) -> Figure:
    return Figure(name, entry["title"], entry["citation"], str(entry["day"]), "", None, entry.get("note", ""))


def _groups(tables: Mapping[str, Any], law: Law, day: date) -> Iterator[Listed]:
    for kind in ("groups", "derived"):
        for name, entry in tables.get(kind, {}).items():
            yield _listed(name, entry, sorted(law.members(name)), day)


def _listed(name: str, entry: Mapping[str, Any], members: Any, day: date) -> Listed:
    changes = [date.fromisoformat(first) for kind in ("values", "adds", "removes") for first in entry.get(kind, ())]
    since = max((first for first in changes if first <= day), default=None)
    return Listed(name, entry["title"], entry["citation"], tuple(members), since, entry.get("note", ""))


def _owed(kind: str, entry: Mapping[str, Any]) -> Owed:
    return Owed(
        kind, entry["citation"], entry.get("what", ""), str(entry.get("due", "")), entry.get("to", ""),
        tuple(entry.get("authorizations", ())),
    )  # fmt: skip
