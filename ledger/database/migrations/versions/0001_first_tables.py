"""The first tables.

A revision stands alone: it imports nothing of the ledger, so that later changes there do not change what it made.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STRICT: dict[str, Any] = {"sqlite_strict": True}
_MOST = 9_007_199_254_740_991
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


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
    """Makes every table, the triggers that keep two of them append-only, and the one row of `head`."""
    _records()
    _accounts()
    _shipments()
    _facts()
    for statement in _triggers(op.get_bind().dialect.name):
        op.execute(statement)
    op.execute("INSERT INTO head (id, n, sequence, accounts, recorded) VALUES (1, 0, 0, 0, 0)")


def _records() -> None:
    op.create_table(
        "head",
        _key("id", check="id = 1"),
        _big("n", "number of the last journal record"),
        _big("sequence", "how many events have been given out"),
        _big("accounts", "how many accounts are open"),
        _big("recorded", "instant of the last record"),
        _big("ticked", "instant of the latest tick", null=True),
        comment="one row; locked first by whoever writes, so that writers take turns",
        **_STRICT,
    )
    op.create_table(
        "relay",
        _key("id", check="id = 1"),
        _big("n", "number of the last journal record that was published whole"),
        _big("sent", "how many events have been published, repeats not counted"),
        comment="at most one row: how far the relay has come",
        **_STRICT,
    )
    op.create_table(
        "journal",
        _key("n"),
        _text("source"),
        _text("id"),
        _text("type"),
        _text("shipment_id", null=True),
        _big("happened", "the event's time; null where a rejected one has none", null=True),
        _big("recorded"),
        _text("position", "where it came from, as JSON"),
        sa.Column("event", sa.LargeBinary(), nullable=False, comment="the bytes received"),
        _text("answers", "what was given out, one JSON document a line, as published"),
        sa.UniqueConstraint("source", "id", name="journal_event"),
        comment="append-only: every accepted event and every rejection with its answers",
        **_STRICT,
    )
    op.create_index("journal_shipment", "journal", ["shipment_id"])
    op.create_table(
        "mention",
        _text("shipment_id", key=True),
        _key("n"),
        comment="records whose answers decide shipments that their events do not name: ticks and rechecks",
        **_STRICT,
    )


def _accounts() -> None:
    op.create_table(
        "account",
        _key("id"),
        sa.Column("path", sa.Text(), nullable=False, unique=True),
        _big("limit", "the limit last known; null where there is none", null=True),
        *map(_amount, ("pending", "posted", "attested", "credits")),
        _big("entries", "number of the account's last entry"),
        _big("leaving", "of a facility: what is pending to leave it"),
        _big("refused", "1 while a refused debit awaits room"),
        _text("forecast", "the day of exhaustion last announced", null=True),
        comment="balance = pending + posted + attested - credits",
        postgresql_with={"fillfactor": 50},
        **_STRICT,
    )
    op.create_table(
        "entry",
        _key("account"),
        _key("entry", "gap-free within the account"),
        _big("n", "the journal record that caused it"),
        _text("shipment_id", null=True),
        *map(_amount, ("pending", "posted", "attested", "credits")),
        _big("balance", "of the account, after this entry"),
        _big("limit", "the limit known at the entry", null=True),
        comment="append-only: signed changes of the four parts",
        **_STRICT,
    )
    op.create_index("entry_n", "entry", ["n"])


def _shipments() -> None:
    op.create_table(
        "shipment",
        _text("id", key=True),
        _text("state"),
        _big("first", "record in which it was first presented"),
        _big("asked", "record of the request or amendment in force"),
        _big("last", "record that last concerned it"),
        _big("held", "record of the present hold", null=True),
        _text("codes", "reason codes of the present hold, joined by a space"),
        _text("export_date"),
        _text("ship_to"),
        _text("expires", "day on which an approval that has not left lapses", null=True),
        _big("tpp"),
        _text("terms", "JSON: authorization, debits, lines, claim, what reviewers set aside"),
        postgresql_with={"fillfactor": 70},
        **_STRICT,
    )
    op.create_index("shipment_state", "shipment", ["state", "first"])
    op.create_index("shipment_expires", "shipment", ["expires"])
    op.create_table(
        "waiting",
        _text("account", key=True),
        _text("shipment_id", key=True),
        comment="held shipments and the accounts on which they found no room",
        **_STRICT,
    )
    op.create_index("waiting_shipment", "waiting", ["shipment_id"])


def _facts() -> None:
    op.create_table(
        "fact",
        _text("key", key=True),
        _text("kind", key=True),
        _key("n", "the journal record that states it"),
        comment="which records state a fact about a party, licence, holder or account",
        **_STRICT,
    )
    op.create_table(
        "attestation",
        _text("account", key=True),
        _text("by", key=True),
        _amount("tpp"),
        comment="the latest attestation of each party on each account",
        **_STRICT,
    )
    op.create_table(
        "obligation",
        _text("subject", "`shipment/ID` or `party/ID`", key=True),
        _text("kind", key=True),
        _text("due", key=True),
        _big("n", "the record whose decision it follows from"),
        _text("citation"),
        _text("state", "open, met or withdrawn"),
        _text("announced", "what a tick has announced: empty, due or overdue"),
        **_STRICT,
    )
    op.create_index("obligation_due", "obligation", ["state", "due"])


def _triggers(dialect: str) -> list[str]:
    if dialect == "postgresql":
        return [
            (
                "CREATE OR REPLACE FUNCTION tpp_append_only() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only'; END $$"
            ),
            *(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION tpp_append_only()"
                for table in ("journal", "entry")
                for verb in ("UPDATE", "DELETE")
            ),
        ]
    return [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in ("journal", "entry")
        for verb in ("UPDATE", "DELETE")
    ]
