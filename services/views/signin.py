"""The pages by which people sign in and out: HTML without scripts, which asks for nothing from elsewhere."""

from dataclasses import dataclass
from typing import Any

from services.views.console.look.render import render
from services.views.console.look.words import say

CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of these pages: the style sheet of this server, forms to it, and no script."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who will be signed in: the name, and the role."""

    name: str
    role: str


def link_page(person: Person) -> str:
    """The page of a one-time link, with one button that uses it up."""
    return _page(say("signin.title"), "link", person=person)


def token_page(provider: str | None, error: str | None = None, next: str = "") -> str:
    """The page that signs in with a token, and where there is one, by a `provider`, of which it is the address.

    `error` stands at its top; `next` is the page of ours that it leads to.
    """
    return _page(say("signin.title"), "token", provider=provider, error=error, next=next)


def refusal_page(title: str, sentence: str, back: str) -> str:
    """A page that says what was not done, with a link to the page `back`."""
    return _page(title, "refusal", sentence=sentence, back=back)


def _page(title: str, kind: str, **values: Any) -> str:
    return render("signin", {"title": title, "kind": kind, **values})
