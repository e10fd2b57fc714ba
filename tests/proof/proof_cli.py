"""Runs `tpp` on a ledger with a key, within the process of the test."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from proof_ledger import opened
from sqlalchemy import text

from services.cli.commands import main


class Audit:
    """Runs `tpp` within this process, in a folder of its own with its ledger and its key."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.key = folder, folder / "ledger.db", folder / "signing.key"
        self.url = f"sqlite:///{self.file}"

    def __call__(self, *words: str, group: str = "audit") -> Result:
        done = CliRunner().invoke(main, [group, *words, *([] if "--ledger" in words else ["--ledger", self.url])])
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
        if done.exit_code == 2:
            assert any(line.startswith("Error: ") for line in done.stderr.splitlines()), done.stderr
        return done

    def json(self, *words: str) -> Any:
        done = self(*words)
        return json.loads(done.stdout)

    def checkpoint(self, name: str) -> Path:
        """Writes a checkpoint to a file."""
        assert self("checkpoint", "--out", name).exit_code == 0
        return self.folder / name

    @property
    def leaves(self) -> list[bytes]:
        with opened(self.url) as store, store.read() as connection:
            return list(connection.execute(text("SELECT hash FROM leaf ORDER BY n")).scalars())
