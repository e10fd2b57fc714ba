"""The parties of shipments, by which they are listed; and which records gave out alerts."""

import sqlalchemy as sa
from alembic import op

from ledger.registers.shipments import names_of
from schemas.models.incoming import Requested
from schemas.wire.read import Event, read_record

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_PARTIES = "identifiers of its parties and of their ultimate parents, joined by a space"
_BATCH = 1_000


def upgrade() -> None:
    """Adds the column and fills it, and adds the index."""
    op.add_column("shipment", sa.Column("parties", sa.Text(), nullable=True, comment=_PARTIES))
    op.create_index(
        "journal_alerts",
        "journal",
        ["n"],
        sqlite_where=sa.text("""instr(answers, '.alert.v1"') > 0"""),
        postgresql_where=sa.text("""strpos(answers, '.alert.v1"') > 0"""),
    )
    connection = op.get_bind()
    asked = sa.text(
        "SELECT shipment.id, journal.event FROM shipment JOIN journal ON journal.n = shipment.asked "
        "WHERE shipment.parties IS NULL AND shipment.id > :after ORDER BY shipment.id LIMIT :most"
    )
    fill = sa.text("UPDATE shipment SET parties = :parties WHERE id = :id")
    after = ""
    while rows := connection.execute(asked, {"after": after, "most": _BATCH}).all():
        after = rows[-1].id
        filled = []
        for row in rows:
            event = read_record(bytes(row.event))
            if isinstance(event, Event) and isinstance(event.data, Requested):
                filled.append({"id": row.id, "parties": " ".join(names_of(event.data.parties))})
        if filled:
            connection.execute(fill, filled)
