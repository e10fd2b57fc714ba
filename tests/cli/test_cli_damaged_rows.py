"""A damaged row on PostgreSQL is said in a sentence by the commands that read it, and named by `tpp audit verify`."""

from collections.abc import Iterator

import orjson
import pytest
from cli_kept import QUICKSTART, screen
from cli_run import Tpp
from databases import Server

from ledger.database.store import Store

DAMAGES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "event of another shape": (
        "UPDATE journal SET event = '[1]'::bytea FROM shipment WHERE n = asked AND shipment.id = 'SHP-0003'",
        (),
        "its bytes are not a valid event",
    ),
    "terms of another shape": (
        """UPDATE shipment SET terms = '{"debits": [1], "lines": 7}' WHERE id = 'SHP-0003'""",
        ("recheck", "--all"),
        "shipment SHP-0003 cannot be read",
    ),
    "path": ("UPDATE account SET path = 'nonsense' WHERE path = 'lpp/CON-70/2025'", (), "one of its entries"),
}
"""How a row is damaged, a command that reads it, and what is said of it, by `tpp audit verify` where no command is."""


@pytest.fixture
def whole(postgres: Server, tpp: Tpp) -> Iterator[str]:
    """The URL of a ledger of the quickstart, every record in the tree."""
    url = postgres.create(postgres.template())
    screen(url, QUICKSTART)
    assert tpp("audit", "checkpoint", "--ledger", url).returncode == 0
    yield url
    postgres.drop(url)


def _damage(url: str, statement: str) -> None:
    """Changes one row as the owner of the tables can, whom no trigger stops."""
    store = Store(url)
    with store.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE journal DISABLE TRIGGER USER")
        assert connection.exec_driver_sql(statement).rowcount == 1
    store.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_row_is_said_in_a_sentence(tpp: Tpp, whole: str, damage: str) -> None:
    statement, words, said = DAMAGES[damage]
    assert tpp("audit", "verify", "--ledger", whole).returncode == 0
    _damage(whole, statement)
    verified = tpp("audit", "verify", "--format", "json", "--ledger", whole)
    assert (verified.returncode, verified.stderr) == (1, b"")
    bad = orjson.loads(verified.stdout)["bad"]
    assert bad
    if not words:
        assert any(said in f"{one['key']} {one['why']}" for one in bad), bad
        return
    done = tpp(*words, "--ledger", whole)
    told = done.stderr.decode()
    assert (done.returncode, done.stdout, told.count("\n")) == (2, b"", 1), told
    assert told.startswith("Error: ")
    assert said in told
