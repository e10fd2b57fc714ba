"""Tokens of the HTTP interface: who acts, in which role, until when. Of the token itself only the SHA-256 is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, Row, and_, bindparam, or_, select, update

from ledger.database.door_tables import token as table
from ledger.database.store import Store

HOUR = 3_600_000_000
"""An hour in microseconds."""

_BY_HASH = select(table).where(table.c.hash == bindparam("digest"))
_BY_ID = select(table).where(table.c.id == bindparam("token"))


@dataclass(frozen=True, slots=True)
class Token:
    """A token: the person or system that acts with it, its role, and the patterns of the sources that it may send with.

    Instants are in microseconds since 1970 (UTC). It opens nothing from `expires` or `revoked` on.
    """

    id: str
    name: str
    role: str
    sources: tuple[str, ...]
    created: int
    expires: int | None = None
    revoked: int | None = None
    last_used: int | None = None


def digest_of(secret: str) -> str:
    """The SHA-256 of a token, session or link, in hexadecimal, which is what the database knows of it."""
    return sha256(secret.encode()).hexdigest()


def add_token(store: Store, token: Token, digest: str) -> bool:
    """Keeps a new token by its digest; False, and nothing is kept, if there is one of its id."""
    row = (
        token.id, digest, token.name, token.role, token.sources, token.created, token.expires, token.revoked,
        token.last_used,
    )  # fmt: skip
    with store.begin() as connection:
        if find_token_by_id(connection, token.id) is not None:
            return False
        store.insert(connection, table, [row])
    return True


def find_token(connection: Connection, digest: str) -> Token | None:
    """The token of a digest, expired or not; None if there is none."""
    row = connection.execute(_BY_HASH, {"digest": digest}).one_or_none()
    return None if row is None else _token(row)


def find_token_by_id(connection: Connection, id: str) -> Token | None:
    """The token of an id, expired or not; None if there is none."""
    row = connection.execute(_BY_ID, {"token": id}).one_or_none()
    return None if row is None else _token(row)


def list_tokens(connection: Connection) -> list[Token]:
    """Every token, the oldest first."""
    return [_token(row) for row in connection.execute(select(table).order_by(table.c.created, table.c.id))]


def newest_tokens(connection: Connection, limit: int, before: tuple[int, str] | None = None) -> list[Token]:
    """Tokens, the newest first, at most `limit`; `before` is when the last one was made that is known, and its id."""
    query = select(table).order_by(table.c.created.desc(), table.c.id.desc()).limit(limit)
    if before is not None:
        created, id = before
        older = or_(table.c.created < created, and_(table.c.created == created, table.c.id < id))
        query = query.where(older)
    return [_token(row) for row in connection.execute(query)]


def revoke_token(store: Store, id: str, now: int) -> bool:
    """Revokes a token for good; returns whether there is such a token. Of two times the first counts."""
    with store.begin() as connection:
        found = connection.execute(select(table.c.revoked).where(table.c.id == id)).one_or_none()
        if found is not None and found.revoked is None:
            connection.execute(update(table).where(table.c.id == id).values(revoked=now))
        return found is not None


def note_use(store: Store, used: Mapping[str, int]) -> None:
    """Notes when tokens were last used, by id, to the hour."""
    with store.begin() as connection:
        for id, instant in used.items():
            hour = instant // HOUR * HOUR
            connection.execute(update(table).where(table.c.id == id).values(last_used=hour))


def _token(row: Row[tuple[object, ...]]) -> Token:
    lines = tuple(line for line in row.sources if line)
    return Token(row.id, row.name, row.role, lines, row.created, row.expires, row.revoked, row.last_used)
