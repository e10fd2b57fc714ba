"""The ledger's own sentences as a page shows them: with a capital, days unbroken, papers in words for people."""

import re
from collections.abc import Mapping
from functools import cache

from markupsafe import Markup, escape

from services.views.console.look.words import say, words_of
from services.visible import visible

_BEGIN = re.compile(r"[a-z]+(?= )")
_CODE = re.compile(r"`([^`<>&]{1,64})`")
_DAY = re.compile(r"(?<![\w/.:-])([0-9]{4}-[0-9]{2}-[0-9]{2})(?![\w/:-])")


def told(sentence: str) -> Markup:
    """A sentence of the ledger as HTML.

    >>> told("no lpp_consignee_statement of A&B is on file; one dated 2026-11-24 or earlier is needed")
    Markup('No LPP statement of A&amp;B is on file; one dated <time>2026-11-24</time> or earlier is needed')
    >>> told("lpp/CON-1/2025 has 5 TPP available")
    Markup('lpp/CON-1/2025 has 5 TPP available')
    >>> told("an item of class `.a`")
    Markup('An item of class <code>.a</code>')
    """
    plain = sentence.unescape() if isinstance(sentence, Markup) else sentence
    text = _named().sub(lambda found: _kinds()[found[0]], visible(plain))
    if _BEGIN.match(text):
        text = text[0].upper() + text[1:]
    made = Markup().join(
        Markup("<time>{}</time>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(_DAY.split(text))
    )
    return Markup(_CODE.sub(r"<code>\1</code>", str(made)))  # noqa: S704  escaped above, and without a mark of HTML


def kind_said(kind: str) -> str:
    """A kind of paper or obligation in words for people.

    >>> kind_said("aia_consignee_certification"), kind_said("purchase_order")
    ('AIA certification', 'purchase order')
    """
    return str(_kinds().get(kind, kind.replace("_", " ")))


@cache
def _kinds() -> Mapping[str, str]:
    return {name: say(f"kinds.kind.{name}").unescape() for name in words_of("kinds.kind")}


@cache
def _named() -> re.Pattern[str]:
    longest = sorted(_kinds(), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?![\w-])")
