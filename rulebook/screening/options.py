"""The options of a shipment: the claimed authorization alone, or each in the order of the book until one fits."""

from collections.abc import Iterator

from rulebook.law.contents import Contents
from rulebook.law.law import Law
from rulebook.law.provisions import all_open
from rulebook.law.shipment import Shipment, copied
from schemas.plan import Line, Option

Allowed = frozenset[str] | None
"""The authorizations that the gates have left open; None where they have closed none."""


def options_of(contents: Contents, shipment: Shipment, law: Law, allowed: Allowed) -> tuple[Option, ...]:
    """The options of a shipment that passed the gates, in the order in which they are to be tried."""
    shipment.cover(contents.needing(shipment, law))
    if shipment.tpp:
        shipment.base = contents.base(shipment, law)
    claim = shipment.asked.authorization
    if claim is None:
        return tuple(_in_order(contents, shipment, law, allowed))
    if not open_to(claim.kind, allowed):
        return ()
    if shipment.case.taken and contents.split is not None:
        return tuple(_as_taken(contents.split[0], claim.kind, contents, shipment, law, allowed))
    return contents.authorizations[claim.kind](shipment, law)


def alternatives(contents: Contents, shipment: Shipment, law: Law, allowed: Allowed) -> tuple[Option, ...]:
    """The open options of the authorizations that were not claimed, in order; none where nothing was claimed.

    They are without duties.
    """
    claim = shipment.asked.authorization
    if claim is None:
        return ()
    shipment = copied(shipment)
    shipment.brief = True
    return tuple(
        option
        for kind in contents.order
        if kind != claim.kind and open_to(kind, allowed)
        for option in contents.authorizations[kind](shipment, law)
        if all_open(option.findings)
    )


def open_to(kind: str, allowed: Allowed) -> bool:
    """Whether the gates have left an authorization open."""
    return allowed is None or kind in allowed


def _in_order(contents: Contents, shipment: Shipment, law: Law, allowed: Allowed) -> list[Option]:
    options: list[Option] = []
    for kind in contents.order:
        if open_to(kind, allowed):
            for option in contents.authorizations[kind](shipment, law):
                options.append(option)
                if option.open and option.unlimited:
                    return options
    options.extend(_split(contents, shipment, law, allowed))
    return options


def _split(contents: Contents, shipment: Shipment, law: Law, allowed: Allowed) -> list[Option]:
    """Where nothing covers all lines: those that one kind covers under it, the rest under each of the others."""
    if contents.split is None or not open_to(contents.split[0], allowed):
        return []
    first, covers = contents.split
    taken = tuple(line for line in shipment.needing if covers(line, law))
    if not taken or len(taken) == len(shipment.needing):
        return []
    part = contents.authorizations[first](shipment.only(taken), law)[0]
    if not part.open:
        return []
    rest = shipment.only(tuple(line for line in shipment.needing if line not in taken))
    options: list[Option] = []
    for kind in contents.order:
        if kind in ("NLR", first) or not open_to(kind, allowed):
            continue
        for option in contents.authorizations[kind](rest, law):
            options.append(_joined(part, option, taken))
            if all_open(options[-1].findings) and options[-1].unlimited:
                return options
    return options


def _as_taken(
    first: str, kind: str, contents: Contents, shipment: Shipment, law: Law, allowed: Allowed
) -> Iterator[Option]:
    """The options of a shipment that was let go under `kind`; the lines that `first` took are still to go under it."""
    covers = shipment.case.taken or {}
    taken = tuple(line for line in shipment.needing if covers.get(line.line) == first != kind)
    if not taken:
        yield from contents.authorizations[kind](shipment, law)
    elif open_to(first, allowed):
        part = contents.authorizations[first](shipment.only(taken), law)[0]
        rest = shipment.only(tuple(line for line in shipment.needing if line not in taken))
        for option in contents.authorizations[kind](rest, law):
            yield _joined(part, option, taken)


def _joined(part: Option, option: Option, taken: tuple[Line, ...]) -> Option:
    """The option for the rest, with what takes part of the lines before it."""
    lines = {**option.lines, **{line.line: part.authorization for line in taken}}
    obligations = (*part.obligations, *option.obligations) if option.open else ()
    findings = (*part.findings, *option.findings)
    return Option(option.authorization, findings, lines, option.debits, obligations, option.reference, option.apply_to)
