"""The page of obligations: what must be sent, to whom, by when, with the text; in parts, what is late first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Any, Final

from ledger.database.store import Connection
from ledger.queries.console.duties import (
    EVERY,
    SOON_DAYS,
    DutyFilter,
    DutyPlace,
    Part,
    duty_counts,
    duty_kinds,
    ended_duties,
    ended_of_parties,
    one_duty,
    open_duties,
    subjects_of,
)
from ledger.queries.console.party import names_of
from ledger.queries.console.remembered import remembered
from ledger.queries.shipment_list import shipments_by_id
from ledger.queries.work_list import ListedObligation, obligations
from rulebook import Book
from schemas.kinds import LEFT_WITHOUT_APPROVAL
from services.views.console.look.render import Touched, fragment
from services.views.console.look.words import say
from services.views.obligations import obligation_to_json, text_to_send

PAGE = 50
"""The most obligations on a page of one part."""
STATES: Final = ("open", "met", "withdrawn")
_FIRST: Mapping[Part, int] = {Part.LEFT: 5, Part.OVERDUE: 10, Part.TODAY: 20, Part.SOON: 20}
"""How many of each part stand on the first page, in this order; the others have pages of their own."""
_FEW = 10
"""How many of the other parts stand on the first page of a filter."""
_RECENT = 100
"""The most obligations of parties of which the live page is told that they have ended."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for: a state, a part of the open ones, the filter, and the place after which to go on.

    `about`: a shipment, or a party.
    """

    state: str = "open"
    part: Part | None = None
    filter: DutyFilter = EVERY
    about: str | None = None
    after: DutyPlace | None = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """The obligation of a form with mistakes, and what was given in its fields."""

    subject: str
    kind: str
    due: str
    fields: Mapping[str, str]


def obligations_page(
    connection: Connection, book: Book, today: date, wanted: Wanted, mistake: Mistake | None = None
) -> dict[str, Any]:
    """What the page says; after a `mistake` it has that obligation alone, and the form as it was given."""
    if wanted.about is not None:
        subjects = subjects_of(connection, wanted.about)
        wanted = replace(wanted, filter=replace(wanted.filter, subjects=subjects))
    is_open, is_plain = wanted.state == "open", wanted.filter == EVERY
    counts = duty_counts(connection, today, wanted.filter) if is_open else None
    if mistake is not None:
        one = one_duty(connection, today, mistake.subject, mistake.kind, mistake.due)
        groups = [_group("one", [] if one is None else [one], None)]
    elif not is_open:
        groups = [_group(wanted.state, *_cut(_ended(connection, today, wanted)))]
    elif wanted.part is not None:
        found = open_duties(connection, today, wanted.part, wanted.filter, wanted.after, PAGE + 1)
        groups = [_group(str(wanted.part), *_cut(found))]
    else:
        groups = [_first(connection, today, part, wanted.filter) for part in (_FIRST if is_plain else Part)]
    listed = [one for group in groups for one in group["rows"]]
    made = _rows(connection, book, today, listed, mistake)
    for group in groups:
        group["rows"] = [made[id_of(one)] for one in group["rows"]]
    return {
        "groups": [group for group in groups if group["rows"]],
        "counts": counts,
        "soon": (today + timedelta(days=SOON_DAYS)).isoformat(),
        "today": today.isoformat(),
        "kinds": [(kind, kind.replace("_", " ")) for kind in remembered(connection, duty_kinds)],
        "wanted": wanted,
        "is_plain": is_open and is_plain and wanted.part is None,
        "mistake": mistake,
    }


def id_of(one: ListedObligation) -> str:
    """The id of an obligation's element."""
    return element_id(one.subject, one.kind, one.due)


def element_id(subject: str, kind: str, due: str) -> str:
    """The id of the element of an obligation, which its subject, kind and day name."""
    return f"o-{sha256(f'{subject} {kind} {due}'.encode()).hexdigest()[:16]}"


def parts(connection: Connection, book: Book, today: date, about: str, touched: Touched) -> list[str]:  # noqa: ARG001
    """The days and states of the obligations of shipments that were touched, and of parties, where they have ended."""
    found = [
        one
        for shipment in sorted(touched.shipments)
        for one in obligations(connection, today, state=None, subject=f"shipment/{shipment}")
    ]
    if touched.obligations:
        found += ended_of_parties(connection, today, _RECENT)
    return [fragment("obligations_parts", "when", _when(one, today)) for one in found]


def _ended(connection: Connection, today: date, wanted: Wanted) -> list[ListedObligation]:
    return ended_duties(connection, today, wanted.state, wanted.filter, wanted.after, PAGE + 1)


def _cut(found: Sequence[ListedObligation]) -> tuple[list[ListedObligation], str | None]:
    """A page, and the address of the place after it, if there is more."""
    page = list(found[:PAGE])
    if len(found) <= PAGE:
        return page, None
    last = page[-1]
    return page, f"{last.due},{last.kind},{last.subject}"


def _group(name: str, rows: list[ListedObligation], after: str | None, *, more: bool = False) -> dict[str, Any]:
    return {"name": name, "rows": rows, "after": after, "more": more}


def _first(connection: Connection, today: date, part: Part, wanted: DutyFilter) -> dict[str, Any]:
    """The first of a part, and whether there are more."""
    most = _FIRST.get(part, _FEW)
    found = open_duties(connection, today, part, wanted, None, most + 1)
    return _group(str(part), found[:most], None, more=len(found) > most)


def _rows(
    connection: Connection, book: Book, today: date, listed: Sequence[ListedObligation], mistake: Mistake | None
) -> dict[str, dict[str, Any]]:
    """What the page says of each obligation, by the id of its element."""
    subjects = [one.subject.split("/", 1) for one in listed]
    goods = shipments_by_id(connection, {name for whose, name in subjects if whose == "shipment"})
    names = names_of(connection, {name for whose, name in subjects if whose == "party"})
    found = {}
    for one in listed:
        row = obligation_to_json(book, one)
        about = row["about"]
        text = text_to_send(row, goods.get(about) if "shipment_id" in row else None, names.get(about))
        title = (row["send"] or row["kind"].replace("_", " ")).removesuffix(".")
        given = {} if mistake is None else mistake.fields
        found[id_of(one)] = {
            **row, **_when(one, today), "text": text, "title": title, "named": names.get(about),
            "date": given.get("date", today.isoformat()), "reference": given.get("reference", ""),
            "is_known": "shipment_id" not in row or about in goods,
        }  # fmt: skip
    return found


def _when(one: ListedObligation, today: date) -> dict[str, Any]:
    """When an obligation is due, or how it ended."""
    days = (date.fromisoformat(one.due) - today).days
    if one.state != "open":
        said, css = say(f"obligations.state.{one.state}"), ""
    elif one.kind == LEFT_WITHOUT_APPROVAL:
        said, css = say("obligations.left_on"), "bad"
    elif one.overdue:
        said, css = say("obligations.late", n=-days), "bad"
    elif days == 0:
        said, css = say("obligations.today"), ""
    else:
        said, css = say("obligations.ahead", n=max(0, days)), ""
    return {"id": id_of(one), "due": one.due, "said": said, "css": css, "state": one.state}
