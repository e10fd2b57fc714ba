"""What the routes share: the ledger, the book, the settings, the tokens, the clock."""

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from litestar.connection import ASGIConnection

from ledger.database.store import Store
from rulebook import Book
from services.engine.engine import Engine
from services.settings import Settings
from services.telemetry.health import Health
from services.telemetry.metrics import WebMetrics
from services.visible import visible
from services.web.decider import Decider
from services.web.problems import REFUSED, SIGN_INS
from services.web.rate import Rate
from services.web.tokens import Tokens

REQUEST_ID = "tpp_request_id"
"""Under which the state of a request has its X-Request-Id."""
LINK = "/link/"
"""What the paths of one-time links begin with; what follows is a secret."""
_SECRETS = re.compile(rf"(?<={LINK}).+|(?<=tpp_)([A-Za-z0-9]{{12}}_)[A-Za-z0-9]+", re.DOTALL | re.IGNORECASE)
_PATH_MOST = 200


@dataclass(slots=True)
class Web:
    """What every route may use.

    `now` returns the time in microseconds since 1970 (UTC), which no decision reads. `stopping` is set once the server
    takes nothing new: whatever waits or streams ends then. `health` has the metrics of the process, `counted` counts
    requests and what was refused. `knock` is the question whether the ledger answers. `tokens` and `rate` are of the
    ledger and the settings. `guesses`: when wrong tokens were given to the page that signs in. `signing_key`: with
    which this process signs what it gives a browser to bring back.
    """

    store: Store
    book: Book
    engine: Engine
    settings: Settings
    now: Callable[[], int]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    knock: asyncio.Task[bool] | None = None
    decider: Decider | None = None
    health: Health = field(default_factory=lambda: Health("serve"))
    guesses: deque[int] = field(default_factory=deque)
    signing_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    counted: WebMetrics = field(init=False)
    tokens: Tokens = field(init=False)
    rate: Rate = field(init=False)

    def __post_init__(self) -> None:
        """Makes what rests on the ledger and the settings."""
        self.tokens, self.rate = Tokens(self.store), Rate(self.settings.rate)
        self.counted = WebMetrics(self.health)
        self.counted.expect([*(kind.slug for kind in REFUSED), *SIGN_INS])


def shown_path(scope: Any) -> str:
    """The path of a request as a log may have it: cut, without the secret of a one-time link or of a token.

    >>> shown_path({"path": "/link/JzfQ_ZX"}), shown_path({"path": "/v1/holds"})
    ('/link/…', '/v1/holds')
    """
    return visible(_SECRETS.sub(lambda found: f"{found[1] or ''}…", scope["path"])[:_PATH_MOST])


def web_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Web:
    """What the routes share, of the application that a connection belongs to."""
    found = connection.app.state.web
    if not isinstance(found, Web):
        raise TypeError(f"the application has {found!r} for its state")
    return found
