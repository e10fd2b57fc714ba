"""What a book is made of: its gates and authorizations in order, and what it says of accounts."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from rulebook.law.provisions import Law, Provision
from rulebook.law.shipment import Shipment
from rulebook.law.values import Values
from schemas.plan import Debit, Line, Option, Share

Builder = Callable[[Shipment, Law], tuple[Option, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A test before any authorization. A failure ends the screening, holds the shipment, or closes authorizations.

    `note` only leaves a finding. `leaves` are the kinds that a closing gate leaves open.
    """

    provision: Provision
    effect: Literal["note", "stop", "hold", "close"]
    leaves: Callable[[Shipment, Law], frozenset[str]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """A book: `before` are tried before the lines are classified, `gates` after, `order` where nothing is claimed.

    `needing`: the lines that need a licence. `base`: debits that every option brings. `split`: the kind that takes
    part of the lines where nothing covers all, and which lines. `policies` of review, the first that applies governs;
    those in `rationed` depend on the destination's allocation. `releasable`: codes that a reviewer may set aside.
    """

    values: str
    before: tuple[Gate, ...]
    gates: tuple[Gate, ...]
    authorizations: Mapping[str, Builder]
    order: tuple[str, ...]
    needing: Callable[[Shipment, Law], tuple[Line, ...]]
    base: Callable[[Shipment, Law], tuple[Debit, ...]]
    split: tuple[str, Callable[[Line, Law], bool]] | None
    policies: tuple[Provision, ...]
    rationed: frozenset[str]
    allocation: Callable[[Shipment, Law], tuple[str, int] | None]
    unallotted: Callable[[Shipment, Law], str]
    limit: Callable[[Law, str], int | Share | None]
    openings: Callable[[Values, str, date], Iterator[tuple[date, str, int]] | Iterable[tuple[date, str, int]]]
    releasable: frozenset[str]
