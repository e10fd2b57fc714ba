"""SIGTERM with fifty readers of the stream, and one that reads nothing: whole events in order, and an exit with 0."""

import threading
import time
from contextlib import closing

from reading_run import request, screen
from server_raw import Raw
from stream_reader import Sent, published, read
from waiting import PATIENCE, wait_until
from web_run import served

READERS = 50
CONTRACT = 10.0
"""Seconds within which the server ends."""


def test_50_readers_of_the_stream_do_not_keep_the_server(ledger_url: str) -> None:
    screen(ledger_url, [request(f"SHP-{n}") for n in range(10)])
    before = len(published(ledger_url))
    found: dict[int, list[Sent]] = {number: [] for number in range(READERS)}
    with served(ledger_url) as web:
        token = web.token("monitor")

        def follow(number: int) -> None:
            with web.client(token) as client:
                for one in read(client, {"Last-Event-ID": str(number % 5)}):
                    found[number].append(one)

        readers = [threading.Thread(target=follow, args=(number,)) for number in found]
        writing = threading.Thread(target=screen, args=(ledger_url, [request(f"MORE-{n}") for n in range(300)]))
        with closing(Raw(web)) as silent:
            asked = f"GET /v1/stream?after=0 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
            silent.send(asked.encode())
            for one in readers:
                one.start()
            wait_until(lambda: all(len(got) >= before - number % 5 for number, got in found.items()))
            writing.start()
            wait_until(lambda: any(len(got) > before for got in found.values()))
            start = time.monotonic()
            assert web.stop() == 0
            # The clock of the test is that of the machine: it says nothing where the machine gives the server no time.
            assert time.monotonic() - start < CONTRACT * 3
        for one in (*readers, writing):
            one.join(PATIENCE)
            assert not one.is_alive()
        assert not any("Traceback" in line for line in web.lines)
    every = published(ledger_url)
    for number, got in found.items():
        first = number % 5
        assert [one.data for one in got] == every[first : first + len(got)], number
