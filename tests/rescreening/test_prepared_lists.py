"""What is prepared before a list is loaded changes no answer; and each fact of lists that is not compared would."""

from pathlib import Path

import pytest
from prepared import forgetting, same_ahead, trusting
from rescreen_run import Ledgers, story
from test_stories import STORIES


def answered_ahead(path: Path, lag: int | None) -> bool:
    """Whether a story of which each event is prepared ahead is answered as it is without."""
    return same_ahead(Ledgers, story(path)["step"], lag)


@pytest.mark.parametrize("lag", [None, 1])
@pytest.mark.parametrize("path", STORIES, ids=[path.stem for path in STORIES])
def test_a_story_that_is_prepared_ahead_is_answered_the_same(path: Path, lag: int | None) -> None:
    assert answered_ahead(path, lag)


@pytest.mark.parametrize("name", ["lists", "hits"])  # `over` changes with the lists alone
def test_a_fact_that_is_not_compared_would_change_an_answer(name: str) -> None:
    with trusting(forgetting(name)):
        assert not all(answered_ahead(path, lag) for path in STORIES for lag in (None, 1))
