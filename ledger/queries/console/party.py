"""What the ledger knows of a party: the facts that name it, its attestations, what it resembles."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, exists, func, literal, or_, select

from ledger.database import tables
from ledger.database.rows import stored
from ledger.database.store import like, within
from ledger.registers.facts import ALL
from schemas.kinds import FactKind, IdentifierKind
from schemas.lookalikes import same_identifier


@dataclass(frozen=True, slots=True)
class StatedFact:
    """A fact as its record states it: the kinds under which it is kept, the record, and the event's bytes."""

    kinds: tuple[str, ...]
    record: int
    happened: int | None
    source: str
    type: str
    event: bytes


@dataclass(frozen=True, slots=True)
class Attested:
    """What was last attested on an account, by whom."""

    account: str
    by: str
    tpp: int


def names_of(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """The names with which parties were last registered, by identifier; of those that were."""
    f, j = tables.fact, tables.journal
    latest = (
        select(f.c.key, func.max(f.c.n).label("n"))
        .where(f.c.kind == FactKind.PARTY, f.c.key.in_(set(ids)))
        .group_by(f.c.key)
        .subquery()
    )
    found = {}
    for row in connection.execute(select(latest.c.key, j.c.n, j.c.event).join_from(latest, j, latest.c.n == j.c.n)):
        with stored(f"journal record {row.n}"):
            found[row.key] = str(orjson.loads(row.event)["data"]["name"])
    return found


def facts_about(connection: Connection, party: str, most: int) -> list[StatedFact]:
    """The facts kept under a party's identifier, the last ones first, at most so many; each record once."""
    f, j = tables.fact, tables.journal
    numbers = select(f.c.n).where(f.c.key == party).distinct().order_by(f.c.n.desc()).limit(most)
    kept: dict[int, list[str]] = {}
    for row in connection.execute(select(f.c.n, f.c.kind).where(f.c.key == party, f.c.n.in_(numbers))):
        kept.setdefault(row.n, []).append(row.kind)
    query = select(j.c.n, j.c.happened, j.c.source, j.c.type, j.c.event).where(j.c.n.in_(kept)).order_by(j.c.n.desc())
    return [
        StatedFact(tuple(sorted(kept[row.n])), row.n, row.happened, row.source, row.type, bytes(row.event))
        for row in connection.execute(query)
    ]


def mergers(connection: Connection) -> list[StatedFact]:
    """Every merger, in order."""
    f, j = tables.fact, tables.journal
    query = (
        select(j.c.n, j.c.happened, j.c.source, j.c.type, j.c.event)
        .join_from(f, j, f.c.n == j.c.n)
        .where(f.c.key == ALL, f.c.kind == FactKind.MERGE)
        .order_by(j.c.n)
    )
    kinds = (str(FactKind.MERGE),)
    return [
        StatedFact(kinds, row.n, row.happened, row.source, row.type, bytes(row.event))
        for row in connection.execute(query)
    ]


def attestations(connection: Connection, accounts: Collection[str]) -> list[Attested]:
    """What was last attested on these accounts."""
    t = tables.attestation
    query = select(t).where(t.c.account.in_(set(accounts))).order_by(t.c.account, t.c.by)
    return [Attested(row.account, row.by, row.tpp) for row in connection.execute(query)]


def resembling(connection: Connection, party: str) -> Sequence[str]:
    """Other identifiers of parties that cannot be told apart from this one."""
    t = tables.identifier
    form = same_identifier(party)
    query = select(t.c.id).where(t.c.form == form, t.c.kind == IdentifierKind.PARTY, t.c.id != party).order_by(t.c.id)
    return list(connection.execute(query).scalars())


def is_party(connection: Connection, party: str) -> bool:
    """Whether anything of the ledger names a party: a fact, an account, a shipment."""
    f, i, s = tables.fact, tables.identifier, tables.shipment
    known = or_(
        exists().where(i.c.form == same_identifier(party), i.c.kind == IdentifierKind.PARTY, i.c.id == party),
        exists().where(f.c.key == party, f.c.kind.in_((FactKind.PARTY, FactKind.CERTIFICATION, FactKind.VEU))),
    )
    if connection.execute(select(literal(1)).where(known)).first() is not None:
        return True
    named = select(s.c.id).where(within(connection, s.c.parties, party)).limit(1)
    return connection.execute(named).first() is not None


def party_accounts(connection: Connection, patterns: Collection[str], most: int) -> list[str]:
    """The paths of accounts that match one of the patterns, in order, at most so many."""
    t = tables.account
    matching = or_(*(like(connection, t.c.path, pattern) for pattern in patterns))
    return list(connection.execute(select(t.c.path).where(matching).order_by(t.c.path).limit(most)).scalars())
