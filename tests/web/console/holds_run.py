"""A reviewer's part at the page of holds: fills ledgers with holds of each kind, reads pages, sends their forms."""

import re
from collections.abc import Iterable
from html import unescape
from itertools import count
from typing import Any

import httpx
from reading_run import event, request, writer
from signin_run import SAME
from web_run import Served

_NUMBERS = count(1)
NOW = "2025-06-02T09:30:00Z"


def shipment() -> str:
    """The id of a shipment that was not there before."""
    return f"SHP-H{next(_NUMBERS)}"


def fill(web: Served, lines: Iterable[bytes]) -> None:
    """Decides events beside the server; the ledger's day is 2025-06-02."""
    tick = event(f"tick-{next(_NUMBERS)}", "clock.ticked", {"now": NOW})
    with writer(web.ledger) as write:
        write([tick, *lines])


def flagged(id: str, **words: Any) -> bytes:
    """A request that a red flag holds, which a reviewer may set aside."""
    return request(id, **({"flags": [2], "consignee": f"CON-{id}"} | words))


def too_much(id: str, **words: Any) -> bytes:
    """A request for more than the yearly limit."""
    return request(id, **({"quantity": 1_700, "consignee": f"CON-{id}"} | words))


def unpapered(id: str, **words: Any) -> bytes:
    """A request without its statement."""
    return request(id, **({"papers": [], "consignee": f"CON-{id}"} | words))


def policy(web: Served, on: bool) -> None:
    """The house asks for two persons from now on, or does not."""
    data = {"name": "four_eyes", "value": on}
    fill(web, [event(f"policy-{next(_NUMBERS)}", "policy.set", data)])


def page(client: httpx.Client, path: str, status: int = 200) -> str:
    """The HTML of a page."""
    got = client.get(path)
    assert got.status_code == status, (got.status_code, got.headers.get("location"), got.text[:2_000])
    return got.text


def text_of(html: str) -> str:
    """What a page says: its text without markup, blanks between words made one."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", re.sub(r"<(/?)(b|code|s|time)( [^>]*)?>", "", html))).split())


def form(html: str, button: str) -> dict[str, str]:
    """The fields of the form that has a button, with their values, the button's own among them."""
    for found in re.findall(r'<form method="post".*?</form>|<form [^>]*method="post".*?</form>', html, re.DOTALL):
        if f'name="do" value="{button}"' in found:
            hidden = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', found)
            return {**{name: unescape(value) for name, value in hidden}, "do": button}
    raise AssertionError(f"no form has the button {button!r}")


def buttons(html: str) -> list[str]:
    """What the buttons of a hold's forms do."""
    return re.findall(r'name="do" value="([^"]*)"', html)


def press(client: httpx.Client, path: str, fields: dict[str, str], **more: str) -> httpx.Response:
    """Sends a form as a browser does."""
    return client.post(path, data=fields | more, headers=SAME)


def act(client: httpx.Client, id: str, button: str, **more: str) -> httpx.Response:
    """Opens a hold and presses a button of its page."""
    path = f"/console/holds/{id}"
    return press(client, path, form(page(client, path), button), **more)


def told(client: httpx.Client, answer: httpx.Response) -> str:
    """What a page says of the form that was just sent."""
    assert answer.status_code == 303, answer.text
    sent = re.search(r"answer=([0-9a-f]{40})", answer.headers["location"])
    assert sent is not None, answer.headers["location"]
    html = page(client, f"/console/holds?answer={sent[1]}")
    found = re.search(r'id="answer-to-you".*?</div>', html, re.DOTALL)
    assert found is not None
    return text_of(f"<{found[0]}")


def state(web: Served, id: str) -> str:
    """The state of a shipment, as the HTTP interface says it."""
    with web.client(web.token("monitor")) as reading:
        return str(reading.get(f"/v1/shipments/{id}").json()["state"])


def events_of(web: Served, id: str) -> list[str]:
    """The types of the answers about a shipment, oldest first."""
    with web.client(web.token("monitor")) as reading:
        return [one["type"] for one in reading.get(f"/v1/shipments/{id}").json()["answers"]]
