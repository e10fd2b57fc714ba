"""A party beside the entries of lists that it resembles, as a reviewer compares them."""

from collections.abc import Iterator, Sequence
from typing import Any

from ledger.queries.work_list import Hold
from schemas.codes import ReasonCode
from schemas.models.incoming import Requested
from services.views.console.look.words import say

_MOST, _NEXT = 5, 4
"""The most parties that are compared, and the most further entries that are named of one."""
_NAMED = frozenset({"party", "list", "entry"})


def matches(one: Hold) -> list[dict[str, Any]]:
    """The facts of each party and entry for which a shipment is held, in the order of its reasons."""
    found = [reason["facts"] for reason in one.reasons if reason["code"] == ReasonCode.PARTY_SCREENING_HIT]
    return [facts for facts in found if facts.keys() >= _NAMED]


def likeness(one: Hold, asked: Requested) -> list[dict[str, Any]]:
    """Each party that resembles a listed one: its rows beside those of the entry, and what it resembles besides."""
    by_party: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for facts in matches(one):
        if "score" in facts:
            by_party.setdefault((facts["party"], facts["name"]), []).append(facts)
    return [_beside(hits, asked) for hits in list(by_party.values())[:_MOST]]


def _beside(hits: Sequence[dict[str, Any]], asked: Requested) -> dict[str, Any]:
    best, others = hits[0], hits[1:]
    return {
        "role": best["role"],
        "entry": best["entry"],
        "rows": list(_rows(best, asked)),
        "threshold": best["threshold"],
        "words": [_pair(one) for one in best["explanation"]],
        "next": [(one["listed_name"], one["entry"], one["score"]) for one in others[:_NEXT]],
    }


def _pair(one: dict[str, str]) -> str:
    """How a word of the one name stands beside one of the other, in words."""
    kind = "pair" if one["asked"] and one["listed"] else "only_asked" if one["asked"] else "only_listed"
    return say(f"hold.{kind}", **one)


def _rows(facts: dict[str, Any], asked: Requested) -> Iterator[dict[str, Any]]:
    """What is compared, here and in the list, and whether it is alike."""
    alias = facts["matched_alias"] if facts["matched_alias"] != facts["listed_name"] else None
    listed_name, score = facts["listed_name"], facts["score"]
    yield {"what": "name", "here": facts["name"], "there": listed_name, "alias": alias, "alike": score}
    country, address = _of(facts["party"], asked)
    listed = ", ".join(facts.get("listed_countries", ()))
    agrees = {True: "yes", False: "no", None: "unknown"}[facts["country_agrees"]]
    yield {"what": "country", "here": country, "there": listed, "alike": say(f"hold.alike.{agrees}")}
    if address:
        points = facts.get("address_points", "0.00")
        yield {"what": "address", "here": address, "there": "", "alike": points if points != "0.00" else ""}
    version = say("hold.version", list=facts["list"], version=facts["version"])
    yield {"what": "id", "here": facts["party"], "there": version, "alike": ""}


def _of(party: str, asked: Requested) -> tuple[str, str | None]:
    """The country of a party of a shipment, or of an ultimate parent's headquarters, and its address."""
    for one in asked.parties:
        if one.id == party:
            return one.country, one.address
        if one.ultimate_parent is not None and one.ultimate_parent.id == party:
            return one.ultimate_parent.headquarters, None
    return "", None
