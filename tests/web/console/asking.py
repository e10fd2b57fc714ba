"""A browser's part in asking: the form of the page, filled in and sent."""

import re
from html import unescape
from typing import Any

import httpx
import orjson
from signin_run import SAME


def form_token(client: httpx.Client, path: str = "/console/ask") -> str:
    """The session's token in the forms of a page."""
    page = client.get(path)
    assert page.status_code == 200, page.text
    return re.findall(r'name="form" value="([0-9a-f]{64})"', page.text)[0]


def text_of(page: str) -> str:
    """What stands in the field of several lines, as a browser reads it."""
    return unescape(re.findall(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.DOTALL)[0])


def plain(page: str) -> str:
    """The text of a page, with one blank between words."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", re.sub("</?time>", "", page))).split())


def ask(client: httpx.Client, text: Any = "", file: tuple[str, bytes] | None = None) -> httpx.Response:
    """The page after the form was sent with a text, or a value as JSON, and a file."""
    given = text if isinstance(text, str) else orjson.dumps(text).decode()
    return client.post(
        "/console/ask",
        data={"form": form_token(client), "shipment": given},
        files={"file": file or ("", b"")},
        headers=SAME,
    )
