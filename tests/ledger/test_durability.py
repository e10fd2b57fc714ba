"""What was answered is in the ledger, however its PostgreSQL ends and whatever the role or the server says."""

import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Self

import orjson
import psycopg
import pytest
from click.testing import CliRunner
from databases import OwnServer, Server, dsn, own_server
from ledger_checks import JOURNAL, check_ledger, opened, rows
from ledger_events import Line, engine, records
from soak import much
from waiting import wait_until

from ledger.database.store import DatabaseError, Store
from ledger.database.store import ledger_url as as_url
from services.cli.commands import main


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """A PostgreSQL ledger."""
    url = postgres.create(postgres.template())
    yield url
    postgres.drop(url)


@contextmanager
def role(url: str, *statements: str) -> Iterator[str]:
    """The URL of a ledger for a role of its own, of which statements were run in the ledger's database."""
    with psycopg.connect(dsn(as_url(url)), autocommit=True) as connection:
        connection.execute(b"CREATE ROLE desk LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO desk")
        try:
            for statement in statements:
                connection.execute(statement.encode())
            yield as_url(url).set(username="desk").render_as_string(hide_password=False)
        finally:
            connection.execute(b"DROP OWNED BY desk; DROP ROLE desk")


@pytest.mark.parametrize(
    ("said", "holds"),
    [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"), ("remote_apply", "remote_apply")],
)
@pytest.mark.parametrize("of", ["ROLE desk", "DATABASE"])
def test_a_commit_is_confirmed_once_it_is_on_disk(postgres_url: str, of: str, said: str, holds: str) -> None:
    of = f"DATABASE {as_url(postgres_url).database}" if of == "DATABASE" else of
    with role(postgres_url, f"ALTER {of} SET synchronous_commit = {said}") as url:
        with psycopg.connect(dsn(as_url(url))) as plain:
            assert plain.execute("SHOW synchronous_commit").fetchone() == (said,)
        with opened(url) as store:
            for begin in (store.begin, store.read):
                for _ in range(2):
                    with begin() as connection:
                        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == holds


def test_a_role_that_may_not_read_the_settings_is_warned(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with role(postgres_url, "REVOKE SELECT ON pg_settings FROM PUBLIC") as url, opened(url):
        (told,) = caplog.messages
        assert told == "this role may not read fsync and full_page_writes of the PostgreSQL server: both must be on"
    caplog.clear()
    with opened(postgres_url):
        assert caplog.messages == []


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    """A PostgreSQL of these tests' own."""
    with own_server() as server:
        yield server


@pytest.mark.kills
@pytest.mark.parametrize(
    ("settings", "off"),
    [
        ({"fsync": "off"}, "fsync must"),
        ({"full_page_writes": "off"}, "full_page_writes must"),
        ({"fsync": "off", "full_page_writes": "off"}, "fsync and full_page_writes must"),
    ],
)
def test_a_server_that_may_lose_what_it_confirmed_is_refused(
    server: OwnServer, settings: dict[str, str], off: str
) -> None:
    url = server.create(server.template())
    server.stop()
    server.start(**settings)
    try:
        for command in (["migrate"], ["holds"], ["screen", __file__]):
            done = CliRunner().invoke(main, [*command, "--ledger", url])
            assert done.exit_code == 2
            (told,) = done.stderr.splitlines()
            assert f"may lose confirmed records in a crash: {off} be on, not off" in told
    finally:
        server.stop()
        server.start()


class Desk:
    """Decides requests one batch after the other, through every end of the server, and keeps what it was answered."""

    def __init__(self, url: str) -> None:
        self.answers: list[Any] = []
        self._url = url
        self._ended = threading.Event()
        self._line = Line()
        self._thread = threading.Thread(target=self._decide)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _decide(self) -> None:
        with closing(Store(self._url)) as store:
            runs, chance = engine(store), random.Random(7)
            while not self._ended.is_set():
                first = len(self.answers)
                many = chance.choice([1, 1, 3, 20])
                batch = [self._line.requested(f"SHP-{n}", "CON-20", 1, "LPP") for n in range(first, first + many)]
                while True:
                    try:
                        self.answers += runs.run(records(batch, first))
                        break
                    except DatabaseError:
                        continue


@pytest.mark.kills
@pytest.mark.soak
def test_nothing_confirmed_is_lost_when_every_process_of_the_server_is_killed(server: OwnServer) -> None:
    kills = much(4, soak=40)
    url = server.create(server.template())
    server.execute("ALTER ROLE postgres SET synchronous_commit = off")
    chance = random.Random(3)
    with opened(url), Desk(url) as desk:
        for _ in range(kills):
            seen, more = len(desk.answers), chance.randrange(5, 60)
            wait_until(lambda seen=seen, more=more: len(desk.answers) >= seen + more, every=0.001)
            server.kill_all()
            server.start()
    with opened(url) as store:
        kept = {row.n: row.answers for row in rows(store, JOURNAL)}
        check_ledger(store)
    assert len(desk.answers) > kills * 5
    assert list(kept.values()) == ["\n".join(texts) for texts in desk.answers]
    assert [orjson.loads(texts[0])["data"]["shipment_id"] for texts in desk.answers] == [
        f"SHP-{n}" for n in range(len(desk.answers))
    ]
