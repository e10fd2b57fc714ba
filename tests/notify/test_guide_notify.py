"""What the guide shows of notices is true: its files are read, and its Python verifies what a webhook gets."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from notify_run import SECRET, Hook, receivers, webhook

from services.notify.receivers import read_receivers
from services.notify.sending import sender
from services.resources import wall_clock

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/monitor.md").read_text("utf-8")
SECRETS = {"QUOTA_DESK_SECRET": SECRET, "ARCHIVE_SECRET": SECRET}


def _shown(opening: str) -> str:
    found = re.search(rf"^```{opening}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_files_of_the_guide_and_of_the_examples_are_read(tmp_path: Path) -> None:
    (tmp_path / "notify.toml").write_text(_shown('toml title="notify.toml"'), "utf-8")
    shown = read_receivers(str(tmp_path / "notify.toml"), SECRETS)
    example = read_receivers(str(ROOT / "examples/notify.toml"), SECRETS)
    assert [one.name for one in shown] == ["quota desk", "compliance"]
    assert [one.name for one in example] == ["quota desk", "compliance", "archive"]


@pytest.fixture
def verified() -> Callable[..., bool]:
    """The function that the guide shows."""
    names: dict[str, Any] = {}
    exec(_shown("python"), names)
    function: Callable[..., bool] = names["verified"]
    return function


def test_the_python_of_the_guide_verifies_a_signature(
    verified: Callable[..., bool], hook: Hook, tmp_path: Path
) -> None:
    (one,) = receivers(tmp_path, webhook("desk", hook))
    assert sender(one, None)("evt-1", '{"id":"evt-1"}', wall_clock()).taken
    (got,) = hook.got
    assert verified(SECRET, got.headers, got.body)
    assert not verified(SECRET, got.headers, got.body + b" ")
    assert not verified(SECRET.replace("A", "B"), got.headers, got.body)
    assert not verified(SECRET, got.headers | {"webhook-id": "evt-2"}, got.body)
    old = str(int(time.time()) - 301)
    assert not verified(SECRET, got.headers | {"webhook-timestamp": old}, got.body)
