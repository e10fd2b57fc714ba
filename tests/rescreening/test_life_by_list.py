"""Each state of a shipment against each event, with lists that change: the contract's table, cell by cell."""

from pathlib import Path

import pytest
from rescreen_run import Ledgers, story

TABLE = story(Path(__file__).parent / "life_by_list.toml")
CELLS = [(state, event) for state in TABLE["ways"] for event in TABLE["events"]]


@pytest.mark.parametrize(("state", "event"), CELLS)
def test_cell(state: str, event: str, ledger_url: str) -> None:
    cell = TABLE["cell"][state][event]
    with Ledgers(ledger_url) as run:
        run.send(TABLE["ways"][state])
        (says,) = run.send([TABLE["events"][event]], 9)
        found = {"says": says, **run.pending()}
        (again,) = run.send([TABLE["events"]["dispatch"]], 19)
        assert {**found, "left": again[0], **{f"{k} left": v for k, v in run.pending().items()}} == cell
        assert run.bad() == []
