"""Restricted-party lists, what was cleared of them, and the names of ultimate parents."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str, *, null: bool = False, **more: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null, **more)


def upgrade() -> None:
    """Adds the tables, of which that of the lists is append-only."""
    op.create_table(
        "list_content",
        _text("sha256", primary_key=True),
        sa.Column(
            "content", sa.LargeBinary(), nullable=False, comment="entries in canonical JSON, one a line, as zlib"
        ),
        comment="append-only: the restricted-party lists that were loaded",
        sqlite_strict=True,
    )
    op.create_table(
        "clearing",
        _text("list", primary_key=True),
        _text("entry", primary_key=True),
        _text("party", primary_key=True),
        sa.Column("n", _BIG, nullable=False, comment="the record that states it"),
        _text("until", null=True, comment="the last export date for which it stands"),
        _text("seen", null=True, comment="JSON: name, country, LEI that were compared; null until they are seen"),
        _text("content", null=True, comment="SHA-256 of the entry that was compared; null until it is seen"),
        comment="parties that are not the listed ones that they resemble",
        sqlite_strict=True,
    )
    op.create_table(
        "last_hit",
        _text("party", primary_key=True),
        sa.Column("n", _BIG, nullable=False, comment="the record in which it resembled an entry last"),
        _text("seen", comment="JSON: the name, country and LEI that it had there"),
        comment="parties that resemble an entry of a list, each with the last time",
        sqlite_strict=True,
    )
    op.create_table(
        "owner",
        _text("id", primary_key=True),
        _text("name"),
        _text("lei", null=True),
        sa.Column(
            "n", _BIG, nullable=True, comment="the record that first let one of its shipments go as of an owner, if any"
        ),
        comment="ultimate parents, holders and registered parties by their latest name",
        sqlite_strict=True,
    )
    op.create_table(
        "owner_form",
        _text("form", primary_key=True, comment="what its name, LEI or id shares with those that resemble it"),
        _text("owner", primary_key=True),
        comment="what the names of the table owner are compared by",
        sqlite_strict=True,
    )
    postgresql = op.get_bind().dialect.name == "postgresql"
    for verb in ("UPDATE", "DELETE"):
        name = f"list_content_no_{verb.lower()}"
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {verb} ON list_content FOR EACH ROW EXECUTE FUNCTION tpp_append_only()"
            if postgresql
            else f"CREATE TRIGGER {name} BEFORE {verb} ON list_content "
            "BEGIN SELECT RAISE(ABORT, 'list_content is append-only'); END"
        )
