"""Which restore a ledger is of, and which published events are of an end that it has lost."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EPOCH = "the restore that it comes from; null if it was never restored"
_LOST = "published events up to this sequence number may be of a lost end; null if none is"


def upgrade() -> None:
    """Adds the columns."""
    op.add_column("head", sa.Column("epoch", _BIG, nullable=True, comment=_EPOCH))
    op.add_column("relay", sa.Column("lost", _BIG, nullable=True, comment=_LOST))
