"""What the routes share: the ledger, the book, the settings, the tokens, the clock."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from litestar.connection import ASGIConnection

from ledger.database.store import Store
from rulebook import Book
from services.engine.engine import Engine
from services.settings import Settings
from services.web.decider import Decider
from services.web.rate import Rate
from services.web.tokens import Tokens

REQUEST_ID = "tpp_request_id"
"""Under which the state of a request has its X-Request-Id."""


@dataclass(slots=True)
class Web:
    """What every route may use.

    `now` returns the time in microseconds since 1970 (UTC), which no decision reads. `stopping` is set once the server
    takes nothing new: whatever waits or streams ends then. `knock` is the question whether the ledger answers.
    `refused` counts the requests that were refused for want of a right, by the last part of the problem's type.
    `tokens` and `rate` are of the ledger and the settings.
    """

    store: Store
    book: Book
    engine: Engine
    settings: Settings
    now: Callable[[], int]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    knock: asyncio.Task[bool] | None = None
    decider: Decider | None = None
    refused: Counter[str] = field(default_factory=Counter)
    tokens: Tokens = field(init=False)
    rate: Rate = field(init=False)

    def __post_init__(self) -> None:
        """Makes what rests on the ledger and the settings."""
        self.tokens, self.rate = Tokens(self.store), Rate(self.settings.rate)


def web_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Web:
    """What the routes share, of the application that a connection belongs to."""
    found = connection.app.state.web
    if not isinstance(found, Web):
        raise TypeError(f"the application has {found!r} for its state")
    return found
