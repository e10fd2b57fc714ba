"""What has changed on a page since it was read: parts of it, each an element with an id that takes that one's place."""

from collections.abc import Callable, Mapping
from datetime import date

from ledger.database.store import Connection
from rulebook import Book
from services.views.console.hold import parts as hold_parts
from services.views.console.holds import parts as holds_parts
from services.views.console.render import Touched

Parts = Callable[[Connection, Book, date, str, Touched], list[str]]
"""Of a page: the parts that may have changed, as HTML, newly read from the ledger.

Given are the day on which ages are counted, what the page is about (a shipment's id, an account's path; empty for a
list), and what was touched. A part replaces the element of its id; with `data-into="ID"` one that is not there is added
at the end of that element. Whole rows and figures, so that a repeat does no harm; never a form.
"""

PARTS: Mapping[str, Parts] = {"holds": holds_parts, "hold": hold_parts}
"""By the page's name, which stands before the colon in `Frame.live`: `holds`, `hold:SHP-1`, `account:PATH`."""
