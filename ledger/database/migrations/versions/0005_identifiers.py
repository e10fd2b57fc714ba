"""Identifiers by the form that they share with what looks like them, of every account and fact."""

import sqlalchemy as sa
from alembic import op

from ledger.registers.facts import of_fact
from ledger.registers.identifiers import named
from schemas.lookalikes import same_identifier

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table and fills it."""
    table = op.create_table(
        "identifier",
        sa.Column("form", sa.Text(), primary_key=True, comment="what it shares with all that look like it"),
        sa.Column("kind", sa.Text(), primary_key=True, comment="party, license or facility"),
        sa.Column("id", sa.Text(), primary_key=True),
        comment="identifiers that have an account or facts of their own",
        sqlite_strict=True,
    )
    connection = op.get_bind()
    found = {one for path in connection.execute(sa.text("SELECT path FROM account")).scalars() for one in named(path)}
    for row in connection.execute(sa.text("SELECT DISTINCT kind, key FROM fact")):
        found.update(of_fact(row.kind, row.key))
    rows = [{"form": same_identifier(one), "kind": kind.value, "id": one} for kind, one in sorted(found)]
    if rows:
        op.bulk_insert(table, rows)
