"""Owners of a shipment's parties: each story with the same answers on both databases, however it is sent."""

from pathlib import Path
from typing import Any

import pytest
from owned_run import Owned, findings, story, told

STORIES = sorted((Path(__file__).parent / "stories").glob("*.toml"))


@pytest.mark.parametrize("path", STORIES, ids=[path.stem for path in STORIES])
def test_story(path: Path, ledger_url: str) -> None:
    steps = [{"do": "load", "version": "1", "says": []}, *story(path)["step"]]
    with Owned(ledger_url) as run:
        lines = run.messages(steps)
        checked = run.engine.check(lines)
        texts = [run.engine.run([line])[0] for line in lines]
        said = [told(given) for given in texts]
        assert said[1:] == [step["says"] for step in steps[1:]]
        for step, given in zip(steps, texts, strict=True):
            for words in step.get("finds", ()):
                assert any(words in found for found in findings(given)), (words, findings(given))
        assert checked == texts, "check says what screen then says"
        assert [run.engine.run([line])[0] for line in lines] == texts, "a second delivery gets the first answer"
        assert run.bad() == []
    with Owned(":memory:") as run:
        assert run.engine.run(run.messages(steps)) == texts, "in one batch, and on another database: the same bytes"


def test_owners_of_owners_are_looked_up_to_a_bound() -> None:
    """The owners that a shipment states are all compared, and 1,000 of their owners; how many are left is told."""
    owners = [f"H-{n} = Willow Nominees {n} 1" for n in range(11)]
    of_each = [[f"P-{n}-{m} = Elder Pastures {n} {m} 1" for m in range(100)] for n in range(11)]
    steps: list[dict[str, Any]] = [
        {"do": "load", "version": "1"},
        *({"do": "register", "data": {"id": f"H-{n}", "owners": held}} for n, held in enumerate(of_each)),
        {"do": "request", "ship": {"id": "S-1", "consignee": {"id": "C-1", "owners": [*owners, "O-1 = Zarquon Microsystems 50"]}}},
    ]  # fmt: skip
    with Owned(":memory:") as run:
        *_, given = run.engine.run(run.messages(steps))
        assert told(given)[0].startswith("held; S-1; party.screening_hit O-1 E-1 of C-1 50 %")
        assert any("unknown: 100 owners of owners were not looked up" in found for found in findings(given))
