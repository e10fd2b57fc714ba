"""Runs `tpp`: as it is installed, or inside the test's process, which takes a tenth of the time."""

import os
import subprocess
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

from click.testing import CliRunner
from installed import TPP
from waiting import PATIENCE

from services.cli.commands import main

Done = subprocess.CompletedProcess[bytes]
Tpp = Callable[..., Done]


def runner(folder: Path, program: Path = TPP) -> Tpp:
    """Runs `tpp` in a folder, without the caller's settings; `stdin` and `env` may be given."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}

    def run(*words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Done:
        done = subprocess.run(
            [program, *words],
            input=stdin,
            env=plain | (env or {}),
            cwd=folder,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done

    return run


def inside(folder: Path) -> Tpp:
    """Runs `tpp` in this process in a folder, without the caller's settings; as it is installed where `stdin` is given."""
    installed = runner(folder)
    without = dict.fromkeys(name for name in os.environ if name.startswith("TPP_"))

    def run(*words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Done:
        if stdin:
            return installed(*words, stdin=stdin, env=env)
        with chdir(folder):
            done = CliRunner().invoke(main, words, env=without | (env or {}))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(words, done.exit_code, done.stdout_bytes, done.stderr_bytes)

    return run
