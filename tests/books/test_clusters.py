"""The example of the clusters, closed by quarter and exported in every form by the command itself."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
from books_readers import READERS, Told, caller
from databases import KINDS, Databases, Server

EXAMPLE = Path(__file__).parents[2] / "examples/gpu-clusters.jsonl.gz"
BEFORE = ("2025-Q2", "2025-Q3", "2025-Q4")
"""Closed while events of November 2025 and later are still to come."""
AFTER = ("2026-Q1", "2025", "2026-Q2")
Files = dict[str, bytes]


class Clusters(NamedTuple):
    """A ledger of the example, and what its snapshots gave before the later events came."""

    call: Callable[..., Told]
    folder: Path
    closed: list[dict[str, object]]
    first: dict[tuple[str, str], Files]


def exported(call: Callable[..., Told], name: str, form: str, folder: Path) -> Files:
    """The files of an export, by name."""
    told = call("snapshot", "export", name, "--format", form, "--out", str(folder))
    assert (told.code, told.error) == (0, "")
    paths = [Path(line) for line in told.out.decode().splitlines()]
    assert sorted(paths) == sorted(folder.iterdir())
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def both(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Clusters]]:
    """The example on both databases."""
    made = {}
    with ExitStack() as stack:
        for kind in KINDS:
            folder = tmp_path_factory.mktemp(kind)
            databases = Databases(kind, folder, postgres if kind == "postgresql" else None)
            url = databases.ledger()
            stack.callback(databases.drop, url)
            made[kind] = halves(url, folder)
        yield made


@pytest.fixture(params=KINDS)
def clusters(request: pytest.FixtureRequest, both: dict[str, Clusters]) -> Clusters:
    """The example on one of them."""
    return both[request.param]


def halves(url: str, folder: Path) -> Clusters:
    """The example in two halves, quarters closed after each."""
    call = caller(url, folder)
    assert call("audit", "key", "--new").code == 0
    lines = gzip.decompress(EXAMPLE.read_bytes()).splitlines(keepends=True)
    half = next(place for place, line in enumerate(lines) if b'"time":"2025-11-10' in line)
    first: dict[tuple[str, str], Files] = {}
    closed = []
    for part, names in ((lines[:half], BEFORE), (lines[half:], AFTER)):
        (folder / "part.jsonl").write_bytes(b"".join(part))
        assert call("screen", str(folder / "part.jsonl"), "--out", str(folder / "answers.jsonl")).code == 0
        closed += [call("snapshot", "close", name, "--format", "json").json for name in names]
        for name, form in product(names, READERS) if names == BEFORE else ():
            first[name, form] = exported(call, name, form, folder / "first" / name / form)
    return Clusters(call, folder, closed, first)


def test_the_closes_are_listed_as_they_were_told(clusters: Clusters) -> None:
    assert clusters.call("snapshot", "list", "--format", "json").json == clusters.closed
    assert [one["snapshot_id"] for one in clusters.closed] == [*BEFORE, *AFTER]
    late = clusters.call("statement", "*", "--format", "json").json
    assert {row["late_for"] for row in late} == {None, "2025-Q4"}
    assert {row["booked"] for row in late if row["late_for"]} == {"2026-01-01"}


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize("name", BEFORE)
def test_exports_are_the_same_bytes_after_more_events_and_closes(clusters: Clusters, name: str, form: str) -> None:
    assert exported(clusters.call, name, form, clusters.folder / "again" / name / form) == clusters.first[name, form]


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize("name", ["2025-Q4", "2025", "2026-Q1"])
def test_every_form_has_the_figures_of_balance(clusters: Clusters, name: str, form: str) -> None:
    folder = clusters.folder / "read" / name / form
    exported(clusters.call, name, form, folder)
    snapshot = next(one for one in clusters.closed if one["snapshot_id"] == name)
    words = ("--as-of", str(snapshot["as_of"]), "--known-at", f"snapshot:{name}", "--format", "json")
    told = clusters.call("balance", *words).json
    parts = ("pending", "posted", "attested", "credits", "balance")
    wanted = {row["account"]: tuple(row[part] for part in parts) for row in told}
    assert len(wanted) == snapshot["accounts"] > 5
    assert READERS[form](folder, name) == wanted


def test_both_databases_give_the_same_files(both: dict[str, Clusters]) -> None:
    one, other = both.values()
    assert one.closed == other.closed
    assert one.first == other.first
    names = {name for (_, form), files in one.first.items() if form == "csv" for name in files}
    assert names == {"accounts.csv", "entries.csv", "holds.csv", "datapackage.json"}
