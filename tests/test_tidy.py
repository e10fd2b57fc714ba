"""What a machine can hold of the house rules: sizes, docstrings, no law in code, examples, documents."""

import ast
import gzip
import re
import subprocess
from pathlib import Path

import pytest

from schemas.event_types import INCOMING
from schemas.wire.read import Event, Rejection, parse

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "rulebook", "ledger", "services")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]
LONGEST_FILE, LONGEST_FUNCTION, LONGEST_LINE = 400, 50, 120


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def test_import_linter_sees_every_folder_of_code() -> None:
    folders = {path.parent for path in SOURCES if "migrations" not in path.parts}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_the_law_touches_no_clock_file_database_or_chance() -> None:
    forbidden = re.compile(r"\b(datetime\.now|time\.time|random|sqlalchemy|urllib|socket|subprocess|open\()")
    found = [
        f"{path.name}: {m[0]}"
        for path in (ROOT / "rulebook").rglob("*.py")
        for m in forbidden.finditer(path.read_text("utf-8"))
    ]
    assert [one for one in found if not one.startswith("values.py")] == []


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_files_functions_and_lines_are_short(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= LONGEST_FILE
    assert [n for n, line in enumerate(lines, 1) if len(line) > LONGEST_LINE] == []
    if "migrations" in path.parts:
        return
    long = [
        node.name
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_public_things_have_a_docstring(path: Path) -> None:
    tree = _tree(path)
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    without = [] if ast.get_docstring(tree) else ["the module"]
    public = [node for node in ast.walk(tree) if isinstance(node, kinds) and not node.name.startswith("_")]
    without += [node.name for node in public if not ast.get_docstring(node)]
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = {
        inside.name
        for node in functions
        for inside in ast.walk(node)
        if inside is not node and isinstance(inside, kinds)
    }
    assert [name for name in without if name not in inner] == []


def _texts(path: Path) -> list[str]:
    """Every text and number of a module's code, its docstrings and the citations of its provisions left out."""
    tree = _tree(path)
    documents = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    cited = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for first in node.args[:1]
        for inner in ast.walk(first)
        if isinstance(node.func, ast.Name) and node.func.id == "provision"
    }
    skipped = documents | cited
    return [
        str(n.value)
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and id(n) not in skipped and not isinstance(n.value, bool)
    ]


def test_no_country_figure_or_eccn_stands_in_code() -> None:
    eccn = re.compile(r"\b[0-9][A-E][0-9]{3}(\.[a-z0-9]+)*\b")
    figures = {
        "26900000",
        "790000000",
        "253000000",
        "3200000",
        "4800",
        "1600",
        "2400",
        "5.92",
        "3.2",
        "21000",
        "6500",
        "633000000",
    }
    code = [path for path in SOURCES if not path.is_relative_to(ROOT / "schemas")]
    texts = [(path, text) for path in code for text in _texts(path)]
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path, text in texts
        if text in figures
        or re.fullmatch("[A-Z]{2}", text)
        or (eccn.search(text) and "CFR" not in text and "ECCN" not in text)
    ]
    assert found == []


def test_documents_speak_of_the_project_alone() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    machine = re.compile(r"(^|[^A-Za-z0-9_.$}])/(work|root|farm)/|index-url|pypi\.org|registry\.npmjs")
    found = []
    for name in tracked:
        path = ROOT / name
        if (
            path.suffix in {".md", ".py", ".toml", ".lock", ".yml", ".yaml", ".txt"}
            and path.name != "test_tidy.py"
            and path.is_file()
        ):
            found += [f"{name}: {m[0]}" for m in machine.finditer(path.read_text("utf-8"))]
    assert found == []


def _lines(name: str) -> list[bytes]:
    raw = (ROOT / "examples" / name).read_bytes()
    return (gzip.decompress(raw) if name.endswith(".gz") else raw).splitlines()


def test_the_examples_read_but_for_the_line_that_is_malformed_on_purpose() -> None:
    quick = [parse(line) for line in _lines("quickstart.jsonl")]
    assert sum(isinstance(one, Rejection) for one in quick) == 1
    clusters = [parse(line) for line in _lines("gpu-clusters.jsonl.gz")]
    assert len(clusters) == 2903
    assert all(isinstance(one, Event) for one in clusters)


def test_every_event_type_is_handled_and_has_an_example() -> None:
    from services.engine.handlers import HANDLERS

    assert HANDLERS.keys() == INCOMING.keys()
    assert {path.stem for path in (ROOT / "examples/events").glob("*.json")} == INCOMING.keys()


def test_lock_files_name_versions_and_hashes_and_no_index() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text
        pinned = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
        assert all("==" in line for line in pinned)
        assert text.count("--hash=sha256:") >= len(pinned)
