"""The queue in front of the engine: requests that arrive together are decided in one transaction, in one thread.

A request waits until the engine has the lock on writing, which empties the queue; until then it can be withdrawn, and
nothing was decided. Once it is taken it is answered.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError, database_message, of_statement
from services.engine.engine import Engine, Texts
from services.engine.message import ReadMessage
from services.engine.turns import Decided, decide_waiting
from services.web.problems import Kind, Problem
from services.web.waiting import LARGE, Queue, WaitingRequest

log = logging.getLogger("tpp.web")

PATIENCE = 10.0
"""How long a request waits for its turn, in seconds."""

MOST_WAITING = 10_000
"""The most events that wait for their turn, and the most that wait to be checked."""

WATCHED_AFTER, AGAIN, CLOSING = 0.05, 0.5, 8.0
"""Seconds: how long one waits before it is noticed that its client goes away, how soon after a failure of the database
the next turn begins, and how long the end waits for what was taken to be answered."""

CHECKERS = 2
"""How many threads check small requests; another one checks large ones."""

RETRY_AFTER = "2"

Gone = Callable[[], Awaitable[None]]
"""Returns once the client has gone away."""


class Turns:
    """The engine's thread: it decides what waits in the queue, one turn after the other, and works on what is left.

    `failed` is None until the ledger has lost records, was restored or is damaged: then nothing is decided any more,
    and it says why.
    """

    def __init__(self, engine: Engine, queue: Queue) -> None:
        self._engine, self.queue = engine, queue
        self._again = threading.Event()
        self._taken: list[WaitingRequest] = []
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.failed: str | None = None
        self._thread.start()

    def close(self) -> None:
        """Ends the thread once what was taken is answered; one that waits for the ledger ends with the process."""
        self.queue.close()
        self._again.set()
        self._thread.join(AGAIN)
        if not all(request.complete for request in self._taken):
            self._thread.join(CLOSING)

    def refusal(self, why: str) -> Problem:
        """Why nothing may wait."""
        if self.failed is not None:
            return _problem(Kind.LEDGER_UNAVAILABLE, self.failed)
        if self.queue.closed:
            return _problem(Kind.STOPPING, "the server is stopping")
        return _problem(Kind.LEDGER_BUSY, why)

    def _run(self) -> None:
        while not self.queue.closed:
            self._taken = taken = list[WaitingRequest]()
            try:
                if self._engine.pending is not False:
                    self._engine.go_on()
                elif self.queue.wait():
                    self._turn(taken, self.queue.take)
            except (LedgerError, LedgerCorrupt) as error:
                self._end(taken, error)
            except Exception as error:  # noqa: BLE001  whatever fails, the requests that were taken are answered
                self._failed(taken, error)

    def _turn(self, taken: list[WaitingRequest], take: Callable[[], list[WaitingRequest]]) -> None:
        """Decides what waits once the lock on writing is had; `taken` gets the requests."""

        def taking() -> list[ReadMessage]:
            taken.extend(take())
            return [message for request in taken for message in request.read]

        current: WaitingRequest | None = None
        rest: Iterator[WaitingRequest] = iter(())
        for number, decided in enumerate(decide_waiting(self._engine, taking)):
            if number == 0:
                rest = iter(taken)
            current = self._note(decided, current, rest)
            if self.queue.closed and all(request.complete for request in taken):
                break

    def _note(
        self, decided: Decided, current: WaitingRequest | None, rest: Iterator[WaitingRequest]
    ) -> WaitingRequest | None:
        """Notes answers to `current` and the requests after it, and hands on what is complete; returns the last one."""
        among = [] if current is None else [current]
        if current is not None and current.follow and decided.follows:
            current.answers[-1] = (*current.answers[-1], *decided.follows)
        for texts in decided.answers:
            if current is None or current.answered:
                current = next(rest)
                among.append(current)
            current.answers.append(texts if current.follow else texts[:1])
        waits = current if decided.more and current is not None and current.follow else None
        _answer([one for one in among if one.answered and not one.complete and one is not waits])
        return current

    def _failed(self, taken: Sequence[WaitingRequest], error: Exception) -> None:
        """Answers requests on which the database or the program failed; of several each is tried by itself first."""
        left = [request for request in taken if not request.complete]
        statement = isinstance(error, DatabaseError) and of_statement(error)
        if len(left) > 1 and (statement or not isinstance(error, DatabaseError)):
            for request in left:
                self._alone(request)
            return
        if isinstance(error, DatabaseError):
            log.error("the ledger's database failed: %s", database_message(error))
        else:
            log.error("the program failed on a request", exc_info=error)
        _refuse(left, lambda: _unavailable(error))
        if not left or (isinstance(error, DatabaseError) and not statement):
            self._again.wait(AGAIN)

    def _alone(self, request: WaitingRequest) -> None:
        request.answers.clear()
        if self.failed is not None:
            _refuse([request], lambda: self.refusal(""))
            return
        try:
            taken: list[WaitingRequest] = []
            while not taken:
                self._turn(taken, lambda: [request])
                if not taken:
                    self._engine.go_on()
        except (LedgerError, LedgerCorrupt) as error:
            self._end([request], error)
        except Exception as error:  # noqa: BLE001  as above
            self._failed([request], error)

    def _end(self, taken: Sequence[WaitingRequest], error: LedgerError | LedgerCorrupt) -> None:
        """Decides nothing any more."""
        self.failed = str(error)
        log.critical("%s; nothing is decided any more", error)
        left = [request for request in taken if not request.complete]
        _refuse([*left, *self.queue.close()], lambda: _unavailable(error))


class Decider:
    """Decides and checks the events of requests. `patience` is in seconds, `most` in events.

    Once `stopping` is set, nothing new is taken, and what waits is refused; what was taken is answered.
    """

    def __init__(
        self, engine: Engine, *, stopping: asyncio.Event | None = None, patience: float = PATIENCE,
        most: int = MOST_WAITING,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._stopping = stopping
        self._stop: asyncio.Task[None] | None = None
        self._patience = patience
        self._most = most
        self._queue = Queue(most)
        self._turns = Turns(engine, self._queue)
        self._checked = 0
        self._checking = {
            large: ThreadPoolExecutor(1 if large else CHECKERS, "check-large" if large else "check")
            for large in (False, True)
        }

    @property
    def failed(self) -> str | None:
        """Why nothing is decided any more; None as long as it is."""
        return self._turns.failed

    async def decide(
        self, read: Sequence[ReadMessage], *, follow: bool = False, gone: Gone | None = None
    ) -> list[Texts]:
        """The answer to each message, in order, committed; with `follow` each with what follows from it.

        Raises Problem, with nothing decided, where its turn does not come in time, too many wait, or the server stops;
        and where the database fails: then it may be sent again, and gets its first answer if it was decided.
        """
        if not read:
            return []
        loop = asyncio.get_running_loop()
        if self._stop is None and self._stopping is not None:
            self._stop = loop.create_task(self._stop_when(self._stopping))
        request = WaitingRequest(read, follow, time.monotonic(), loop.create_future())
        if not self._queue.add(request):
            raise self._turns.refusal(f"{self._most:,} events wait already")
        why = f"the ledger was not free within {self._patience:g} seconds"

        def withdraw() -> None:
            if self._queue.withdraw(request) and not request.future.done():
                request.future.set_exception(_problem(Kind.LEDGER_BUSY, why))

        try:
            with self._watched(withdraw, gone):
                return await request.future
        finally:
            self._queue.withdraw(request)

    @contextmanager
    def _watched(self, withdraw: Callable[[], object], gone: Gone | None) -> Iterator[None]:
        """Meanwhile, withdraws a request whose turn does not come in time, or whose client goes away."""
        loop, watching = asyncio.get_running_loop(), list[asyncio.Task[None]]()
        end = loop.time() + self._patience

        async def watch() -> None:
            waiting = asyncio.sleep(self._patience) if gone is None else gone()
            with suppress(TimeoutError):
                await asyncio.wait_for(waiting, max(end - loop.time(), 0))
            withdraw()

        after = min(WATCHED_AFTER, self._patience)
        timer = loop.call_later(after, lambda: watching.append(loop.create_task(watch())))
        try:
            yield
        finally:
            timer.cancel()
            for task in watching:
                task.cancel()

    async def check(self, read: Sequence[ReadMessage], *, gone: Gone | None = None) -> list[Texts]:
        """What `decide` would answer, with what follows; nothing is written. Raises Problem where too many wait."""
        if not read:
            return []
        if self._queue.closed or self._checked + len(read) > self._most:
            raise self._turns.refusal(f"{self._most:,} events wait to be checked already")
        self._checked += len(read)
        checking = self._checking[len(read) > LARGE].submit(self._engine.check_read, read)
        try:
            with self._watched(checking.cancel, gone):  # which a check that has begun ignores
                return await asyncio.wrap_future(checking)
        except (DatabaseError, LedgerError, LedgerCorrupt) as error:
            raise _unavailable(error) from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            why = f"no check could begin within {self._patience:g} seconds"
            raise _problem(Kind.LEDGER_BUSY, why) from None
        finally:
            self._checked -= len(read)

    async def _stop_when(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        waiting = self._queue.close()
        _refuse(waiting, lambda: self._turns.refusal(""))

    def close(self) -> None:
        """Ends the threads, once what was taken is answered."""
        self._turns.close()
        for pool in self._checking.values():
            pool.shutdown(wait=False, cancel_futures=True)


def _complete(requests: Sequence[WaitingRequest], settle: Callable[[WaitingRequest], None]) -> None:
    """Settles the futures of requests, in their event loop; not once that has ended."""

    def each() -> None:
        for request in requests:
            if not request.future.done():
                settle(request)

    for request in requests:
        request.complete = True
    if requests:
        with suppress(RuntimeError):
            requests[0].future.get_loop().call_soon_threadsafe(each)


def _answer(requests: Sequence[WaitingRequest]) -> None:
    _complete(requests, lambda request: request.future.set_result(request.answers))


def _refuse(requests: Sequence[WaitingRequest], problem: Callable[[], Problem]) -> None:
    _complete(requests, lambda request: request.future.set_exception(problem()))


def _problem(kind: Kind, why: str) -> Problem:
    return Problem(kind, f"Nothing was decided: {why}.", headers={"Retry-After": RETRY_AFTER})


def _unavailable(error: Exception) -> Problem:
    """The problem of a request on which the database or the program failed, which may have been decided."""
    if not isinstance(error, (DatabaseError, LedgerError, LedgerCorrupt)):
        return Problem(Kind.INTERNAL, "The program failed on this request; its log says why. Send it again.")
    why = "the ledger's database failed" if isinstance(error, DatabaseError) else str(error)
    detail = f"{why[0].upper()}{why[1:]}. Send the request again: what was decided gets its first answer."
    return Problem(Kind.LEDGER_UNAVAILABLE, detail, headers={"Retry-After": RETRY_AFTER})
