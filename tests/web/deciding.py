"""Deciders of tests, and the requests that are put to them."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from events import of_step
from sqlalchemy import text
from waiting import PATIENCE, wait_until

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from services.engine.engine import Engine, Texts
from services.engine.message import Message, ReadMessage
from services.resources import software
from services.web.decider import Decider

PAPER = {"claim": "LPP", "papers": ["lpp 2025-01-20"], "quantity": 1}
BY_HAND = {"do": "policy", "id": "by-hand", "data": {"name": "auto_recheck", "value": False}}


def read(*steps: dict[str, Any], first: int = 1, request: str = "r") -> list[ReadMessage]:
    """Events of flows as one request."""
    raws = [of_step(number, step, {}, PAPER) for number, step in enumerate(steps, first)]
    return Engine.read([Message(raw, {"request": request, "index": index}) for index, raw in enumerate(raws)])


def asked(number: int, count: int = 1) -> list[ReadMessage]:
    """A request of so many shipments of its own."""
    ids = range(number * 1_000, number * 1_000 + count)
    return read(*({"do": "request", "ship": {"id": f"SHP-{n}"}} for n in ids), first=ids.start, request=f"r{number}")


class Clock:
    """A clock that shows another time at each look, so that the records of one transaction have one time."""

    def __init__(self) -> None:
        self.now = 1_748_856_600_000_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


@contextmanager
def decider(url: str, **options: Any) -> Iterator[tuple[Decider, Store]]:
    store = Store(url)
    runs = Decider(Engine(Ledger(store), rulebook.load("ai-diffusion"), Clock(), software()), **options)
    try:
        yield runs, store
    finally:
        runs.close()
        store.close()


@contextmanager
def locked(url: str) -> Iterator[Callable[[], None]]:
    """Another writer has the lock until the function is called, or the block ends."""
    store, held, end = Store(url), threading.Event(), threading.Event()

    def hold() -> None:
        with store.begin() as connection:
            store.lock_head(connection)
            held.set()
            end.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(PATIENCE)

    def free() -> None:
        end.set()
        thread.join()

    try:
        yield free
    finally:
        free()
        store.close()


def rows(store: Store, query: str) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(text(query)).scalars())


def kinds(decided: Sequence[Texts]) -> list[str]:
    return [orjson.loads(texts[0])["type"].removeprefix("tpp.").removesuffix(".v1") for texts in decided]


async def settled(decider: Decider, count: int) -> None:
    """Returns once so many events wait."""
    await asyncio.to_thread(wait_until, lambda: decider._queue._events >= count, every=0.001)
