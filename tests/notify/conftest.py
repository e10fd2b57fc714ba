"""Fixtures of the tests of what people are told."""

from collections.abc import Iterator

import pytest
from notify_run import Hook, Ledger


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """A new ledger, once on SQLite and once on PostgreSQL."""
    with Ledger(ledger_url) as made:
        yield made


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A receiver on loopback that takes everything, until it is told otherwise."""
    with Hook() as made:
        yield made


@pytest.fixture
def other() -> Iterator[Hook]:
    """A second receiver."""
    with Hook() as made:
        yield made
