"""The house's policies as they stand."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from ledger.database import tables
from ledger.registers.facts import ALL
from schemas.kinds import POLICIES, FactKind
from schemas.models.facts import PolicySet
from schemas.wire.read import Event, read_record


@dataclass(frozen=True, slots=True)
class StandingPolicy:
    """A policy: whether it is on, and the record that set it last, with its time, who and why; None if none did.

    `happened` is in microseconds since 1970 (UTC).
    """

    name: str
    value: bool
    record: int | None = None
    happened: int | None = None
    by: str | None = None
    reason: str | None = None


def policies(connection: Connection) -> list[StandingPolicy]:
    """Every policy that there is, set or not, by name."""
    f, j = tables.fact, tables.journal
    found = {str(policy): StandingPolicy(policy, value) for policy, value in POLICIES.items()}
    query = select(j.c.n, j.c.happened, j.c.event).join_from(f, j, f.c.n == j.c.n)
    for row in connection.execute(query.where(f.c.key == ALL, f.c.kind == FactKind.POLICY).order_by(j.c.n)):
        event = read_record(row.event)
        if isinstance(event, Event) and isinstance(event.data, PolicySet):
            made = event.data
            found[made.name] = StandingPolicy(made.name, made.value, row.n, row.happened, made.by, made.reason)
    return [found[name] for name in sorted(found)]
