"""The pages of quotas and accounts, read as a browser does: rows of tables, sentences, forms."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser

import httpx
from signin_run import sign_in
from web_run import Served

VOID = {"meta", "link", "input", "br", "hr", "img", "line", "rect", "circle"}


class Page(HTMLParser):
    """A page: of each element its tag, attributes and whole text, in the order in which they begin."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(html)
        assert self._open == [], self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text: list[str] = []
        self.elements.append((tag, {name: value or "" for name, value in attrs}, text))
        if tag not in VOID:
            self._open.append((tag, text))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, (opened, tag)

    def handle_data(self, data: str) -> None:
        for _, text in self._open:
            text.append(data)

    def texts(self, tag: str, **wanted: str) -> list[str]:
        """The texts of elements of a tag with these attributes."""
        return [" ".join("".join(text).split()) for _, text in self.found(tag, **wanted)]

    def found(self, tag: str, **wanted: str) -> list[tuple[dict[str, str], list[str]]]:
        """Elements of a tag with these attributes, whose names have `_` for `-`."""
        names = {name.rstrip("_").replace("_", "-"): value for name, value in wanted.items()}
        return [
            (attrs, text)
            for one, attrs, text in self.elements
            if one == tag and all(attrs.get(name) == value for name, value in names.items())
        ]

    def rows(self, prefix: str = "account-") -> dict[str, dict[str, str]]:
        """The rows whose id begins so: of each the cells by their labels, the head of the row under an empty one."""
        rows: dict[str, dict[str, str]] = {}
        row: dict[str, str] | None = None
        for tag, attrs, text in self.elements:
            if tag == "tr":
                known = re.sub("_([0-9a-f]+)_", lambda found: chr(int(found[1], 16)), attrs.get("id", ""))
                row = rows.setdefault(known.removeprefix(prefix), {}) if known.startswith(prefix) else None
            elif row is not None and tag in ("td", "th"):
                row[attrs.get("data-label", "bar" if tag == "td" else "")] = " ".join("".join(text).split())
        return rows

    def ids(self) -> list[str]:
        """Every id, in order."""
        return [attrs["id"] for _, attrs, _ in self.elements if "id" in attrs]


@contextmanager
def reader(web: Served, role: str = "monitor") -> Iterator[httpx.Client]:
    """A browser in which somebody is signed in, in a role."""
    sources = ("//wms.example/*",) if role == "publisher" else ()
    with sign_in(web, web.token(role, f"{role}.one", *sources)) as client:
        yield client


def number(text: str) -> int | None:
    """An amount as the page shows it; None of an empty cell."""
    found = re.match("[−+]?[0-9][0-9,]*", text)
    return int(found[0].replace(",", "").replace("−", "-")) if found else None
