"""Owners of a shipment's parties: each story with the same answers on both databases, however it is sent."""

from pathlib import Path

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
