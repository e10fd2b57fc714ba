"""The findings of a decision, by the authorization for which each was tried, and the rule of each in plain words."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache

from rulebook.law.contents import Contents
from rulebook.law.provisions import Provision, all_provisions

GENERAL = ""
"""What every shipment is asked, whatever its authorization."""


@cache
def _cited() -> dict[str, tuple[Provision, ...]]:
    """The provisions of each citation."""
    found: dict[str, tuple[Provision, ...]] = {}
    for one in all_provisions():
        found[one.citation] = (*found.get(one.citation, ()), one)
    return found


def _rules(contents: Contents, citation: str) -> dict[str, str]:
    """The rule that a citation is of each authorization, in plain words; that of a gate is GENERAL."""
    found: dict[str, str] = {}
    for one in _cited().get(citation, ()):
        first = one.row.partition(" ")[0]
        kind = first if first in contents.authorizations else GENERAL
        found[kind] = " ".join([*found.get(kind, "").split(), *one.doc.split()])
    return found


def tried_for(contents: Contents, citations: Sequence[str], claim: str | None) -> list[tuple[str, str]]:
    """Of each finding's citation, in order: the authorization for which it was tried, and the rule in plain words.

    The gates come first, and then the authorizations in the order of the book, or the claimed one. A citation that
    several have is of the one that is being tried, or else of the next.
    """
    first = contents.split[0] if contents.split else None
    order = contents.order if claim is None else tuple(dict.fromkeys(filter(None, (claim, first))))
    cited = [_rules(contents, citation) for citation in citations]
    found, at = [], GENERAL
    for index, rules in enumerate(cited):
        if rules and at not in rules:
            at = _next(order, at, rules, cited[index + 1 :])
        found.append((at, rules.get(at) or next(iter(rules.values()), "")))
    return found


def _next(order: Sequence[str], at: str, rules: Collection[str], later: Sequence[Mapping[str, str]]) -> str:
    """The authorization that is tried after `at`, of those whose rules have a citation; `at` itself if none comes.

    Of several it is the one that alone has the next citation which not all of them have.
    """
    place = order.index(at) + 1 if at in order else 0
    among = [kind for kind in order[place:] or order if kind in rules]
    for following in later:
        having = [kind for kind in among if kind in following]
        if len(having) < len(among):
            return (having or among)[0]
    return among[0] if among else at
