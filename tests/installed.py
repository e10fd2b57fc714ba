"""The program that tests run: `tpp` as it is installed, and one that is as quick to start as a function call."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from forked_client import of_its_own

INSTALLED = Path(sys.executable).with_name("tpp")
"""The installed `tpp`: for tests of how it is loaded, of its process, and of what killing it leaves."""


def _quick() -> Path:
    """A `tpp` that runs in a copy of a process that has loaded its modules, which ends with this one."""
    folder = Path(tempfile.mkdtemp(prefix="tpp-quick-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    here, path = Path(__file__).parent, str(folder / "socket")
    words = f"{path!r}, {str(INSTALLED)!r}, {of_its_own(os.environ)!r}"
    quick = folder / "tpp"
    quick.write_text(
        f"#!{sys.executable} -SEs\nimport sys\nsys.path.insert(0, {str(here)!r})\n"
        f"from forked_client import run\nrun({words})\n"
    )
    quick.chmod(0o755)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(100)
        number = listening.fileno()
        loading = subprocess.Popen(
            [sys.executable, "-P", here / "forked.py", str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=plain,
            pass_fds=[number],
        )
    assert loading.stdin is not None
    atexit.register(loading.wait)
    atexit.register(loading.stdin.close)
    return quick


TPP = _quick()
"""`tpp` as tests run it that look at what it answers."""
