"""Whether containers can be had, and what becomes of a test that needs what is nowhere to be found."""

import os
import shutil
import subprocess
from typing import NoReturn

import pytest


def docker_answers() -> bool:
    """Whether a Docker engine is there and answers."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return subprocess.run([docker, "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def missing(what: str) -> NoReturn:
    """Skips the test, and fails it where the environment says CI."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
