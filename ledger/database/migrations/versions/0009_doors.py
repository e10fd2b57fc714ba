"""Tokens, sessions, links, and what was sent to people."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str, *, null: bool = False, **more: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null, **more)


def _big(name: str, *, null: bool = False, **more: Any) -> sa.Column[int]:
    return sa.Column(name, _BIG, nullable=null, **more)


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "token",
        _text("id", primary_key=True),
        _text("hash", unique=True),
        _text("name", comment="the person or the system that acts"),
        _text("role"),
        _text("sources", comment="patterns of the sources that it may send with, one a line"),
        _big("created"),
        _big("expires", null=True, comment="the instant from which it opens nothing"),
        _big("revoked", null=True),
        _big("last_used", null=True, comment="to the hour"),
        comment="tokens of the HTTP interface",
        sqlite_strict=True,
    )
    op.create_table(
        "session",
        _text("hash", primary_key=True),
        _text("name"),
        _text("role"),
        _text("sources"),
        _text("token", null=True, comment="id of the token that it was opened with; it ends with that one"),
        _big("created"),
        _big("expires"),
        sa.Index("session_token", "token"),
        comment="people who are signed in to the page",
        sqlite_strict=True,
    )
    op.create_table(
        "link",
        _text("hash", primary_key=True),
        _text("name"),
        _text("role"),
        _big("created"),
        _big("expires"),
        _big("used", null=True),
        comment="links that sign a person in, once",
        sqlite_strict=True,
    )
    op.create_table(
        "receiver",
        _text("name", primary_key=True),
        _big("record", comment="the journal record that it has come to"),
        _big("sequence", comment="every event up to this one was handed over or set aside"),
        _big("tries", comment="how often the next event was tried"),
        _big("next", null=True, comment="when it is tried again; null for at once"),
        comment="receivers of notices, and how far each has come",
        sqlite_strict=True,
    )
    op.create_table(
        "notice",
        _text("receiver", primary_key=True),
        _text("id", primary_key=True, comment="the event's id"),
        _big("sequence"),
        _big("since", comment="when it was set aside"),
        _big("tries"),
        _big("next", null=True, comment="when it is tried again; null once it is given up"),
        _text("why", comment="how the last try ended"),
        sa.Index("notice_next", "receiver", "next"),
        comment="events that a receiver has not taken and that were set aside",
        sqlite_strict=True,
    )
