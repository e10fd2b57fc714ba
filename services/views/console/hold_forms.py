"""What the forms of a hold make of their fields: an event, or what is to be mended first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from ledger.database.store import Connection
from ledger.queries.held.proposals import proposal_of, standing
from ledger.queries.work_list import HoldFilter, holds
from schemas import event_types as types
from schemas.models.parts import ReviewKind
from services.views.console.likeness import matches
from services.views.console.look.words import say

KINDS: tuple[str, ...] = tuple(
    dict.fromkeys(kind for part in get_args(ReviewKind) for kind in get_args(part) or (part,))
)
"""What a review may put in the place of a claim."""

_ACTS = ("propose release", "propose deny", "back", "release", "deny", "confirm release", "confirm deny")
_LICENSE = "LICENSE"
_TWO = frozenset({"SAVING", "NOT_YET_REQUIRED"})
"""What needs two reviewers, whatever the house says."""
_MOST_DIGITS = 18

Event = tuple[str, str, dict[str, Any]]
"""Of an event its type, its subject and its data."""


@dataclass(slots=True)
class Acting:
    """What `me` asks for with a form of a hold. `errors` are to be mended, `refusal` says why nothing can be."""

    shipment: str
    me: str
    fields: Mapping[str, str]
    errors: list[tuple[str, str]] = field(default_factory=list)
    refusal: str = ""

    def events(self, connection: Connection) -> list[Event]:
        """The event that the form sends, and those that belong to it; none where it is refused or to be mended."""
        doing = self.fields.get("do", "")
        if doing == "recheck":
            return [self._event(types.RECHECK_REQUESTED)]
        if doing not in _ACTS:
            self.refusal = say("hold.unknown_act")
            return []
        if not self._text("reason"):
            self._wrong("reason", say("hold.lack_checked" if doing.endswith("release") else "hold.lack_reason"))
        if doing.startswith("confirm"):
            return self._confirmed(connection, doing.removeprefix("confirm "))
        claim = self._claim() if doing.endswith("release") else {}
        more = {"reviewer": self.me, **claim, "reason": self._text("reason")}
        if doing in ("release", "deny"):
            cleared = self._cleared(connection) if doing == "release" else []
            if claim and claim["authorization"]["kind"] in _TWO:
                self._wrong("authorization/kind", say("hold.two_needed", kind=claim["authorization"]["kind"]))
            return [self._event(types.REVIEW_DECIDED, action=doing, **more), *cleared]
        action = "withdraw" if doing == "back" else doing.removeprefix("propose ")
        return [self._event(types.REVIEW_PROPOSED, action=action, **more)]

    def is_of_another_hold(self, connection: Connection) -> bool:
        """Whether a review is about another hold than the present one: the shipment was amended or held anew since."""
        one = standing(connection, [self.shipment]).get(self.shipment)
        if one is None or not one.is_held or self.fields.get("do") == "recheck":
            return False
        return self.fields.get("hold", "") != str(one.held)

    def field_of(self, pointer: str) -> str:
        """The id of the field that a JSON pointer into an event means."""
        return self._field(pointer.removeprefix("/data/"))

    def _confirmed(self, connection: Connection, action: str) -> list[Event]:
        """The decision of what another reviewer has proposed, as the record of the proposal says it."""
        record = self.fields.get("proposal", "")
        known = record.isascii() and record.isdigit() and len(record) <= _MOST_DIGITS
        found = proposal_of(connection, int(record)) if known else None
        if found is None or (found.data.shipment_id, found.data.action) != (self.shipment, action):
            self.refusal, self.errors = say("hold.proposal_gone"), []
            return []
        claim = found.data.authorization
        named = {} if claim is None else {"authorization": claim.model_dump(exclude_none=True)}
        decided = self._event(
            types.REVIEW_DECIDED, action=action, reviewer=found.data.reviewer, second_reviewer=self.me, **named,
            reason=self._text("reason"),
        )  # fmt: skip
        return [decided, *(self._cleared(connection) if action == "release" else [])]

    def _cleared(self, connection: Connection) -> list[Event]:
        """That parties are not the listed ones which they resemble, of those that the hold names and the form chose."""
        held = next(holds(connection, HoldFilter(ids=[self.shipment])), None)
        found = matches(held) if held else []
        data = {"reviewer": self.me, "reason": self._text("reason")}
        return [
            (types.MATCH_CLEARED, facts["party"], {name: facts[name] for name in ("party", "list", "entry")} | data)
            for place, facts in enumerate(found)
            if self.fields.get(f"clear-{place}")
        ]

    def _claim(self) -> dict[str, Any]:
        """The authorization in the place of the claim, if the form names one."""
        kind, reference = self._text("kind"), self._text("reference")
        if not kind:
            if reference:
                self._wrong("authorization/kind", say("hold.bad_kind"))
            return {}
        if kind not in KINDS:
            self._wrong("authorization/kind", say("hold.bad_kind"))
            return {}
        if kind == _LICENSE and not reference:
            self._wrong("authorization/reference", say("hold.lack_number"))
        return {"authorization": {"kind": kind} | ({"reference": reference} if reference else {})}

    def _text(self, name: str) -> str:
        return "\n".join(self.fields.get(name, "").strip().splitlines())

    def _wrong(self, member: str, sentence: str) -> None:
        self.errors.append((self._field(member), sentence))

    def _field(self, member: str) -> str:
        """The id of the field of a member: each form has its own."""
        form = self.fields.get("form_of", "")
        if member.startswith("authorization"):
            return "release" if form == "licence" else f"release-{member.rpartition('/')[2]}"
        if member != "reason":
            return member
        return {"licence": "release-why", "back": self.fields.get("field", "deny")}.get(
            form, form.removeprefix("confirm ")
        )

    def _event(self, kind: str, **data: Any) -> Event:
        return kind, self.shipment, {"shipment_id": self.shipment, **data}
