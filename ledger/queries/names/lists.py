"""Restricted-party lists that were loaded."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from ledger.database import tables
from ledger.registers.facts import ALL
from schemas.kinds import FactKind
from schemas.models.facts import ListLoaded
from schemas.times import day_of
from schemas.wire.read import Event, read_record


@dataclass(frozen=True, slots=True)
class LoadedList:
    """A load: its record, when it happened, in microseconds since 1970 (UTC), and what it put in force."""

    n: int
    happened: int
    data: ListLoaded

    @property
    def digest(self) -> str:
        """The digest of its content, as decisions name it."""
        return f"sha256:{self.data.sha256}"

    def age(self, today: date) -> int:
        """Its age in days on a day, from the day of its load."""
        return max(0, (today - day_of(self.happened)).days)

    def is_stale(self, today: date | None) -> bool:
        """Whether it is out of date on a day; never where no day is known."""
        most = self.data.max_age_days
        return today is not None and most is not None and self.age(today) > most


def all_loads(connection: Connection) -> list[LoadedList]:
    """Every load, oldest first."""
    f, j = tables.fact, tables.journal
    query = select(j.c.n, j.c.happened, j.c.event).join_from(f, j, f.c.n == j.c.n)
    found = []
    for row in connection.execute(query.where(f.c.key == ALL, f.c.kind == FactKind.LIST).order_by(j.c.n)):
        event = read_record(row.event)
        if isinstance(event, Event) and isinstance(event.data, ListLoaded):
            found.append(LoadedList(row.n, row.happened, event.data))
    return found


def lists_in_force(connection: Connection) -> list[LoadedList]:
    """The loads that are in force, the last one under each name, by name."""
    latest = {one.data.name: one for one in all_loads(connection)}
    return [latest[name] for name in sorted(latest)]
