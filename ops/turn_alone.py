"""Decides a file of events in batches as a worker does, without Kafka, and prints what the turn at the ledger took.

    TPP_LEDGER_URL=URL python ops/turn_alone.py EVENTS [BATCH]

BATCH: the messages of a batch [default: what a worker takes at most]. The first batch is not counted: it fills caches.
After it `ready` is printed, and a line on standard input waited for, so that several processes begin together.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ledger.journal import Turn
from services.engine.context import Observer
from services.engine.engine import Engine
from services.engine.message import Message, ReadMessage
from services.resources import engine
from services.stream import worker
from services.stream.reader import BATCH


class Turns(Observer):
    """Sums up turns: how many, their seconds, and the CPU that the deciding thread used in them."""

    def __init__(self) -> None:
        self.count, self.seconds, self.cpu = 0, 0.0, 0.0

    def turn(self) -> Turn:
        """One that is summed up here."""
        return Timed(self)


class Timed(Turn):
    """One turn."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._since: tuple[float, float] | None = None

    def taken(self) -> None:
        """Begins to count."""
        self._since = time.perf_counter(), time.thread_time()

    def ended(self) -> None:
        """Counts it, if it was had."""
        if self._since is not None:
            self._turns.count += 1
            self._turns.seconds += time.perf_counter() - self._since[0]
            self._turns.cpu += time.thread_time() - self._since[1]


def prepared(deciding: Engine, messages: Sequence[Message], size: int) -> Iterator[Sequence[ReadMessage]]:
    """The messages in batches as a worker decides them: each is prepared while the one before is decided.

    Of a version that prepares nothing they are only read.
    """
    batches = [messages[at : at + size] for at in range(0, len(messages), size)]
    if not hasattr(deciding, "prepare"):
        yield from map(deciding.read, batches)
        return
    with ThreadPoolExecutor(1) as preparing:
        waiting = [preparing.submit(lambda: deciding.prepare(deciding.read_ahead(batches[0])))]
        for batch in batches[1:]:
            waiting.append(preparing.submit(lambda batch=batch: deciding.prepare(deciding.read_ahead(batch))))
            yield waiting.pop(0).result()
        yield waiting.pop().result()


def main(events: Path, size: int) -> None:
    """Decides the first batch, waits, decides the others and prints figures as JSON."""
    sys.setswitchinterval(getattr(worker, "SWITCH_SECONDS", sys.getswitchinterval()))
    topic = {"topic": "tpp.shipments", "partition": 0}
    messages = [Message(line, {**topic, "offset": n}) for n, line in enumerate(events.read_bytes().splitlines())]
    turns = Turns()
    with engine(None, None, observer=turns) as deciding:
        for batch in prepared(deciding, messages[:size], size):
            deciding.decide_between(batch)
        turns.__init__()  # type: ignore[misc]
        print("ready", flush=True)
        sys.stdin.readline()
        began, used = time.perf_counter(), time.process_time()
        for batch in prepared(deciding, messages[size:], size):
            deciding.decide_between(batch)
        spent = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - used}
        told = {"turns": turns.count, "in turns": turns.seconds, "cpu in turns": turns.cpu}
        print(json.dumps({"events": len(messages) - size, **spent, **told}), flush=True)


main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else BATCH)
