"""Every route of the page."""

from collections.abc import Sequence
from typing import Any

from services.web.console.account import ROUTES as ACCOUNT
from services.web.console.ask import ROUTES as ASK
from services.web.console.assets import ROUTES as ASSETS
from services.web.console.books.periods import ROUTES as PERIODS
from services.web.console.books.statements import ROUTES as STATEMENTS
from services.web.console.find import ROUTES as FIND
from services.web.console.holds import ROUTES as HOLDS
from services.web.console.home import ROUTES as HOME
from services.web.console.law import ROUTES as LAW
from services.web.console.live import ROUTES as LIVE
from services.web.console.obligations import ROUTES as OBLIGATIONS
from services.web.console.quotas import ROUTES as QUOTAS
from services.web.console.shipments import ROUTES as SHIPMENTS
from services.web.console.tokens import ROUTES as TOKENS

ROUTES: Sequence[Any] = (
    *ACCOUNT, *ASK, *ASSETS, *PERIODS, *STATEMENTS, *FIND, *HOLDS, *HOME, *LAW, *LIVE,
    *OBLIGATIONS, *QUOTAS, *SHIPMENTS, *TOKENS,
)  # fmt: skip
"""The routes of the page, by the file in which they are."""
