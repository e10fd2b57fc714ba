"""What of a person's rule rests on the ledger: over HTTP a first person is one who has proposed the same.

The engine decides it in the transaction, and the verification of the ledger decides it anew from what is recorded.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import events
import orjson
import pytest

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from services.engine.engine import Engine
from services.engine.message import Message
from services.proof.verification import verify
from services.resources import software

BOOK = rulebook.load("ai-diffusion", {})
NOW = 1_748_856_600_000_000
HELD = {"claim": "LPP", "papers": ["lpp 2025-01-20"], "flags": [3]}
ACCOUNT = "lpp/CON-1/2025"


class Desk:
    """An engine on a ledger, events handed to it as they come over HTTP, or as they stand in a file."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        self.engine = Engine(Ledger(self.store), BOOK, lambda: NOW, software())
        self._numbers = count(1)

    def send(self, kind: str, data: dict[str, Any], *, file: bool = False) -> str:
        """The end of the answer's type, and of a refusal its code and its sentence."""
        number = next(self._numbers)
        raw = events.event(kind, data, id=f"evt-{number}")
        position = {"file": "in.jsonl", "line": number} if file else {"request": f"r-{number}", "index": 0}
        (first, *_), *_ = [*map(orjson.loads, self.engine.run([Message(raw, position)])[0])], None
        return self._told(first)

    def review(self, **data: Any) -> str:
        """What a review by two persons, r.one and r.two where nothing is said, is answered."""
        return self.send("review.decided", {"shipment_id": "SHP-1", "second_reviewer": "r.two", **data})

    def propose(self, *, file: bool = False, **data: Any) -> None:
        """Proposes a release, by r.one where nothing is said."""
        assert self.send("review.proposed", {"shipment_id": "SHP-1", **data}, file=file) == "recorded"

    def adjust(self, **data: Any) -> str:
        """What a correction by r.one and r.two is answered."""
        return self.send("adjustment.made", {"account": ACCOUNT, "amount": 100, **data})

    def propose_adjustment(self, **data: Any) -> None:
        """Proposes that correction, by r.one where nothing is said."""
        assert self.send("adjustment.proposed", {"account": ACCOUNT, "amount": 100, **data}) == "recorded"

    @staticmethod
    def _told(answer: dict[str, Any]) -> str:
        kind, data = answer["type"].split(".")[-2], answer["data"]
        return kind if kind != "refused" else f"{data['reasons'][0]['code']}: {data['reasons'][0]['message']}"

    def verified(self) -> list[Any]:
        """What the verification of the ledger finds."""
        return verify(self.store, BOOK, software(), list, []).bad


@pytest.fixture
def desk(ledger_url: str) -> Iterator[Desk]:
    """A desk with one hold; at the end the ledger is what was recorded."""
    found = Desk(ledger_url)
    assert found.send("shipment.requested", events.shipment({"id": "SHP-1", **HELD})) == "held"
    yield found
    assert found.verified() == []
    found.store.close()


def not_proposed(who: str = "r.one", action: str = "release") -> str:
    what = f"{who} has not proposed this {action} of shipment SHP-1 on its present hold"
    return f"four_eyes: Over HTTP the first of two persons proposes: {what}."


def test_a_second_person_confirms_only_what_the_first_has_proposed(desk: Desk) -> None:
    assert desk.review() == not_proposed()
    desk.propose(reviewer="r.three")
    assert desk.review() == not_proposed()
    desk.propose()
    assert desk.review(action="deny") == not_proposed(action="deny")
    assert desk.review(authorization={"kind": "LPP"}) == not_proposed()
    assert desk.review(reviewer="r.four") == not_proposed("r.four")
    assert desk.review() == "released"


def test_what_was_withdrawn_or_proposed_otherwise_since_does_not_stand(desk: Desk) -> None:
    desk.propose()
    desk.propose(action="withdraw", reviewer="r.nine")
    assert desk.review() == not_proposed()
    desk.propose()
    desk.propose(action="deny")
    assert desk.review() == not_proposed()
    assert desk.review(action="deny") == "denied"


def test_a_proposal_on_an_earlier_hold_does_not_stand(desk: Desk) -> None:
    desk.propose()
    amended = events.shipment({"id": "SHP-1", **HELD, "quantity": 9})
    assert desk.send("shipment.amended", amended) == "held"
    assert desk.review() == not_proposed()


def test_one_person_reviews_while_the_policy_is_off(desk: Desk) -> None:
    assert desk.send("review.decided", {"shipment_id": "SHP-1"}) == "released"


def test_the_policy_speaks_where_it_is_on(desk: Desk) -> None:
    assert desk.send("policy.set", {"name": "four_eyes", "value": True}) == "recorded"
    rule = "four_eyes: The house's policy needs two persons"
    assert desk.send("review.decided", {"shipment_id": "SHP-1"}) == f"{rule}: no second person is named."
    assert desk.review() == not_proposed().replace("Over HTTP the first of two persons proposes", rule[11:])
    desk.propose()
    assert desk.review() == "released"


def test_a_proposal_that_came_by_another_door_stands_too(desk: Desk) -> None:
    desk.propose(file=True)
    assert desk.review() == "released"


def test_a_file_needs_a_proposal_only_by_the_policy(desk: Desk) -> None:
    two = {"shipment_id": "SHP-1", "second_reviewer": "r.two"}
    assert desk.send("review.decided", two, file=True) == "released"
    assert desk.send("adjustment.made", {"account": ACCOUNT, "amount": 100}, file=True) == "recorded"


def test_a_correction_is_made_once_of_each_proposal(desk: Desk) -> None:
    refused = "four_eyes: Over HTTP the first of two persons proposes: r.one has not proposed"
    assert desk.adjust() == f"{refused} 100 TPP on {ACCOUNT} under J-1."
    desk.propose_adjustment()
    assert desk.adjust(amount=101) == f"{refused} 101 TPP on {ACCOUNT} under J-1."
    assert desk.adjust(reference="J-2") == f"{refused} 100 TPP on {ACCOUNT} under J-2."
    assert desk.adjust(account="lpp/CON-2/2025") == f"{refused} 100 TPP on lpp/CON-2/2025 under J-1."
    assert desk.adjust(reviewer="r.nine").startswith("four_eyes")
    assert desk.adjust() == "recorded"
    assert desk.adjust() == f"{refused} 100 TPP on {ACCOUNT} under J-1."
    desk.propose_adjustment()
    assert desk.adjust() == "recorded"


def test_a_check_says_what_would_be_answered(desk: Desk) -> None:
    raw = events.event("review.decided", {"shipment_id": "SHP-1", "second_reviewer": "r.two"}, id="check")
    message = Message(raw, {"request": "r", "index": 0})

    def checked() -> str:
        return desk._told(orjson.loads(desk.engine.check([message])[0][0]))

    assert checked() == not_proposed()
    desk.propose()
    assert checked() == "released"


def test_a_position_that_an_insider_changes_gives_another_decision(ledger_url: str) -> None:
    """A review that was refused over HTTP is one that a file's would not be: the verification tells them apart."""
    desk = Desk(ledger_url)
    assert desk.send("shipment.requested", events.shipment({"id": "SHP-1", **HELD})) == "held"
    assert desk.review() == not_proposed()
    assert desk.verified() == []
    with desk.store.begin() as connection:
        if not desk.store.postgresql:
            for row in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.exec_driver_sql(f'DROP TRIGGER "{row.name}"')
        else:
            connection.exec_driver_sql("ALTER TABLE journal DISABLE TRIGGER USER")
        position = '{"file":"in.jsonl","line":2}'
        connection.exec_driver_sql(f"UPDATE journal SET position = '{position}' WHERE n = 2")
    assert desk.verified() != []
    desk.store.close()
