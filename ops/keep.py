"""Keeps a ledger: on-line back-up, restore with verification, and until when its records must be kept.

    python ops/keep.py backup sqlite:///tpp-ledger.db 2025-06-30.backup
    python ops/keep.py restore 2025-06-30.backup sqlite:///restored.db --checkpoint 2025-06-30.checkpoint
    python ops/keep.py retention sqlite:///tpp-ledger.db

A back-up is one file: of SQLite a database, of PostgreSQL an archive of pg_dump. Nobody who writes waits for it.
Nothing here deletes: the ledger refuses it, and 15 CFR 762.6 wants every record for five years after the last of an
export, a reexport, a return, or the end of a transaction in another way.
"""

import csv
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import click
from sqlalchemy import select

from ledger.database import tables
from ledger.database.store import LedgerError, Store, private_file, shown_url
from schemas.models.incoming import Returned
from schemas.times import day_of
from schemas.wire.read import Event, read_record
from services.cli.commands import main
from services.cli.options import Commands
from services.failure import Failure
from services.resources import ledger_address, standing, wall_clock
from services.views.moments import day

YEARS = 5
"""15 CFR 762.6(a): five years from the latest of the export, any known reexport or other termination."""

LEFT, ENDED = ("dispatched", "held_at_dispatch"), ("cancelled", "denied", "expired")


@click.group(cls=Commands, help=__doc__)
def keep() -> None:
    """Keeps a ledger."""


@keep.command()
@click.argument("ledger")
@click.argument("file", type=click.Path(path_type=Path))
def backup(ledger: str, file: Path) -> None:
    """Write a back-up of one moment of LEDGER, on line, to FILE, which must not be there."""
    if file.exists():
        raise Failure(f"{file} is there already; a back-up overwrites nothing")
    with standing(ledger) as store:
        part = file.with_name(f"{file.name}.part")
        part.unlink(missing_ok=True)
        try:
            os.close(os.open(part, os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise Failure(f"cannot write {part}: {error.strerror}") from error
        if store.postgresql:
            _run(store, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={part}", _libpq(store))
        else:
            with closing(sqlite3.connect(str(store.url.database))) as source, closing(sqlite3.connect(part)) as target:
                source.backup(target, pages=1_000)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(file)
    click.echo(f"{file}: {file.stat().st_size:,} bytes")


@keep.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("ledger")
@click.option("--checkpoint", "given", multiple=True, metavar="FILE", help="A checkpoint that must be a prefix.")
def restore(file: Path, ledger: str, given: tuple[str, ...]) -> None:
    """Restore a back-up into LEDGER, where there is none, and verify it with `tpp audit verify`.

    Workers and clocks that ran on the ledger before end at their next batch, and must be started again.
    """
    store = _empty(ledger)
    if store.postgresql:
        _run(store, "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
             f"--dbname={_libpq(store)}", str(file))  # fmt: skip
    else:
        private_file(str(store.url.database))
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(str(store.url.database))) as target:
            source.backup(target)
    with store.begin() as connection:
        connection.execute(tables.head.update().values(epoch=wall_clock()))
    store.close()
    checks = [word for name in given for word in ("--checkpoint", name)]
    main(["audit", "verify", "--ledger", ledger, *checks], prog_name="tpp")


@keep.command()
@click.argument("ledger")
@click.option("--on", metavar="DATE", help="The day to ask about. [default: today]")
def retention(ledger: str, on: str | None) -> None:
    """Print as CSV until when the records of each shipment must be kept, and say it of the ledger as a whole.

    It counts from the last export or return that the ledger knows, or from the day on which a shipment was cancelled,
    denied or lapsed; one that may still leave has no end. Exit 1 while anything must be kept: a journal is one chain
    and can only go as a whole.
    """
    today = day("--on", on) or date.today()  # noqa: DTZ011  the operator's own day
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("shipment_id", "state", "last", "keep_until"))
    ends = []
    for shipment, state, last in _last_days(ledger):
        ends.append(date.max if last is None else _years_after(last))
        writer.writerow((shipment, state, last or "", "" if last is None else ends[-1]))
    end = max(ends, default=date.min)
    term = "as long as a shipment may still leave" if end == date.max else f"until {end}"
    click.echo(f"the ledger must be kept {term}" if today <= end else "nothing must be kept any longer", err=True)
    sys.exit(1 if today <= end else 0)


def _last_days(ledger: str) -> Iterator[tuple[str, str, date | None]]:
    """Every shipment with its state and its last day, None where it may still leave; sorted."""
    j, s = tables.journal, tables.shipment
    with standing(ledger) as store, store.read() as connection:
        query = select(s.c.id, s.c.state, s.c.export_date, j.c.happened).join_from(s, j, s.c.last == j.c.n)
        came_back: dict[str, date] = {}
        returned = select(j.c.event).where(j.c.type == "tpp.shipment.returned.v1")
        for raw in connection.execute(returned).scalars():
            event = read_record(raw)
            if isinstance(event, Event) and isinstance(event.data, Returned):
                name, back = event.data.shipment_id, event.data.date
                came_back[name] = max(came_back.get(name, back), back)
        for name, state, exported, happened in sorted(map(tuple, connection.execute(query))):
            if state in LEFT:
                left = date.fromisoformat(exported)
                yield name, state, max(left, came_back.get(name, left))
            else:
                yield name, state, day_of(happened) if state in ENDED else None


def _years_after(day: date) -> date:
    """The same day five years later; of 29 February the 1st of March, which is not earlier."""
    try:
        return day.replace(year=day.year + YEARS)
    except ValueError:
        return date(day.year + YEARS, 3, 1)


def _empty(ledger: str) -> Store:
    """The database of a ledger to come; Failure where one is there."""
    try:
        store = Store(ledger_address(ledger))
        if store.exists():
            raise Failure(f"there is a ledger at {shown_url(store.url)} already; restore into an empty database")
    except LedgerError as error:
        raise Failure(str(error)) from error
    return store


def _libpq(store: Store) -> str:
    """The URL for libpq, without its password: every user of the machine can read the arguments of a program."""
    url = store.url.set(drivername="postgresql")._replace(password=None)
    if any("password" in name.lower() for name in url.query):
        raise Failure("a password among the options of the ledger's URL cannot be handed on; write it before the @")
    return url.render_as_string()


def _run(store: Store, *command: str) -> None:
    password = {} if store.url.password is None else {"PGPASSWORD": str(store.url.password)}
    try:
        subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True, env={**os.environ, **password})
    except FileNotFoundError as error:
        raise Failure(f"{command[0]} is not installed; it comes with PostgreSQL's client programs") from error
    except subprocess.CalledProcessError as error:
        raise Failure(f"{command[0]} failed: {error.stderr.strip().splitlines()[-1]}") from error


if __name__ == "__main__":
    keep()
