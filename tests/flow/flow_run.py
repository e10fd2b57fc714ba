"""An engine on a ledger of its own."""

from typing import Any, Self

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.queries.balances import balances
from services.engine.engine import Engine
from services.resources import software

NOW = 1_748_856_600_000_000
"""A reading of the clock in June 2025, in microseconds."""


class Run:
    """A ledger of its own, the engine on it, and the answers so far."""

    def __init__(self, url: str, switches: dict[str, bool], now: int = NOW) -> None:
        self.store = Store(url)
        self.store.open()
        self.engine = Engine(Ledger(self.store), rulebook.load("ai-diffusion", switches), lambda: now, software())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def standing(self) -> dict[str, dict[str, Any]]:
        """Every account with its parts, its limit and how many entries it has."""
        with self.store.read() as connection:
            return {b.account: b.to_json() for b in balances(connection)}
