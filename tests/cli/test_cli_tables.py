"""Tables at every width: no figure is cut and no key dropped, however narrow the terminal and long the values."""

import os
import pty
import re
import struct
import subprocess
import tty
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any

import orjson
import pytest
from cli_events import event, lines, request
from cli_run import TPP, Tpp, runner
from terminals import told_on
from waiting import PATIENCE

from services.cli.terminal.grid import Grid, text_of

WIDTHS = (60, 80, 100, 120, 200)
MOST = 2**53 - 1
LONG = "C" + "ON-0123456789." * 9
KEYS = re.compile(r"account|shipment_id|snapshot_id|period|party|shipment")
COMMANDS = (
    ["balance"], ["balance", "lpp/*"], ["statement", "*"], ["statement", "lpp/CON-1/2025"], ["holds"],
    ["holds", "--summary"], ["obligations"], ["obligations", "--all"], ["shipments"], ["alerts"], ["thresholds"],
    ["balance", "--sort", "used"], ["snapshot", "list"], ["reconcile", "s.csv", "--account", "lpp/CON-1/2025"],
)  # fmt: skip


def on_terminal(folder: Path, width: int, *words: str, env: dict[str, str] | None = None) -> tuple[int, bytes]:
    """The exit code and what a command writes on a terminal of this width."""
    master, terminal = pty.openpty()
    tty.setraw(terminal)
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_") and name != "COLUMNS"}
    run = subprocess.Popen(
        [TPP, *words], cwd=folder, env=plain | (env or {}), stdin=terminal, stdout=terminal, stderr=subprocess.DEVNULL
    )
    os.close(terminal)
    told = told_on(master)
    code = run.wait(PATIENCE)
    os.close(master)
    return code, told


def _of_another(number: int) -> bytes:
    return request(f"SHP-{number}", number, consignee=f"CON-{number}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with 86 consignees and more, with the longest ids and the largest amounts, and a statement of it."""
    made = tmp_path_factory.mktemp("wide")
    most = {"part": "P-1", "designer": "Nvidia Corporation", "quantity": 1, "tpp": MOST, "density": 19}
    events = [
        request("SHP-1", 1_000),
        request("SHP-2", 1_000),
        request(LONG[:120], to="DE", claim="AIA", papers=["aia 2025-02-01"], **most),
        event("l", "license.issued", {"number": LONG[:60], "consignee": LONG[:100], "country": "IN", "tpp": MOST}),
        *map(_of_another, range(100, 186)),
    ]  # fmt: skip
    tpp = runner(made)
    assert tpp("screen", "-", stdin=lines(*events)).returncode in (0, 1)
    assert len(orjson.loads(tpp("balance", "--format", "json").stdout)) >= 86
    assert tpp("snapshot", "close", "2025-06").returncode == 0
    statement = f"shipment_id,account,date,amount\nSHP-1,lpp/CON-1/2025,2025-06-20,{MOST}\n{LONG},lpp/CON-1/2025,2025-06-20,{MOST}\n"
    (made / "s.csv").write_text(statement)
    return made


def wanted(value: Any, name: str = "") -> Iterator[str]:
    """The keys and the figures other than 0 of a JSON value, as text shows them: a share in percent."""
    if isinstance(value, dict):
        for member, inner in value.items():
            yield from wanted(inner, member)
    elif isinstance(value, list):
        for inner in value:
            yield from wanted(inner, name)
    elif name == "used" and value:
        yield f"{value // 10_000:,}.{value // 1_000 % 10}"
    elif isinstance(value, int) and not isinstance(value, bool) and value:
        yield f"{value:,}"
    elif isinstance(value, str) and KEYS.fullmatch(name):
        yield value


def missing(found: Any, text: str) -> list[str]:
    """What of it does not stand whole in the text."""
    words = set(re.findall(r"[^\s()]+", text)) | {word.rstrip(".,:;") for word in re.findall(r"[^\s()]+", text)}
    words |= {word.strip("'+") for word in words}
    return sorted({one for one in wanted(found) if one not in words})


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_key_and_figure_stands_whole(folder: Path, words: list[str]) -> None:
    found = orjson.loads(runner(folder)(*words, "--format", "json").stdout)
    assert found
    for width in WIDTHS:
        code, told = on_terminal(folder, width, *words)
        text = told.decode()
        assert code == (1 if words[0] == "reconcile" else 0)
        assert missing(found, text) == [], width
        assert "…" not in text
    assert missing(found, runner(folder)(*words).stdout.decode()) == []


def test_no_column_is_a_letter_wide(folder: Path) -> None:
    for width in WIDTHS:
        _, told = on_terminal(folder, width, "holds")
        assert not [line for line in told.decode().splitlines() if re.fullmatch(r"\s*\w\s*", line)]


def test_columns_that_are_zero_go_first_and_a_line_says_so() -> None:
    rows = [{"account": "lpp/A/2025", "posted": 26_900_000, "attested": 0, "credits": 0, "note": None}] * 2
    grid = Grid({name: name for name in rows[0]}, rows, frozenset({"account"}))
    assert text_of(grid, 60).splitlines()[0] == " account          posted   attested   credits   note"
    assert text_of(grid, 30).splitlines() == [
        " account          posted",
        " ───────────────────────",
        " lpp/A/2025   26,900,000",
        " lpp/A/2025   26,900,000",
        " 0 or empty in every row: attested, credits, note",
    ]
    assert text_of(grid, 20).splitlines() == [
        " account  lpp/A/2025",
        " posted   26,900,000",
        "",
        " account  lpp/A/2025",
        " posted   26,900,000",
        " 0 or empty in every row: attested, credits, note",
    ]


def test_the_key_stays_though_it_is_empty() -> None:
    grid = Grid({"account": "account", "posted": "posted"}, [{"account": "", "posted": 1}], frozenset({"account"}))
    assert "account" in text_of(grid, 5)


def test_a_long_word_of_a_text_is_not_broken() -> None:
    grid = Grid({"a": "a", "why": "why"}, [{"a": 1, "why": f"of {LONG} there is"}], flows=frozenset({"why"}))
    assert LONG in text_of(grid, 60)
    assert text_of(grid, 60).splitlines()[1:] == [" why  of", f"      {LONG}", "      there is"]


def test_what_an_encoding_lacks_is_an_escape_in_a_column_that_is_wide_enough(filled: Tpp) -> None:
    grid = Grid({"a": "a", "b": "b"}, [{"a": "Zürich東", "b": None}])
    assert text_of(grid, 60, "latin-1").splitlines()[2] == " Zürich\\u6771   \\u2013"
    assert text_of(grid, 60, "latin-1").encode("latin-1")
    assert filled("balance").returncode == 0
