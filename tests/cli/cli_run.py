"""Runs the installed `tpp`."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

TPP = Path(sys.executable).with_name("tpp")
Done = subprocess.CompletedProcess[bytes]
Tpp = Callable[..., Done]


def runner(folder: Path) -> Tpp:
    """Runs `tpp` in a folder, without the caller's settings; `stdin` and `env` may be given."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}

    def run(*words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Done:
        done = subprocess.run(
            [TPP, *words],
            input=stdin,
            env=plain | (env or {}),
            cwd=folder,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done

    return run
