"""Sessions of the page, and the links that sign a person in once. Of both only the SHA-256 is kept.

Instants are in microseconds since 1970 (UTC).
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Row, bindparam, delete, exists, or_, select, update

from ledger.database.door_tables import link as link_table
from ledger.database.door_tables import session as session_table
from ledger.database.door_tables import token as token_table
from ledger.database.store import Store
from ledger.doors.tokens import HOUR

KEPT = 86_400_000_000
"""How long a link is kept after its end, so that its page can say what became of it."""

_ALIVE = (
    select(session_table)
    .outerjoin(token_table, token_table.c.id == session_table.c.token)
    .where(
        session_table.c.hash == bindparam("digest"),
        session_table.c.expires > bindparam("now"),
        or_(
            session_table.c.token.is_(None),
            token_table.c.id.is_not(None)
            & token_table.c.revoked.is_(None)
            & or_(token_table.c.expires.is_(None), token_table.c.expires > bindparam("now")),
        ),
    )
)
_LINK = select(link_table).where(link_table.c.hash == bindparam("digest"))


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in: the person, the role, the patterns of sources, and the token's id, if a token did it.

    It ends at `expires`, or with its token.
    """

    name: str
    role: str
    sources: tuple[str, ...]
    token: str | None
    created: int
    expires: int


@dataclass(frozen=True, slots=True)
class Link:
    """A link that signs in a person in a role: until `expires`, and until it is `used`."""

    name: str
    role: str
    created: int
    expires: int
    used: int | None = None


def add_link(store: Store, link: Link, digest: str) -> bool:
    """Keeps a new link by its digest; False, and nothing is kept, if there is one of that digest."""
    with store.begin() as connection:
        if find_link(connection, digest) is not None:
            return False
        store.insert(connection, link_table, [(digest, link.name, link.role, link.created, link.expires, link.used)])
    return True


def find_link(connection: Connection, digest: str) -> Link | None:
    """The link of a digest, used or not, expired or not; None if there is none. Uses nothing up."""
    row = connection.execute(_LINK, {"digest": digest}).one_or_none()
    return None if row is None else Link(row.name, row.role, row.created, row.expires, row.used)


def use_link(store: Store, link: str, session: str, expires: int, now: int, replaces: str | None) -> Session | None:
    """Uses a link up and opens a session in one transaction; None if it was used before, has expired or is unknown.

    `link`, `session` and `replaces`, a session that ends by it, are digests. Of two that use a link at once, one wins.
    """
    with store.begin() as connection:
        t = link_table.c
        used = update(link_table).where(t.hash == link, t.used.is_(None), t.expires > now).values(used=now)
        if connection.execute(used).rowcount != 1:
            return None
        row = connection.execute(_LINK, {"digest": link}).one()
        opened = Session(row.name, row.role, (), None, now, expires)
        _open(store, connection, opened, session, replaces)
        return opened


def open_session(store: Store, session: Session, digest: str, replaces: str | None) -> None:
    """Keeps a new session by its digest; `replaces` is the digest of one that ends by it."""
    with store.begin() as connection:
        _open(store, connection, session, digest, replaces)


def _open(store: Store, connection: Connection, session: Session, digest: str, replaces: str | None) -> None:
    """Adds a session, notes the use of its token, to the hour, and clears away what has ended."""
    s, t = session_table.c, link_table.c
    connection.execute(delete(session_table).where(or_(s.expires <= session.created, s.hash == (replaces or ""))))
    connection.execute(delete(link_table).where(t.expires <= session.created - KEPT))
    if session.token is not None:
        hour = session.created // HOUR * HOUR
        connection.execute(update(token_table).where(token_table.c.id == session.token).values(last_used=hour))
    row = (digest, session.name, session.role, session.sources, session.token, session.created, session.expires)
    store.insert(connection, session_table, [row])


def find_session(connection: Connection, digest: str, now: int) -> Session | None:
    """The session of a digest that is still open; None if it has ended, by itself or with its token."""
    row = connection.execute(_ALIVE, {"digest": digest, "now": now}).one_or_none()
    return None if row is None else _session(row)


def _session(row: Row[tuple[object, ...]]) -> Session:
    sources = tuple(line for line in row.sources if line)
    return Session(row.name, row.role, sources, row.token, row.created, row.expires)


def end_session(store: Store, digest: str) -> None:
    """Ends a session; its cookie opens nothing from then on."""
    with store.begin() as connection:
        connection.execute(delete(session_table).where(session_table.c.hash == digest))


def end_sessions(store: Store, name: str) -> int:
    """Ends every session of a person; returns how many there were, ended ones included."""
    with store.begin() as connection:
        return connection.execute(delete(session_table).where(session_table.c.name == name)).rowcount


def open_sessions(connection: Connection, now: int, limit: int) -> list[Session]:
    """Sessions that have not ended by themselves, the latest first, at most `limit`; some may have with their token."""
    s = session_table.c
    query = select(session_table).where(s.expires > now).order_by(s.created.desc(), s.hash).limit(limit)
    return [_session(row) for row in connection.execute(query)]


def has_tokens(connection: Connection) -> bool:
    """Whether a token was ever made in this ledger, revoked ones included."""
    return bool(connection.execute(select(exists(select(token_table.c.id)))).scalar())
