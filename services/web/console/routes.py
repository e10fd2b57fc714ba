"""Every route of the page."""

from collections.abc import Sequence
from typing import Any

from services.web.console.ask import ROUTES as ASK
from services.web.console.assets import ROUTES as ASSETS
from services.web.console.books.periods import ROUTES as PERIODS
from services.web.console.books.statements import ROUTES as STATEMENTS
from services.web.console.home import ROUTES as HOME
from services.web.console.quotas import ROUTES as QUOTAS

ROUTES: Sequence[Any] = (*ASSETS, *HOME, *QUOTAS, *ASK, *PERIODS, *STATEMENTS)
"""The routes of the page, by the file in which they are."""
