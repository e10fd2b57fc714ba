"""Runs `tpp serve` as it is installed, on a port of its own, and makes tokens for it."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from installed import TPP
from waiting import PATIENCE

from ledger.database.store import Store
from services.resources import wall_clock
from services.web.tokens import new_token


@dataclass
class Served:
    """A running `tpp serve`: its address, the ledger that it serves, and the lines that it wrote."""

    process: subprocess.Popen[str]
    url: str
    ledger: str
    lines: list[str] = field(default_factory=list)

    def token(self, role: str, name: str = "somebody", *sources: str, expires: int | None = None) -> str:
        """A new token."""
        store = Store(self.ledger)
        try:
            return new_token(store, role, name, sources, expires, wall_clock())
        finally:
            store.close()

    def client(self, token: str | None = None, **more: Any) -> httpx.Client:
        """A client with a token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE, **more)

    def stop(self) -> int:
        """Asks it to stop; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def served(
    ledger: str, *words: str, env: Mapping[str, str] | None = None, program: Sequence[str | Path] = (TPP, "serve")
) -> Iterator[Served]:
    """`tpp serve` on a ledger, until the end of the block; killed if it still runs."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    process = subprocess.Popen(
        [
            *program,
            "--listen",
            "127.0.0.1:0",
            "--ledger",
            ledger,
            *words,
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=plain | (env or {}),
    )
    assert process.stderr is not None
    lines: list[str] = []
    url = reader = None
    try:
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"listening on (https?://\S+)", line):
                url = found[1]
                break
        assert url is not None, "".join(lines)
        reader = threading.Thread(target=lines.extend, args=(process.stderr,), daemon=True)
        reader.start()
        yield Served(process, url, ledger, lines)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if reader is not None:
            reader.join()
        process.stderr.close()
