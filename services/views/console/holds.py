"""The page of holds: what is held, the oldest first, by what would end each hold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from ledger.database.store import Connection
from ledger.queries.held.counts import HoldGroup, hold_groups
from ledger.queries.held.proposals import Proposal, Standing, proposals, standing
from ledger.queries.shipment_list import requests
from ledger.queries.work_list import Hold, HoldFilter, HoldPlace, holds
from rulebook import Book
from schemas.codes import ReasonCode
from schemas.times import parse_day
from services.views.console.look.render import Touched, fragment
from services.views.console.look.words import say
from services.views.work_list import OTHER_SHARES, Ends, awaited, hold_to_json

PAGE = 50
LEAVE, PAST, LEFT, ALL = "leave", "past", "left", "all"
VIEWS = (LEAVE, *map(str, Ends), PAST, LEFT, ALL)
"""Those still to leave, of these those that wait for one thing, those past their date, those that left unapproved."""

_PLACE = re.compile(r"1~(-?[0-9]{1,18})~([0-9]{1,18})|0~([0-9]{1,18})~([A-Za-z0-9._:-]{1,128})")
_MOST_TEXT = 200
_MOST_PARTS = 100
"""The most rows that are made anew at once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of holds is asked for, as its address says; `errors` are what was not understood, by field."""

    view: str = LEAVE
    reason: str = ""
    country: str = ""
    party: str = ""
    by: date | None = None
    after: HoldPlace | None = None
    errors: Sequence[tuple[str, str]] = field(default=())

    @property
    def filtered(self) -> bool:
        """Whether less is asked for than a whole view."""
        return bool(self.reason or self.country or self.party or self.by)

    def query(self) -> dict[str, str]:
        """The filters, as an address has them."""
        view = "" if self.view == LEAVE else self.view
        day = self.by.isoformat() if self.by else ""
        given = {"view": view, "reason": self.reason, "country": self.country, "party": self.party, "by": day}
        return {name: value for name, value in given.items() if value}


def wanted_of(given: Mapping[str, str]) -> Wanted:
    """What an address asks for. `account=` names an account, for which every hold is shown unless a view is named."""
    errors: list[tuple[str, str]] = []
    party = (given.get("party") or given.get("account") or "").strip()
    view = given.get("view") or (ALL if given.get("account") else LEAVE)
    reason, country, day = (given.get(name, "").strip() for name in ("reason", "country", "by"))
    if view not in VIEWS:
        errors.append(("holds-views", say("holds.bad_view", given=view)))
        view = LEAVE
    if reason and reason not in set(ReasonCode):
        errors.append(("reason", say("holds.bad_reason", given=reason)))
        reason = ""
    if country and not re.fullmatch("[A-Z]{2}", country):
        errors.append(("country", say("holds.bad_country", given=country)))
        country = ""
    if "\0" in party or len(party) > _MOST_TEXT:
        errors.append(("party", say("holds.bad_party")))
        party = ""
    by = None
    try:
        by = parse_day(day) if day else None
    except ValueError:
        errors.append(("by", say("holds.bad_day", given=day)))
    after = None
    if text := given.get("after"):
        after = _place(text)
        if after is None:
            errors.append(("holds-views", say("holds.bad_place")))
    return Wanted(view, reason, country, party, by, after, tuple(errors))


def _place(text: str) -> HoldPlace | None:
    """The place in the list that an address names; None for what cannot be one."""
    found = _PLACE.fullmatch(text)
    if found is None:
        return None
    if found[1] is not None:
        return HoldPlace(True, int(found[1]), int(found[2]))
    return HoldPlace(False, int(found[3]), found[4])


def kind_of(book: Book, group: HoldGroup) -> Ends:
    """What the holds of a group wait for."""
    return awaited(book, group.codes.split(), group.waits)


def _in_view(book: Book, view: str, group: HoldGroup) -> bool:
    """Whether the holds of a group are in a view."""
    if view == ALL:
        return True
    if view == LEFT or group.left:
        return view == LEFT and group.left
    if view == PAST or group.past:
        return view == PAST and group.past
    return view == LEAVE or view == kind_of(book, group)


def holds_page(connection: Connection, book: Book, today: date, wanted: Wanted) -> dict[str, Any]:
    """The holds that are asked for, a page of them; how many there are in each view, and what may be filtered by."""
    groups = hold_groups(connection, today, OTHER_SHARES)
    counts = {view: sum(one.holds for one in groups if _in_view(book, view, one)) for view in VIEWS}
    mine = [one for one in groups if _in_view(book, wanted.view, one)]
    found = list(holds(connection, _filter(today, wanted, mine), after=wanted.after, limit=PAGE + 1))
    more = found[PAGE - 1].place if len(found) > PAGE else None
    standing_on = proposals(connection, {hold.id: hold.record for hold in found[:PAGE]})
    codes = sorted(_sums((code, one.holds) for one in mine for code in one.codes.split()).items(), key=_most)
    return {
        "wanted": wanted,
        "counts": counts,
        "views": [view for view in VIEWS if view not in (LEFT, ALL) or counts[LEFT] or view == wanted.view],
        "reasons": codes,
        "countries": sorted({one.country for one in mine if one.country}),
        "rows": [row_of(book, hold, today, standing_on.get(hold.id, ())) for hold in found[:PAGE]],
        "next": None if more is None else wanted.query() | {"after": f"{int(more.held)}~{more.key}~{more.tie}"},
        "first": wanted.query() if wanted.after is not None else None,
        "grows": wanted.view == LEAVE and not wanted.filtered and wanted.after is None and more is None,
    }


def _sums(pairs: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, number in pairs:
        found[name] = found.get(name, 0) + number
    return found


def _most(one: tuple[str, int]) -> tuple[int, str]:
    return -one[1], one[0]


def _filter(today: date, wanted: Wanted, groups: Sequence[HoldGroup]) -> HoldFilter:
    """The filter of the ledger's list that shows what is asked for; `groups` are those of the view."""
    first, last = None, wanted.by
    if wanted.view == PAST:
        yesterday = today - timedelta(days=1)
        last = min(yesterday, last or yesterday)
    elif wanted.view not in (LEFT, ALL):
        first = today
    of_kind = wanted.view in set(Ends)
    named = "/" in wanted.party
    return HoldFilter(
        code=wanted.reason or None,
        country=wanted.country or None,
        party=None if named else wanted.party or None,
        account=wanted.party if named else None,
        leaves=(first, last),
        left=None if wanted.view == ALL else wanted.view == LEFT,
        kinds=list({(one.codes, one.waits) for one in groups}) if of_kind else None,
        waits=OTHER_SHARES,
    )


def row_of(book: Book, hold: Hold, today: date, proposed: Sequence[Proposal]) -> dict[str, Any]:
    """A row of the list: a hold as the command line has it, and what stands proposed on it.

    A hold has no age on a day before its own, which is where the last tick lies behind it.
    """
    row = hold_to_json(book, hold, today)
    return {
        **row,
        "age_days": row["age_days"] if hold.since <= today else None,
        "held": hold.state is not None,
        "today": hold.export_date == today.isoformat(),
        "past": hold.export_date < today.isoformat(),
        "proposed": [{"action": one.data.action, "who": one.data.reviewer} for one in proposed],
    }


def parts(connection: Connection, book: Book, today: date, _: str, touched: Touched) -> list[str]:
    """The rows of the shipments that were touched: of a hold anew, of another only its state, where it was listed."""
    ids = sorted(touched.shipments)[:_MOST_PARTS]
    if not ids:
        return []
    found = list(holds(connection, HoldFilter(ids=ids)))
    proposed = proposals(connection, {hold.id: hold.record for hold in found})
    made = [
        fragment("holds_parts", "row", row_of(book, hold, today, proposed.get(hold.id, ())), True) for hold in found
    ]
    there = {hold.id for hold in found}
    gone = [one for one in standing(connection, ids).values() if one.id not in there]
    asked = requests(connection, {one.asked for one in gone})
    return made + [fragment("holds_parts", "gone", _gone(one, asked[one.asked].consignee)) for one in gone]


def _gone(one: Standing, consignee: str) -> dict[str, Any]:
    return {"shipment_id": one.id, "state": one.state, "consignee": consignee, "country": one.country, "tpp": one.tpp}
