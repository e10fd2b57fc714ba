"""An index of what left without an approval, which every list of holds begins with; obligations in their order."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_OPEN = "kind = 'left_without_approval' AND state = 'open'"


def upgrade() -> None:
    """Adds the index, and to the one of days what comes after the day in every list of obligations."""
    of = ["kind", "state", "n"]
    op.create_index("obligation_left", "obligation", of, sqlite_where=sa.text(_OPEN), postgresql_where=sa.text(_OPEN))
    op.drop_index("obligation_due", "obligation")
    op.create_index("obligation_due", "obligation", ["state", "due", "subject", "kind"])
