"""The tables of the doors: who may come in over HTTP, and what was sent to people; no part of the journal.

Instants are microseconds since 1970 (UTC). Of tokens, sessions and links the SHA-256 alone is kept, in hexadecimal.
"""

from sqlalchemy import Column, Index, Table, Text

from ledger.database.columns import BIG, STRICT, Lines
from ledger.database.tables import metadata

token = Table(
    "token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, comment="the person or the system that acts"),
    Column("role", Text, nullable=False),
    Column("sources", Lines, nullable=False, comment="patterns of the sources that it may send with, one a line"),
    Column("created", BIG, nullable=False),
    Column("expires", BIG, nullable=True, comment="the instant from which it opens nothing"),
    Column("revoked", BIG, nullable=True),
    Column("last_used", BIG, nullable=True, comment="to the hour"),
    comment="tokens of the HTTP interface",
    **STRICT,
)

session = Table(
    "session",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("sources", Lines, nullable=False),
    Column("token", Text, nullable=True, comment="id of the token that it was opened with; it ends with that one"),
    Column("created", BIG, nullable=False),
    Column("expires", BIG, nullable=False),
    Index("session_token", "token"),
    comment="people who are signed in to the page",
    **STRICT,
)

link = Table(
    "link",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created", BIG, nullable=False),
    Column("expires", BIG, nullable=False),
    Column("used", BIG, nullable=True),
    comment="links that sign a person in, once",
    **STRICT,
)

receiver = Table(
    "receiver",
    metadata,
    Column("name", Text, primary_key=True),
    Column("record", BIG, nullable=False, comment="the journal record that it has come to"),
    Column("sequence", BIG, nullable=False, comment="every event up to this one was handed over or set aside"),
    Column("tries", BIG, nullable=False, comment="how often the next event was tried"),
    Column("next", BIG, nullable=True, comment="when it is tried again; null for at once"),
    comment="receivers of notices, and how far each has come",
    **STRICT,
)

notice = Table(
    "notice",
    metadata,
    Column("receiver", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="the event's id"),
    Column("sequence", BIG, nullable=False),
    Column("since", BIG, nullable=False, comment="when it was set aside"),
    Column("tries", BIG, nullable=False),
    Column("next", BIG, nullable=True, comment="when it is tried again; null once it is given up"),
    Column("why", Text, nullable=False, comment="how the last try ended"),
    Index("notice_next", "receiver", "next"),
    comment="events that a receiver has not taken and that were set aside",
    **STRICT,
)

DOORS = (token, session, link, receiver, notice)
