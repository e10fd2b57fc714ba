"""Proves that a restructuring changed no byte: runs two commits on the same inputs and compares all that goes out.

    python ops/same_bytes.py 9e9e8f1 HEAD
    python ops/same_bytes.py v0.1.0 HEAD --but message,software --but-type tpp.event.refused.v1
    python ops/same_bytes.py HEAD~1 HEAD --only quickstart,flow-lpp --database sqlite

Each commit is unpacked into a folder of its own and run, with this Python and its packages, through its own console
script, on the examples, on every flow of the tests and on every malformed message, each on a ledger of its own, in a
SQLite file and in a PostgreSQL server that is started for the run. Compared are:

  answers, rejections   what `tpp check`, `tpp screen` and a second `tpp screen` of the same file give out
  readings              balance, holds, obligations, explain, statement, snapshot, reconcile, audit: every form
  exports               snapshots as CSV, XLSX, Parquet and hledger, statements, checkpoints, packs for an examiner
  tables                every row of every table
  help                  the help of every command
  verified              what NEW's `tpp audit verify` says of OLD's ledgers, beside what it says of its own

Times, digests and signatures are compared too: each ledger begins in the year 2100, and a record is never dated before
the one before it, so that the clock dates none. Kafka is not run; its messages are the answers in the table `journal`.

Exit 0: all is the same; 1: something differs; 2: the comparison could not be made.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))

from same_bytes_compare import But, Group, compare, counted  # noqa: E402  (the path is set above)
from same_bytes_run import Plan  # noqa: E402

SIDES = ("old", "new")
KINDS = ("sqlite", "postgresql")
LONGEST = 900
"""Seconds after which a process is given up."""


class CannotCompare(Exception):
    """The comparison could not be made: why, in a sentence."""


def unpack(commit: str, tree: Path) -> str:
    """Writes a commit's files into a folder, with the metadata of its version, and returns its console script."""
    tree.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        raise CannotCompare(f"{commit} is not a commit of this repository")
    subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)
    project = tomllib.loads((tree / "pyproject.toml").read_text("utf-8"))["project"]
    metadata = tree / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    text = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(text, "utf-8")
    groups = {"console_scripts": project["scripts"], **project.get("entry-points", {})}
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups.items()]
    (metadata / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    return str(project["scripts"]["tpp"])


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server that is started from the machine's own binaries and ends with the block."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: int(one.parent.name))
    programs = Path(found).resolve().parent if found else next(reversed(folders), None)
    if programs is None:
        raise CannotCompare("PostgreSQL is not installed; name --database sqlite to compare without it")
    with tempfile.TemporaryDirectory(prefix="tpp-pg-", ignore_cleanup_errors=True) as name:
        folder, user = Path(name), "nobody" if os.geteuid() == 0 else None
        if user:
            shutil.chown(folder, user)

        def call(*words: str) -> None:
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run(
                [programs / words[0], "-D", folder / "data", *words[1:]], check=True, user=user, cwd=folder, **quiet
            )

        call("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={folder}"
        call("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", options)
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            call("pg_ctl", "stop", "-m", "immediate")


def environment(tree: Path) -> dict[str, str]:
    """The environment of a process: the caller's without settings of ours, and everything that output may depend on."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TPP_", "PYTHON"))}
    fixed = {"COLUMNS": "200", "LINES": "50", "TERM": "dumb", "NO_COLOR": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    fixed |= {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
    return plain | fixed | {"PYTHONPATH": str(tree)}


def together(*calls: tuple[Sequence[object], Path, Path]) -> None:
    """Runs Python scripts side by side, each with its words, its folder and its tree; CannotCompare where one fails."""
    started = time.monotonic()
    with ExitStack() as ended:
        running = []
        for words, folder, tree in calls:
            log = ended.enter_context(tempfile.TemporaryFile())
            command = [sys.executable, "-P", *map(str, words)]
            process = subprocess.Popen(command, cwd=folder, env=environment(tree), stdout=log, stderr=log)
            ended.enter_context(process)
            ended.callback(process.kill)
            running.append((words, process, log))
        for words, process, log in running:
            try:
                code: int | str = process.wait(max(1, LONGEST - (time.monotonic() - started)))
            except subprocess.TimeoutExpired:
                code = f"after {LONGEST} s"
            if code:
                log.seek(0)
                tail = log.read().decode(errors="replace")[-3_000:]
                raise CannotCompare(f"{Path(str(words[0])).name} failed ({code}) in {process.args[-1]}:\n{tail}")


class Comparison:
    """Two commits in a folder `work`: `old/` and `new/` with tree, ledgers and output of each."""

    def __init__(self, work: Path, commits: Sequence[str]) -> None:
        self._work = work
        self._entries = dict(zip(SIDES, (self._unpack(*one) for one in zip(SIDES, commits, strict=True)), strict=True))
        self.inputs: list[dict[str, Any]] = []

    def _unpack(self, side: str, commit: str) -> str:
        (self._work / side).mkdir()
        return unpack(commit, self._work / side / "tree")

    def _tree(self, side: str) -> Path:
        return self._work / side / "tree"

    def out(self, side: str) -> Path:
        """The folder of what went out on a side."""
        return self._work / side / "out"

    def make_inputs(self, only: Sequence[str]) -> None:
        """Makes the inputs of NEW's tests, or those of them whose names begin as `only` says, and a signing key."""
        folder = self._work / "inputs"
        folder.mkdir()
        together(([HERE / "same_bytes_inputs.py", self._tree("new"), folder], folder, self._tree("new")))
        given = json.loads((folder / "inputs.json").read_text("utf-8"))
        self.inputs = [one for one in given if not only or one["name"].startswith(tuple(only))]
        if not self.inputs:
            raise CannotCompare(f"no input begins with {' or '.join(only)}")
        module, _, name = self._entries["new"].partition(":")
        together((["-c", f"import {module} as m; m.{name}(['audit', 'key'])"], folder, self._tree("new")))
        for side in SIDES:
            (self._work / side / "inputs").symlink_to(folder)
            shutil.copy2(folder / "tpp-signing.key", self._work / side)

    def run(self, databases: Mapping[str, str | None]) -> None:
        """Runs both commits side by side on all inputs, then NEW's verification over OLD's ledgers."""
        self._call(*(self._plan(side, f"{side}.json", databases=databases, inputs=self.inputs) for side in SIDES))
        ledgers = json.loads((self._work / "old" / "ledgers.json").read_text("utf-8"))
        self._call(
            *(
                self._plan("new", f"verify-{kind}.json", inputs=self.inputs, verify={kind: found})
                for kind, found in ledgers.items()
            )
        )

    def _plan(self, side: str, name: str, **parts: Any) -> tuple[str, str]:
        plan = Plan(side, str(self._tree(side)), self._entries[side], **parts)
        (self._work / side / name).write_text(json.dumps(asdict(plan)), "utf-8")
        return side, name

    def _call(self, *plans: tuple[str, str]) -> None:
        script = HERE / "same_bytes_run.py"
        together(*(([script, name], self._work / side, self._tree(side)) for side, name in plans))

    def groups(self, but: But) -> Iterator[Group]:
        """What differs between the two sides, and what NEW finds bad in OLD's ledgers."""
        yield from compare(self.out("old"), self.out("new"), but)
        for folder in sorted((self._work / "new" / "over").iterdir()):
            yield verification(folder, self.out("new") / "verified" / folder.name, but)


def verification(folder: Path, own: Path, but: But) -> Group:
    """What NEW's verification says of OLD's ledgers: each is ok, and as NEW's own ledger, root and coverage too.

    Where answers may differ it must be ok alone.
    """
    group = Group(f"OLD's ledgers verified by NEW, {folder.name}")
    for name in sorted(path.name for path in folder.iterdir()):
        text = (folder / name / "verify.json").read_text("utf-8")
        found = json.loads(text) if text.startswith("{") else {"bad": [text], "not_records": []}
        expected = text if but.some else (own / name / "verify.json").read_text("utf-8")
        group.add(name, "verify.json", expected.split("\n"), text.split("\n"))
        group.add(name, "bad", [], [json.dumps(one) for one in found["bad"]])
        for one in found["not_records"]:
            column = f"{one['table']}.{one['column']}" if one["column"] else str(one["table"])
            group.uncovered.setdefault(re.sub(r"\d+", "N", one["why"]), set()).add(column)
    return group


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exit 2 where it is wrong."""
    about = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    about.add_argument("old", metavar="OLD", help="The commit before.")
    about.add_argument("new", metavar="NEW", help="The commit after; its tests give the inputs.")
    about.add_argument(
        "--but",
        metavar="FIELD[,FIELD]...",
        default="",
        help="members that may differ, wherever they stand in a JSON document, and columns of these names: message, "
        "detail, contents, software, rulebook_digest, sequence or any other. Then what is not JSON (tables for people, "
        "help, standard error, packs) is not compared, digests are not, and the verification of OLD's ledgers must be "
        "ok, whatever it covers. `verifier` alone is not a member: the program verify.py of a pack may differ, with "
        "pack.json and pack.note, which name its digest.",
    )
    about.add_argument(
        "--but-type",
        metavar="TYPE[,TYPE]...",
        default="",
        help="event types that may differ, such as tpp.event.refused.v1: an event that goes out with such a type on "
        "either side is left out on both, by its id, which derives from the event that caused it. What is left is "
        "compared as with --but; where an event comes or goes, the `sequence` of those after it differs too.",
    )
    about.add_argument("--only", metavar="NAME[,NAME]...", default="", help="inputs whose names begin so")
    about.add_argument("--database", choices=KINDS, action="append", help="only this kind [default: both]")
    about.add_argument("--differences", type=int, metavar="N", default=3, help="of each group shown [default: 3]")
    about.add_argument("--keep", type=Path, metavar="FOLDER", help="a new folder in which everything is left")
    return about.parse_args(words)


def _uncovered(group: Group) -> Iterator[tuple[str, str]]:
    return ((why, ", ".join(sorted(columns))) for why, columns in group.uncovered.items())


def listed(text: str) -> tuple[str, ...]:
    """The parts of an option's value."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def main(words: Sequence[str] | None = None) -> int:
    """Compares and reports; the exit code."""
    options = arguments(words)
    members = listed(options.but)
    but = But(frozenset(members) - {"verifier"}, frozenset(listed(options.but_type)), "verifier" in members)
    kinds = options.database or KINDS
    started = time.monotonic()
    try:
        with ExitStack() as ended:
            work = options.keep or Path(ended.enter_context(tempfile.TemporaryDirectory(prefix="tpp-bytes-")))
            work.mkdir(parents=True, exist_ok=options.keep is None)
            server = ended.enter_context(postgresql()) if "postgresql" in kinds else None
            comparison = Comparison(work.resolve(), (options.old, options.new))
            comparison.make_inputs(listed(options.only))
            comparison.run({kind: server if kind == "postgresql" else None for kind in kinds})
            groups = list(comparison.groups(but))
    except (CannotCompare, OSError, subprocess.CalledProcessError) as error:
        print(f"same_bytes.py: {error}", file=sys.stderr)
        return 2
    for group in groups:
        if group.inputs:
            print(group.text(options.differences))
    for why, columns in sorted({pair for group in groups for pair in _uncovered(group)}):
        print(f"not covered by the verification of OLD's ledgers: {columns}: {why}")
    differ = [group.name for group in groups if group.differences]
    counts = f"{counted(len(comparison.inputs), 'input')}, {sum(group.lines for group in groups):,} lines"
    result = f"DIFFERENT: {'; '.join(differ)}" if differ else "the same"
    print(f"{options.old} and {options.new}: {counts}, {time.monotonic() - started:.0f} s: {result}")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
