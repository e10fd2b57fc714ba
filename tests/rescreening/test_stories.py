"""Lists that change under open shipments: each story with the same answers on both databases, however it is sent."""

from pathlib import Path

import pytest
from rescreen_run import Ledgers, story, told

STORIES = sorted((Path(__file__).parent / "stories").glob("*.toml"))


@pytest.mark.parametrize("path", STORIES, ids=[path.stem for path in STORIES])
def test_story(path: Path, ledger_url: str) -> None:
    one = story(path)
    steps = one["step"]
    with Ledgers(ledger_url) as run:
        lines = run.messages(steps)
        checked = run.engine.check(lines)
        texts = [run.engine.run([line])[0] for line in lines]
        assert [told(given) for given in texts] == [step["says"] for step in steps]
        assert checked == texts, "check says what screen then says"
        assert run.pending() == one.get("balances", {})
        assert [run.engine.run([line])[0] for line in lines] == texts, "a second delivery gets the first answer"
        assert run.bad() == []
    with Ledgers(":memory:") as run:
        assert run.engine.run(run.messages(steps)) == texts, "in one batch, and on another database: the same bytes"
        assert run.pending() == one.get("balances", {})
