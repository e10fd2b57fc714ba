"""A book of law: a case in, the ways in which it may go out; and what it says of accounts, reviews, notices."""

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib import import_module
from typing import Any

from rulebook import books
from rulebook.law.contents import Amounts, Contents, Terms
from rulebook.law.law import Law
from rulebook.law.shipment import Shipment
from rulebook.law.values import Values
from rulebook.screening import classification, refusals
from rulebook.screening.description import Text
from rulebook.screening.gates import pass_gates
from rulebook.screening.names import Names
from rulebook.screening.options import alternatives, options_of
from schemas.codes import RejectionCode
from schemas.models.facts import LicenseIssued
from schemas.models.incoming import Requested
from schemas.models.parts import Certification
from schemas.plan import Case, Debit, Finding, Line, Option, Reason, Share, Short


@dataclass(eq=False, slots=True)
class Screening:
    """What the law says of a case: every finding before the authorizations, what holds, what closes, and the options.

    `reasons` hold the shipment by themselves; `closed` close all authorizations but `allowed`. `stopped`: nothing else
    was tried. `tpp` is that of all .a commodity lines.
    """

    lines: tuple[Line, ...]
    tpp: int
    findings: tuple[Finding, ...]
    reasons: tuple[Reason, ...]
    stopped: bool
    closed: tuple[Reason, ...]
    options: tuple[Option, ...]
    allowed: frozenset[str] | None
    shipment: Shipment = field(repr=False)
    law: Law = field(repr=False)
    contents: Contents = field(repr=False)

    _json: bytes | None = field(default=None, init=False, repr=False)
    _reviewed: refusals.Policy | None = field(default=None, init=False, repr=False)
    _explanation: "Explanation | None" = field(default=None, init=False, repr=False)

    def ready(self) -> None:
        """Makes the JSON of every finding, so that who decides on the screening later only joins texts.

        Where every option is closed and no balance is asked for, it also explains why nothing fits.
        """
        self.json()
        is_open = False
        for option in self.options:
            is_open = is_open or option.open
            option.json  # noqa: B018
            if option.open and option.unlimited:
                return
        if not is_open and not self.stopped and self.allocation is None:
            self.explained(None, None)

    def json(self) -> bytes:
        """The findings before the authorizations as JSON, joined by commas."""
        if self._json is None:
            self._json = b",".join([finding.json for finding in self.findings])
        return self._json

    @property
    def destination(self) -> str:
        """The country as whose part the destination counts."""
        return self.shipment.asked.ship_to

    @property
    def counts(self) -> bool:
        """Whether TPP of .a commodities leave the country."""
        return self.shipment.counts

    @property
    def allocation(self) -> tuple[str, int] | None:
        """The account and the law's limit on which an explanation depends; None where it depends on none.

        That of a claimed authorization depends on none.
        """
        if self.shipment.asked.authorization is not None or not self._policy.rationed:
            return None
        return self.contents.allocation(self.shipment, self.law)

    @property
    def _policy(self) -> refusals.Policy:
        """The policy of review where nothing is left of the account on which it may depend."""
        if self._reviewed is None:
            self._reviewed = refusals.review_policy(self.contents, self.shipment, self.law, 0)
        return self._reviewed

    def explained(self, available: int | None, limit: int | None) -> "Explanation":
        """Why nothing fits, as `Book.explain` says; without a balance it is worked out once."""
        if available is not None:
            return self._explained(available, limit)
        if self._explanation is None:
            self._explanation = self._explained(None, None)
        return self._explanation

    def _explained(self, available: int | None, limit: int | None) -> "Explanation":
        contents, shipment, law, options = self.contents, self.shipment, self.law, self.options
        if shipment.asked.authorization is not None:
            return Explanation(
                barriers=() if options else self._barriers(available)[1],
                closed=tuple([refusals.closed(option) for option in options]),
                refusal=(),
                alternatives=alternatives(contents, shipment, law, self.allowed),
            )
        policy, barriers = self._barriers(available)
        refusal = refusals.refusal(contents, shipment, law, policy, barriers, options, available, limit)
        undecided = refusals.undecided(contents, shipment, law, options)
        said = {reason.code for reason in refusal}
        return Explanation(
            barriers=tuple([reason for reason in barriers if reason.code not in said]),
            closed=tuple([refusals.lacking(option) for option in options]),
            refusal=(undecided, *refusal) if undecided is not None else refusal,
            alternatives=(),
        )

    def _barriers(self, available: int | None) -> tuple[refusals.Policy, tuple[Reason, ...]]:
        """The policy of review and what closes authorizations, which tells that policy."""
        policy = self._policy
        if policy.rationed:
            policy = refusals.review_policy(self.contents, self.shipment, self.law, available)
        return policy, refusals.of_policy(self.closed, policy.name)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why nothing fits. `closed`: for each option of the screening why it is closed, nothing where it is open.

    `barriers` come before these reasons and `refusal` after them. `alternatives`: the open options of authorizations
    that were not claimed; which of them fit is the ledger's to say.
    """

    barriers: tuple[Reason, ...]
    closed: tuple[tuple[Reason, ...], ...]
    refusal: tuple[Reason, ...]
    alternatives: tuple[Option, ...]


class Book:
    """One rulebook with its switches; pure, so that one book serves any number of threads.

    `switches`: the readings in force that differ from the default, each true. `status`: whether the rule is codified,
    and the day from which it is not enforced, as text. `text`: the book for people to read.
    """

    def __init__(self, contents: Contents, switches: Mapping[str, bool]) -> None:
        self._contents = contents
        self._accounting = contents.accounting
        self._values = Values(contents.values, switches)
        self.name = self._values.name
        self.digest = self._values.digest
        self.switches: Mapping[str, bool] = {name: True for name, on in self._values.switches.items() if on}
        self.status: Mapping[str, Any] = self._values.status
        self.text, self.names = Text(contents, self._values), Names(contents, self._values)

    def law(self, day: date) -> Law:
        """The values in force on a day; those of the first day where it is earlier."""
        return self._values.law(day)

    # --- a shipment -----------------------------------------------------------------------------------------------

    def screen(self, case: Case) -> Screening:
        """The options of a case in the order to try, or the reasons for which it is held."""
        law = self._values.law(case.asked.export_date)
        lines, classes = classification.lines_of(case, law)
        shipment = Shipment(case, law, lines)
        trace = pass_gates(self._contents, shipment, law, classes)
        return Screening(
            lines=lines,
            tpp=shipment.tpp,
            findings=tuple(trace.findings),
            reasons=tuple(trace.reasons),
            stopped=trace.stopped,
            closed=tuple(trace.closed),
            options=() if trace.stopped else options_of(self._contents, shipment, law, trace.allowed),
            allowed=trace.allowed,
            shipment=shipment,
            law=law,
            contents=self._contents,
        )

    def explain(self, screening: Screening, available: int | None, limit: int | None = None) -> Explanation:
        """Why nothing fits a case that was screened; asked only where nothing does.

        `available`: TPP left of the account that the screening names as its `allocation`, None where it names none;
        `limit`: what that account may hold on the day, where it is another than the law's.
        """
        return screening.explained(available, limit)

    def shortage(self, screening: Screening, option: Option, short: Short, account: str, later: date | None) -> Reason:
        """The reason of an account without room; `account` is its path now, `later` the first day on which all fits."""
        return refusals.shortage(screening.shipment, option, short, account, later)

    def elsewhere(self, option: Option, debit: Debit) -> Reason:
        """The reason of an option that fits, but would go on an account that the shipment let go never debited."""
        return refusals.elsewhere(option, debit)

    # --- accounts -------------------------------------------------------------------------------------------------

    def limit(self, account: str, day: date) -> int | Share | None:
        """The law's limit of an account on a day; None where the book prints none."""
        return self._accounting.limit(self._values.law(day), account)

    def openings(self, account: str, day: date) -> Iterable[tuple[date, str, int]]:
        """Later first days on which a debit could fit by itself, each with the account and its limit then."""
        return self._accounting.openings(self._values, account, day)

    def likely_accounts(self, asked: Requested) -> tuple[str, ...]:
        """Accounts that a request may debit, to be read ahead."""
        return self._accounting.likely(asked)

    def barred_account(self, account: str, day: date) -> str:
        """Why the law has no such account on a day; empty where it has."""
        return self._accounting.barred(self._values, account, day)

    def credits_of(self, debits: Amounts, every: int, covered: int, earlier: int) -> Amounts:
        """What a return credits, by account: never where exports made are counted (740.29(d), (h)(2)).

        `every`: TPP of all .a lines that came back; `covered`: of those under the authorization taken; `earlier`: of
        all .a lines that came back before.
        """
        return self._accounting.credits(debits, every, covered, earlier)

    def licensed(self, authorization: str | None) -> bool:
        """Whether a shipment under this authorization draws on a licence."""
        return authorization in self._accounting.licensed

    def terms(self, issued: LicenseIssued, to: str) -> Terms:
        """The accounts of a licence, for shipments to a country; the allocation is that of the licence's first day."""
        return self._accounting.terms(self._values.law(issued.valid_from), issued, to)

    def notice_account(self, certification: Certification) -> tuple[str, int] | None:
        """The account that a certification on file opens, and its limit in TPP; None where it opens none."""
        return self._accounting.notice(certification)

    def barred_limit(self, account: str, limit: int, valid_from: date) -> tuple[RejectionCode, str] | None:
        """Why no event may set this limit from a day on: a rejection code and a sentence; None where one may."""
        return self._accounting.above(self._values, account, limit, valid_from)

    def alert_thresholds(self, account: str) -> tuple[str | int, ...]:
        """Where alerts are raised on an account, or on a family's `lpp/*`: shares as decimal strings, or TPP."""
        alerts = self._values.tables["alerts"]
        named = alerts.get("amounts", {}).get(account.partition("/")[0])
        return tuple(alerts["shares"]) if named is None else (self._values.steps(named)[0][1],)

    def may_set_aside(self, code: str, facts: Mapping[str, Any]) -> bool:
        """Whether a reviewer may set a reason aside."""
        return code in self._contents.releasable and self._contents.may_set_aside(code, facts)

    def settled(self, codes: Iterable[str]) -> frozenset[str]:
        """Those of the reasons set aside that stay so whatever the figures become: the account alone decides."""
        return self._contents.settled.intersection(codes)

    def decisive(self, authorization: str) -> frozenset[str]:
        """The citations of the paragraphs on which an authorization turns; none of one that the book does not have."""
        return self._contents.decisive.get(authorization, frozenset())

    def told_apart(self, code: str, facts: Mapping[str, Any]) -> str | None:
        """The identifier that a shipment's owner is told apart from by a review that sets a reason aside; or None."""
        return self._contents.told_apart(code, facts)

    def same(self, code: str, facts: Mapping[str, Any], *, lasting: bool = False) -> Mapping[str, Any]:
        """The facts of a reason by which it is the same one again; `lasting`: though a figure in them has moved."""
        return refusals.same(self._contents, code, facts, lasting=lasting)

    def notice(self, kind: str, day: date) -> dict[str, str]:
        """What an obligation asks for: what to send, to whom, with which subject line; as of a day."""
        notice = self._values.law(day).period.notices[kind]
        return {name: str(notice[name]) for name in ("what", "to", "subject") if name in notice}


def names() -> list[str]:
    """The names of the books there are."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(books.__path__))


def load(name: str, switches: Mapping[str, bool] | None = None) -> Book:
    """A book by its name, with readings that differ from the default; the same object for the same call.

    LookupError where there is none of that name, ValueError for an unknown switch.
    """
    return _load(name, tuple(sorted((switches or {}).items())))


@lru_cache(maxsize=64)
def _load(name: str, switches: tuple[tuple[str, bool], ...]) -> Book:
    if name not in names():
        raise LookupError(f"no rulebook {name!r}; there are: {', '.join(names())}")
    contents: Contents = import_module(f"rulebook.books.{name.replace('-', '_')}").CONTENTS
    return Book(contents, dict(switches))
