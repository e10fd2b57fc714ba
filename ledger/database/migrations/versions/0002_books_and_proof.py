"""Books and proof: days that entries are booked on, what records rest on, snapshots, leaves and checkpoints.

SQLite adds no column that must have a value, and tables that are append-only refuse to be filled in: there the three
tables are made anew. Records of before say of nothing what they rest on.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STRICT: dict[str, Any] = {"sqlite_strict": True}
_MOST = 9_007_199_254_740_991
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_APPEND_ONLY = ("snapshot", "snapshot_hold", "leaf", "checkpoint")
_RESTS_ON = "records of the facts that were used, joined by a space"
_BOOKED = "the day that it counts for: the event's, or the first open one"
_LATE_FOR = "the closed period that held the event's day"
_CLOSED = "the last closed day; null before the first close"
_JOURNAL = "append-only: every accepted event, rejection and close with its answers"


def _text(name: str, comment: str | None = None, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null, primary_key=key, comment=comment)


def _big(name: str, comment: str | None = None, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, _BIG, nullable=null, comment=comment)


def _key(name: str, comment: str | None = None, *, check: str | None = None) -> sa.Column[int]:
    checks = (sa.CheckConstraint(check),) if check else ()
    return sa.Column(name, _BIG, *checks, primary_key=True, autoincrement=False, comment=comment)


def _amount(name: str) -> sa.Column[int]:
    return sa.Column(name, _BIG, sa.CheckConstraint(f"{name} BETWEEN -{_MOST} AND {_MOST}"), nullable=False)


def upgrade() -> None:
    """Adds the columns with their values, the tables, and the triggers that keep them append-only."""
    if op.get_bind().dialect.name == "postgresql":
        _columns()
    else:
        _tables_anew()
    op.create_index("entry_booked", "entry", ["booked"])
    _books()
    _proof()
    for table in _APPEND_ONLY:
        _keep(table)


def _columns() -> None:
    op.add_column("head", _text("closed", _CLOSED, null=True))
    op.add_column("journal", sa.Column("rests_on", sa.Text(), nullable=False, server_default="", comment=_RESTS_ON))
    op.alter_column("journal", "rests_on", server_default=None)
    op.create_table_comment("journal", _JOURNAL)
    op.add_column("entry", _text("booked", _BOOKED, null=True))
    op.add_column("entry", _text("late_for", _LATE_FOR, null=True))
    op.execute("ALTER TABLE entry DISABLE TRIGGER entry_no_update")
    op.execute(
        "UPDATE entry SET booked = to_char(to_timestamp(floor(happened / 1000000.0)) AT TIME ZONE 'UTC', 'YYYY-MM-DD') "
        "FROM journal WHERE journal.n = entry.n"
    )
    op.execute("ALTER TABLE entry ENABLE TRIGGER entry_no_update")
    op.alter_column("entry", "booked", nullable=False)


def _tables_anew() -> None:
    for name in ("head", "journal", "entry"):
        op.execute(f'ALTER TABLE "{name}" RENAME TO "{name}_of_0001"')
    op.execute("DROP INDEX journal_shipment")
    op.execute("DROP INDEX entry_n")
    _head()
    _journal()
    _entry()
    op.execute("INSERT INTO head SELECT *, NULL FROM head_of_0001")
    op.execute("INSERT INTO journal SELECT *, '' FROM journal_of_0001")
    op.execute(
        "INSERT INTO entry SELECT e.*, strftime('%Y-%m-%d', (j.happened - (j.happened % 1000000 + 1000000) % 1000000)"
        " / 1000000, 'unixepoch'), NULL "
        "FROM entry_of_0001 e JOIN journal_of_0001 j ON j.n = e.n"
    )
    for name in ("entry", "journal", "head"):
        op.execute(f'DROP TABLE "{name}_of_0001"')
    op.create_index("journal_shipment", "journal", ["shipment_id"])
    op.create_index("entry_n", "entry", ["n"])
    for name in ("journal", "entry"):
        _keep(name)


def _head() -> None:
    op.create_table(
        "head",
        _key("id", check="id = 1"),
        _big("n", "number of the last journal record"),
        _big("sequence", "how many events have been given out"),
        _big("accounts", "how many accounts are open"),
        _big("recorded", "instant of the last record"),
        _big("ticked", "instant of the latest tick", null=True),
        _text("closed", _CLOSED, null=True),
        **_STRICT,
    )


def _journal() -> None:
    op.create_table(
        "journal",
        _key("n"),
        _text("source"),
        _text("id"),
        _text("type"),
        _text("shipment_id", null=True),
        _big("happened", null=True),
        _big("recorded"),
        _text("position"),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        _text("answers"),
        _text("rests_on"),
        sa.UniqueConstraint("source", "id", name="journal_event"),
        **_STRICT,
    )


def _entry() -> None:
    op.create_table(
        "entry",
        _key("account"),
        _key("entry"),
        _big("n"),
        _text("shipment_id", null=True),
        *map(_amount, ("pending", "posted", "attested", "credits")),
        _big("balance"),
        _big("limit", null=True),
        _text("booked"),
        _text("late_for", null=True),
        **_STRICT,
    )


def _books() -> None:
    op.create_table(
        "snapshot",
        _text("id", "the period's name", key=True),
        sa.Column("n", _BIG, nullable=False, unique=True, comment="the record of its close"),
        _big("record", "the last record that it saw"),
        _text("as_of", "the period's last day"),
        _big("accounts", "number of rows"),
        _big("entries", "number of rows"),
        _text("digest"),
        _text("previous", "digest of the snapshot closed before it", null=True),
        comment="append-only: closed periods",
        **_STRICT,
    )
    op.create_table(
        "snapshot_hold",
        _text("snapshot", key=True),
        _text("shipment_id", key=True),
        _big("n", "record of the hold"),
        _big("happened"),
        _text("codes"),
        _big("tpp"),
        comment="append-only: the holds at a close, which no later record tells",
        **_STRICT,
    )


def _proof() -> None:
    op.create_table(
        "leaf",
        _key("n"),
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the record's leaf (RFC 6962)"),
        comment="append-only: the Merkle tree's leaves, hashed after the commit",
        **_STRICT,
    )
    op.create_table(
        "checkpoint",
        _key("n", "size of the tree"),
        _text("key", "the public key that it is signed with", key=True),
        _text("note", "signed note (C2SP tlog-checkpoint)"),
        comment="append-only: signed sizes and roots",
        **_STRICT,
    )


def _keep(table: str) -> None:
    for verb in ("UPDATE", "DELETE"):
        name = f"{table}_no_{verb.lower()}"
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION tpp_append_only()"
            if op.get_bind().dialect.name == "postgresql"
            else f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
