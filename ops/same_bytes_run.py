"""Runs one commit on the inputs of `ops/same_bytes.py` and writes down all that goes out: `python … PLAN`.

It runs in the working folder of its side, with the commit's tree first on PYTHONPATH, and knows of the commit no more
than its console script and that its tables are tables. PLAN is a JSON file, `Plan` says of what. Written are files
`out/KIND/DATABASE/INPUT/…`; KIND is answers, rejections, readings, exports, tables, help or verified.
"""

import csv
import importlib
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import psycopg
from click.testing import CliRunner
from sqlalchemy import MetaData, create_engine, make_url, select
from sqlalchemy import text as sql

RECORDED = 4_102_444_800_000_000
"""The year 2100 in microseconds. A record is never dated before the one before it: on a ledger whose head says this
instant, every record bears it, and nothing that goes out depends on the clock."""

PERIOD, AS_OF = "2025-Q3", "2025-06-30"
EXPLAINED = 24
"""The most shipments of a ledger that are explained."""


@dataclass(frozen=True)
class Plan:
    """What is run: `side` and `tree` of the commit, its console script `entry`, the `databases` by kind (the URL of a
    server, or none), the `inputs` of `inputs.json`; `verify`: instead, the URLs of ledgers by kind and input.
    """

    side: str
    tree: str
    entry: str
    databases: Mapping[str, str | None] = field(default_factory=dict)
    inputs: Sequence[Mapping[str, Any]] = ()
    verify: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Command:
    """The commit's `tpp`, called inside of this process, which takes a tenth of the time."""

    def __init__(self, plan: Plan) -> None:
        module, _, name = plan.entry.partition(":")
        loaded = importlib.import_module(module)
        if not str(loaded.__file__).startswith(plan.tree):
            sys.exit(f"{module} was taken from {loaded.__file__}, which is not of {plan.side}")
        self.main: click.Command = getattr(loaded, name)

    def __call__(self, *words: str, env: Mapping[str, str] | None = None) -> tuple[bytes, str]:
        """What a command writes on standard output, and how it ends: exit code and standard error."""
        done = CliRunner().invoke(self.main, words, prog_name="tpp", env=env)
        crash = done.exception if done.exception and not isinstance(done.exception, SystemExit) else None
        return done.stdout_bytes, f"exit {done.exit_code}\n{done.stderr}" + (f"raised {crash!r}\n" if crash else "")

    def help(self) -> Iterator[tuple[str, bytes]]:
        """Every command with its help."""
        names: list[tuple[str, ...]] = [()]
        for words in names:
            command = self.main
            for word in words:
                command = getattr(command, "commands", {})[word]
            names += [(*words, name) for name in getattr(command, "commands", ())]
            yield "-".join(("tpp", *words)), self(*words, "--help")[0]


class Databases:
    """Makes ledgers of one kind, each a copy of one that the commit's `tpp migrate` made."""

    def __init__(self, kind: str, server: str | None, side: str, command: Command) -> None:
        self.kind, self._server, self._side = kind, server, side
        self._template = self._make("template", None)
        command("migrate", "--ledger", self._template)
        engine = create_engine(self._template)
        with engine.begin() as connection:
            connection.execute(sql(f"UPDATE head SET recorded = {RECORDED}"))
        self._tables = MetaData()
        self._tables.reflect(engine)
        engine.dispose()

    def ledger(self, number: int) -> str:
        """The URL of a new ledger."""
        return self._make(str(number), self._template)

    def _make(self, name: str, template: str | None) -> str:
        if self._server is None:
            file = Path("ledgers") / f"{name}.db"
            file.parent.mkdir(exist_ok=True)
            if template is not None:
                shutil.copyfile(str(make_url(template).database), file)
            return f"sqlite:///{file}"
        server = make_url(self._server)
        database = f"{self._side}_{name}"
        source = make_url(template).database if template is not None else "template1"
        plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database} TEMPLATE {source}".encode())
        return server.set(database=database).render_as_string(hide_password=False)

    def rows(self, url: str) -> Iterator[tuple[str, list[str]]]:
        """Every table with its rows as JSON objects, in the order of the primary key."""
        engine = create_engine(url)
        with engine.connect() as connection:
            for table in sorted(self._tables.tables.values(), key=lambda one: one.name):
                found = connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
                yield table.name, [_line({name: _value(value) for name, value in row.items()}) for row in found]
        engine.dispose()


def _value(value: Any) -> Any:
    if not isinstance(value, bytes | memoryview):
        return value
    raw = bytes(value)
    try:
        return {"utf8": raw.decode()}
    except UnicodeDecodeError:
        return {"hex": raw.hex()}


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Run:
    """One input on one ledger of its own. A flow on PostgreSQL is brief: the forms for people are those of SQLite."""

    def __init__(self, command: Command, databases: Databases, given: Mapping[str, Any], number: int) -> None:
        self._command, self._databases = command, databases
        self._name, self._steps, self._env = given["name"], given["steps"], given["env"]
        self.url = databases.ledger(number)
        self._brief = databases.kind == "postgresql" and self._name.startswith("flow-")
        self._number = 0

    def _folder(self, kind: str) -> Path:
        folder = Path("out", kind, self._databases.kind, self._name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _tpp(self, *words: str) -> tuple[bytes, str]:
        written, end = self._command(*words, "--ledger", self.url, env=self._env)
        hidden = make_url(self.url).render_as_string(hide_password=True)
        return written.replace(hidden.encode(), b"LEDGER"), end.replace(hidden, "LEDGER").replace(self.url, "LEDGER")

    def _read(self, *words: str) -> bytes:
        """Keeps what a command writes under its words, and how it ends."""
        self._number += 1
        name = f"{self._number:02}-" + re.sub("[^A-Za-z0-9]+", "-", " ".join(words))[:60].strip("-")
        written, end = self._tpp(*words)
        (self._folder("readings") / f"{name}.{'json' if 'json' in words else 'text'}").write_bytes(written)
        (self._folder("readings") / f"{name}.end").write_text(end, "utf-8")
        return written

    def _forms(self, *forms: str, of: Sequence[str]) -> None:
        """Reads a command in several forms; JSON alone where the run is brief."""
        for form in forms:
            if form == "json" or not self._brief:
                self._read(*of, "--format", form)

    def all(self) -> None:
        """Screens the input, asks everything, and writes down the tables."""
        answers = self._screen()
        shipments = sorted({one["data"]["shipment_id"] for one in answers if "shipment_id" in one["data"]})
        self._questions(shipments)
        self._books(answers)
        self._proof(shipments)
        for table, rows in self._databases.rows(self.url):
            (self._folder("tables") / f"{table}.jsonl").write_text("".join(f"{row}\n" for row in rows), "utf-8")

    def _screen(self) -> list[dict[str, Any]]:
        """Checks and screens the files, then screens them again; the answers of the first time."""
        folder = self._folder("rejections" if self._name == "malformed" else "answers")
        files = [f"inputs/{name}" for step, name in self._steps if step == "screen"]
        checked, end = self._tpp("check", *files)
        (folder / "check.jsonl").write_bytes(checked)
        (folder / "check.end").write_text(end, "utf-8")
        answers = []
        for number, (step, name) in enumerate(self._steps, 1):
            if step == "close":
                self._read("snapshot", "close", name, "--format", "json")
                continue
            file = folder / f"screen-{number}.jsonl"
            end = self._tpp("screen", f"inputs/{name}", "--out", str(file))[1]
            (folder / f"screen-{number}.end").write_text(end, "utf-8")
            if file.exists():
                answers += [json.loads(line) for line in file.read_bytes().splitlines()]
        end = self._tpp("screen", *files, "--out", str(folder / "again.jsonl"))[1]
        (folder / "again.end").write_text(end, "utf-8")
        return answers

    def _questions(self, shipments: Sequence[str]) -> None:
        for words in (("balance",), ("holds",), ("obligations", "--all")):
            self._forms("table", "json", "csv", of=words)
        self._read("obligations", "--due-by", AS_OF, "--format", "json")
        self._read("balance", "--as-of", AS_OF, "--format", "json")
        self._read("balance", "*/2025", "flow/*", "--known-at", "record:5", "--format", "json")
        for shipment in shipments[:: len(shipments) // EXPLAINED + 1]:
            self._forms("text", "json", of=("explain", shipment))
        self._read("explain", "SHP-NOT-THERE")
        self._read("statement", "not/there")

    def _books(self, answers: Sequence[Mapping[str, Any]]) -> None:
        self._forms("table", "json", "csv", "hledger", of=("statement", "*"))
        self._read("statement", "*", "--from", "2025-06-03", "--to", AS_OF, "--format", "json")
        exports = self._folder("exports")
        self._read("snapshot", "close", PERIOD, "--format", "json")
        self._read("snapshot", "close", "2025-12")
        self._forms("table", "json", of=("snapshot", "list"))
        for form in ("csv",) if self._brief else ("csv", "xlsx", "parquet", "hledger"):
            self._read("snapshot", "export", PERIOD, "--format", form, "--out", str(exports / form))
        self._read("balance", "--known-at", f"snapshot:{PERIOD}", "--format", "json")
        for form in () if self._brief else ("xlsx", "parquet"):
            self._read("statement", "*", "--format", form, "--out", str(exports / f"statement.{form}"))
        file = exports / "theirs.csv"
        file.write_text(theirs(answers), "utf-8")
        self._forms("table", "json", of=("reconcile", str(file)))

    def _proof(self, shipments: Sequence[str]) -> None:
        exports = self._folder("exports")
        for shipment in shipments[:1]:
            self._forms("text", "json", of=("audit", "prove", shipment))
        early = exports / "early.checkpoint"
        self._read("audit", "checkpoint", "--out", str(early))
        self._read("audit", "consistency", str(early))
        if shipments:
            chosen = shipments[:3]
            self._read("audit", "export", *chosen, "--since", str(early), "--out", str(exports / "pack"))
        key = self._read("audit", "key").decode().partition("\n")[0]
        if (exports / "pack").exists() and not self._name.startswith("flow-"):
            verifier = [sys.executable, "-I", "verify.py", key]
            done = subprocess.run(verifier, cwd=exports / "pack", capture_output=True, check=False)
            (exports / "verifier.text").write_bytes(b"exit %d\n" % done.returncode + done.stdout + done.stderr)
        self._forms("text", of=("audit", "verify"))
        written = self._read("audit", "verify", "--checkpoint", str(early), "--format", "json")
        (self._folder("verified") / "verify.json").write_bytes(written)


def theirs(answers: Sequence[Mapping[str, Any]]) -> str:
    """A statement of another system, as CSV: of every third debit nothing, of the next one TPP more."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("shipment_id", "account", "date", "amount"))
    number = 0
    for answer in answers:
        for debit in answer["data"].get("debits", ()):
            number += 1
            if number % 3:
                shipment = answer["data"]["shipment_id"]
                writer.writerow((shipment, debit["account"], "2025-06-05", debit["amount"] + (number % 3 == 1)))
    return text.getvalue()


def run(plan: Plan) -> None:
    """Runs every input on every kind of database; `ledgers.json` gets the URLs, by kind and input."""
    command = Command(plan)
    folder = Path("out/help/commands/help")
    folder.mkdir(parents=True)
    for name, page in command.help():
        (folder / f"{name}.text").write_bytes(page)
    made: dict[str, dict[str, str]] = {}
    for kind, server in plan.databases.items():
        databases = Databases(kind, server, plan.side, command)
        for number, given in enumerate(plan.inputs, 1):
            one = Run(command, databases, given, number)
            one.all()
            url = make_url(one.url)
            if server is None:
                url = url.set(database=str(Path(str(url.database)).resolve()))
            made.setdefault(kind, {})[given["name"]] = url.render_as_string(hide_password=False)
    Path("ledgers.json").write_text(json.dumps(made), "utf-8")


def verify(plan: Plan) -> None:
    """Verifies the ledgers of another commit, brought to this one's tables; `over` gets what is found."""
    command = Command(plan)
    for kind, ledgers in plan.verify.items():
        for name, url in ledgers.items():
            folder = Path("over", kind, name)
            folder.mkdir(parents=True)
            given = next(one for one in plan.inputs if one["name"] == name)
            command("migrate", "--ledger", url)
            early = f"../old/out/exports/{kind}/{name}/early.checkpoint"
            words = ("audit", "verify", "--checkpoint", early, "--format", "json", "--ledger", url)
            written, end = command(*words, env=given["env"])
            (folder / "verify.json").write_bytes(written or end.encode())


if __name__ == "__main__":
    chosen = Plan(**json.loads(Path(sys.argv[1]).read_text("utf-8")))
    (verify if chosen.verify else run)(chosen)
