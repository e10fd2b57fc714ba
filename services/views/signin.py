"""The pages by which people sign in and out: HTML without scripts, which asks for nothing from elsewhere."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
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
    """Who is or will be signed in: the name, the role, and the end of the session in microseconds since 1970 (UTC)."""

    name: str
    role: str
    until: int = 0


def link_page(person: Person) -> str:
    """The page of a one-time link, with one button that uses it up."""
    return _page("Sign in", "link", person=person)


def token_page(provider: bool, error: str | None = None) -> str:
    """The page that signs in with a token, and where there is a `provider` through it; `error` stands at its top."""
    return _page("Sign in", "token", provider=provider, error=error)


def landing_page(person: Person, form: str) -> str:
    """The page of somebody who is signed in; `form` is the token of its forms."""
    until = datetime.fromtimestamp(person.until // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return _page("Signed in", "landing", person=person, until=until, form=form)


def refusal_page(title: str, sentence: str, back: str) -> str:
    """A page that says what was not done, with a link to the page `back`."""
    return _page(title, "refusal", sentence=sentence, back=back)


def _page(title: str, kind: str, **values: Any) -> str:
    return _TEMPLATES.get_template("signin.html").render(title=title, kind=kind, **values)
