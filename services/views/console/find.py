"""What a search finds, and the page of a party: its facts by date, shipments, accounts, papers, what it resembles."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import quote

from ledger.database.store import Connection
from ledger.queries.account_list import account_list
from ledger.queries.console import search
from ledger.queries.console.party import (
    StatedFact,
    attestations,
    facts_about,
    is_party,
    mergers,
    names_of,
    party_accounts,
    resembling,
)
from ledger.queries.console.search import ACCOUNT, LICENSE, PARTY, SHIPMENT, Found
from ledger.queries.shipment_list import ShipmentFilter, shipment_list, shipments_by_id
from schemas import accounts
from schemas.models.facts import (
    LicenseIssued,
    MatchCleared,
    PartyMerged,
    PartyRegistered,
    VeuAuthorized,
    VeuRevoked,
)
from schemas.models.incoming import Requested
from schemas.models.parts import Certification
from schemas.wire.read import Event, read_record
from services.views.accounts import account_to_json
from services.views.console.look.told import kind_said, told
from services.views.console.look.words import say
from services.views.work_list import shipment_to_json

MOST = 20
"""The most of each kind that a search shows, and the most shipments of a party on a page."""
_CANDIDATES = 200
"""The most shipments among which those of a publisher are looked for."""
_FACTS, _ACCOUNTS = 100, 50
_OF_PARTIES = ("lpp/{}/*", "nveu/{}/*", "uveu/{}/*", "aia/{}")
"""The paths of the accounts that name a party."""

Mine = Callable[[str], bool]
"""Whether the shipments that a source requested are of who looks."""


def find(connection: Connection, text: str, mine: Mine | None) -> str | dict[str, Any]:
    """The address of what alone has this identifier, in small or capital letters; else what a text may mean, in groups.

    `mine`: of a publisher, whose shipments alone are found.
    """
    exact = [one for one in search.exactly(connection, text) if _may_find(one, mine)]
    address = _only(connection, exact)
    if address is not None:
        return address
    groups = _groups(connection, text, mine)
    small = text.lower()
    alike = [one for _, found in groups for one in found if one.id.lower() == small]
    address = None if exact else _only(connection, alike)
    return _results(connection, groups) if address is None else address


def _may_find(one: Found, mine: Mine | None) -> bool:
    return mine is None or (one.kind == SHIPMENT and mine(one.source or ""))


def _only(connection: Connection, found: Iterable[Found]) -> str | None:
    """The one address of all that was found; None if there are none or several."""
    addresses = {address for one in found if (address := _address(connection, one))}
    return addresses.pop() if len(addresses) == 1 else None


def _groups(connection: Connection, text: str, mine: Mine | None) -> list[tuple[str, list[Found]]]:
    """What a text may mean, by kind, of each one more than is shown."""
    if mine is not None:
        candidates = search.shipments_with(connection, text, _CANDIDATES)
        return [(SHIPMENT, [one for one in candidates if _may_find(one, mine)][: MOST + 1])]
    parties = search.parties_with(connection, text, MOST + 1)
    return [
        (SHIPMENT, search.shipments_with(connection, text, MOST + 1)),
        (PARTY, parties or search.named_by_shipments(connection, text)),
        (LICENSE, search.licenses_with(connection, text, MOST + 1)),
        (ACCOUNT, search.accounts_with(connection, text, MOST + 1)),
    ]


def _results(connection: Connection, groups: Sequence[tuple[str, list[Found]]]) -> dict[str, Any]:
    listed = shipments_by_id(connection, {one.id for one in groups[0][1][:MOST]})
    return {
        "groups": [
            {"kind": kind, "rows": [_row(connection, one, listed) for one in found[:MOST]], "more": len(found) > MOST}
            for kind, found in groups
            if found
        ],
        "names": search.NAMES,
        "requests": search.REQUESTS,
    }


def _row(connection: Connection, one: Found, listed: Mapping[str, Any]) -> dict[str, Any]:
    row = {"id": one.id, "href": _address(connection, one), "name": one.name, "state": None, "day": None}
    shipment = listed.get(one.id) if one.kind == SHIPMENT else None
    if shipment is not None:
        row |= {
            "name": shipment.request.consignee,
            "state": say(f"shipment.states.{shipment.state}"),
            "day": shipment.export_date,
        }
    return row


def _address(connection: Connection, one: Found) -> str | None:
    """The page of what was found; None for a licence under which nothing was debited or set."""
    if one.kind == LICENSE:
        path = accounts.license(one.id)
        return f"/console/accounts/{quote(path)}" if party_accounts(connection, [path], 1) else None
    if one.kind == ACCOUNT:
        return f"/console/accounts/{quote(one.id)}"
    return f"/console/{'shipments' if one.kind == SHIPMENT else 'parties'}/{quote(one.id, safe='')}"


def party_page(connection: Connection, today: date, party: str, before: int | None) -> dict[str, Any] | None:
    """What the page of a party says; None if nothing of the ledger names it. `before`: its shipments from there on."""
    if not is_party(connection, party):
        return None
    facts = facts_about(connection, party, _FACTS + 1)
    merged = [one for one in mergers(connection) if _is_of(one, party)]
    stated = [_read(one) for one in facts]
    registered = [data for data in stated if isinstance(data, PartyRegistered) and data.id == party]
    found = list(shipment_list(connection, ShipmentFilter(party=party), before, MOST + 1))
    every = sorted([*facts[:_FACTS], *merged], key=lambda one: -one.record)
    return {
        "party": party,
        "name": names_of(connection, [party]).get(party),
        "registered": registered[0] if registered else None,
        "merged_into": next((data.survivor for one in merged if (data := _read(one)).absorbed == party), None),
        "resembles": resembling(connection, party),
        "accounts": _accounts(connection, party),
        "papers": [_paper(data, today) for data in stated if isinstance(data, Certification)],
        "facts": [_fact(one, party) for one in every],
        "more_facts": len(facts) > _FACTS,
        "shipments": [shipment_to_json(one) | {"said": say(f"shipment.states.{one.state}")} for one in found[:MOST]],
        "after": found[MOST - 1].first if len(found) > MOST else None,
        "before": before,
    }


def _read(one: StatedFact) -> Any:
    event = read_record(one.event)
    return event.data if isinstance(event, Event) else None


def _is_of(one: StatedFact, party: str) -> bool:
    data = _read(one)
    return isinstance(data, PartyMerged) and party in (data.survivor, data.absorbed)


def _accounts(connection: Connection, party: str) -> list[dict[str, Any]]:
    """The accounts of a party with their balances, and who attested what on them."""
    patterns = [pattern.format(party) for pattern in _OF_PARTIES]
    found = [account_to_json(one) for one in account_list(connection, patterns, limit=_ACCOUNTS)]
    attested: dict[str, list[Any]] = {}
    for one in attestations(connection, [row["account"] for row in found]):
        attested.setdefault(one.account, []).append(one)
    return [row | {"attestations": attested.get(row["account"], ())} for row in found]


def _paper(data: Certification, today: date) -> dict[str, Any]:
    if data.date > today:
        state = "ahead"
    else:
        state = "expired" if data.valid_until is not None and data.valid_until < today else "valid"
    return {
        "kind": data.kind,
        "reference": data.reference,
        "date": data.date.isoformat(),
        "until": None if data.valid_until is None else data.valid_until.isoformat(),
        "state": state,
    }


def _fact(one: StatedFact, party: str) -> dict[str, Any]:
    """A fact in words, with its record and source."""
    return {
        "happened": one.happened,
        "record": one.record,
        "source": one.source,
        "said": _said(_read(one), party),
    }


def _said(data: Any, party: str) -> str:
    """What a fact says, in a sentence."""
    until = getattr(data, "valid_until", None) or getattr(data, "until", None)
    end = say("party.facts.until", day=str(until)) if until else ""
    match data:
        case PartyRegistered():
            parent = data.ultimate_parent
            owned = say("party.facts.parent", who=parent.name, id=parent.id) if parent else ""
            place = {"country": data.country, "headquarters": data.headquarters, "day": str(data.valid_from)}
            return say("party.facts.registered", who=data.name, id=data.id, owned=owned, **place)
        case Certification():
            kind = told(kind_said(data.kind))
            return say("party.facts.certified", kind=kind, reference=data.reference, day=str(data.date), end=end)
        case VeuAuthorized():
            where = data.country or say("party.facts.everywhere")
            facilities = say("party.facts.facilities", n=len(data.facilities))
            names = {"holder": data.holder, "program": data.program, "where": where, "day": str(data.valid_from)}
            return say("party.facts.authorized", facilities=facilities, **names)
        case VeuRevoked():
            return say("party.facts.revoked", holder=data.holder, program=data.program, day=str(data.date))
        case MatchCleared():
            values = {"list": data.list, "entry": data.entry, "by": data.reviewer, "reason": data.reason}
            return say("party.facts.cleared", end=end, **values)
        case LicenseIssued():
            given = {"number": data.number, "country": data.country, "day": str(data.valid_from)}
            return say("party.facts.licensed", tpp=data.tpp, end=end, **given)
        case PartyMerged():
            values = {"absorbed": data.absorbed, "survivor": data.survivor, "day": str(data.valid_from)}
            return say("party.facts.merged", reason=data.reason, **values)
        case Requested():
            consignee = data.ultimate_consignee
            return say("party.facts.owned", shipment=data.shipment_id, holder=consignee.id, owner=consignee.owner)
    return say("party.facts.named", id=party)
