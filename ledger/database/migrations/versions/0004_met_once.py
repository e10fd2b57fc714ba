"""Obligations that need to be met only once: under which keys. Those of before have none."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ONCE = "keys of what needs to be met only once, joined by a space; null where it is owed each time"


def upgrade() -> None:
    """Adds the column."""
    op.add_column("obligation", sa.Column("once", sa.Text(), nullable=True, comment=_ONCE))
