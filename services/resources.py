"""Opens what a command works on: a ledger by URL, a book by name; failures are one sentence."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ledger.database.store import Store
    from ledger.queries.balances import Moment
    from rulebook import Book
    from services.engine.engine import Engine
    from services.settings import Settings


MOST_DIGITS = 18
"""Of the number of a record that is asked for; no ledger has one that is longer."""


class Failure(click.ClickException):
    """A command that could not be done: one sentence on standard error, exit 2."""

    exit_code = 2


@contextmanager
def failures() -> Iterator[None]:
    """What the broker refuses becomes one sentence on standard error, exit 2; the client's own log keeps quiet."""
    import logging

    from services.kafka.access import BrokerError

    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        yield
    except BrokerError as error:
        raise Failure(str(error)) from error


def ledger_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--ledger` of a command."""
    text = "The ledger's database URL, or :memory:. [default: TPP_LEDGER_URL, else sqlite:///tpp-ledger.db]"
    return click.option("--ledger", metavar="URL", help=text)(command)


def moment_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options `--as-of` and `--known-at` of a command."""
    happened = "Only events that happened until then: an RFC 3339 time, or a date with its whole UTC day."
    learned = "Only what the ledger had recorded by then; also record:N, and snapshot:ID for what a snapshot saw."
    as_of = click.option("--as-of", metavar="TIME", help=happened)
    return as_of(click.option("--known-at", metavar="TIME", help=learned)(command))


def rulebook_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--rulebook` of a command."""
    return click.option(
        "--rulebook", metavar="NAME", help="The book of law. [default: TPP_RULEBOOK, else ai-diffusion]"
    )(command)


def settings() -> "Settings":
    """The settings of the environment and the `.env` file."""
    from pydantic import ValidationError

    from services.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "TPP_" + "_".join(str(part) for part in first["loc"]).upper()
        raise Failure(f"{name}: {first['msg']}") from error


def book(name: str | None) -> "Book":
    """The book of law of this name, or of the settings, with the switches of the settings."""
    import rulebook

    chosen = settings()
    try:
        return rulebook.load(name or chosen.rulebook, chosen.switches)
    except (LookupError, ValueError) as error:
        raise Failure(str(error.args[0])) from error


@contextmanager
def _store(url: str | None) -> Iterator["Store"]:
    """The database that a ledger's URL, or the settings, name; it may hold no ledger.

    What the ledger or its database refuses becomes one sentence on standard error, exit 2.
    """
    from sqlalchemy.exc import DBAPIError

    from ledger.database.store import LedgerCorrupt, LedgerError, Store, database_message

    try:
        store = Store(url or settings().ledger_url)
        try:
            yield store
        finally:
            store.close()
    except (LedgerError, LedgerCorrupt) as error:
        raise Failure(str(error)) from error
    except DBAPIError as error:
        raise Failure(f"the ledger's database failed: {database_message(error)}") from error


@contextmanager
def opened(url: str | None) -> Iterator["Store"]:
    """A ledger, which is made where there is none."""
    with _store(url) as store:
        store.open()
        yield store


@contextmanager
def engine(url: str | None, rulebook: str | None, *, existing: bool = False) -> Iterator["Engine"]:
    """An engine on a ledger, which is made where there is none.

    At the end the new records get their leaves in the tree. `existing`: a ledger that is not there is replaced by an
    empty one in memory, so that asking makes no file.
    """
    from ledger.journal import Ledger
    from ledger.proof.leaves import seal
    from services.engine.engine import Engine

    _tune()
    law = book(rulebook)
    with ExitStack() as opened:
        store = opened.enter_context(_store(url))
        if existing and not store.exists():
            store = opened.enter_context(_store(":memory:"))
        store.open()
        yield Engine(Ledger(store), law)
        if not (existing or store.memory):
            seal(store)


def _tune() -> None:
    """Lets the collector of cycles run seldom: what a batch makes is freed without it, and what is kept stays."""
    import gc

    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def there(url: str | None) -> bool:
    """Whether a ledger is there; one in memory never is. Asking makes no file."""
    with _store(url) as store:
        return not store.memory and store.exists()


@contextmanager
def standing(url: str | None) -> Iterator["Store"]:
    """A ledger that is there; where there is none, that is a failure."""
    with _store(url) as store:
        if not store.memory and not store.exists():
            raise Failure(f"there is no ledger at {store.url}; `tpp screen FILE --ledger URL` makes one")
        store.open()
        yield store


@contextmanager
def reading(url: str | None) -> Iterator["Connection"]:
    """A connection to a ledger that is there, which sees one moment of it."""
    with standing(url) as store, store.read() as connection:
        yield connection


def moment(connection: "Connection", as_of: str | None, known_at: str | None) -> "Moment":
    """The moment that `--as-of` and `--known-at` name: RFC 3339 times, or dates, which count that whole UTC day.

    `--known-at` also takes `record:N` and `snapshot:ID`: what a snapshot saw.
    """
    from ledger.queries.balances import Moment
    from ledger.queries.snapshots import find

    what, _, name = (known_at or "").partition(":")
    if what == "record":
        if not name.isascii() or not name.isdigit():
            raise Failure(f"{known_at!r} does not name a record: write record:17")
        return Moment(instant(as_of), None, int(name) if len(name) <= MOST_DIGITS else 10**MOST_DIGITS)
    if what == "snapshot":
        found = find(connection, name)
        if found is None:
            raise Failure(f"there is no snapshot {name!r}; `tpp snapshot list` names those that are there")
        return Moment(instant(as_of), None, found.record)
    return Moment(instant(as_of), instant(known_at))


def day(option: str, text: str | None) -> date | None:
    """The day that an option names."""
    from pydantic_core import PydanticCustomError

    from schemas.models.values import parse_day

    try:
        return None if text is None else parse_day(text)
    except PydanticCustomError as error:
        raise Failure(f"{option}: {text!r} is no day such as 2025-06-30") from error


def instant(text: str | None) -> int | None:
    """The instant of an RFC 3339 time, or the last of a UTC day, in microseconds since 1970."""
    from pydantic_core import PydanticCustomError

    from schemas.models.values import parse_day, parse_instant
    from services.engine.context import microseconds

    if text is None:
        return None
    try:
        return microseconds(parse_instant(text))
    except PydanticCustomError:
        pass
    try:
        return microseconds(datetime.combine(parse_day(text), time.max, UTC))
    except PydanticCustomError as error:
        raise Failure(f"{text!r} is neither a date nor an RFC 3339 time such as 2025-06-30T12:00:00Z") from error


def shown(microseconds: int | None) -> str:
    """An instant for people, as RFC 3339 in UTC; `unknown` where there is none."""
    from schemas.columns import instant_text

    return "unknown" if microseconds is None else instant_text(microseconds)


def migrated(url: str | None) -> str:
    """Brings a ledger's tables to this version and says what was done."""
    from sqlalchemy.exc import DBAPIError

    from ledger.database.migrate import upgrade
    from ledger.database.store import LedgerError, database_message

    try:
        before, after = upgrade(url or settings().ledger_url)
    except LedgerError as error:
        raise Failure(str(error)) from error
    except DBAPIError as error:
        raise Failure(f"the ledger's database failed: {database_message(error)}") from error
    if before is None:
        return f"made a new ledger, revision {after}"
    return (
        f"the ledger was already at revision {after}"
        if before == after
        else f"brought the ledger from revision {before} to {after}"
    )
