"""What a book is made of: its gates and authorizations in order, and what it says of accounts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from rulebook.law.law import Law
from rulebook.law.provisions import Provision
from rulebook.law.shipment import Shipment
from rulebook.law.values import Values
from schemas.codes import RejectionCode
from schemas.models.facts import LicenseIssued
from schemas.models.incoming import Requested
from schemas.models.parts import Certification
from schemas.plan import Debit, Finding, Line, Option, Share

Builder = Callable[[Shipment, Law], tuple[Option, ...]]
Amounts = Sequence[tuple[str, int]]
"""Accounts, each with an amount of TPP."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The accounts of a licence: its own, and the allocation that its TPP is committed on; None without one."""

    account: str
    allocation: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Accounting:
    """What a book says of accounts.

    `limit` of an account under the law of a day. `openings`: later first days on which a debit could fit, each with the
    account and its limit then. `likely`: accounts that a request may debit. `barred`: why the law has no such account
    on a day; empty where it has. `credits` of a return: its debits, the TPP of all .a lines that came back, of those
    under the authorization, and of all that came back before. `terms` of a licence for shipments to a country.
    `notice`: the account that a certification opens, and its limit. `above`: why no event may set a limit on an account
    from a day on, a rejection code and a sentence; None where one may. `licensed`: the authorizations that draw on a
    licence.
    """

    limit: Callable[[Law, str], int | Share | None]
    openings: Callable[[Values, str, date], Iterable[tuple[date, str, int]]]
    likely: Callable[[Requested], tuple[str, ...]]
    barred: Callable[[Values, str, date], str]
    credits: Callable[[Amounts, int, int, int], Amounts]
    terms: Callable[[Law, LicenseIssued, str], Terms]
    notice: Callable[[Certification], tuple[str, int] | None]
    above: Callable[[Values, str, int, date], tuple[RejectionCode, str] | None]
    licensed: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A test before any authorization. A failure ends the screening, holds the shipment, or closes authorizations.

    `note` only leaves a finding. `leaves` are the kinds that a closing gate leaves open. `by_names`: the codes that one
    gives which looks at the names of parties alone, and is tried again by itself whenever a list of them changes.
    """

    provision: Provision
    effect: Literal["note", "stop", "hold", "close"]
    leaves: Callable[[Shipment, Law], frozenset[str]] | None = None
    by_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """A book: `before` are tried before the lines are classified, `gates` after, `order` where nothing is claimed.

    `needing`: the lines that need a licence. `base`: debits that every option brings. `split`: the kind that takes
    part of the lines where nothing covers all, and which lines. `policies` of review, the first that applies governs;
    those in `rationed` depend on the destination's allocation. `releasable`: codes that a reviewer may set aside, where
    `may_set_aside` says so of the facts; `settled`: those that stay set aside whatever the figures become; `figures`:
    the facts of a reason that may move while it stays the same; `same`: of some codes the facts alone by which a reason
    is the same one whenever it is given. `told_apart`: whom a review that sets a reason aside tells the owner apart
    from, by the reason's code and facts. `stricter`: a policy of review, or another that is stricter, then with its
    citation. `near`: what is said of an authorization that a finding alone keeps closed, after
    its name; empty where nothing is. `decisive`: the citations of the paragraphs on which each authorization turns.
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
    stricter: Callable[[Shipment, Law, str], tuple[str, str]]
    near: Callable[[Shipment, Law, Finding], str]
    decisive: Mapping[str, frozenset[str]]
    rationed: frozenset[str]
    allocation: Callable[[Shipment, Law], tuple[str, int] | None]
    unallotted: Callable[[Shipment, Law], str]
    releasable: frozenset[str]
    may_set_aside: Callable[[str, Mapping[str, Any]], bool]
    settled: frozenset[str]
    figures: frozenset[str]
    same: Mapping[str, frozenset[str]]
    told_apart: Callable[[str, Mapping[str, Any]], str | None]
    accounting: Accounting
