"""Every table. Amounts are in TPP; instants are microseconds since 1970 (UTC); days are `YYYY-MM-DD` texts."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TextClause,
    UniqueConstraint,
    text,
)

from ledger.database.columns import BIG, STRICT, Lines, amount
from schemas.kinds import LEFT_WITHOUT_APPROVAL

metadata = MetaData()


def left_open() -> TextClause:
    """The condition of the index `obligation_left`, without parameters, by which a query is seen to be of it."""
    return text(" AND ".join(f"obligation.{part}" for part in LEFT_OPEN.split(" AND ")))


def gave_alert(dialect: str) -> str:
    """The condition of the index `journal_alerts`: the end of a type; in texts of answers quotes are escaped."""
    within = "strpos" if dialect == "postgresql" else "instr"
    return f"""{within}(answers, '.alert.v1"') > 0"""


LEFT_OPEN = f"kind = '{LEFT_WITHOUT_APPROVAL}' AND state = 'open'"
"""The condition of the index `obligation_left`: what left without an approval."""

head = Table(
    "head",
    metadata,
    Column("id", BIG, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("n", BIG, nullable=False, comment="number of the last journal record"),
    Column("sequence", BIG, nullable=False, comment="how many events have been given out"),
    Column("accounts", BIG, nullable=False, comment="how many accounts are open"),
    Column("recorded", BIG, nullable=False, comment="instant of the last record"),
    Column("ticked", BIG, nullable=True, comment="instant of the latest tick"),
    Column("closed", Text, nullable=True, comment="the last closed day; null before the first close"),
    Column("epoch", BIG, nullable=True, comment="the restore that it comes from; null if it was never restored"),
    comment="one row; locked first by whoever writes, so that writers take turns",
    **STRICT,
)

journal = Table(
    "journal",
    metadata,
    Column("n", BIG, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("shipment_id", Text, nullable=True),
    Column("happened", BIG, nullable=True, comment="the event's time; null where a rejected one has none"),
    Column("recorded", BIG, nullable=False),
    Column("position", Text, nullable=False, comment="where it came from, as JSON"),
    Column("event", LargeBinary, nullable=False, comment="the bytes received"),
    Column("answers", Lines, nullable=False, comment="what was given out, one JSON document a line, as published"),
    Column("rests_on", Text, nullable=False, comment="records of the facts that were used, joined by a space"),
    UniqueConstraint("source", "id", name="journal_event"),
    Index("journal_shipment", "shipment_id"),
    Index(
        "journal_alerts",
        "n",
        sqlite_where=text(gave_alert("sqlite")),
        postgresql_where=text(gave_alert("postgresql")),
    ),
    comment="append-only: every accepted event, rejection and close with its answers",
    **STRICT,
)

mention = Table(
    "mention",
    metadata,
    Column("shipment_id", Text, primary_key=True),
    Column("n", BIG, primary_key=True, autoincrement=False),
    comment="records whose answers decide shipments that their events do not name: ticks and rechecks",
    **STRICT,
)

account = Table(
    "account",
    metadata,
    Column("id", BIG, primary_key=True, autoincrement=False),
    Column("path", Text, nullable=False, unique=True),
    Column("limit", BIG, nullable=True, comment="the limit last known; null where there is none"),
    amount("pending"),
    amount("posted"),
    amount("attested"),
    amount("credits"),
    Column("entries", BIG, nullable=False, comment="number of the account's last entry"),
    Column("leaving", BIG, nullable=False, comment="of a facility: what is pending to leave it"),
    Column("refused", BIG, nullable=False, comment="1 while a refused debit awaits room"),
    Column("forecast", Text, nullable=True, comment="the day of exhaustion last announced"),
    comment="balance = pending + posted + attested - credits",
    postgresql_with={"fillfactor": 50},
    **STRICT,
)

PREFIX = Index("account_prefix", account.c.path, postgresql_ops={"path": "text_pattern_ops"}).ddl_if("postgresql")
"""PostgreSQL finds accounts by the beginning of their paths by this one: that of the paths is in its locale's order."""

entry = Table(
    "entry",
    metadata,
    Column("account", BIG, primary_key=True, autoincrement=False),
    Column("entry", BIG, primary_key=True, autoincrement=False, comment="gap-free within the account"),
    Column("n", BIG, nullable=False, comment="the journal record that caused it"),
    Column("shipment_id", Text, nullable=True),
    amount("pending"),
    amount("posted"),
    amount("attested"),
    amount("credits"),
    Column("balance", BIG, nullable=False, comment="of the account, after this entry"),
    Column("limit", BIG, nullable=True, comment="the limit known at the entry"),
    Column("booked", Text, nullable=False, comment="the day that it counts for: the event's, or the first open one"),
    Column("late_for", Text, nullable=True, comment="the closed period that held the event's day"),
    Index("entry_n", "n"),
    Index("entry_booked", "booked"),
    comment="append-only: signed changes of the four parts",
    **STRICT,
)

shipment = Table(
    "shipment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("first", BIG, nullable=False, comment="record in which it was first presented"),
    Column("asked", BIG, nullable=False, comment="record of the request or amendment in force"),
    Column("last", BIG, nullable=False, comment="record that last concerned it"),
    Column("held", BIG, nullable=True, comment="record of the present hold"),
    Column("codes", Text, nullable=False, comment="reason codes of the present hold, joined by a space"),
    Column("export_date", Text, nullable=False),
    Column("ship_to", Text, nullable=False),
    Column("expires", Text, nullable=True, comment="day on which an approval that has not left lapses"),
    Column("tpp", BIG, nullable=False),
    Column(
        "terms", Text, nullable=False, comment="JSON: authorization, debits, lines, claim, what reviewers set aside"
    ),
    Column(
        "parties",
        Text,
        nullable=True,
        comment="identifiers of its parties and of their ultimate parents, joined by a space",
    ),
    Index("shipment_state", "state", "first"),
    Index("shipment_expires", "expires"),
    postgresql_with={"fillfactor": 70},
    **STRICT,
)

waiting = Table(
    "waiting",
    metadata,
    Column("account", Text, primary_key=True),
    Column("shipment_id", Text, primary_key=True),
    Index("waiting_shipment", "shipment_id"),
    comment="held shipments and the accounts on which they found no room",
    **STRICT,
)

noted = Table(
    "noted",
    metadata,
    Column("key", Text, primary_key=True),
    Column("shipment_id", Text, primary_key=True),
    Index("noted_shipment", "shipment_id"),
    comment="held shipments and the keys of the facts that they were screened with",
    **STRICT,
)

fact = Table(
    "fact",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("n", BIG, primary_key=True, autoincrement=False, comment="the journal record that states it"),
    Index("fact_n", "n"),
    comment="which records state a fact about a party, licence, holder or account",
    **STRICT,
)

identifier = Table(
    "identifier",
    metadata,
    Column("form", Text, primary_key=True, comment="what it shares with all that look like it"),
    Column("kind", Text, primary_key=True, comment="party, license or facility"),
    Column("id", Text, primary_key=True),
    comment="identifiers that have an account or facts of their own",
    **STRICT,
)

list_content = Table(
    "list_content",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False, comment="entries in canonical JSON, one a line, as zlib"),
    comment="append-only: the restricted-party lists that were loaded",
    **STRICT,
)

clearing = Table(
    "clearing",
    metadata,
    Column("list", Text, primary_key=True),
    Column("entry", Text, primary_key=True),
    Column("party", Text, primary_key=True),
    Column("n", BIG, nullable=False, comment="the record that states it"),
    Column("until", Text, nullable=True, comment="the last export date for which it stands"),
    Column(
        "seen", Text, nullable=True, comment="JSON: name, country, LEI that were compared; null until they are seen"
    ),
    Column("content", Text, nullable=True, comment="SHA-256 of the entry that was compared; null until it is seen"),
    comment="parties that are not the listed ones that they resemble",
    **STRICT,
)

last_hit = Table(
    "last_hit",
    metadata,
    Column("party", Text, primary_key=True),
    Column("n", BIG, nullable=False, comment="the record in which it resembled an entry last"),
    Column("seen", Text, nullable=False, comment="JSON: the name, country and LEI that it had there"),
    comment="parties that resemble an entry of a list, each with the last time",
    **STRICT,
)

owner = Table(
    "owner",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("lei", Text, nullable=True),
    Column("n", BIG, nullable=True, comment="the record that first let one of its shipments go as of an owner, if any"),
    comment="ultimate parents, holders and registered parties by their latest name",
    **STRICT,
)

owner_form = Table(
    "owner_form",
    metadata,
    Column("form", Text, primary_key=True, comment="what its name, LEI or id shares with those that resemble it"),
    Column("owner", Text, primary_key=True),
    comment="what the names of the table owner are compared by",
    **STRICT,
)

attestation = Table(
    "attestation",
    metadata,
    Column("account", Text, primary_key=True),
    Column("by", Text, primary_key=True),
    amount("tpp"),
    comment="the latest attestation of each party on each account",
    **STRICT,
)

obligation = Table(
    "obligation",
    metadata,
    Column("subject", Text, primary_key=True, comment="`shipment/ID` or `party/ID`"),
    Column("kind", Text, primary_key=True),
    Column("due", Text, primary_key=True),
    Column("n", BIG, nullable=False, comment="the record whose decision it follows from"),
    Column("citation", Text, nullable=False),
    Column("state", Text, nullable=False, comment="open, met or withdrawn"),
    Column("announced", Text, nullable=False, comment="what a tick has announced: empty, due or overdue"),
    Column(
        "once",
        Text,
        nullable=True,
        comment="keys of what needs to be met only once, joined by a space; null where it is owed each time",
    ),
    Index("obligation_due", "state", "due", "subject", "kind"),
    Index("obligation_left", "kind", "state", "n", sqlite_where=text(LEFT_OPEN), postgresql_where=text(LEFT_OPEN)),
    **STRICT,
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("id", Text, primary_key=True, comment="the period's name"),
    Column("n", BIG, nullable=False, unique=True, comment="the record of its close"),
    Column("record", BIG, nullable=False, comment="the last record that it saw"),
    Column("as_of", Text, nullable=False, comment="the period's last day"),
    Column("accounts", BIG, nullable=False, comment="number of rows"),
    Column("entries", BIG, nullable=False, comment="number of rows"),
    Column("digest", Text, nullable=False),
    Column("previous", Text, nullable=True, comment="digest of the snapshot closed before it"),
    comment="append-only: closed periods",
    **STRICT,
)

snapshot_hold = Table(
    "snapshot_hold",
    metadata,
    Column("snapshot", Text, primary_key=True),
    Column("shipment_id", Text, primary_key=True),
    Column("n", BIG, nullable=False, comment="record of the hold"),
    Column("happened", BIG, nullable=False),
    Column("codes", Text, nullable=False),
    Column("tpp", BIG, nullable=False),
    comment="append-only: the holds at a close, which no later record tells",
    **STRICT,
)

leaf = Table(
    "leaf",
    metadata,
    Column("n", BIG, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False, comment="SHA-256 of the record's leaf (RFC 6962)"),
    comment="append-only: the Merkle tree's leaves, hashed after the commit",
    **STRICT,
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("n", BIG, primary_key=True, autoincrement=False, comment="size of the tree"),
    Column("key", Text, primary_key=True, comment="the public key that it is signed with"),
    Column("note", Text, nullable=False, comment="signed note (C2SP tlog-checkpoint)"),
    comment="append-only: signed sizes and roots",
    **STRICT,
)

unfinished = Table(
    "unfinished",
    metadata,
    Column("n", BIG, primary_key=True, autoincrement=False, comment="the record of the event that asks for the work"),
    Column("chunk", BIG, nullable=False, comment="number of the chunk that was done last"),
    Column("work", Text, nullable=False, comment="JSON: what is left to do"),
    comment="rechecks and ticks that decide more than one chunk, until the last one is done",
    **STRICT,
)

relay = Table(
    "relay",
    metadata,
    Column("id", BIG, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("n", BIG, nullable=False, comment="number of the last journal record that was published whole"),
    Column("sent", BIG, nullable=False, comment="how many events have been published, repeats not counted"),
    Column(
        "lost",
        BIG,
        nullable=True,
        comment="published events up to this sequence number may be of a lost end; null if none is",
    ),
    comment="at most one row: how far the relay has come",
    **STRICT,
)

APPEND_ONLY = (journal, entry, snapshot, snapshot_hold, leaf, checkpoint, list_content)


def triggers(dialect: str) -> list[str]:
    """The statements that make the append-only tables refuse UPDATE and DELETE."""
    statements = []
    if dialect == "postgresql":
        statements.append(
            "CREATE OR REPLACE FUNCTION tpp_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only'; END $$"
        )
    for table in APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            name = f"{table.name}_no_{verb.lower()}"
            statements.append(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table.name} FOR EACH ROW EXECUTE FUNCTION tpp_append_only()"
                if dialect == "postgresql"
                else f"CREATE TRIGGER {name} BEFORE {verb} ON {table.name} "
                f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
            )
    return statements
