"""The pages by which people sign in and out: HTML without scripts, which asks for nothing from elsewhere."""

import base64
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from services.visible import visible


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("services.views", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if isinstance(value, str) else value,
    )


_TEMPLATES = _environment()


def _style_hash() -> str:
    """The SHA-256 of the style of the pages, in Base64, as a Content-Security-Policy names it."""
    whole = _TEMPLATES.get_template("signin.html").render(title="", kind="", sentence="", back="")
    style = whole.partition("<style>")[2].partition("</style>")[0]
    return base64.b64encode(sha256(style.encode()).digest()).decode()


CONTENT_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_style_hash()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of these pages: their own style, forms to this server, and nothing else."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who will be signed in: the name, and the role."""

    name: str
    role: str


def link_page(person: Person) -> str:
    """The page of a one-time link, with one button that uses it up."""
    return _page("Sign in", "link", person=person)


def token_page(provider: bool, error: str | None = None) -> str:
    """The page that signs in with a token, and where there is a `provider` through it; `error` stands at its top."""
    return _page("Sign in", "token", provider=provider, error=error)


def refusal_page(title: str, sentence: str, back: str) -> str:
    """A page that says what was not done, with a link to the page `back`."""
    return _page(title, "refusal", sentence=sentence, back=back)


def _page(title: str, kind: str, **values: Any) -> str:
    return _TEMPLATES.get_template("signin.html").render(title=title, kind=kind, **values)
