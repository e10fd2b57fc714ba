"""The page of one hold: a memo of why, what was tried, what would fit, and what a reviewer may do."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

import orjson

from ledger.database.store import Connection
from ledger.queries.held.counts import also_waiting, beside
from ledger.queries.held.proposals import Proposal, newest_record, proposals, standing
from ledger.queries.policies import policies
from ledger.queries.records import ShipmentRecord, records
from ledger.queries.shipment_list import find_shipment
from ledger.queries.work_list import Hold, HoldFilter, holds
from rulebook import Book
from schemas import event_types as types
from schemas.codes import State
from schemas.kinds import Policy
from schemas.models.incoming import Requested
from schemas.models.parts import Party
from services.views.accounts import balance_list
from services.views.answers import last_decided, proposal
from services.views.console.likeness import likeness, matches
from services.views.console.look.bar import Bar, bar
from services.views.console.look.render import Touched, fragment
from services.views.console.look.told import kind_said
from services.views.console.look.words import say
from services.views.memo import asked_in, decided_in, law_in_words, memo_of
from services.views.trace import claimed
from services.views.work_list import Ends, awaited_besides, hold_to_json, set_aside

_LINES, _PARTIES, _PAPERS, _ALSO, _FINDINGS = 12, 12, 8, 5, 200
"""The most lines, parties, papers, other holds and findings that the page shows."""
_PARTS = ("end_user", "operator", "purchaser", "intermediate_consignees")
_RESULTS = ("not_met", "unknown", "met", "not_applicable")


def hold_page(
    connection: Connection, book: Book, today: date, shipment: str, me: str, *, may_act: bool
) -> dict[str, Any]:
    """What the page says of a held shipment to `me`, who may or may not act on it."""
    one = next(holds(connection, HoldFilter(ids=[shipment])))
    kept = records(connection, shipment)
    asked, (decided, _) = asked_in(kept), decided_in(kept)
    if asked is None or decided is None:
        raise LookupError(shipment)
    row = hold_to_json(book, one, today)
    aside = set_aside(book, one.reasons)
    ends = awaited_besides(row["codes"], aside)
    stands = proposals(connection, {shipment: one.record}).get(shipment, [])
    short = next((reason["facts"] for reason in one.reasons if "short_by" in reason["facts"]), None)
    account = None if short is None else str(short["account"])
    return {
        "row": row,
        "beside": beside(connection, shipment, today),
        "top": top(connection, book, today, one, kept, stands),
        "bar": None if short is None else _bar(connection, short),
        "alike": likeness(one, asked),
        "asked": _asked(asked, kept),
        "tried": _tried(book, decided, asked),
        "decided": _decided(one, decided),
        "fits": _fits(one, asked, row["ended_by"], ends),
        "note": _note(row, asked, ends),
        "also": None if account is None else (account, *also_waiting(connection, account, shipment, _ALSO)),
        "may_act": may_act,
        "act": _act(connection, one, stands, me, ends, aside),
    }


def top(
    connection: Connection, book: Book, today: date, one: Hold, kept: Sequence[ShipmentRecord],
    stands: Sequence[Proposal],
) -> dict[str, Any]:  # fmt: skip
    """The head of a hold: its state, since when, when it leaves; its memo's answer, what decides, what is pending."""
    memo = memo_of(connection, book, one.id, one.state, kept)
    rows = dict(memo.rows)
    leaves = (date.fromisoformat(one.export_date) - today).days
    stands_now = find_shipment(connection, one.id)
    return {
        "id": one.id,
        "state": one.state,
        "left": one.left,
        "proposed": stands[-1].data.action if stands else None,
        "since": one.happened,
        "age": max(0, (today - one.since).days),
        "export_date": one.export_date,
        "leaves": leaves,
        "first": one.reasons[0] if one.reasons else None,
        "answer": memo.answer,
        "decisive": rows.get("Decisive", ())[1:] if one.reasons else rows.get("Decisive", ()),
        "near": rows.get("Near", ()),
        "owed": rows.get("Owed", ()) if one.left else (),
        "pending": stands_now.debits if stands_now is not None and stands_now.kept else (),
    }


def _bar(connection: Connection, short: Mapping[str, Any]) -> dict[str, Any]:
    """The bar of the account that is short, as it stands now, with what is asked."""
    nothing: dict[str, Any] = dict.fromkeys(("posted", "pending", "attested", "credits", "balance"), 0)
    row = next(iter(balance_list(connection, [str(short["account"])], limit=1)), nothing | {"limit": None})
    limit = short.get("limit") if row["limit"] is None else row["limit"]
    drawn: Bar = bar(
        limit=limit, posted=row["posted"], pending=row["pending"], attested=row["attested"], credits=row["credits"],
        asked=short["asked"],
    )  # fmt: skip
    kinds = [part.kind for part in drawn.parts]
    return {
        "bar": drawn, "account": short["account"], "limit": limit, "used": row["balance"], "asked": short["asked"],
        "left": None if limit is None else max(0, limit - row["balance"]), "pending": row["pending"],
        "posted": row["posted"], "legend": list(dict.fromkeys(kinds)),
    }  # fmt: skip


def _asked(asked: Requested, kept: Sequence[ShipmentRecord]) -> dict[str, Any]:
    """What was asked for, and in which event."""
    events = [orjson.loads(one.event) for one in kept if b'"items"' in one.event]
    named = _parties(asked)
    return {
        "items": asked.items[:_LINES],
        "more": len(asked.items) - _LINES,
        "tpp": sum(item.quantity * item.tpp for item in asked.items),
        "claim": claimed(asked) if asked.authorization else None,
        "parties": named[:_PARTIES], "more_parties": len(named) - _PARTIES,
        "transaction": asked.transaction.capitalize(), "ship_from": asked.ship_from, "ship_to": asked.ship_to,
        "facility": asked.facility, "end_use": asked.end_use.replace("_", " ").capitalize(),
        "papers": asked.certifications[:_PAPERS],
        "event": (events[-1]["id"], events[-1]["source"]) if events else None,
    }  # fmt: skip


def _parties(asked: Requested) -> list[tuple[str, Party]]:
    """The parties of a request by their part in it."""
    others = [(part, party) for part in _PARTS for party in getattr(asked, part) or ()]
    return [("exporter", asked.exporter), ("consignee", asked.ultimate_consignee), *others]


def _names(asked: Requested) -> dict[str, str]:
    """The names of the parties of a request, and of those above them, by identifier."""
    parties = [party for _, party in _parties(asked)]
    above = {one.ultimate_parent.id: one.ultimate_parent.name for one in parties if one.ultimate_parent is not None}
    return above | {one.id: one.name for one in parties}


def _tried(book: Book, decided: Mapping[str, Any], asked: Requested) -> list[dict[str, Any]]:
    """The findings by the authorization for which each was tried, in order; the decisive one is open."""
    findings = decided["findings"][:_FINDINGS]
    claim = asked.authorization.kind if asked.authorization else None
    known = book.text.tried_in([one["provision"] for one in findings], claim)
    found = []
    pairs = zip(known, findings, strict=True)
    for kind, group in groupby(pairs, key=lambda pair: pair[0][0]):
        rows = [{**finding, "rule": rule} for (_, rule), finding in group]
        worst = min(rows, key=lambda one: _RESULTS.index(one["result"]))
        failed = sum(one["result"] in ("not_met", "unknown") for one in rows)
        found.append({"kind": kind, "rows": rows, "worst": worst, "failed": failed, "open": False})
    _open(found, [reason["citation"] for reason in decided["reasons"]])
    return found


def _open(found: Sequence[dict[str, Any]], cited: Sequence[str]) -> None:
    """Opens the group of findings on which the decision turns: the first reason's, of which the least is in the way."""
    failed = [one for one in found if one["failed"]]
    named = [
        one
        for one in failed
        if any(row["provision"] in cited[:1] and row["result"] in ("not_met", "unknown") for row in one["rows"])
    ]
    if among := named or failed:
        chosen = min(among, key=lambda one: one["failed"])
        chosen["open"] = True
        failing = [row for row in chosen["rows"] if row["result"] == chosen["worst"]["result"]]
        chosen["worst"] = next((row for row in failing if row["provision"] in cited), chosen["worst"])


def _decided(one: Hold, decided: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "reasons": [(reason, reason["facts"].get("account")) for reason in one.reasons],
        "id": decided["decision_id"], "law_as_of": decided["law_as_of"], "rulebook": decided["rulebook"],
        "record": one.record, "stands": law_in_words(decided["basis"].get("law_status")),
    }  # fmt: skip


def _fits(one: Hold, asked: Requested, ended_by: Sequence[str], ends: Ends) -> list[dict[str, Any]]:
    """The ways in which it would go, from the facts of its reasons, each once."""
    names, single = _names(asked), asked.items[0] if len(asked.items) == 1 else None
    whole = {"units": sum(item.quantity for item in asked.items), "tpp": one.tpp}
    ways: list[dict[str, Any]] = []
    for facts in (reason["facts"] for reason in one.reasons):
        if facts.get("fits"):
            units, rest = facts["fits"], whole["units"] - facts["fits"]
            amount = units * single.tpp if single else None
            who = say("hold.fit.part_who", units=units, n=rest)
            ways.append(_way("part", who, units=units, tpp=amount, account=facts["account"]))
        if later := facts.get("fits_from") or facts.get("possible_from"):
            ways.append(_way("later", say("hold.fit.later_who"), **whole, since=later))
        if "kind" in facts and "party" in facts:
            by = facts.get("needed_by", "")
            who = say("hold.fit.paper_who", party=names.get(facts["party"], facts["party"]), day=by)
            ways.append(_way("paper", who, **whole, kind=kind_said(facts["kind"])))
        ways += [_way("other", say("hold.fit.other_who"), **whole, kind=kind) for kind in facts.get("others", ())]
        ways += [_way("near", say("hold.fit.near_who"), **whole, kind=near) for near in facts.get("near", ())]
    if "a licence" in ended_by:
        ways.append(_way("licence", say("hold.fit.licence_who"), **whole))
    if ends is Ends.REVIEWER:
        ways.append(_way("review", say("hold.fit.review_who"), **whole))
    if not ways:
        ways = [_way("end", say("hold.fit.end_who"), **whole, end=end) for end in ended_by]
    return [way for index, way in enumerate(ways) if way not in ways[:index]]


def _way(name: str, who: str, **more: Any) -> dict[str, Any]:
    since = more.get("since")
    words = {key: value for key, value in more.items() if value is not None}
    return {
        "what": say(f"hold.fit.{name}", **words), "units": more["units"], "tpp": more["tpp"], "who": who,
        "since": since, "from": None if since else say(f"hold.fit.{name}_from"),
    }  # fmt: skip


def _note(row: Mapping[str, Any], asked: Requested, ends: Ends) -> list[str]:
    """The text for the publisher: what is held, why, and what the publisher can do."""
    first = row["reasons"][0]
    held = say("hold.note.held", id=row["shipment_id"], citation=first["citation"], why=_why(first, asked))
    if row["left_without_approval"]:
        return [held, say("hold.note.left", day=row["left_without_approval"])]
    can = list(dict.fromkeys(_can(row, asked)))
    if ends is Ends.REVIEWER:
        return [held, say("hold.note.review")]
    if not can:
        return [held, say("hold.note.ends", ends=row["ended_by"][0])]
    return [held, say("hold.note.can", ways=say("hold.note.or").join(can))]


def _why(reason: Mapping[str, Any], asked: Requested) -> str:
    """Why a shipment is held, for its publisher: no account's path, and nothing of what would end it."""
    facts = reason["facts"]
    if "short_by" in facts:
        return say("hold.note.short", asked=facts["asked"], left=max(0, facts["asked"] - facts["short_by"])).unescape()
    if "kind" in facts and "party" in facts:
        party = _names(asked).get(facts["party"], facts["party"])
        return say("hold.note.missing", kind=kind_said(facts["kind"]), party=party).unescape()
    return str(reason["message"])


def _can(row: Mapping[str, Any], asked: Requested) -> Iterator[str]:
    """What a publisher can do about the reasons of a hold, each as a part of a sentence."""
    names, units = _names(asked), sum(item.quantity for item in asked.items)
    for facts in (reason["facts"] for reason in row["reasons"]):
        if facts.get("fits"):
            yield say("hold.note.part", units=facts["fits"], n=units)
        if later := facts.get("fits_from") or facts.get("possible_from"):
            yield say("hold.note.later", day=later)
        if "kind" in facts and "party" in facts:
            party = names.get(facts["party"], facts["party"])
            kind = kind_said(facts["kind"])
            yield say("hold.note.paper", kind=kind, party=party, day=facts.get("needed_by") or row["export_date"])
        for kind in facts.get("others", ()):
            yield say("hold.note.other", kind=kind)
    if "a licence" in row["ended_by"]:
        yield say("hold.note.licence")


def _act(
    connection: Connection, one: Hold, stands: Sequence[Proposal], me: str, ends: Ends, aside: Sequence[str]
) -> dict[str, Any]:
    """What may be done about a hold, and what that sends."""
    others: dict[str, Proposal] = {found.data.action: found for found in stands if found.data.reviewer != me}
    barring = next((reason for reason in one.reasons if reason["code"] not in aside), None)
    return {
        "stands": [_proposed(found, me) for found in stands],
        "mine": any(found.data.reviewer == me for found in stands),
        "confirm": [_proposed(found, me) for found in others.values()],
        "free": not stands,
        "two": {policy.name: policy.value for policy in policies(connection)}[Policy.FOUR_EYES],
        "release": ends is Ends.REVIEWER,
        "barring": barring,
        "matches": matches(one),
        "sends": _sends(one, me, others),
    }


def _proposed(found: Proposal, me: str) -> dict[str, Any]:
    data = found.data
    claim = data.authorization
    return {
        "record": found.record, "happened": found.happened, "action": data.action, "who": data.reviewer,
        "mine": data.reviewer == me, "reason": " ".join(data.reason.split()),
        "under": " ".join(filter(None, (claim.kind, claim.reference))) if claim else None,
    }  # fmt: skip


def _sends(one: Hold, me: str, others: Mapping[str, Proposal]) -> dict[str, str]:
    """The events that the forms of the page make, as they are named in the contract."""

    def lines(kind: str, data: Mapping[str, str]) -> str:
        return "\n".join([kind, *(f"{name:<16} {value}" for name, value in data.items())])

    def event(kind: str, **data: str) -> str:
        return lines(kind, {"shipment_id": one.id, **data})

    made = {
        "recheck": event(types.RECHECK_REQUESTED),
        "release": event(types.REVIEW_PROPOSED, action="release", reviewer=me, reason="…"),
        "deny": event(types.REVIEW_PROPOSED, action="deny", reviewer=me, reason="…"),
    }
    for action, found in others.items():
        claim = found.data.authorization
        named = {} if claim is None else {"authorization": " ".join(filter(None, (claim.kind, claim.reference)))}
        made[f"confirm {action}"] = event(
            types.REVIEW_DECIDED, action=action, reviewer=found.data.reviewer, second_reviewer=me, **named, reason="…"
        )
        if action == "release":
            cleared = [{name: facts[name] for name in ("party", "list", "entry")} for facts in matches(one)]
            made["confirm release"] = "\n".join(
                [made["confirm release"], *(lines(types.MATCH_CLEARED, match) for match in cleared)]
            )
    return made


def parts(connection: Connection, book: Book, today: date, about: str, touched: Touched) -> list[str]:
    """The head of a hold anew; where it was decided meanwhile, or something is proposed on it, that it was.

    `about` is the shipment, and after an @ the record of the hold that the page shows.
    """
    shipment, _, shown = about.partition("@")
    one = standing(connection, [shipment]).get(shipment) if shipment in touched.shipments else None
    if one is None:
        return []
    newest = newest_record(connection, shipment)
    if not one.is_held:
        state = {"id": shipment, "state": State(one.state)}
        return [fragment("hold_parts", "ended", state), _meanwhile(connection, shipment, "shipments", ends=True)]
    held = next(holds(connection, HoldFilter(ids=[shipment])))
    stands = proposals(connection, {shipment: held.record}).get(shipment, [])
    head = top(connection, book, today, held, records(connection, shipment), stands)
    made = [fragment("hold_parts", "state_line", head), fragment("hold_parts", "verdict", head)]
    anew = int(shown) != held.record if shown.isdigit() else newest == held.record
    if anew:
        return [*made, _meanwhile(connection, shipment, "holds", ends=True)]
    said = [proposal(found.data) for found in stands if found.record == newest]
    return made + [fragment("hold_parts", "meanwhile", shipment, "holds", one, False) for one in said]


def _meanwhile(connection: Connection, shipment: str, page: str, *, ends: bool) -> str:
    return fragment("hold_parts", "meanwhile", shipment, page, last_decided(connection, shipment), ends)
