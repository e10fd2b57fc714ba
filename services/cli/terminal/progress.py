"""A progress bar for commands that read files."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def progress(files: Sequence[str]) -> Iterator[Callable[[int], None]]:
    """A progress bar over the files' bytes if standard error is a terminal; yields a function that takes bytes read."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    whole = all(Path(name).is_file() for name in files)
    total = sum(Path(name).stat().st_size for name in files) if whole else None
    columns = (TextColumn("screening"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar: Progress
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("screening", total=total)
        yield lambda read: bar.advance(task, read)
