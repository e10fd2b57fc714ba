"""Sends an event again that receivers have not taken."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import orjson

from ledger.database.store import Store
from ledger.doors.notices import Notice, notices_of, put_off, remove_notice
from ledger.queries.records import published_answer
from services.failure import Failure, NotFound
from services.notify.receivers import Receiver
from services.notify.sending import sender
from services.notify.webhooks import Outcome


class Retried(NamedTuple):
    """How sending an event to a receiver again ended."""

    receiver: str
    outcome: Outcome


def retry(
    store: Store, receivers: Sequence[Receiver], public_url: str | None, id: str, name: str | None, now: int
) -> list[Retried]:
    """Sends an event again to each receiver that has not taken it, or to the one named; it is forgotten once taken.

    Raises NotFound if no receiver lacks it, Failure if one that does is no longer in the file.
    """
    with store.read() as connection:
        found = [one for one in notices_of(connection, id) if name in (None, one.receiver)]
        if not found:
            of = "" if name is None else f" for {name!r}"
            raise NotFound(f"no event {id} is set aside{of}; `tpp notify failed --all` lists those that are")
        text = published_answer(connection, found[0].sequence)
    if text is None or orjson.loads(text)["id"] != id:
        raise Failure(f"the ledger does not have event {id} any more")
    known = {one.name: one for one in receivers}
    if missing := [one.receiver for one in found if one.receiver not in known]:
        raise Failure(f"receiver {missing[0]!r} is not in the file of TPP_NOTIFY; put it back, or name another by --to")
    return [Retried(one.receiver, _send(store, one, known[one.receiver], public_url, text, now)) for one in found]


def _send(store: Store, notice: Notice, receiver: Receiver, public_url: str | None, text: str, now: int) -> Outcome:
    outcome = sender(receiver, public_url)(notice.id, text, now)
    if outcome.taken:
        remove_notice(store, notice)
    else:
        put_off(store, replace(notice, tries=notice.tries + 1, why=outcome.why))
    return outcome
