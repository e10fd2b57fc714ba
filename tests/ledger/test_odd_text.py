"""Every text of every event, replaced by text that databases and encoders dislike: each event has its answer."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from ledger_checks import JOURNAL, check_ledger, opened, rows
from ledger_events import answers, engine, records

EXAMPLES = sorted((Path(__file__).parent.parent.parent / "examples" / "events").glob("*.json"))
ODD = ("a\u0000b", "\ud83d", "\uffff\U0010ffff", "x" * 3_000, "'; DROP TABLE entry; --", "%s %(x)s :x ?", "\\", " ", "")


def leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all texts in a JSON value."""
    if isinstance(value, str):
        yield place
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from leaves(member, (*place, key))


def replaced(event: dict[str, Any], place: tuple[Any, ...], text: str) -> dict[str, Any]:
    """An event with another text in one place."""
    changed = deepcopy(event)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = text
    return changed


def test_odd_text_in_every_place(ledger_url: str) -> None:
    raws: list[bytes] = []
    for example in EXAMPLES:
        event = json.loads(example.read_text())
        for place in leaves(event):
            for text in ODD:
                changed = replaced(event, place, text)
                if place != ("id",):
                    changed["id"] = f"evt-{len(raws)}"
                raws.append(json.dumps(changed).encode())
        raws.append(json.dumps(event).encode())
    with opened(ledger_url) as store:
        told = engine(store).run(records(raws))
        assert all(told)
        failed = [answer["data"] for answer in answers(told) if "internal.error" in str(answer["data"].get("errors"))]
        assert failed == []
        assert {answer["type"] for answer in answers(told)} > {"tpp.event.recorded.v1", "tpp.event.rejected.v1"}
        assert len(rows(store, JOURNAL)) <= len(raws)
        assert engine(store).run(records(raws)) == told
        check_ledger(store)
