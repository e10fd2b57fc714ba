"""The application's role in PostgreSQL does all that the program needs, and cannot undo what protects the records."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner, Result
from containers import missing
from databases import Server, dsn
from psycopg.errors import InsufficientPrivilege, RaiseException

from ledger.database import tables
from ledger.database.store import ledger_url
from ledger.queries.records import last_recorded
from ledger.registers.outbox import Right, move
from services.cli.commands import main
from services.resources import opened

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "ops/postgres/roles.sql"
QUICKSTART = ROOT / "examples/quickstart.jsonl"
LIST = ROOT / "tests/lists/files/us.csv"


@dataclass
class Roles:
    """A database that `roles.sql` prepared: the URLs of its two roles, which have no password in them."""

    owner: str
    app: str
    folder: Path

    def tpp(self, *words: str, url: str | None = None) -> Result:
        done = CliRunner().invoke(main, [*words, "--ledger", url or self.app])
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
        return done

    def refused(self, statement: str) -> None:
        """The application's role may not do this."""
        with (
            psycopg.connect(dsn(ledger_url(self.app))) as connection,
            pytest.raises((InsufficientPrivilege, RaiseException)),
        ):
            connection.execute(statement.encode())


@pytest.fixture
def roles(postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Roles]:
    psql = shutil.which("psql")
    if psql is None:
        missing("no psql: install PostgreSQL's client programs")
    mark = uuid4().hex[:8]
    owner, app = f"owner_{mark}", f"app_{mark}"
    for name in ("owner", "app"):
        (tmp_path / name).write_text(f'{name}\'s \\ "secret"\n')
    url = ledger_url(postgres.create("template1"))
    environment = {
        **os.environ, "TPP_OWNER_PASSWORD_FILE": str(tmp_path / "owner"), "TPP_APP_PASSWORD_FILE": str(tmp_path / "app"),
    }  # fmt: skip
    command = [psql, "--no-psqlrc", "--quiet", f"--set=owner={owner}", f"--set=app={app}", f"--file={ROLES}", dsn(url)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    monkeypatch.setenv("TPP_SIGNING_KEY", str(tmp_path / "key"))
    monkeypatch.setenv("TPP_LEDGER_PASSWORD_FILE", str(tmp_path / "app"))
    monkeypatch.chdir(tmp_path)
    without = [url.set(username=name)._replace(password=None).render_as_string() for name in (owner, app)]
    yield Roles(*without, tmp_path)
    postgres.drop(url.render_as_string(hide_password=False))
    for name in (app, owner):
        postgres.execute(f"DROP ROLE {name}")


@pytest.fixture
def migrated(roles: Roles, monkeypatch: pytest.MonkeyPatch) -> Roles:
    with monkeypatch.context() as changed:
        changed.setenv("TPP_LEDGER_PASSWORD_FILE", str(roles.folder / "owner"))
        assert roles.tpp("migrate", url=roles.owner).exit_code == 0
    return roles


def test_the_application_does_all_its_work(migrated: Roles) -> None:
    """It opens the ledger without creating anything, decides, ticks, closes, signs, verifies, publishes."""
    tpp = migrated.tpp
    assert tpp("screen", str(QUICKSTART), "--out", "answers").exit_code == 1, "one line of the examples is rejected"
    for words in (
        ["recheck", "--all"], ["balance"], ["holds"], ["obligations"], ["explain", "SHP-0001"], ["check", str(QUICKSTART)],
        ["statement", "lpp/CON-70/2025"], ["snapshot", "close", "2025-Q2"], ["snapshot", "list"],
        ["snapshot", "export", "2025-Q2", "--format", "csv", "--out", "books"], ["audit", "key"], ["audit", "checkpoint"],
        ["review", "SHP-0003", "propose-deny", "--reviewer", "a.one", "--reason", "no"],
        ["met", "veu_training", "CON-50", "--due", "2025-08-01", "--by", "c.three", "--reference", "R-1"],
        ["audit", "prove", "SHP-0001"], ["audit", "export", "SHP-0001", "--out", "pack"], ["audit", "verify"], ["migrate"],
    ):  # fmt: skip
        done = tpp(*words)
        assert done.exit_code == (1 if words[0] == "check" else 0), (words, done.output)
    with opened(migrated.app) as store:
        right = Right(store, "relay")
        assert right.take()
        with store.read() as connection:
            assert last_recorded(connection)
        for n in (1, 2):
            with right.own(store.begin) as connection:
                move(store, connection, n, n, 0)
        right.check()
        right.give_back()


def test_a_backup_by_the_application_is_restored_by_the_owner_for_the_application(migrated: Roles) -> None:
    assert migrated.tpp("screen", str(QUICKSTART), "--out", "answers").exit_code == 1
    before = migrated.tpp("balance", "--format", "json").stdout
    assert migrated.tpp("backup", "file").exit_code == 0
    with psycopg.connect(dsn(ledger_url(migrated.owner))) as connection:
        for name in (*tables.metadata.tables, "alembic_version"):
            connection.execute(f"DROP TABLE {name} CASCADE".encode())
        connection.execute(b"DROP FUNCTION tpp_append_only")
    assert migrated.tpp("restore", "file", url=migrated.owner).stdout.startswith("verified: ")
    assert migrated.tpp("balance", "--format", "json").stdout == before
    refused = migrated.tpp("restore", "file", "--force")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "must be owner" in refused.stderr
    assert migrated.tpp("restore", "file", "--force", url=migrated.owner).stdout.startswith("verified: ")
    assert migrated.tpp("balance", "--format", "json").stdout == before
    migrated.refused("DELETE FROM journal")
    migrated.refused("TRUNCATE journal")


@pytest.mark.parametrize("table", [table.name for table in tables.APPEND_ONLY])
def test_the_application_cannot_change_what_was_recorded(migrated: Roles, table: str) -> None:
    assert migrated.tpp("screen", str(QUICKSTART), "--out", "answers").exit_code == 1
    assert migrated.tpp("snapshot", "close", "2025-Q2").exit_code == 0
    assert migrated.tpp("lists", "load", str(LIST), "--name", "us", "--version", "1").exit_code == 0
    first = next(iter(tables.metadata.tables[table].columns)).name
    for statement in (
        f"UPDATE {table} SET {first} = {first}", f"DELETE FROM {table}", f"TRUNCATE {table}", f"TRUNCATE {table} CASCADE",
        f"DROP TRIGGER {table}_no_update ON {table}", f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"ALTER TABLE {table} DISABLE TRIGGER {table}_no_delete", f"ALTER TABLE {table} ADD COLUMN more text",
        f"ALTER TABLE {table} RENAME TO other", f"DROP TABLE {table} CASCADE",
        f"CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION tpp_append_only()",
        f"CREATE RULE mine AS ON DELETE TO {table} DO INSTEAD NOTHING", f"ALTER TABLE {table} OWNER TO CURRENT_USER",
        f"CREATE INDEX mine ON {table} ({first})", f"COMMENT ON TABLE {table} IS 'x'",
    ):  # fmt: skip
        with psycopg.connect(dsn(ledger_url(migrated.app))) as connection:
            rows = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        assert rows != (0,) or table == "snapshot_hold", table
        if rows != (0,) or not statement.startswith(("UPDATE", "DELETE")):
            migrated.refused(statement)


def test_the_application_cannot_change_the_schema_or_itself(migrated: Roles) -> None:
    owner = ledger_url(migrated.owner).username
    for statement in (
        "CREATE TABLE mine (n int)", "CREATE SCHEMA mine", "DROP FUNCTION tpp_append_only CASCADE",
        "CREATE OR REPLACE FUNCTION tpp_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SET session_replication_role = replica",
        f"SET ROLE {owner}", "ALTER ROLE CURRENT_USER SUPERUSER", "ALTER SCHEMA public OWNER TO CURRENT_USER",
        "TRUNCATE account", "DROP TABLE alembic_version", "CREATE ROLE mine", "CREATE EXTENSION pgcrypto",
    ):  # fmt: skip
        migrated.refused(statement)
    with psycopg.connect(dsn(ledger_url(migrated.app))) as connection:
        query = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname IN (CURRENT_USER, %s)"
        assert set(connection.execute(query.encode(), [owner]).fetchall()) == {(False,) * 4}
        query = "SELECT DISTINCT privilege_type FROM information_schema.role_table_grants WHERE grantee = CURRENT_USER"
        granted = {name for (name,) in connection.execute(query.encode()).fetchall()}
        assert granted == {"SELECT", "INSERT", "UPDATE", "DELETE"}


def test_without_tables_the_application_says_who_must_make_them(roles: Roles) -> None:
    for words in (["screen", str(QUICKSTART)], ["migrate"]):
        done = roles.tpp(*words)
        assert (done.exit_code, done.stdout) == (2, ""), done.output
        assert done.stderr == (
            "Error: the role of the ledger's URL may not do this (permission denied for schema public); create or upgrade "
            "the tables by `tpp migrate` with the role that owns the schema\n"
        )


def test_tables_of_an_earlier_program_are_not_upgraded_by_the_application(migrated: Roles) -> None:
    with psycopg.connect(dsn(ledger_url(migrated.owner))) as connection:
        connection.execute(b"UPDATE alembic_version SET version_num = '0002'")
    done = migrated.tpp("balance")
    assert done.exit_code == 2
    assert "run `tpp migrate`" in done.stderr
    done = migrated.tpp("migrate")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "with the role that owns the schema" in done.stderr
