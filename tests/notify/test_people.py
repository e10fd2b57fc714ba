"""What a person reads in a mail: a sentence with figures and a link, brought by a mail server that is a real one."""

import email
import socketserver
import threading
from collections.abc import Iterator
from email.message import Message as Mail
from pathlib import Path
from typing import Any, Self

import orjson
import pytest
from events import Line, shipment
from notify_run import Hook, Ledger, receivers, run_due, table

from services.notify.delivery import WAITS
from services.notify.people import People
from services.notify.sentences import Message, link, message

PUBLIC = "https://tpp.example"


class MailServer:
    """A mail server on loopback: it keeps every mail, or refuses each while `refuses` is set."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.refuses = self.is_silent = False
        self.ended = threading.Event()
        outer = self

        class _Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                if outer.is_silent:
                    outer.ended.wait()
                    return
                self.say("220 mail.example")
                while line := self.rfile.readline().decode().strip().upper():
                    if line.startswith("DATA"):
                        self.say("354 go on")
                        text = b"".join(iter(self.rfile.readline, b".\r\n"))
                        outer.mails.append(email.message_from_bytes(text))
                        self.say("250 kept")
                    elif line.startswith("RCPT") and outer.refuses:
                        self.say("451 try again later")
                    elif line.startswith("QUIT"):
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 fine")

            def say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

        class _Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.server = _Server(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The URL of apprise that sends here."""
        return f"mailto://127.0.0.1:{self.server.server_address[1]}?from=tpp@quota.example&to=desk@quota.example"

    @property
    def texts(self) -> list[str]:
        """The plain texts of the mails."""
        return [_plain(one) for one in self.mails]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


def _plain(mail: Mail) -> str:
    part = next(one for one in mail.walk() if one.get_content_type() == "text/plain")
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n").strip()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    """A mail server."""
    with MailServer() as made:
        yield made


def test_a_person_gets_sentences_and_no_json(ledger: Ledger, mail: MailServer, tmp_path: Path) -> None:
    to = receivers(tmp_path, table("desk", mail.url, 'types = ["quota.alert"]'))
    (delivery,) = ledger.deliveries(*to)
    ledger.attest(13_450_000)
    assert run_due(delivery) is None
    (got,) = mail.texts
    assert got == "lpp/CON-1/2025: Reached 0.5: 13,450,000 of 26,900,000 TPP used. 13,450,000 TPP are left."
    assert "lpp/CON-1/2025: a threshold was reached" in str(mail.mails[0]["Subject"])


def test_a_mail_that_is_not_taken_is_tried_again(ledger: Ledger, mail: MailServer, tmp_path: Path) -> None:
    (delivery,) = ledger.deliveries(*receivers(tmp_path, table("desk", mail.url)))
    ledger.attest(1)
    mail.refuses = True
    assert run_due(delivery) == WAITS[0]
    mail.refuses = False
    ledger.passes(WAITS[0])
    assert run_due(delivery) is None
    assert len(mail.mails) == 1


def test_a_service_that_is_silent_is_left(mail: MailServer) -> None:
    mail.is_silent = True
    outcome = People(mail.url, seconds=0.3).send(Message("a", "b"))
    assert (outcome.taken, outcome.why) == (False, "not sent within 0.3 seconds")


def test_chat_gets_the_same_text(hook: Hook) -> None:
    """A service of apprise that is a webhook of its own form."""
    sent = Message("a title", "a <b>body</b> & more\n\nhttps://tpp.example/console/holds/SHP-1")
    assert People(f"json://127.0.0.1:{hook.port}/chat").send(sent).taken
    got = orjson.loads(hook.got[0].body)
    assert (got["title"], got["message"]) == (sent.title, sent.body)


def _given(*events: bytes) -> list[dict[str, Any]]:
    with Ledger(":memory:") as ledger:
        ledger.store.open()
        return ledger.run(*events)


def _texts(public_url: str | None) -> dict[str, Message]:
    """The message of the first event of each type, and of alerts of each kind."""
    line = Line()
    paper = {"claim": "LPP", "papers": ["lpp 2025-05-20"]}
    given = _given(
        line.event("shipment.requested", shipment({"id": "SHP-1", "quantity": 1_000, **paper})),
        line.event("shipment.requested", shipment({"id": "SHP-2", "quantity": 1_000, **paper})),
        line.event("shipment.dispatched", {"shipment_id": "SHP-2", "export_date": "2025-06-05"}),
        line.event("shipment.cancelled", {"shipment_id": "SHP-9"}),
        b"no json",
        line.event("review.decided", {"shipment_id": "SHP-2", "action": "deny"}),
        line.attested("lpp/CON-1/2025", 20_000_000),
        line.cancelled("SHP-1"),
        line.attested("lpp/CON-1/2025", 0),
        line.event("clock.ticked", {"now": "2025-08-01T00:00:00Z"}, "2025-08-01T00:00:00Z"),
    )
    found: dict[str, Message] = {}
    for one in given:
        name = one["type"].removeprefix("tpp.").removesuffix(".v1")
        kind = one["data"].get("kind") if name == "quota.alert" else None
        found.setdefault(f"{name} {kind}" if kind else name, message(orjson.dumps(one).decode(), public_url))
    return found


def test_every_kind_of_event_is_a_sentence_with_its_figures() -> None:
    texts = _texts(PUBLIC)
    for name, (title, body) in texts.items():
        assert title
        assert "\n" not in title
        assert f"{PUBLIC}/console" in body
        assert not {"{", "[", '"', "None"} & set(body.split()), name
        assert "{" not in body, name
    held = texts["shipment.held"]
    assert held.title == "Held: shipment SHP-2, 15,832,000 TPP"
    assert "11,068,000 TPP available and 15,832,000 are asked: 4,764,000 too many" in held.body
    assert held.body.endswith(f"{PUBLIC}/console/holds/SHP-2")
    assert texts["shipment.approved"].body.splitlines()[0] == ("Shipment SHP-1, 15,832,000 TPP, is approved under LPP.")
    assert (
        "15,832,000 TPP on lpp/CON-1/2025, whose balance is 15,832,000 of 26,900,000" in texts["shipment.approved"].body
    )
    assert texts["shipment.approved"].body.endswith(f"{PUBLIC}/console/shipments/SHP-1")
    due = texts["obligation.due"]
    assert due.title == "Overdue: left without approval, SHP-2, 2025-06-05"
    assert due.body.startswith("SHP-2: left without approval (15 CFR 764.5) was due on 2025-06-05 and is overdue.\n\n")
    assert "Send it to BIS Office of Export Enforcement. Subject: Voluntary self-disclosure." in due.body
    assert due.body.endswith(f"{PUBLIC}/console/obligations")
    over = texts["quota.alert over_limit"].body
    assert over.startswith("lpp/CON-1/2025: Over its limit: 35,832,000 of 26,900,000 TPP used. 0 TPP are left.")
    assert over.endswith(f"{PUBLIC}/console/accounts/lpp/CON-1/2025")
    assert {"event.recorded", "event.rejected", "event.refused", "shipment.alert", "shipment.denied"} <= texts.keys()
    assert {f"quota.alert {kind}" for kind in ("threshold", "exhausted", "replenished", "over_limit")} <= texts.keys()


def test_without_a_public_address_there_is_no_link() -> None:
    assert all("http" not in body for _, body in _texts(None).values())


def test_text_cannot_control_what_shows_it() -> None:
    event = {"type": "tpp.shipment.alert.v1", "data": {"shipment_id": "S\x1b[2J\n", "kind": "k", "message": "a\x1bb"}}
    title, body = message(orjson.dumps(event).decode(), None)
    assert title == "S\\x1b[2J\\x0a: k"
    assert body == "a\\x1bb"


def test_a_long_message_is_cut_and_keeps_its_link() -> None:
    event = {"type": "tpp.party.alert.v1", "data": {"party": "CON-1", "kind": "resembles", "message": "x" * 9_000}}
    _, body = message(orjson.dumps(event).decode(), PUBLIC)
    assert body == f"{'x' * 4_000}…\n\n{PUBLIC}/console"


@pytest.mark.parametrize(
    ("event", "page"),
    [
        ({"type": "tpp.quota.alert.v1", "data": {"account": "uveu/CON-1/total"}}, "/accounts/uveu/CON-1/total"),
        ({"type": "tpp.party.alert.v1", "data": {"party": "CON-1"}}, ""),
        ({"type": "tpp.shipment.held.v1", "data": {"shipment_id": "a?b#c", "outcome": "held"}}, "/holds/a%3Fb%23c"),
        ({"type": "tpp.shipment.alert.v1", "data": {"shipment_id": "SHP-1"}}, "/shipments/SHP-1"),
    ],
)
def test_a_link_leads_to_the_page_of_what_it_is_about(event: dict[str, Any], page: str) -> None:
    for public in ("https://tpp.example", "https://tpp.example/"):
        assert link(event, public) == f"https://tpp.example/console{page}"
