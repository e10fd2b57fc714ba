"""What a machine can hold of the house rules: sizes, docstrings, no law in code, examples, documents."""

import ast
import gzip
import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from schemas import accounts
from schemas.codes import ReasonCode
from schemas.event_types import INCOMING, OF_COMMANDS
from schemas.models.parts import AuthorizationKind
from schemas.wire.read import Event, Rejection, parse

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "rulebook", "ledger", "services")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]
FOLDERS = sorted({path.parent for path in SOURCES} - {ROOT / "rulebook/sections"})
LONGEST_FILE, LONGEST_CLASS, LONGEST_FUNCTION, LONGEST_LINE = 400, 150, 50, 120
MOST_FILES = 16
STUBS = {"import-untyped", "misc", "no-any-return", "no-untyped-call", "union-attr", "untyped-decorator"}
"""What mypy says of other people's packages that have no types, or the wrong ones."""


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


def test_files_of_tests_and_tools_are_short() -> None:
    paths = [
        path for part in ("tests", "ops") for path in (ROOT / part).rglob("*.py") if "node_modules" not in path.parts
    ]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in paths}
    assert len(lengths) > 200 and {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_classes_are_short(path: Path) -> None:
    """A class without a method is a table, such as the reason codes, and as long as it has rows."""
    classes = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.ClassDef)]
    classes = [node for node in classes if any(isinstance(part, ast.FunctionDef) for part in node.body)]
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in classes}
    assert {name: length for name, length in lengths.items() if length > LONGEST_CLASS} == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=[str(folder.relative_to(ROOT)) for folder in FOLDERS])
def test_a_folder_holds_few_files(folder: Path) -> None:
    files = sorted(path.name for path in SOURCES if path.parent == folder and folder.name != "versions")
    assert len(files) <= MOST_FILES, files


def test_no_two_files_of_tests_have_one_name() -> None:
    """In folders that are no packages pytest imports a file by its name alone, and does not run a second one."""
    files = (path for path in (ROOT / "tests").rglob("*.py") if not (path.parent / "__init__.py").exists())
    names = [path.name for path in files if path.name != "conftest.py"]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_a_type_is_ignored_only_for_the_stubs_of_others(path: Path) -> None:
    ignored = re.findall(r"# type: ignore(?:\[([a-z, -]+)\])?", path.read_text("utf-8"))
    assert [codes for codes in ignored if not set(codes.split(", ")) <= STUBS] == []


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


def _documents(tree: ast.AST) -> set[int]:
    """The ids of the docstrings: texts that stand alone."""
    alone = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    return {id(text) for text in alone if isinstance(text, ast.Constant)}


def _texts(path: Path) -> list[str]:
    """Every text and number of a module's code, its docstrings and the citations of its provisions left out."""
    tree = _tree(path)
    cited = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for first in node.args[:1]
        for inner in ast.walk(first)
        if isinstance(node.func, ast.Name) and node.func.id == "provision"
    }
    skipped = _documents(tree) | cited
    return [
        str(n.value)
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and id(n) not in skipped and not isinstance(n.value, bool)
    ]


FAMILIES = {*accounts.FAMILIES, "nac", "flow"}
OF_THE_LAW = re.compile(
    rf"""^(?:{"|".join(FAMILIES)})(?:/|$)                    # an account's family, alone or at the head of a path
    |\b(?:{"|".join(get_args(AuthorizationKind))})\b         # an authorization
    |(?<![\w.])(?:{"|".join(map(re.escape, ReasonCode))})(?![\w.])
    |outside-us|outside-5a|2025-2027""",
    re.VERBOSE,
)
NEUTRAL = [
    path for path in SOURCES if path.is_relative_to(ROOT / "ledger") or path.is_relative_to(ROOT / "services/engine")
]


@pytest.mark.parametrize("path", NEUTRAL, ids=[str(path.relative_to(ROOT)) for path in NEUTRAL])
def test_engine_and_ledger_name_no_law(path: Path) -> None:
    """Only rulebook and schemas know a family, an authorization or a reason code by its name."""
    assert [text for text in _texts(path) if OF_THE_LAW.search(text)] == []


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


ODD_ENGLISH = {
    r"(?<!here )\bis no (?!longer|more|other|part of|obstacle)\w+": "is not a …; does not exist",
    r"\bare no (?!longer|more)\w+ (?!are|in|to)": "are not …",
    r"\b(?:that|which) (?:is|are) not there\b": "missing",
    r"\bthose that are there\b": "the existing ones",
    r"\bwhere it is none\b|\bwhat is none\b": "if it is not a …",
    r"\bparted by\b": "separated by",
    r"\bmakes one\b": "creates it",
    r"\bpassed by\b": "skipped",
    r"\bmissing (?:here|there)\b": "only in the statement, only in the ledger",
    r"\bclock's right\b": "the clock lock",
    r"\ba failure has ended\b": "has failed",
    r"\bby its byte\b": "at byte …",
    r"\bworked off\b": "processed",
    r"\bmoves nothing\b": "changes no balance",
    r"\bdoes not allow this event\b": "can only be …",
    r"\ba (?:text|number) of (?:a pattern|at least)\b": "one sentence a kind",
    r"\bno day such as\b|\bno integer of\b": "is not a date such as …; is not a whole number up to …",
}
"""Words that were written and are not English as others write it, and what to write in their place."""


def _prose() -> dict[str, list[str]]:
    """The texts that people read, by file: messages, help, docstrings and documents; those of the law left out."""
    listed = ["git", "ls-files", "*.md", *(f"{name}/*.py" for name in ("schemas", "ledger", "services", "ops"))]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    found = {}
    for name in names:
        path = ROOT / name
        if name.startswith(("rulebook/", "tests/")) or not path.is_file():
            continue
        texts = [path.read_text("utf-8")]
        if path.suffix == ".py":
            texts = [n.value for n in ast.walk(_tree(path)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        found[name] = [" ".join(text.split()) for text in texts]
    return found


PROSE = _prose()


@pytest.mark.parametrize(
    "odd", ODD_ENGLISH, ids=[words.replace(" …", "").replace("…", "") for words in ODD_ENGLISH.values()]
)
def test_no_odd_english(odd: str) -> None:
    found = [
        f"{name}: …{text[max(0, m.start() - 30) : m.end() + 30]}…"
        for name, texts in PROSE.items()
        for text in texts
        for m in re.finditer(odd, text)
    ]
    assert found == [], f"write: {ODD_ENGLISH[odd]}"


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

    assert HANDLERS.keys() == INCOMING.keys() | OF_COMMANDS.keys()
    assert {path.stem for path in (ROOT / "examples/events").glob("*.json")} == INCOMING.keys()


def test_lock_files_name_versions_and_hashes_and_no_index() -> None:
    for name in ("requirements.lock", "requirements-extras.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text
        pinned = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
        assert all("==" in line for line in pinned)
        assert text.count("--hash=sha256:") >= len(pinned)
