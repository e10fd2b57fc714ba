"""Puts a complete file in the place of another, so that what fails leaves the old one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO


@contextmanager
def beside(target: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `target` at the end, unless an exception is raised."""
    with TemporaryDirectory(prefix=".tpp-", dir=target.resolve().parent) as scratch:
        made = Path(scratch) / "made"
        with made.open("wb") as file:
            yield file
        put(made, target)


def put(made: Path, target: Path) -> Path:
    """Moves a file to `target`, through links, and with the mode of the file that was there; returns `target`.

    Raises PermissionError if the file that is there may not be written.
    """
    place = target.resolve()
    if place.exists():
        if not os.access(place, os.W_OK):
            raise PermissionError(13, "Permission denied", str(target))
        made.chmod(place.stat().st_mode & 0o7777)
    made.replace(place)
    return target
