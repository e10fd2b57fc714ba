"""What has changed on a page since it was read: parts of it, each an element with an id that takes that one's place."""

from collections.abc import Callable, Mapping
from datetime import date

from ledger.database.store import Connection
from rulebook import Book
from services.views.console.account import parts as account_parts
from services.views.console.hold import parts as hold_parts
from services.views.console.holds import parts as holds_parts
from services.views.console.look.render import Touched
from services.views.console.obligations import parts as obligations_parts
from services.views.console.quotas import parts as quotas_parts
from services.views.console.shipment import parts as shipment_parts

Parts = Callable[[Connection, Book, date, str, Touched], list[str]]
"""Of a page: the parts that may have changed, as HTML, newly read from the ledger.

Given are the day on which ages are counted, what the page is about (a shipment's id, an account's path; empty for a
list), and what was touched. A part replaces the element of its id; with `data-into="ID"` one that is new is added at
the end of that element. Whole rows and figures, so that a repeat does no harm; never a form.
"""

PARTS: Mapping[str, Parts] = {
    "account": account_parts,
    "hold": hold_parts,
    "holds": holds_parts,
    "obligations": obligations_parts,
    "quotas": quotas_parts,
    "shipment": shipment_parts,
}
"""By the page's name, which stands before the colon in `Frame.live`: `holds`, `hold:SHP-1`, `account:PATH`."""
