"""`check` gives the answers of one moment of the ledger, and nobody who writes waits for it."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from databases import Databases, dsn
from events import UNIT
from ledger_checks import JOURNAL, check_ledger, opened, rows
from ledger_events import Line, engine, records
from psycopg import connect
from waiting import PATIENCE

from ledger.database.store import DatabaseError, LedgerError, Store
from ledger.database.store import ledger_url as as_url
from ledger.journal import Ledger
from rulebook import Book, Screening, load
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software
from services.stream.clock import tick

LPP = "lpp/CON-20/2025"
NOBODY = 65_534


@pytest.fixture
def opened_folders(tmp_path: Path) -> None:
    """Lets another user of the machine into the test's folder."""
    folder = tmp_path
    while folder.stat().st_uid == os.geteuid() and folder != folder.parent and folder.name != "tmp":
        folder.chmod(0o755)
        folder = folder.parent


class Paused:
    """A rulebook that stops at its third shipment until it is let go on."""

    def __init__(self) -> None:
        self._book = load("ai-diffusion")
        self._seen = 0
        self.reached, self.let_go = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    def screen(self, case: Any) -> Screening:
        """What the rulebook says."""
        self._seen += 1
        if self._seen == 3:
            self.reached.set()
            assert self.let_go.wait(PATIENCE)
        return self._book.screen(case)


def engine_of(store: Store, book: "Book | Paused") -> Engine:
    return Engine(Ledger(store), book, lambda: 1_750_000_000_000_000, software())  # type: ignore[arg-type]


@contextmanager
def begun(work: Any) -> Iterator[threading.Thread]:
    """Runs work beside the test, which waits for its end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(PATIENCE)


def requests(line: Line, first: int, many: int) -> list[Message]:
    raws = [line.requested(f"SHP-{number}", "CON-20", 10, "LPP") for number in range(first, first + many)]
    return records(raws, first)


def balances(texts: Sequence[Sequence[str]]) -> list[int]:
    return [orjson.loads(one[0])["data"]["debits"][0]["balance"] // UNIT for one in texts]


def test_others_write_while_a_check_goes_on_and_it_sees_its_own_moment(databases: Databases) -> None:
    url = databases.ledger()
    line, book, found = Line(), Paused(), []
    with opened(url) as store, opened(url) as other:
        engine(store).run(requests(line, 1, 2))
        recheck = records([line.event("recheck.requested", {"all": True})], 90)
        facts = [*recheck, Message(tick(1_750_000_000), {"request": "clock"}, own=True)]
        batch = [*facts, *requests(line, 10, 5)]
        with begun(lambda: found.extend(engine_of(store, book).check(batch))):
            assert book.reached.wait(PATIENCE)
            with begun(lambda: engine(other).run(requests(line, 20, 4))) as writer:
                writer.join(PATIENCE)
                stuck = writer.is_alive()
                book.let_go.set()
        assert not stuck, "the writer waited for the check"
        assert balances(found[2:]) == [30, 40, 50, 60, 70]
        assert [row.n for row in rows(store, JOURNAL)] == list(range(1, 7))
        check_ledger(store)
    databases.drop(url)


def story(line: Line) -> list[Message]:
    """Lives of shipments, facts, a merger, a tick and a recheck of all, each of which sees those before it."""
    raws = [line.licensed("LIC-1", 300 * UNIT), line.attested(LPP, 26_900_000 - 25 * UNIT)]
    for number, consignee in enumerate(("CON-20", "CON-21", "CON-22", "CON-30", "CON-40") * 3):
        kind = {"CON-30": "AIA", "CON-40": "LICENSE"}.get(consignee, "LPP")
        raws.append(line.requested(f"SHP-{number}", consignee, 7, kind))
    raws += [line.dispatched("SHP-0"), line.cancelled("SHP-5"), line.merged("CON-21", "CON-20"), b"{"]
    raws += [line.adjusted(LPP, -20 * UNIT), line.event("recheck.requested", {"all": True})]
    messages = records(raws)
    later = tick(1_790_000_000)
    messages.append(Message(later, {"request": "clock"}, own=True))
    raws = [
        line.event("recheck.requested", {"all": True}),
        line.attested(LPP, 5),
        line.merged("CON-22", "CON-20"),
        raws[3],
    ]
    return [*messages, *records(raws, 90)]


def test_a_check_answers_as_a_run_whatever_the_events_change(ledger_url: str) -> None:
    line = Line()
    with opened(ledger_url) as store:
        runs = engine_of(store, load("ai-diffusion"))
        runs.run(requests(line, 100, 3))
        messages = story(line)
        before = rows(store, JOURNAL)
        asked = runs.check(messages)
        assert rows(store, JOURNAL) == before
        assert runs.check(messages) == asked
        assert runs.run(messages) == asked
        assert runs.check(messages) == asked, "repeats"
        check_ledger(store)


@contextmanager
def reader(databases: Databases, url: str) -> Iterator[str]:
    """The URL of a ledger for one who may only read it."""
    if databases.kind == "postgresql":
        server = databases.server()
        where = server.named(str(as_url(url).database))
        with connect(dsn(as_url(where)), autocommit=True) as connection:
            role = f"reader_{os.getpid()}"
            connection.execute(f"CREATE ROLE {role} LOGIN".encode())
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}".encode())
            yield as_url(url).set(username=role).render_as_string(hide_password=False)
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
        return
    file = Path(str(as_url(url).database))
    file.chmod(0o444)
    file.parent.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield url
    finally:
        os.seteuid(user)
        file.parent.chmod(0o755)


def test_one_who_may_only_read_may_check(databases: Databases, opened_folders: None) -> None:  # noqa: ARG001
    url, line = databases.ledger(), Line()
    with opened(url) as store:
        engine(store).run(requests(line, 1, 2))
        messages = story(line)
        asked = engine(store).check(messages)
    with reader(databases, url) as read_only, opened(read_only) as store:
        assert engine(store).check(messages) == asked
        with pytest.raises((DatabaseError, LedgerError), match=r"is read-only|permission denied"):
            engine(store).run(messages)
    databases.drop(url)
