"""What is prepared before the facts are there changes no answer, in any flow; and each fact that is not compared would."""

from functools import cache

import pytest
from flow_run import Run
from prepared import FIELDS, ahead, forgetting, trusting
from test_flow import FLOWS, Texts, load, records

from services.engine.message import Message

BY_LISTS = {"lists", "hits", "over", "ownership"}
"""What only stories of lists have."""


@cache
def _flow(number: int) -> tuple[dict[str, bool], list[Message], Texts]:
    flow = load(FLOWS[number])
    switches, lines = flow.get("switches", {}), records(flow)
    with Run(":memory:", switches) as run:
        return switches, lines, [run.engine.run([line])[0] for line in lines]


def _ahead(number: int, lag: int | None = None) -> bool:
    """Whether a flow of which each event is prepared ahead is answered as it is without."""
    switches, lines, plain = _flow(number)
    with Run(":memory:", switches) as run:
        return ahead(run.engine, lines, lag) == plain


@pytest.mark.parametrize("number", range(len(FLOWS)), ids=[f"{path.parent.name}/{path.stem}" for path in FLOWS])
def test_a_flow_that_is_prepared_ahead_is_answered_the_same(number: int) -> None:
    assert _ahead(number)
    assert _ahead(number, 1)


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in BY_LISTS])
def test_a_fact_that_is_not_compared_would_change_an_answer(name: str) -> None:
    with trusting(forgetting(name)):
        assert not all(_ahead(number, lag) for number in range(len(FLOWS)) for lag in (None, 1))
