"""Fixtures of the tests of the HTTP interface."""

from collections.abc import Iterator

import pytest
from web_run import Served, served


@pytest.fixture
def web(ledger_url: str) -> Iterator[Served]:
    """A running `tpp serve` on a new ledger, once on SQLite and once on PostgreSQL."""
    with served(ledger_url) as running:
        yield running
