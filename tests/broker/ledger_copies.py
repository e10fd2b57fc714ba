"""Takes a ledger back to an earlier moment, as a fail-over or a restore does."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from databases import Databases
from waiting import wait_until

from ledger.database.store import Store
from ledger.database.store import ledger_url as as_url


@contextmanager
def restored(databases: Databases, url: str) -> Iterator[Callable[[], None]]:
    """Keeps a ledger as it is now; what is yielded puts that in the place of what the ledger is then."""
    name = str(as_url(url).database)
    if databases.kind == "postgresql":
        server = databases.server()
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.cut(url)
        wait_until(lambda: not server.connections(url))
        copy = server.create(name)
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

        def go_back() -> None:
            server.drop(url)
            server.execute(f"ALTER DATABASE {as_url(copy).database} ALLOW_CONNECTIONS true")
            server.execute(f"CREATE DATABASE {name} TEMPLATE {as_url(copy).database}")

        yield go_back
        server.drop(copy)
        return
    store = Store(url)
    with store.begin() as connection:
        connection.commit()
        connection.connection.driver_connection.execute("VACUUM INTO ?", (f"{name}.kept",))  # type: ignore[union-attr]
    store.close()

    def put_back() -> None:
        for end in ("", "-wal", "-shm"):
            Path(name + end).unlink(missing_ok=True)
        shutil.move(f"{name}.kept", name)

    yield put_back
