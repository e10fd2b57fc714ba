"""Which events a caller may send."""

from collections.abc import Sequence

from services.engine.message import ReadMessage
from services.web.access import Caller


def check_events(caller: Caller, read: Sequence[ReadMessage]) -> None:
    """Raises Problem for a request with an event that the caller may not send."""
    del caller, read
