"""An index by which the accounts of a party are found by the beginning of their paths."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the index to PostgreSQL, whose other one is in the order of its locale; SQLite needs none."""
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("account_prefix", "account", ["path"], postgresql_ops={"path": "text_pattern_ops"})
