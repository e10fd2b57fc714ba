"""What law and ledger exchange: the facts of a case, findings, options and their planned debits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

from schemas.codes import Result
from schemas.models.facts import LicenseIssued, VeuAuthorized
from schemas.models.incoming import Certification, Party, Requested

NOTHING: dict[Any, Any] = {}
"""No facts; never changed."""
WAITING = frozenset({"technology", "undecided"})
"""The levels of lines that wait for a reviewer, whose release names an authorization."""

of_fields = tuple.__new__
"""Makes a named tuple of all its fields, in order: a third of the time that a call of its class takes."""

_Value = TypeVar("_Value")


class _Once(Generic[_Value]):
    """A property that is worked out when it is first asked for, and kept with its object; without a lock."""

    def __init__(self, work: Callable[[Any], _Value]) -> None:
        self._work, self._name, self.__doc__ = work, work.__name__, work.__doc__

    def __get__(self, one: Any, owner: Any = None) -> _Value:
        value = self._work(one)
        one.__dict__[self._name] = value
        return value


class _Finding(NamedTuple):
    provision: str
    result: Result
    detail: str
    facts: Mapping[str, Any] = NOTHING
    code: str = ""


class Finding(_Finding):
    """One provision that was tried: its citation, its result, and a sentence with the figures of the case.

    `code` is the reason code of a hold if the result is `not_met` or `unknown`; otherwise it is empty.
    """

    @property
    def open(self) -> bool:
        """Whether the provision does not block the option."""
        return self.result is _MET or self.result is _NOT_APPLICABLE

    @_Once
    def json(self) -> bytes:
        """The finding as an answer has it; the same sentence is found for many shipments, and made JSON once."""
        provision, result, detail, facts, _ = self
        return orjson.dumps({"provision": provision, "result": result, "detail": detail, "facts": facts})


_MET, _NOT_APPLICABLE = Result.MET, Result.NOT_APPLICABLE


class Share(NamedTuple):
    """A limit that is a share of another account, in whole percent: `100 * part <= percent * whole`.

    `most` is a limit in TPP that is tested beside it; None where there is none.
    """

    percent: int
    of: str
    most: int | None = None


class Debit(NamedTuple):
    """What an option takes from an account, in TPP; negative where it leaves a facility or a base.

    `limit` is a number, a share of another account, or None where none is tested.
    `floor` says that the balance must not fall below zero; an account that was never opened is left alone. `falls`:
    what leaves the account besides, at most what is there. `code` is the reason where it does not fit. `whole` says
    that it counts every `.a` line of the shipment, and not only those that the authorization covers. `otherwise`:
    debits that take its place, in order, where it does not fit. `noted`: a finding tells what the account held before.
    `free` marks what the law leaves without a limit and on which one that an event sets is tested all the same.
    """

    account: str
    amount: int
    limit: int | Share | None
    cites: str
    code: str = "quota.exhausted"
    floor: bool = False
    whole: bool = False
    falls: int = 0
    otherwise: tuple["Debit", ...] = ()
    noted: bool = False
    free: bool = False

    @property
    def tested(self) -> bool:
        """Whether a limit is tested, the law's or one that an event has set."""
        return self.limit is not None or self.free

    @property
    def quota(self) -> bool:
        """Whether a lack of room is a lack of quota, which raises a quota alert."""
        return self.code == "quota.exhausted"


@dataclass(frozen=True, slots=True)
class Short:
    """A debit that does not fit: the limit it met, the balance before it, what is available and how far it is short.

    `most` is the most TPP that would fit.
    """

    debit: Debit
    limit: int
    balance: int
    available: int
    short_by: int
    most: int


class Obligation(NamedTuple):
    """Something that must be filed or kept: by whom, by when, and under which provision.

    `reaches` names an account and a balance: the duty arises only where the account is there or above it with the debit
    (740.27(c)), with `exactly` only where it is there to the unit (740.29(g)(2)). `once` are names of what one party
    owes for another only once, `EXP-1/CON-1` or with what is owed `EXP-1/CON-1/3A090.a`: the duty arises only where one
    of them was not met before (740.27(b)(1), (c)).
    """

    kind: str
    due: date
    citation: str
    contents: Mapping[str, str] = NOTHING
    party: str | None = None
    reaches: tuple[str, int] | None = None
    exactly: bool = False
    once: tuple[str, ...] = ()


class Line(NamedTuple):
    """One line of a shipment as classified.

    `level`: `a`, `b`, `c` (3A090.c), `weights`, `technology` (what it is for is not known), `undecided` (an ECCN that
    the book does not decide) or `none`; `software` marks software and technology, which carry no TPP.
    `tpp` is quantity times TPP of `.a` commodities, else 0. `eccn` is the class in force: the declared one, or a
    stricter one where a reviewer set a contradiction aside. `listed_as`: how lists of ECCNs name it, of software and
    technology with what it is for: `4E001 for 4A090.a`. `by_name`: a line of `technology` that counts as .a, since a
    reviewer released it under an authorization by name.
    """

    line: int
    eccn: str
    level: str
    software: bool
    tpp: int
    unit_tpp: int
    datacenter: bool | None
    designer: str | None
    listed_as: str
    by_name: bool = False


class _Option(NamedTuple):
    authorization: str
    findings: tuple[Finding, ...]
    lines: Mapping[int, str] = NOTHING
    debits: tuple[Debit, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    reference: str | None = None
    apply_to: str | None = None


class Option(_Option):
    """One way in which the shipment could go: an authorization, its findings in order, and what it would debit.

    `authorization` is the kind; `reference` a licence's number. `lines` maps a line's number to what covers it where
    the option is open.
    """

    @_Once
    def failed(self) -> tuple[Finding, ...]:
        """The findings that are neither `met` nor `not_applicable`."""
        return tuple([one for one in self.findings if one.result is not _MET and one.result is not _NOT_APPLICABLE])

    @_Once
    def json(self) -> bytes:
        """The findings as JSON, joined by commas; kept, so that it can be made before it is asked for."""
        return b",".join([one.json for one in self.findings])

    @property
    def open(self) -> bool:
        """Whether every finding is `met` or `not_applicable`; the ledger decides whether the debits fit."""
        return not self.failed

    @property
    def unlimited(self) -> bool:
        """Whether its debits fit regardless of the balances."""
        for debit in self.debits:  # noqa: SIM110
            if debit.limit is not None or debit.floor:
                return False
        return True


class Reason(NamedTuple):
    """Why a shipment is held: a reason code, its citation, a sentence to act on, and the figures."""

    code: str
    citation: str
    message: str
    facts: Mapping[str, Any] = NOTHING


@dataclass(frozen=True, slots=True)
class License:
    """A licence: its latest issue or amendment, and the day from which it is revoked."""

    issued: LicenseIssued
    revoked: date | None = None


@dataclass(frozen=True, slots=True)
class Veu:
    """A validated end-user's present authorization, and the day from which it is revoked."""

    authorized: VeuAuthorized
    revoked: date | None = None


class ListInForce(NamedTuple):
    """A restricted-party list in force: the record of its load, its name, version and the SHA-256 of its content.

    `threshold` is in hundredths. `age` is its age in days on the day of the last tick, None before the first tick;
    `max_age` the days after which it is out of date, None where it never is.
    """

    n: int
    name: str
    version: str
    sha256: str
    threshold: int
    age: int | None = None
    max_age: int | None = None

    @property
    def stale(self) -> bool:
        """Whether it is out of date."""
        return self.max_age is not None and self.age is not None and self.age > self.max_age


class Hit(NamedTuple):
    """A party that resembles an entry of a list in force, at the list's threshold or above, and is not cleared.

    `role` is that of the party in the shipment; `citation` follows the list. `listed` is the entry's name, `matched`
    its name or alias that the party's name resembles most. `score`, `threshold`, and what country and address add,
    `country_points` and `address_points`, are decimals as text. `explanation` has each word asked, the listed one, and
    how much they agree. `content` is the SHA-256 of the entry, `countries` are its countries. `cleared_for`: another
    party of that name that was cleared of the entry. `ended`: the last day on which the entry counted, if it is over.
    """

    party: str
    role: str
    name: str
    list: str
    version: str
    entry: str
    listed: str
    matched: str
    score: str
    threshold: str
    country_agrees: bool | None
    country_points: str
    address_points: str
    explanation: tuple[tuple[str, str, str], ...]
    content: str
    citation: str
    requirement: str = ""
    policy: str = ""
    cleared_for: str | None = None
    ended: date | None = None
    countries: tuple[str, ...] = ()


class Holding(NamedTuple):
    """What an owner holds of a party: its identifier and name as stated, its share in percent, None if not said."""

    id: str
    name: str
    share: int | None


class Owned(NamedTuple):
    """A party of a shipment with known owners: its identifier, its role, its name and the country in which it is."""

    id: str
    role: str
    name: str
    country: str


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns the parties of a shipment, as stated and as registered, through the owners of owners.

    `parties`: those of the shipment with known owners. `owners`: identifier to the owners of that party. `hits`:
    identifier of an owner to what it resembles and was not cleared of, in the lists whose entries' ownership counts;
    the role of such a hit is `owner`. `left`: the identifiers of owners that were not looked up, since they are too
    many. Every key is the surviving identifier of its party.
    """

    parties: tuple[Owned, ...]
    owners: Mapping[str, tuple[Holding, ...]]
    hits: Mapping[str, tuple[Hit, ...]]
    left: frozenset[str] = frozenset()


class Namesake(NamedTuple):
    """An owner under another identifier with a balance, whose name is that of the shipment's owner, or resembles it.

    `account` is the one with its largest balance, in TPP. `by`: what is equal, `name`, `LEI` or `identifier`; of those
    that resemble each other empty, and `score` is how much, as decimal text. `apart`: a reviewer has told them apart.
    """

    id: str
    name: str
    account: str
    balance: int
    by: str = ""
    score: str = ""
    apart: bool = False


@dataclass(slots=True)
class Facts:
    """What the ledger knew of a shipment's parties, as of its export date; never changed, but not frozen.

    One is made for every shipment, and a frozen class takes three times as long to fill.

    `registered`: party id to its registration in force, of the parties, their ultimate parents and the holders of which
    one of them is the owner. `certifications`, `licenses`, `veus`: all that name a party of the shipment, whatever
    their dates; the law tests the dates. `survivors`: absorbed party id to the surviving one. `lists`: the
    restricted-party lists in force; `hits`: what was found in them and not cleared, best first for each party;
    `over`: what was found and is not in force any more. `owners`: holder of a validated
    end-user's authorization to its ultimate parent, as the last shipment to it said. `ownership`: who owns the parties,
    None where no owner is known or no list is in force. `namesakes`: owners whose name is that of the shipment's owner,
    or resembles it, if no shipment of that owner was ever let go.
    """

    registered: Mapping[str, Party] = field(default_factory=dict)
    certifications: tuple[Certification, ...] = ()
    licenses: tuple[License, ...] = ()
    veus: tuple[Veu, ...] = ()
    survivors: Mapping[str, str] = field(default_factory=dict)
    lists: tuple[ListInForce, ...] = ()
    hits: tuple[Hit, ...] = ()
    over: tuple[Hit, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    ownership: Ownership | None = None
    namesakes: tuple[Namesake, ...] = ()

    def one(self, party: str) -> str:
        """The identifier under which a party's accounts are kept now."""
        return self.survivors.get(party, party)

    def names(self, party: str) -> tuple[str, ...]:
        """Every identifier of a party, the surviving one first."""
        first = self.one(party)
        if not self.survivors:
            return (first,)
        return (first, *sorted(name for name, survivor in self.survivors.items() if survivor == first))


@dataclass(slots=True)
class Case:
    """A shipment to be screened: the request, what was known, and which reasons a reviewer has set aside.

    Like its facts it is never changed, but not frozen.

    `named`: whether the authorization that is asked is one that the reviewer named. `taken`: of a shipment that was let
    go, what covers each line: only that is tried, and `asked` claims it. None where anything may be tried.
    """

    asked: Requested
    facts: Facts
    set_aside: frozenset[str] = frozenset()
    named: bool = True
    taken: Mapping[int, str] | None = None

    @property
    def released_under(self) -> str | None:
        """The authorization that a release of what the book cannot decide names; None where there is none."""
        claim = self.asked.authorization
        return claim.kind if claim is not None and self.named and "review.needed" in self.set_aside else None
