"""Brings the tables of an older ledger to this version, with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from ledger.database.store import LedgerError, Store, check_own, check_server

MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(url: str, revision: str = "head") -> tuple[str | None, str]:
    """The revision before and after; a missing ledger is created.

    Raises LedgerError if the database cannot be reached or its server may lose what it confirms, an SQLite file is the
    database of another program, or a later program has upgraded the tables.
    """
    store = Store(url)
    try:
        check_server(store)
        before = store.version() if store.exists() else None
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with store.begin() as connection:
            store.lock_schema(connection)
            check_own(store, connection)
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
        after = store.version()
    except CommandError as error:
        raise LedgerError(f"the ledger's tables have a revision that this program does not know: {error}") from error
    finally:
        store.close()
    return before, after or ""
