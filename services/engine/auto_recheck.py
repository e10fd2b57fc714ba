"""The policy `auto_recheck`: a record that brings what holds wait for has those holds rechecked, and those alone."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import orjson

from ledger.journal import Journal
from ledger.registers.facts import NewFact
from ledger.registers.waiting import Notes
from rulebook import name_forms
from schemas.kinds import FactKind, Policy
from services.engine.chunks import next_chunk
from services.engine.context import DecisionContext, HandledEvent
from services.engine.judgement import Judgement
from services.engine.message import Message

_UNDER_THEIR_KEY = frozenset(
    {
        FactKind.PARTY, FactKind.CERTIFICATION, FactKind.LICENSE, FactKind.LICENSES, FactKind.REVOKED, FactKind.VEU,
        FactKind.HOLDER, FactKind.NOTICE, FactKind.CLEARED, FactKind.APART,
    }
)  # fmt: skip
"""The kinds of facts for which holds wait, and which are kept under a party, two of them, a licence or a reference."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of an automatic recheck: what was brought, before which record the holds were made that wait for it,
    and which record first presented the hold that was rechecked last; 0 at first.

    `room`: the accounts to which it has brought room itself, for which holds wait.
    """

    keys: Sequence[str]
    before: int
    after: int = 0
    room: Sequence[str] = ()


def notes_of(context: DecisionContext, judgement: Judgement) -> Notes:
    """What a shipment that was judged and does not pass waits for."""
    path = context.journal.accounts.path
    designers = [line.designer for line in judgement.screening.lines if line.designer is not None]
    return Notes(
        frozenset([path(short.debit.account) for short in judgement.shorts]),
        frozenset(judgement.keys).union(*map(_of_designer, designers)),
    )


@lru_cache(1 << 10)
def _of_designer(name: str) -> tuple[str, ...]:
    """The keys of a designer, which has no identifiers."""
    return tuple(f"designer/{hashlib.sha256(form.encode()).hexdigest()}" for form in sorted(name_forms(name)))


def begin(context: DecisionContext, handled: HandledEvent) -> None:
    """Leaves the recheck of the holds that wait for what the record being made brings to the chunks that follow it."""
    left = recheck_left(context, awaited(context, handled))
    if left is not None:
        context.journal.unfinished.begin(left)


def recheck_left(context: DecisionContext, keys: Sequence[str]) -> dict[str, Any] | None:
    """The recheck of the holds that wait for these accounts and facts, as work that is left; None without any."""
    return asdict(Left(keys, before=context.journal.transaction.n)) if keys else None


def next_recheck(journal: Journal) -> Message | None:
    """The message that stands for the next chunk of work, if that is of an automatic recheck."""
    work = journal.unfinished.next()
    return next_chunk(journal) if work is not None and "keys" in work.left else None


def looked_at(chunk: Sequence[str]) -> int:
    """How many holds a chunk has looked at, by its answers."""
    data = orjson.loads(chunk[0])["data"]
    return sum(len(data.get(name, ())) for name in ("released", "held", "skipped"))


def awaited(context: DecisionContext, handled: HandledEvent | None = None) -> list[str]:
    """The accounts and keys, of those that the record being made brings, for which holds wait; none without policy."""
    journal = context.journal
    brought = journal.accounts.room.brought()
    if stated := journal.facts.stated():
        brought += _keys(context, stated)
    if handled is not None and handled.raised is not None:
        brought.append(handled.raised)
    if not brought or not journal.policies.stands(Policy.AUTO_RECHECK):
        return []
    return journal.waiting.awaited(sorted({*brought}), journal.transaction.n)


def _keys(context: DecisionContext, stated: Iterable[NewFact]) -> Iterator[str]:
    """The keys of the facts that the record being made states, under every identifier of a party."""
    group = context.journal.parties.group
    for fact in stated:
        if fact.kind is FactKind.MERGE:
            yield from group(fact.data.survivor)
        elif fact.kind is FactKind.DESIGNER:
            yield from _of_designer(fact.data.party)
        elif fact.kind in _UNDER_THEIR_KEY:
            yield from group(fact.key)
