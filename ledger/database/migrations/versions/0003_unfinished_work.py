"""Work that goes on in chunks: rechecks and ticks of more than one record."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ASKED = "the record of the event that asks for the work"


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "unfinished",
        sa.Column("n", _BIG, primary_key=True, autoincrement=False, comment=_ASKED),
        sa.Column("chunk", _BIG, nullable=False, comment="number of the chunk that was done last"),
        sa.Column("work", sa.Text(), nullable=False, comment="JSON: what is left to do"),
        comment="rechecks and ticks that decide more than one chunk, until the last one is done",
        sqlite_strict=True,
    )
