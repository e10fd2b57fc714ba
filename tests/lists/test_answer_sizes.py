"""A decision stays small enough to be published, whatever a shipment's parties and owners resemble."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from events import event, shipment
from memory_run import Listed

from rulebook.sections.s744 import MOST_TOLD
from services.engine.message import Message
from services.kafka.topics import MESSAGE_MOST

ALIKE = {f"E-{n}": {"name": "Zarquon Microsystems", "kind": "entity"} for n in range(5)}
LONG = "Zarquon Microsystems (" + "\N{GRINNING FACE}" * 480 + ")"
"""A name as long as the contract allows and four bytes a letter; what stands in brackets does not count."""
ROLES = ("end_user", "operator", "purchaser", "intermediate_consignees")
DAY = "2025-10-10"


@pytest.fixture
def listed() -> Iterator[Listed]:
    """A ledger with a list in which five entries have one name."""
    with Listed(":memory:") as ledger:
        ledger.load({"do": "load", "version": "1", "entries": ALIKE})
        yield ledger


def asked(identifier: str, name: str, most: int = 50, **owned: Any) -> Message:
    """A request of which four roles have many parties of one name."""
    data = shipment({"id": identifier, "claim": "LPP", "papers": ["lpp 2025-01-20"], "date": DAY})
    for role in ROLES:
        data[role] = [
            {"id": f"{role[0]}-{n}", "name": name, "country": "PL", "headquarters": "PL", **owned} for n in range(most)
        ]
    return Message(event("shipment.requested", data, id=identifier), {"file": "in.jsonl", "line": 1})


def decided(listed: Listed, message: Message) -> tuple[dict[str, Any], int]:
    """The decision on a request, and the bytes of the longest answer."""
    (texts,) = listed.engine.run([message])
    return orjson.loads(texts[0])["data"], max(len(text.encode()) for text in texts)


def told(data: dict[str, Any]) -> tuple[int, list[int]]:
    """How many hits are told, and how many are said not to be."""
    facts = [one["facts"] for one in data["reasons"] if one["code"] == "party.screening_hit"]
    return sum("entry" in one for one in facts), [one["untold"] for one in facts if "untold" in one]


def test_many_parties_of_long_names_that_hit_are_told_in_part(listed: Listed) -> None:
    data, size = decided(listed, asked("S-1", LONG))
    assert told(data) == (MOST_TOLD, [200 * 5 - MOST_TOLD])
    assert size < MESSAGE_MOST // 2


def test_no_release_sets_aside_what_was_not_told(listed: Listed) -> None:
    decided(listed, asked("S-1", "Zarquon Microsystems", 2))
    decided(listed, asked("S-2", "Zarquon Microsystems"))
    review = {"action": "release", "reviewer": "reviewer-1", "reason": "Other companies."}
    outcomes = [
        orjson.loads(
            listed.engine.run(
                [
                    Message(
                        event("review.decided", {"shipment_id": name, **review}, id=f"r{name}"),
                        {"file": "r", "line": 1},
                    )
                ]
            )[0][0]
        )["data"]["outcome"]
        for name in ("S-1", "S-2")
    ]
    assert outcomes == ["released", "held"]


def test_parties_that_many_listed_owners_hold_are_told_in_part(listed: Listed) -> None:
    owners = [{"id": f"O-{n}", "name": LONG, "share": 20} for n in range(5)]
    data, size = decided(listed, asked("S-1", "Blue Willow", 10, owners=owners))
    held, more = told(data)
    assert held == 20 and more == [40 * 25 - 20]
    assert size < MESSAGE_MOST // 2


def test_a_chain_of_many_owners_has_its_first_ones(listed: Listed) -> None:
    owners = [{"id": f"O-{n}", "name": "Zarquon Microsystems", "share": 1} for n in range(100)]
    data, _ = decided(listed, asked("S-1", "Blue Willow", 1, owners=owners))
    facts = next(one["facts"] for one in data["reasons"] if "chain" in one["facts"])
    assert (len(facts["chain"]), facts["chain_more"], facts["owned_share"]) == (10, 90, 100)


@pytest.mark.parametrize(("each", "taken"), [(20, True), (21, False)])
def test_all_parties_together_name_at_most_a_thousand_owners(listed: Listed, each: int, taken: bool) -> None:
    owners = [{"id": f"O-{n}", "name": "Blue Willow", "share": 1} for n in range(each)]
    message = asked("S-1", "Green Poplar", 50, owners=owners)
    data = orjson.loads(message.raw)
    for role in ROLES[1:]:
        del data["data"][role]
    parties = data["data"]["end_user"]
    data["data"]["ultimate_consignee"]["owners"] = []
    assert sum(len(one["owners"]) for one in parties) == 50 * each
    found, _ = decided(listed, Message(orjson.dumps(data), message.position))
    codes = [(one["pointer"], one["code"]) for one in found.get("errors", ())]
    assert codes == ([] if taken else [("/data", "list.too_long")])


def test_so_many_links_of_registered_owners_are_followed_and_the_rest_is_said(listed: Listed) -> None:
    def registered(name: str, owners: list[str]) -> Message:
        holds = [{"id": one, "name": f"Holder {one}", "share": 1} for one in owners]
        data = {"id": name, "name": f"Holder {name}", "country": "SG", "headquarters": "SG", "owners": holds}
        return Message(
            event("party.registered", {**data, "valid_from": "2025-01-01"}, id=name), {"file": "r", "line": 1}
        )

    above = [f"A-{n}" for n in range(12)]
    listed.engine.run([registered(one, [f"{one}.{n}" for n in range(100)]) for one in above])
    owners = [{"id": one, "name": f"Holder {one}", "share": 8} for one in above]
    data, _ = decided(listed, asked("S-1", "Blue Willow", 1, owners=owners))
    unknown = [one["detail"] for one in data["findings"] if "not looked up" in one["detail"]]
    assert data["outcome"] == "approved" and len(unknown) == 1
    assert unknown[0].startswith("200 owners of owners were not looked up")
