"""Any number of workers on one ledger, facts racing decisions: one program that decides the journal again agrees."""

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
from databases import Databases
from events import certification, party
from ledger_checks import check_ledger, opened
from ledger_events import Line, engine, licence, records, request
from prepared import every_request, trusting

from ledger.database.store import Store
from rulebook import load
from schemas.plan import Case
from services.engine.engine import Engine
from services.engine.message import Message
from services.proof.report import Discrepancy
from services.proof.verification import verify
from services.resources import software

ROUNDS = 40


def shipments(source: str, chance: random.Random) -> list[bytes]:
    """The lives of shipments: requests, amendments, dispatches, cancellations, of owners that all workers share."""
    line, raws = Line(source), list[bytes]()
    for number in range(ROUNDS):
        name = f"{source[2:]}-{number}"
        kind, consignee = chance.choice(
            [("LPP", "CON-20"), ("LPP", "CON-22"), ("LICENSE", "CON-40"), ("AIA", "CON-30")]
        )
        more = {"authorization": {"kind": "LICENSE", "reference": "LIC-1"}} if kind == "LICENSE" else {}
        quantity = chance.choice([1, 40, 400])
        raws.append(line.event("shipment.requested", request(name, consignee, quantity, kind, **more)))
        match number % 4:
            case 1:
                raws.append(line.event("shipment.amended", request(name, consignee, 2, kind, **more)))
            case 2:
                raws.append(line.dispatched(name))
            case 3:
                raws.append(line.cancelled(name))
    return raws


def facts(chance: random.Random) -> list[bytes]:
    """Facts that change what the same requests are answered: of a licence, of parties, of limits, a merger."""
    line, raws = Line("//facts"), list[bytes]()
    for number in range(ROUNDS):
        raws.append(
            chance.choice(
                [
                    line.event("license.issued", licence("LIC-1", chance.choice([1, 10_000_000, 90_000_000]))),
                    line.event("license.revoked", {"number": "LIC-1", "date": f"2025-06-{10 + number % 15}"}),
                    line.event(
                        "party.registered", party("CON-20", chance.choice(["PL", "CN"])) | {"valid_from": "2025-01-01"}
                    ),
                    line.event("certification.received", certification("aia", "CON-30", "2025-03-01")),
                    line.event("allocation.set", {"account": "lpp/CON-20/2025", "limit": chance.randrange(26_000_000)}),
                    line.attested("lpp/CON-20/2025", chance.randrange(9_000_000)),
                    line.event("recheck.requested", {"all": True}),
                ]
            )
        )
    raws.insert(ROUNDS // 2, line.merged("CON-20", "CON-21"))
    return raws


def work(runs: Engine, messages: Sequence[Message], chance: random.Random) -> None:
    """Prepares and decides the messages of a partition, in batches of any size, some prepared long before."""
    waiting, read = [], runs.read(messages)
    while read or waiting:
        some, read = read[: (size := chance.randint(1, 12))], read[size:]
        waiting += runs.prepare(some)
        if chance.random() < 0.6 or not read:
            runs.decide_between(waiting)
            while runs.pending:
                runs.go_on()
            waiting = []


def together(store: Store, others: Sequence[Store], seed: int) -> None:
    """Lets a worker for each store take the partitions among them; the facts are on the first one's."""
    failed: list[BaseException] = []

    def started(number: int, one: Store) -> threading.Thread:
        chance = random.Random(f"{seed} {number}")
        raws = [raw for partition in range(number, 4, 1 + len(others)) for raw in shipments(f"//p{partition}", chance)]
        if number == 0:
            told = facts(chance)
            raws = [raw for pair in zip(raws, told * 9, strict=False) for raw in dict.fromkeys(pair)][
                : len(raws) + len(told)
            ]
        messages = records(raws, 1, f"{number}.jsonl")

        def run() -> None:
            try:
                work(engine(one), messages, chance)
            except BaseException as error:  # noqa: BLE001  the test says what a thread raised
                failed.append(error)

        return threading.Thread(target=run)

    threads = [started(number, one) for number, one in enumerate((store, *others))]
    with every_request():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed, failed


def bad(store: Store) -> list[Discrepancy]:
    """What one program that decides the journal again, with nothing prepared, finds otherwise."""
    return verify(store, load("ai-diffusion"), software(), list, []).bad


@contextmanager
def workers(databases: Databases, many: int) -> Iterator[list[Store]]:
    """Stores of so many workers on one new ledger."""
    url = databases.ledger()
    with ExitStack() as stack:
        yield [stack.enter_context(opened(url)) for _ in range(many)]
    databases.drop(url)


@pytest.mark.parametrize("many", [1, 2, 4])
def test_workers_on_one_ledger_answer_as_one_program_that_takes_their_order(databases: Databases, many: int) -> None:
    with workers(databases, many) as (first, *others):
        together(first, others, many)
        check_ledger(first)
        assert bad(first) == []


def test_what_is_prepared_and_not_compared_is_found(databases: Databases) -> None:
    def always(one: Case, other: Case) -> bool:  # noqa: ARG001
        return True

    with workers(databases, 2) as (first, *others):
        with trusting(always):
            together(first, others, 2)
        assert bad(first)
