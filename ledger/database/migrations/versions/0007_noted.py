"""The keys of the facts that held shipments were screened with; of existing holds what their requests name."""

import sqlalchemy as sa
from alembic import op

from ledger.registers.facts import ALL
from ledger.registers.parties import Parties
from schemas.models.incoming import Requested
from schemas.wire.read import Event, read_record

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_HELD = (
    "SELECT s.id, j.event FROM shipment AS s JOIN journal AS j ON j.n = s.asked "
    "WHERE s.state IN ('held', 'held_at_dispatch') ORDER BY s.id"
)


def upgrade() -> None:
    """Adds the table and fills it."""
    table = op.create_table(
        "noted",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("shipment_id", sa.Text(), primary_key=True),
        comment="held shipments and the keys of the facts that they were screened with",
        sqlite_strict=True,
    )
    op.create_index("noted_shipment", "noted", ["shipment_id"])
    rows = []
    for row in op.get_bind().execute(sa.text(_HELD)):
        event = read_record(bytes(row.event))
        if isinstance(event, Event) and isinstance(event.data, Requested):
            keys = sorted(Parties.keys(event.data) - {ALL})
            rows += [{"key": key, "shipment_id": row.id} for key in keys]
    if rows:
        op.bulk_insert(table, rows)
