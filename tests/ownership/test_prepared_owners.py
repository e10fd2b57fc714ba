"""What is prepared before owners are known changes no answer; and who owns the parties, not compared, would."""

from pathlib import Path

import pytest
from owned_run import Owned, story
from prepared import forgetting, same_ahead, trusting
from test_owned_stories import STORIES


def answered_ahead(path: Path, lag: int | None) -> bool:
    """Whether a story of which each event is prepared ahead is answered as it is without."""
    return same_ahead(Owned, [{"do": "load", "version": "1"}, *story(path)["step"]], lag)


@pytest.mark.parametrize("lag", [None, 1])
@pytest.mark.parametrize("path", STORIES, ids=[path.stem for path in STORIES])
def test_a_story_that_is_prepared_ahead_is_answered_the_same(path: Path, lag: int | None) -> None:
    assert answered_ahead(path, lag)


def test_ownership_that_is_not_compared_would_change_an_answer() -> None:
    with trusting(forgetting("ownership")):
        assert not all(answered_ahead(path, lag) for path in STORIES for lag in (None, 1))
