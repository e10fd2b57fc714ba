"""Fixtures that every test may use: real databases of both kinds."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# `tests/ledger` and `tests/schemas` must not stand in for the packages of these names, however pytest was started.
sys.path.insert(0, str(Path(__file__).parent.parent))

from databases import KINDS, Databases, Server, postgresql
from hypothesis import HealthCheck, settings

NO_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("tpp", NO_SPEED)
settings.register_profile("tpp-ci", NO_SPEED, derandomize=True, database=None)
settings.load_profile("tpp-ci" if os.environ.get("CI") else "tpp")


NEEDS_BROKER = {"broker", "streams", "secured", "java_there"}
"""Fixtures whose tests are marked `broker`."""


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Marks the tests that need a broker."""
    for item in items:
        if NEEDS_BROKER & set(getattr(item, "fixturenames", ())):
            item.add_marker("broker")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The PostgreSQL server of this test process."""
    with postgresql() as server:
        yield server


@pytest.fixture(params=KINDS)
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Databases:
    """Makes databases, once of SQLite files and once of PostgreSQL."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return Databases(request.param, tmp_path, server)


@pytest.fixture
def empty_url(databases: Databases) -> Iterator[str]:
    """The URL of a new database without tables."""
    url = databases.empty()
    yield url
    databases.drop(url)


@pytest.fixture
def ledger_url(databases: Databases) -> Iterator[str]:
    """The URL of a new ledger in which nothing is recorded."""
    url = databases.ledger()
    yield url
    databases.drop(url)
