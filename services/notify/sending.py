"""Sends one event to one receiver, whatever kind it is of."""

from collections.abc import Callable

from services.notify.addresses import Resolver, system_resolver
from services.notify.people import People
from services.notify.receivers import Receiver
from services.notify.sentences import message
from services.notify.webhooks import ANSWER_SECONDS, Outcome, Webhook

Send = Callable[[str, str, int], Outcome]
"""Sends an event, by its id and its text as published, at an instant in microseconds."""


def sender(
    receiver: Receiver,
    public_url: str | None,
    *,
    resolver: Resolver = system_resolver,
    seconds: float = ANSWER_SECONDS,
) -> Send:
    """How a receiver is sent events: a webhook within so many seconds, people with a link under `public_url`."""
    if receiver.target is None:
        people = People(receiver.url)
        return lambda _, text, __: people.send(message(text, public_url))
    webhook = Webhook(
        receiver.target, receiver.secret, allow_private=receiver.allow_private, resolver=resolver, seconds=seconds
    )
    return lambda id, text, now: webhook.send(id, text.encode(), now)
