"""Rules between the members of an event's data, checked on the data as written.

They run independently of the models, so that one wrong member hides no other error. Each looks only at members of the
right type; the model reports the others.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from schemas import accounts
from schemas.lookalikes import same_name
from schemas.models import facts, incoming
from schemas.models.parts import MAX_OWNERS_IN_ALL, Certification, Model
from schemas.models.values import ECCN, IDENTIFIER, TECHNOLOGY, TEXT_MOST, TPP_MAX
from schemas.times import DAY
from schemas.wire.errors import Error, shown

AHEAD_DAYS = 31
"""How far a tick may stand ahead of the event that brings it, and the machine's clock of the ledger's last record."""

Check = Callable[[dict[str, Any]], list[Error]]
LAST_EXPORT = "9900-01-01"
_ROLES = ("exporter", "ultimate_consignee", "intermediate_consignees", "end_user", "purchaser", "operator")
_BEFORE_THE_RULE = ("SAVING", "NOT_YET_REQUIRED")
_DAY = re.compile(DAY)
_ECCN, _TECHNOLOGY = (re.compile(pattern.removesuffix("$") + r"\Z") for pattern in (ECCN, TECHNOLOGY))
_IDENTIFIER = re.compile(IDENTIFIER.removesuffix("$") + r"\Z")
_BAD_PARTY = "must be an identifier: 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit"


def _certified(data: dict[str, Any], base: str = "/data") -> list[Error]:
    """The party of a certification is an identifier, except that a designer is named as items name it.

    So is the reference of a notification that says what it covers: it names an account.
    """
    kind, party, reference = data.get("kind"), data.get("party"), data.get("reference")
    errors = [
        Error(f"{base}/{member}", "member.unknown", f"is a member of a {of} alone")
        for member, of in (("covers", "nac_notification"), ("facility", "facility_security"))
        if member in data and isinstance(kind, str) and kind != of
    ]
    if kind != "authorized_ic_designer" and isinstance(party, str) and party and not _IDENTIFIER.match(party):
        errors.append(Error(f"{base}/party", "identifier.invalid", f"{_BAD_PARTY}, not {shown(party)}"))
    if "covers" in data and isinstance(reference, str) and reference and not _IDENTIFIER.match(reference):
        errors.append(Error(f"{base}/reference", "identifier.invalid", f"{_BAD_PARTY}, not {shown(reference)}"))
    return errors


def _shipment(data: dict[str, Any]) -> list[Error]:
    """Line numbers are unique; no product of quantity and TPP, and no sum of them, exceeds 2^53−1."""
    errors = [*_dated(data), *_owned_parties(data)]
    total, lines = 0, set()
    items = data.get("items")
    for index, item in enumerate(items if type(items) is list else ()):
        if type(item) is not dict:
            continue
        errors += _of_technology(item, f"/data/items/{index}")
        line, quantity, tpp = item.get("line"), item.get("quantity"), item.get("tpp")
        if type(line) is int:
            if line in lines:
                errors.append(_doubled(index, line))
            lines.add(line)
        if type(quantity) is int and type(tpp) is int and 0 < quantity <= TPP_MAX and 0 < tpp <= TPP_MAX:
            product = quantity * tpp
            if product > TPP_MAX:
                sentence = f"{quantity:,} × {tpp:,} = {product:,} TPP exceed {TPP_MAX:,}"
                errors.append(Error(f"/data/items/{index}", "amount.overflow", sentence))
            else:
                total += product
    if total > TPP_MAX:
        sentence = f"the lines add up to {total:,} TPP, which exceeds {TPP_MAX:,}"
        errors.append(Error("/data/items", "amount.overflow", sentence))
    certifications = data.get("certifications")
    if type(certifications) is list:
        for index, certification in enumerate(certifications):
            if type(certification) is dict:
                errors += _certified(certification, f"/data/certifications/{index}")
    return errors


def _owned_parties(data: dict[str, Any]) -> list[Error]:
    """The owners of each party of a shipment hold 100 % of it at most, and all parties together have not too many."""
    errors, count = [], 0
    for role in _ROLES:
        stated = data.get(role)
        if stated is None or (type(stated) is dict and "owners" not in stated):
            continue
        several: list[Any] | None = stated if type(stated) is list else None
        for index, party in enumerate([stated] if several is None else several):
            errors += _owned(party, f"/data/{role}" if several is None else f"/data/{role}/{index}")
            owners = party.get("owners") if type(party) is dict else None
            count += len(owners) if type(owners) is list else 0
    if count > MAX_OWNERS_IN_ALL:
        sentence = f"its parties must have at most {MAX_OWNERS_IN_ALL:,} owners in all, not {count:,}"
        errors.append(Error("/data", "list.too_long", sentence))
    return errors


def _owned(party: Any, base: str = "/data") -> list[Error]:
    """The owners of a party hold 100 % of it at most; what is not a share is not counted."""
    owners = party.get("owners") if type(party) is dict else None
    if type(owners) is not list:
        return []
    shares = [one.get("share") for one in owners if type(one) is dict]
    total = sum(share for share in shares if type(share) is int and 0 < share <= 100)
    if total <= 100:
        return []
    return [Error(f"{base}/owners", "share.exceeded", f"the shares of the owners add up to {total} %, more than 100 %")]


def _of_technology(item: dict[str, Any], base: str) -> list[Error]:
    """What an item is for is said of software and technology alone."""
    eccn = item.get("eccn")
    if "technology_for" not in item or not isinstance(eccn, str) or not _ECCN.match(eccn) or _TECHNOLOGY.match(eccn):
        return []
    sentence = f"is for software and technology, not for {shown(eccn)}: must be left out"
    return [Error(f"{base}/technology_for", "technology_for.refused", sentence)]


def _dated(data: dict[str, Any]) -> list[Error]:
    """An export date leaves room in the calendar for obligations years after it."""
    day = data.get("export_date")
    if isinstance(day, str) and _DAY.match(day) and day >= LAST_EXPORT:
        return [Error("/data/export_date", "date.invalid", f"must be before {LAST_EXPORT}, not {day}")]
    return []


def _returned(data: dict[str, Any]) -> list[Error]:
    """Line numbers are unique."""
    items = data.get("items")
    errors, lines = [], set()
    for index, item in enumerate(items if isinstance(items, list) else ()):
        line = item.get("line") if isinstance(item, dict) else None
        if type(line) is int:
            if line in lines:
                errors.append(_doubled(index, line))
            lines.add(line)
    return errors


def _doubled(index: int, line: int) -> Error:
    return Error(f"/data/items/{index}/line", "line.duplicate", f"line number {shown(line)} is repeated")


def _two_reviewers(data: dict[str, Any]) -> list[Error]:
    """The second reviewer is another person; case, spaces, punctuation and look-alike letters do not count."""
    first, second = data.get("reviewer"), data.get("second_reviewer")
    if (
        isinstance(first, str)
        and isinstance(second, str)
        and 0 < len(first) <= TEXT_MOST >= len(second)
        and same_name(first, second)
    ):
        return [Error("/data/second_reviewer", "reviewer.same", f"must not be the reviewer, {shown(first)}")]
    return []


def _reviewed(data: dict[str, Any]) -> list[Error]:
    """What goes as before the rule is the word of two reviewers."""
    errors = _two_reviewers(data)
    authorization = data.get("authorization")
    kind = authorization.get("kind") if isinstance(authorization, dict) else None
    if kind in _BEFORE_THE_RULE and "second_reviewer" not in data:
        errors.append(
            Error("/data/second_reviewer", "member.missing", f"is required with {kind}: two persons decide it")
        )
    return errors


def _national(data: dict[str, Any]) -> list[Error]:
    """A national authorization names its country; a universal one names none."""
    program, named = data.get("program"), "country" in data
    if program == "national" and not named:
        return [Error("/data/country", "country.missing", "is required for a national authorization")]
    if program == "universal" and named:
        return [Error("/data/country", "country.refused", "must be omitted for a universal authorization")]
    return []


def _authorized(data: dict[str, Any]) -> list[Error]:
    """As of any authorization; its items are named."""
    return _national(data) + _named(data)


def _named(data: dict[str, Any]) -> list[Error]:
    """An item of a licence or an authorization is named by its ECCN, its part number or both."""
    items = data.get("items")
    return [
        Error(f"/data/items/{index}", "member.missing", "needs an eccn, a part_number or both")
        for index, item in enumerate(items if type(items) is list else ())
        if type(item) is dict and not item.keys() & {"eccn", "part_number"}
    ]


def _license(data: dict[str, Any]) -> list[Error]:
    """A licence does not end before it begins; its items are named."""
    start, end = data.get("valid_from"), data.get("valid_until")
    errors = _named(data)
    if isinstance(start, str) and isinstance(end, str) and _DAY.match(start) and _DAY.match(end) and end < start:
        sentence = f"must not be before valid_from: {end} is before {start}"
        errors.append(Error("/data/valid_until", "date.order", sentence))
    return errors


def _merged(data: dict[str, Any]) -> list[Error]:
    """A party is not merged with itself."""
    absorbed = data.get("absorbed")
    if isinstance(absorbed, str) and absorbed and absorbed == data.get("survivor"):
        return [Error("/data/absorbed", "party.same", f"must not be the survivor, {shown(absorbed)}")]
    return []


def _thresholds(data: dict[str, Any]) -> list[Error]:
    """Thresholds are for an account, or for a pattern with `*`."""
    path = data.get("account")
    if isinstance(path, str) and path and "*" not in path and accounts.read(path) is None:
        sentence = "must be the path of an account that holds entries, or a pattern with *"
        return [Error("/data/account", "account.invalid", sentence)]
    return []


def _one_of(*names: str) -> Check:
    """Exactly one of these members is present."""
    listed = f"{', '.join(names[:-1])} and {names[-1]}"

    def check(data: dict[str, Any]) -> list[Error]:
        given = [name for name in names if name in data]
        if len(given) == 1:
            return []
        found = f"{', '.join(given)} are present" if given else "none is present"
        return [Error("/data", "one_of", f"must have exactly one of {listed}; {found}")]

    return check


def check_time(data: Model, happened: datetime) -> list[Error]:
    """A tick does not stand far ahead of the `time` of its event: that would end time for every event after it."""
    if isinstance(data, facts.ClockTicked) and data.now - happened > timedelta(days=AHEAD_DAYS):
        sentence = f"must be at most {AHEAD_DAYS} days after the event's own time, {happened.isoformat()}"
        return [Error("/data/now", "clock.ahead", f"{sentence}, not {data.now.isoformat()}")]
    return []


CHECKS: dict[type[Model], Check] = {
    incoming.Requested: _shipment,
    Certification: _certified,
    incoming.Dispatched: _dated,
    incoming.Returned: _returned,
    incoming.ReviewDecided: _reviewed,
    facts.AdjustmentMade: _two_reviewers,
    facts.ClockCorrected: _two_reviewers,
    incoming.RecheckRequested: _one_of("shipment_id", "account", "all"),
    facts.ObligationMet: _one_of("shipment_id", "party"),
    facts.VeuAuthorized: _authorized,
    facts.VeuRevoked: _national,
    facts.LicenseIssued: _license,
    facts.PartyMerged: _merged,
    facts.PartyRegistered: _owned,
    facts.ThresholdSet: _thresholds,
}
"""The check of each model that has one."""
