"""Templates to HTML: how amounts, days and shares look, and what a page may load."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import ChoiceLoader, DictLoader, Environment, PackageLoader
from markupsafe import Markup, escape

from ledger.queries.console.duties import COUNTED
from services.views.console.look.told import kind_said, told
from services.views.console.look.words import say
from services.views.page import templates
from services.visible import visible

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the pages: what this server has, and nothing from elsewhere or in the page itself."""

_MICRO = 1_000_000
_MINUS = "−"
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9-]")


class Touched(NamedTuple):
    """What events are about: shipments by id, accounts by path, and whether an obligation changed."""

    shipments: frozenset[str]
    accounts: frozenset[str]
    obligations: bool


def render(template: str, values: Mapping[str, Any]) -> str:
    """A page as HTML. Every text is escaped, and of what would not be visible the escape is shown."""
    return _environment().get_template(f"{template}.html").render(values)


def fragment(template: str, macro: str, *given: Any) -> str:
    """What a macro of a template makes: a part of a page that takes the place of one with the same id."""
    made = getattr(_alone().get_template(f"{template}.html").module, macro)(*given)
    return str(made).strip()


@cache
def _alone() -> Environment:
    """The templates without what stands around every page, which a macro of one does not need."""
    bare = DictLoader({"base.html": ""})
    return _environment().overlay(loader=ChoiceLoader([bare, PackageLoader("services.views.console", "templates")]))


@cache
def _environment() -> Environment:
    made = templates(PackageLoader("services.views.console", "templates"))
    made.globals |= {"say": say}
    made.filters |= {
        "amount": amount, "change": change, "share": share, "day": day, "moment": moment, "minute": minute,
        "second": second, "typed": typed, "told": told, "said": kind_said, "part": path_part, "path": path_of,
        "element": element_part, "counted": counted,
    }  # fmt: skip
    made.globals["parts"] = made.get_template("parts.html").module
    return made


def amount(value: int | None) -> Markup:
    """TPP or a count, grouped by thousands; 0 is grey, and nothing stands for None.

    >>> amount(26_900_000), amount(-5), amount(None)
    (Markup('26,900,000'), Markup('−5'), Markup(''))
    """
    if value is None:
        return Markup("")
    if value == 0:
        return Markup('<span class="nil">0</span>')
    return Markup(f"{value:,}".replace("-", _MINUS))  # noqa: S704  digits


def counted(value: int) -> str:
    """A count of obligations, which ends at COUNTED.

    >>> counted(1_200), counted(COUNTED)
    ('1,200', '10,000 or more')
    """
    return f"{value:,}" if value < COUNTED else str(say("frame.or_more", n=value))


def change(value: int | None) -> Markup:
    """A change of an amount, with its sign; nothing for None and 0.

    >>> change(1_000), change(-1), change(0)
    (Markup('+1,000'), Markup('−1'), Markup(''))
    """
    return Markup(f"{value:+,}".replace("-", _MINUS)) if value else Markup("")  # noqa: S704  digits


def share(millionths: int | None) -> str:
    """A share with one decimal, rounded down; empty for None.

    >>> share(886_647), share(None)
    ('88.6 %', '')
    """
    return "" if millionths is None else f"{millionths // 10_000:,}.{millionths // 1_000 % 10} %"


def day(iso: str | None, css: str = "") -> Markup:
    """A day, as `2026-12-01`; empty for None."""
    if iso is None:
        return Markup("")
    text = escape(visible(str(iso)))
    return Markup("<time{}>{}</time>").format(Markup(f' class="{css}"') if css else "", text)  # noqa: S704  our class


def moment(microseconds: int | None) -> Markup:
    """An instant to the minute, as `2026-11-16 13:45 UTC`; empty for None."""
    if microseconds is None:
        return Markup("")
    at = _instant(microseconds)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.strftime("%Y-%m-%d %H:%M")
    )


def minute(microseconds: int | None) -> str:
    """The time of day of an instant, as `13:45 UTC`; empty for None."""
    return "" if microseconds is None else _instant(microseconds).strftime("%H:%M UTC")


def second(microseconds: int | None) -> str:
    """The time of day of an instant to the second, as `13:45:07 UTC`; empty for None."""
    return "" if microseconds is None else _instant(microseconds).strftime("%H:%M:%S UTC")


def element_part(text: str) -> str:
    """A text as part of an element's id, of letters, digits, `-` and `_`; no two texts have the same.

    >>> element_part("lpp/CON-1/2025"), element_part("SHP_1")
    ('lpp_2f_CON-1_2f_2025', 'SHP_5f_1')
    """
    return _NOT_IN_ID.sub(lambda found: f"_{ord(found[0]):x}_", text)


def _instant(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds // _MICRO, UTC)


def typed(text: str) -> Markup:
    """A text as a field shows it again: its lines stay, and of what else would not be visible the escape is shown."""
    return escape(visible(text, keep="\n\t"))


def path_part(text: str) -> str:
    """An identifier as one part of an address."""
    return quote(text, safe="")


def path_of(account: str) -> str:
    """An account's path as the end of an address: its slashes stay."""
    return quote(account)
