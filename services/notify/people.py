"""Sends a sentence to people through apprise, which is installed with the extra `notify`."""

import logging
import queue
import re
import threading
from typing import TYPE_CHECKING

from services.notify.sentences import Message
from services.notify.webhooks import Outcome

if TYPE_CHECKING:
    from apprise import Apprise

SEND_SECONDS = 60.0
"""How long a service has to take a message; a mail server may need more than a webhook."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def check_url(url: str) -> None:
    """Raises ValueError if apprise is not installed, or cannot send to this URL; does not repeat the URL."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise ValueError("url must be https://… for a webhook, or a URL of apprise such as mailto://…")
    if _opened(url) is None:
        raise ValueError(f"apprise cannot send to this {scheme[1].lower()}:// URL; see its documentation")


def _opened(url: str) -> "Apprise | None":
    """Apprise with one URL; None if it does not know it."""
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError as error:
        raise ValueError(
            "url is one of apprise, which is not installed; install tpp-quota-ledger with its extra notify"
        ) from error
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    asset = AppriseAsset(app_id="TPP", app_desc="TPP quota ledger", app_url="")
    found = Apprise(asset=asset)
    return found if found.add(url) else None


class People:
    """Those whom one URL of apprise reaches."""

    def __init__(self, url: str, seconds: float = SEND_SECONDS) -> None:
        self._url = url
        self._seconds = seconds

    def send(self, message: Message) -> Outcome:
        """Sends a message; taken if the service took it in time."""
        answered: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

        def notify() -> None:
            try:
                answered.put(self._notify(message))
            except Exception as error:  # noqa: BLE001  a service of apprise may raise anything
                answered.put(Outcome(False, f"the message was not sent ({type(error).__name__})"))

        threading.Thread(target=notify, name="apprise", daemon=True).start()
        try:
            return answered.get(timeout=self._seconds)
        except queue.Empty:
            return Outcome(False, f"not sent within {self._seconds:g} seconds")

    def _notify(self, message: Message) -> Outcome:
        from apprise import NotifyFormat

        service = _opened(self._url)
        sent = service is not None and service.notify(
            body=message.body, title=message.title, body_format=NotifyFormat.TEXT
        )
        return Outcome(True) if sent else Outcome(False, "the service did not take the message")
