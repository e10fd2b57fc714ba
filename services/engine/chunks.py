"""Work of many shipments in chunks: the first is the event's own record, each further one a record of its own."""

from typing import Any

import orjson

from ledger.database.rows import stored
from ledger.database.store import LedgerCorrupt
from ledger.journal import Journal
from ledger.registers.unfinished import Work
from schemas.event_types import CLOCK_TICKED, LEDGER_SOURCE, LIST_LOADED, RECHECK_REQUESTED
from schemas.wire.read import Event
from services.engine.answers import Answers, answer_id
from services.engine.context import DecisionContext
from services.engine.message import Message

IN_CHUNKS = (RECHECK_REQUESTED, CLOCK_TICKED, LIST_LOADED)
"""The types of events that ask for work in chunks themselves; any other may bring what holds wait for."""

_OF_CAUSE = ("specversion", "subject", "time", "datacontenttype", "traceparent", "tracestate")
"""What an automatic recheck has of the envelope of the event that caused it."""

CHUNK = 500
"""How many shipments, obligations or accounts one record looks at. By number, so that a replay gives the same bytes."""


def next_chunk(journal: Journal) -> Message | None:
    """The message that stands for the next chunk of the work asked for first; None where everything is done.

    It is the event that asked for the work, under the ledger's own name and an id of the chunk's; an automatic recheck
    names the record that caused it.
    """
    work = journal.unfinished.next()
    if work is None:
        return None
    with stored(f"journal record {work.n}"):
        event = {**orjson.loads(journal.records.event(work.n))}
        source, identifier, kind = event["source"], event["id"], event["type"]
    if "keys" in work.left:
        event = {name: event[name] for name in _OF_CAUSE if name in event}
        event |= {"type": RECHECK_REQUESTED, "data": {"caused_by": work.n}}
    elif kind not in IN_CHUNKS:
        raise LedgerCorrupt(f"the ledger is damaged: record {work.n} is unfinished, but a {kind} asks for no chunks")
    event |= {"source": LEDGER_SOURCE, "id": chunk_id(source, identifier, work.chunk)}
    return _message(event, work.n, work.chunk)


def chunk_of(n: int, raw: bytes, chunk: int) -> Message:
    """The message that stood for a chunk of the work that a record's own event asked for."""
    event = {**orjson.loads(raw)}
    identifier = chunk_id(event["source"], event["id"], chunk)
    return _message({**event, "source": LEDGER_SOURCE, "id": identifier}, n, chunk)


def _message(event: dict[str, Any], n: int, chunk: int) -> Message:
    return Message(orjson.dumps(event), {"request": f"chunk {chunk} of record {n}"}, recorded=True)


def chunk_id(source: str, identifier: str, chunk: int) -> str:
    """The id of a chunk's message: derived from the event that asked for the work, and the chunk's number from 2."""
    return f"{answer_id(source, identifier)}/{chunk}"


def is_chunk(event: Event[Any]) -> bool:
    """Whether an event stands for a chunk of work that another event asked for."""
    return event.source == LEDGER_SOURCE


def work_of(context: DecisionContext, event: Event[Any]) -> Work:
    """The work whose next chunk an event stands for."""
    work = context.journal.unfinished.next()
    if work is None or event.id.rpartition("/")[2] != str(work.chunk):
        raise LedgerCorrupt(f"{event.id} is not the next chunk of unfinished work")
    return work


def answers_of(context: DecisionContext, event: Event[Any], work: Work) -> Answers:
    """The answers to a chunk, which say that the event that asked for the work caused them."""
    answers = context.answer(event)
    asked = orjson.loads(context.journal.records.event(work.n))
    answers.causation = {"source": asked["source"], "id": asked["id"]}
    return answers
