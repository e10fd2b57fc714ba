"""Owners whose names are equal under several identifiers, the events of a few of their shipments, and what must hold."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import events
import orjson
from events import party
from hypothesis import strategies as st
from ledger_events import Line

LEIS = ("529900T8BM49AURSDO55", "5493001KJTIIGC8Y1R12")
OWNERS = {
    "A-1": ("bharat", "Bharat Holdings Ltd", LEIS[0]),
    "A-2": ("bharat", "BHARAT HOLDINGS (INDIA) Pvt. Ltd.", None),
    "A-3": ("bharat", "Bhárat Holdings", LEIS[1]),
    "B-1": ("ganga", "Ganga Compute GmbH", None),
    "B-2": ("ganga", "Ganga-Compute", None),
    "C-1": ("", "Yamuna Systems", None),
}
"""Each owner: which names are equal, its name and its LEI."""
TPP = 15_832


class Step(NamedTuple):
    """A step of a story: what is done, and of whom, or of which of the shipments so far."""

    do: str
    owner: str = ""
    other: str = ""
    shipment: int = 0


def asks(owner: str) -> Step:
    """A shipment of an owner is asked for."""
    return Step("ask", owner)


def merges(survivor: str, absorbed: str) -> Step:
    """Two owners are one."""
    return Step("merge", survivor, absorbed)


def of(do: str, shipment: int) -> Step:
    """Something is done with one of the shipments so far."""
    return Step(do, shipment=shipment)


_OWNER, _NUMBER = st.sampled_from(sorted(OWNERS)), st.integers(0, 7)
STORIES = st.lists(
    st.one_of(
        st.builds(asks, _OWNER),
        st.builds(of, st.sampled_from(("cancel", "release", "deny", "recheck", "leave")), _NUMBER),
        st.builds(merges, _OWNER, _OWNER),
    ),
    max_size=24,
)


def raws_of(story: Iterable[Step]) -> Iterator[bytes]:
    """The events of a story; nothing is rechecked by itself."""
    line = Line()
    yield line.event("policy.set", {"name": "auto_recheck", "value": False})
    number = 0
    for step in story:
        if step.do == "ask":
            number += 1
            yield line.event("shipment.requested", _asked(f"SHP-{number}", step.owner))
        elif step.do == "merge":
            yield line.merged(step.owner, step.other)
        elif number:
            yield _of_shipment(line, step.do, f"SHP-{step.shipment % number + 1}")


def _asked(shipment: str, owner: str) -> dict[str, Any]:
    _, name, lei = OWNERS[owner]
    consignee = party(owner, "PL", name=name) | ({"lei": lei} if lei else {})
    words = {"id": shipment, "consignee": consignee, "quantity": 1, "claim": "LPP", "papers": ["lpp 2025-01-20"]}
    return events.shipment(words)


def _of_shipment(line: Line, word: str, shipment: str) -> bytes:
    match word:
        case "cancel":
            return line.cancelled(shipment)
        case "leave":
            return line.dispatched(shipment, "2025-06-05")
        case "recheck":
            return line.event("recheck.requested", {"shipment_id": shipment})
        case _:
            return line.event("review.decided", {"shipment_id": shipment, "action": word})


class Told(NamedTuple):
    """What was given out for one event: its type's last word, and the owners that its reasons say it has the name of."""

    word: str
    resembles: list[str]


def told(texts: Sequence[str]) -> Told:
    """What was given out for one event, of a recheck whether it released."""
    first = orjson.loads(texts[0])
    word = first["type"].split(".")[-2]
    if first["data"].get("released"):
        word = "released"
    facts = [reason["facts"] for reason in first["data"].get("reasons", [])]
    return Told(word, sorted(one["resembles"] for one in facts if "resembles" in one))


class Oracle:
    """What the answers must be, worked out without a ledger."""

    def __init__(self) -> None:
        self._one = {owner: owner for owner in OWNERS}
        self._known: set[str] = set()
        self._apart: set[frozenset[str]] = set()
        self._states: list[tuple[str, str, list[str]]] = []

    def answer(self, step: Step) -> Told | None:
        """What an event of a step is answered with; None where it makes no event."""
        if step.do == "merge":
            return self._merge(step.owner, step.other)
        if step.do == "ask":
            found = self._namesakes(step.owner)
            self._states.append((step.owner, "held" if found else "approved", found))
            return self._decided(step.owner, found, "approved")
        if not self._states:
            return None
        at = step.shipment % len(self._states)
        owner, state, found = self._states[at]
        allowed = {"cancel": ("held", "approved"), "leave": ("approved",)}.get(step.do, ("held",))
        if state not in allowed:
            return Told("refused", [])
        if step.do in ("cancel", "deny", "leave"):
            after = {"cancel": "cancelled", "deny": "denied", "leave": "left"}[step.do]
            self._states[at] = (owner, after, [])
            return Told("denied" if step.do == "deny" else "recorded", [])
        if step.do == "release":
            self._apart |= {frozenset((owner, other)) for other in found}
        now = self._namesakes(owner)
        if step.do == "recheck" and now:
            return Told("recorded", [])
        self._states[at] = (owner, "held" if now else "approved", now)
        return self._decided(owner, now, "released")

    def _decided(self, owner: str, found: list[str], word: str) -> Told:
        if not found:
            self._known.add(owner)
        return Told("held" if found else word, found)

    def _merge(self, survivor: str, absorbed: str) -> Told:
        one, other = self._one[survivor], self._one[absorbed]
        if survivor == absorbed:
            return Told("rejected", [])
        if absorbed == one:
            return Told("refused", [])
        self._one = {owner: one if now == other else now for owner, now in self._one.items()}
        return Told("recorded", [])

    def _group(self, owner: str) -> set[str]:
        return {other for other, one in self._one.items() if one == self._one[owner]}

    def _namesakes(self, owner: str) -> list[str]:
        """The owners whose name a shipment of this one says it has."""
        group, (name, _, lei) = self._group(owner), OWNERS[owner]
        if group & self._known:
            return []
        found = set()
        for other in self._known - group:
            equal, _, its = OWNERS[other]
            is_other = lei is not None and its is not None and lei != its
            apart = any(frozenset((a, b)) in self._apart for a in group for b in self._group(other))
            if name and equal == name and not is_other and not apart and self._has_balance(other):
                found.add(self._one[other])
        return sorted(found)

    def _has_balance(self, owner: str) -> bool:
        group = self._group(owner)
        return any(state in ("approved", "left") and of in group for of, state, _ in self._states)
