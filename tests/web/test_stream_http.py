"""The stream: each event once and in order, for readers who are cut off, slow, choosy, or no longer welcome."""

import random
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import httpx
import orjson
from reading_run import dispatch, event, request, something_of_everything, writer
from stream_reader import Sent, published, read
from waiting import PATIENCE, wait_until
from web_run import Served

from ledger.database.store import Store
from ledger.doors.tokens import revoke_token
from schemas.accounts import matches
from services.resources import wall_clock

CUTS = 100
LAST = event("last", "threshold.set", {"account": "aia/LAST", "thresholds": ["0.5"]})


def busy(count: int) -> list[bytes]:
    """Requests and departures of several consignees."""
    asked = [request(f"B-{n}", 1 + n % 3, consignee=f"CON-{n % 5}") for n in range(count)]
    return [one for n, ask in enumerate(asked) for one in ((ask, dispatch(f"B-{n}")) if n % 3 == 0 else (ask,))]


def write_slowly(ledger: str, lines: list[bytes]) -> threading.Thread:
    """Decides events a few at a time, each time in a transaction of its own, beside the test."""

    def write() -> None:
        with writer(ledger) as decide:
            for first in range(0, len(lines), 3):
                decide(lines[first : first + 3])
            decide([LAST])

    made = threading.Thread(target=write)
    made.start()
    return made


def is_last(one: Sent) -> bool:
    """Whether an event is the record of LAST."""
    return '"id":"last"' in one.data


def to_last(events: Iterator[Sent]) -> list[Sent]:
    """Events up to the record of LAST."""
    found = []
    for one in events:
        found.append(one)
        if is_last(one):
            return found
    raise AssertionError("the stream ended")


def test_a_reader_that_is_cut_off_again_and_again_gets_each_event_once_and_in_order(web: Served) -> None:
    chance, found, cuts = random.Random(7), list[Sent](), 0
    writing = write_slowly(web.ledger, busy(60))
    with web.client(web.token("monitor")) as client:
        while not (found and is_last(found[-1])) or cuts < CUTS:
            last = found[-1].id if found else "0"
            by_header = chance.random() < 0.5
            headers = {"Last-Event-ID": last} if by_header else {}
            query = {} if by_header and chance.random() < 0.5 else {"after": "0" if by_header else last}
            few = chance.randrange(5)
            with closing(read(client, headers, **query)) as events:
                while few and not (found and is_last(found[-1])):
                    found.append(next(events))
                    few -= 1
            cuts += 1
    writing.join()
    assert [one.data for one in found] == published(web.ledger)


def test_each_reader_gets_what_it_wants(web: Served) -> None:
    wanted: list[dict[str, str]] = [
        {}, {"types": "shipment.held,quota.alert"}, {"account": "lpp/CON-1*"}, {"account": "lpp/CON-1/2025", "types": "quota.alert"},
        {"types": "event.rejected"},
    ]  # fmt: skip
    found: dict[int, list[Sent]] = {}

    def follow(number: int, client: httpx.Client) -> None:
        found[number] = to_last(read(client, after="0", **wanted[number])) if number == 0 else []
        if number:
            with closing(read(client, after="0", **wanted[number])) as events:
                found[number] = list(islice(events, len(expected(published(web.ledger), wanted[number]))))

    with writer(web.ledger) as decide:
        decide(something_of_everything())
        decide(busy(20))
        decide([LAST])
    with web.client(web.token("monitor")) as client:
        readers = [threading.Thread(target=follow, args=(n, client)) for n in range(len(wanted))]
        for one in readers:
            one.start()
        for one in readers:
            one.join(PATIENCE)
    every = published(web.ledger)
    for number, want in enumerate(wanted):
        assert [one.data for one in found[number]] == expected(every, want), want
        assert found[number]
    for one in found[0]:
        told = orjson.loads(one.data)
        assert (one.id, one.event) == (told["sequence"], told["type"].removeprefix("tpp.").removesuffix(".v1"))


def expected(every: list[str], want: dict[str, str]) -> list[str]:
    """What of all that was published is wanted."""
    kinds = [f"tpp.{name}.v1" for name in want["types"].split(",")] if "types" in want else None
    found = []
    for text in every:
        told = orjson.loads(text)
        data = told["data"]
        entries = [
            *data.get("debits", []),
            *data.get("entries", []),
            *(one["facts"] for one in data.get("reasons", [])),
        ]
        about = {one.get("account") for one in (data, *entries)} - {None}
        if (kinds is None or told["type"] in kinds) and (
            "account" not in want or any(matches(want["account"], path) for path in about)
        ):
            found.append(text)
    return found


def test_without_a_place_it_begins_with_what_is_committed_then(web: Served) -> None:
    with web.client(web.token("admin")) as client, writer(web.ledger) as decide:
        decide(busy(3))
        before = len(published(web.ledger))
        with client.stream("GET", "/v1/stream") as answer:  # its headers have come
            decide([request("NEXT")])
            text = ""
            for part in answer.iter_text():
                text += part
                if text.endswith("\n\n") and "data: " in text:
                    break
        assert published(web.ledger)[before] in text
        assert not any(one in text for one in published(web.ledger)[:before])


def test_a_place_that_is_not_reached_or_a_query_that_is_not_valid_is_refused(web: Served) -> None:
    with writer(web.ledger) as decide:
        decide([request("SHP-1")])
    every = published(web.ledger)
    last = len(every)
    with web.client(web.token("finance")) as client:
        for query, headers, kind in (
            (f"after={last + 1}", {}, "sequence-ahead"),
            ("after=0", {"Last-Event-ID": str(last + 1)}, "sequence-ahead"),
            ("after=0", {"Last-Event-ID": "x"}, "request-invalid"),
            ("after=0", {"Last-Event-ID": "-1"}, "request-invalid"),
            ("after=x", {"Last-Event-ID": "0"}, "query-invalid"),
            ("after=-1", {}, "query-invalid"),
            ("after=" + "9" * 30, {}, "query-invalid"),
            ("after=", {}, "query-invalid"),
            ("after=1&after=1", {}, "query-invalid"),
            ("types=shipment.held,none.such", {}, "query-invalid"),
            ("types=tpp.shipment.held.v1", {}, "query-invalid"),
            ("types=shipment.requested", {}, "query-invalid"),
            ("types=,", {}, "query-invalid"),
            ("account=%00", {}, "query-invalid"),
            ("limit=5", {}, "query-invalid"),
        ):
            answer = client.get(f"/v1/stream?{query}", headers=headers)
            assert (answer.status_code, answer.json()["type"]) == (400, f"/problems/{kind}"), query
        with closing(read(client, {"Last-Event-ID": "1"}, after="99999")) as events:
            assert [one.data for one in islice(events, last - 1)] == every[1:]
        with closing(read(client, {"Last-Event-ID": ""}, after="00000000000000000000")) as events:
            assert next(events).data == every[0]
    for role, status in (("publisher", 403), ("calendar", 403)):
        with web.client(web.token(role, "x", "//x")) as client:
            assert client.get("/v1/stream").status_code == status
    with web.client() as nobody:
        assert nobody.get("/v1/stream").status_code == 401


def test_a_stream_ends_with_its_token_and_others_go_on(web: Served) -> None:
    token = web.token("monitor", "leaving")
    begun, ended = threading.Event(), threading.Event()

    def follow() -> None:
        with web.client(token) as client:
            for _ in read(client, after="0"):
                begun.set()
        ended.set()

    with writer(web.ledger) as decide, web.client(web.token("monitor", "staying")) as client:
        decide([request("SHP-1")])
        with closing(read(client, after="0")) as events:
            assert next(events).event == "shipment.approved"
            leaving = threading.Thread(target=follow)
            leaving.start()
            wait_until(begun.is_set)
            store = Store(web.ledger)
            assert revoke_token(store, token.split("_")[1], wall_clock())
            store.close()
            wait_until(ended.is_set)
            leaving.join()
            decide([LAST])
            assert to_last(events)
