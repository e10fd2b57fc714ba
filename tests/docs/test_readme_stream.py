"""README's commands of the stream, as they stand there: `tpp up` in one terminal, the others in a second one."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from consoles import PLAIN, Shown, lines, run
from readme_commands import STREAM, clone, consoles, not_ignored
from waiting import PATIENCE, wait_until


@contextmanager
def terminal(folder: Path, command: str) -> Iterator[tuple["subprocess.Popen[bytes]", Path, Path]]:
    """A command that runs until Ctrl-C, and the files with what it writes to standard output and to standard error."""
    out, err = folder / "build" / "out", folder / "build" / "err"
    out.parent.mkdir()
    with out.open("wb") as output, err.open("wb") as errors:
        process = subprocess.Popen(["sh", "-c", f"exec {command}"], cwd=folder, env=PLAIN, stdout=output, stderr=errors)
    try:
        yield process, out, err
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


@pytest.mark.usefixtures("java_there")
def test_the_stream_does_what_readme_shows(tmp_path: Path) -> None:
    folder = clone(tmp_path)
    [up], *others = [console for title, console in consoles() if title == STREAM]
    with terminal(folder, up.command) as (system, out, err):

        def told() -> str:
            return out.read_text() + err.read_text()

        wait_until(lambda: len(lines(out.read_text())) == len(up.answer) or system.poll() is not None, told)
        found = re.match(r"broker +127\.0\.0\.1:(\d+)", out.read_text())
        assert found, told()
        port = found[1]
        shown = re.sub(r"^(serve +http://127\.0\.0\.1):\d+$", r"\1:8080", out.read_text(), flags=re.MULTILINE)
        assert lines(shown.replace(f":{port}", ":9092")) == up.answer
        elsewhere = f"port 9092 of 127.0.0.1 is in use by another program; the broker uses port {port}"
        assert (elsewhere in err.read_text()) == (port != "9092"), told()

        follow(folder, [shown for console in others for shown in console], port)
    assert system.returncode == 0
    assert not_ignored(folder) == []


def follow(folder: Path, console: Sequence[Shown], port: str) -> None:
    """Runs commands in a second terminal; `watch` again and again, until it shows the answer to the reader's own event."""
    settings: dict[str, str] = {}
    for command, answer in console:
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            settings[name] = value.replace(":9092", f":{port}")
            continue
        code, text = run(folder, command, **settings)
        end = time.monotonic() + PATIENCE
        while "watch" in command and not re.search(" approved +MINE-1 ", text) and time.monotonic() < end:
            code, text = run(folder, command, **settings)
        assert (code, "Traceback" in text) == (0, False), (command, text)
        assert not answer or without_seconds(lines(text)) == without_seconds(answer), command
        assert "watch" not in command or re.search(" approved +MINE-1 ", text)
        assert "explain" not in command or "Shipment MINE-1 may go under LPP" in text


def without_seconds(shown: list[str]) -> list[str]:
    """Lines in which no number of seconds tells one run from another."""
    return [re.sub(r"\d+\.\d s", "N s", line) for line in shown]
