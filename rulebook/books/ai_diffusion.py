"""The book "ai-diffusion": 90 FR 4544 as codified and amended. Codified, not enforced."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from rulebook.house import gates as house
from rulebook.house import two_names
from rulebook.law.contents import Accounting, Amounts, Contents, Gate, Terms
from rulebook.law.law import Law
from rulebook.law.shipment import Shipment
from rulebook.law.values import Values
from rulebook.sections import (
    fr90_4544,
    s732_supp3,
    s734_13,
    s740_2,
    s740_3,
    s740_8,
    s740_8_c,
    s740_27,
    s740_28,
    s740_29,
    s742_6,
    s744,
    s744_affiliates,
    s746,
    s748_15,
    s748_15_bases,
    s748_supp10,
    s750_7,
    s774_catalogue,
    s774_supp1,
)
from rulebook.sections.nlr import nlr
from schemas import accounts
from schemas.codes import RejectionCode, Result
from schemas.models.facts import LicenseIssued
from schemas.models.incoming import Requested
from schemas.plan import Debit, Finding, Option, Share

_YEARS_AHEAD = 5
_SHARE = "veu.share_exceeded"
_MOST = {"lpp": "lpp_annual_tpp", "country": "country_allocation_supp5b_tpp", "nveu": "nveu_base_tpp"}
"""The figure above which no event raises the limit of an account, by family."""


def _base(shipment: Shipment, law: Law) -> tuple[Debit, ...]:
    return (*s748_15.base_of(shipment, law), *s740_28.leaving(shipment))


def _license(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """A licence for a use of part 744 or a country of part 746 is to cover every line, whatever the goods."""
    whole = bool(shipment.asked.part_744_uses) or s746.concerned(shipment)
    return s750_7.license_(shipment.only(shipment.lines) if whole else shipment, law)


def _unallotted(shipment: Shipment, law: Law) -> str:
    """Why the country's allocation decides nothing, where the destination would have one; empty otherwise."""
    place = shipment.asked.ship_to
    if (
        law.printed("country_allocation_tpp") is not None
        or all(line.level != "a" for line in shipment.lines)
        or place not in law.members("allocation_area")
    ):
        return ""
    return f"no allocation of {place} is printed for {shipment.day}"


def _limit(law: Law, path: str) -> int | Share | None:
    account = accounts.read(path)
    if account is None:
        return None
    if account.country:
        account = account._replace(country=law.place(account.country))
    if account.family == "lpp":
        return law.printed("lpp_annual_tpp")
    if account.family == "country":
        return law.printed("country_allocation_tpp") if account.country in law.members("allocation_area") else None
    if account.family == "nveu":
        return law.printed("nveu_base_tpp")
    if account.family != "uveu" or account.part == "total":
        return None
    total = accounts.uveu(account.party, "total")
    if account.part == "outside-5a":
        return Share(law.amount("uveu_outside_5a_percent"), total)
    if account.part == "outside-us":
        return Share(law.amount("uveu_outside_us_percent"), total)
    return None if account.part in law.members("supp5a") else Share(law.amount("uveu_country_percent"), total)


def _openings(values: Values, path: str, day: date) -> Iterator[tuple[date, str, int]]:
    account = accounts.read(path)
    if account is None:
        return
    if account.family == "lpp":
        for year in range(day.year + 1, day.year + 1 + _YEARS_AHEAD):
            first = date(year, 1, 1)
            limit = values.law(first).printed("lpp_annual_tpp")
            if limit is not None:
                yield first, accounts.lpp(account.party, year), limit
    if account.family == "nveu":
        for first, limit in values.steps("nveu_base_tpp"):
            if first > day:
                yield first, path, limit


def _likely(asked: Requested) -> tuple[str, ...]:
    consignee = asked.ultimate_consignee
    return accounts.lpp(consignee.owner, asked.export_date.year), accounts.aia(consignee.id)


def _barred(values: Values, path: str, day: date) -> str:
    """A territory has the accounts of its country; one of Supplement No. 5(a), D:5 or Macau has no allocation."""
    account = accounts.read(path)
    if account is None:
        return ""
    code = account.country or account.part
    country = values.law(day).place(code)
    if country != code:
        return f"{code} counts as {country}, which has the account"
    if account.family != "country":
        return ""
    within = min(day, date(int(accounts.ALLOCATION_PERIOD[-4:]), 12, 31))
    if _limit(values.law(within), path) is not None:
        return ""
    return f"{account.country} has no allocation under 742.6(b)(10)(iii)(B)"


def _credits(debits: Amounts, every: int, covered: int, earlier: int) -> Amounts:
    """What leaves the installed base of a validated end-user or a facility again; never exports made under LPP, AIA.

    Where a move lowered an account, it comes back; of all returns together at most what it was raised or lowered by.
    """
    credits = []
    for path, amount in debits:
        account = accounts.read(path)
        if account is not None and account.family in ("nveu", "uveu"):
            most = abs(amount)
            now = min(earlier + every, most) - min(earlier, most)
            credits.append((path, now if amount > 0 else -now))
        elif account is not None and account.family == "facility":
            credits.append((path, -every if amount < 0 else covered))
    return credits


def _terms(law: Law, issued: LicenseIssued, to: str) -> Terms:
    """The allocation counts what is licensed from its first day on (742.6(b)(10)(iii)(B)(1))."""
    allocation = accounts.country(law.place(to))
    counts = issued.valid_from >= law.date_of("allocation_begins") and _limit(law, allocation) is not None
    return Terms(accounts.license(issued.number), allocation if counts else None)


def _above(values: Values, path: str, limit: int, day: date) -> tuple[RejectionCode, str] | None:
    """No event allows more than the law; what licences and notifications allow is set by their own events alone."""
    account = accounts.read(path)
    if account is None:
        return None
    if account.family in ("license", "nac"):
        own = "licence" if account.family == "license" else "notification"
        return RejectionCode.ACCOUNT_INVALID, f"the limit of {path} is what its {own} says: send that event again"
    name = _MOST.get(account.family)
    if name is None or values.law(day).printed(name) is None:
        return None
    steps = values.steps(name)
    most = max(
        figure for index, (_, figure) in enumerate(steps) if index + 1 == len(steps) or steps[index + 1][0] > day
    )
    if limit <= most:
        return None
    citation = values.tables["amounts"][name]["citation"]
    message = f"{limit:,} TPP are more than the {most:,} that {citation} allows from {day} on for {path}"
    return RejectionCode.LIMIT_ABOVE_LAW, message


def _may_set_aside(code: str, facts: Mapping[str, Any]) -> bool:
    """Of the shares of a universal validated end-user that of 50 % (Supplement No. 10 to part 748, paragraph 6).

    No hits that are not told.
    """
    if "untold" in facts:
        return False
    return code != _SHARE or str(facts.get("account", "")).endswith("/outside-us")


_BUT_FOR_A_USER = " but for an operator or end user"
_NOT_FOR_DATA_CENTRES = ", if its .a items are said not to be for data centres"
_NEAR = {
    (s740_27.a_users.citation, Result.NOT_MET): _BUT_FOR_A_USER,
    (s740_27.a1_designer.citation, Result.UNKNOWN): ", if the designer is said",
    (s740_27.a1_designer.citation, Result.NOT_MET): " but for the designer",
    (s740_28.b_designer.citation, Result.UNKNOWN): ", if the designer is said",
    (s740_28.b_designer.citation, Result.NOT_MET): " but for the designer",
    (s740_28.d_private_sector.citation, Result.UNKNOWN): ", if it is said to be a private sector end user",
    (s740_28.e_facility.citation, Result.UNKNOWN): ", if a facility is named",
    (s748_15.a_operator.citation, Result.NOT_MET): " but for the operator",
    (s748_15.a_facility.citation, Result.UNKNOWN): ", if a listed facility is named",
    (s748_15.d_transaction.citation, Result.UNKNOWN): ", if the listed facility is named from which it leaves",
}
"""What is said of an authorization that one party or one statement keeps closed."""


def _near(shipment: Shipment, law: Law, finding: Finding) -> str:
    """What is said of an authorization that a finding alone keeps closed; empty where that is no near miss."""
    provision, result = finding.provision, finding.result
    if provision == s740_8.a_not_for_data_centres.citation and result is Result.UNKNOWN:
        return "" if s774_catalogue.for_data_centres(shipment, law) else _NOT_FOR_DATA_CENTRES
    if provision == s740_27.a3_entity.citation:
        return "" if s740_27.consignee_outside(shipment, law) else _BUT_FOR_A_USER
    if provision == s750_7.a_parties.citation and len(finding.facts.get("parties", ())) == 1:
        return f" {finding.facts['number']} but for {finding.facts['differences'][0]}"
    return _NEAR.get((provision, result), "")


_DECISIVE = {
    "NLR": (s734_13.nothing_exported, s742_6.a6_worldwide, s742_6.a6_b_items, s774_supp1.no_license),
    "ACA": (s740_8.a_not_for_data_centres,),
    "AIA": (s740_27.a_location, s740_27.a3_entity),
    "ACM": (s740_28.d_private_sector, s740_28.e_facility),
    "VEU": (s748_15.a_listed, s748_15_bases.b_installed, s748_supp10.p6_outside),
    "LPP": (s740_29.d_yearly,),
    "NAC": (s740_8_c.c_notification,),
    "LICENSE": (s750_7.c4_amount,),
    "SAVING": (fr90_4544.saving_word,),
    "NOT_YET_REQUIRED": (fr90_4544.not_yet_before,),
}
"""The paragraphs on which each authorization turns, of which a memo shows those that were found last."""

CONTENTS = Contents(
    values="ai_diffusion",
    before=(
        Gate(house.first_day, "stop"),
        Gate(house.compliance, "note"),
        Gate(house.saving, "note"),
        Gate(house.coverage, "note"),
        Gate(house.designers_checked, "note"),
        Gate(house.catalogue_checked, "note"),
    ),
    gates=(
        Gate(house.register, "stop"),
        Gate(s744.listed, "hold", by_names=frozenset({"party.screening_hit"})),
        Gate(s744.list_age, "note"),
        Gate(s744_affiliates.affiliates, "hold", by_names=frozenset({"party.screening_hit", "red_flag"})),
        Gate(s744_affiliates.chains, "note"),
        Gate(s732_supp3.red_flags, "hold"),
        Gate(s732_supp3.h_direct_product, "hold"),
        Gate(two_names.equal, "hold"),
        Gate(two_names.resembling, "note"),
        Gate(s734_13.transaction, "hold"),
        Gate(s734_13.parts, "note"),
        Gate(s734_13.nothing_exported, "note"),
        Gate(s734_13.begins_elsewhere, "note"),
        Gate(s748_15_bases.a_site, "hold"),
        Gate(s748_15_bases.p6_owner, "note"),
        Gate(house.two_places, "note"),
        Gate(s744.end_use, "close", s744.leaves),
        Gate(s746.no_embargo, "close", s746.leaves),
        Gate(s740_2.d5_or_macau, "close", s740_2.leaves),
    ),
    authorizations={
        "NLR": nlr,
        "ACA": s740_8.aca,
        "AIA": s740_27.aia,
        "ACM": s740_28.acm,
        "VEU": s748_15.veu,
        "LPP": s740_29.lpp,
        "NAC": s740_8.nac,
        "LICENSE": _license,
        "LVS": s740_3.lvs,
        "GBS": s740_3.gbs,
        "SAVING": fr90_4544.saving,
        "NOT_YET_REQUIRED": fr90_4544.not_yet_required,
    },
    order=("NLR", "ACA", "AIA", "ACM", "VEU", "LPP", "NAC", "LICENSE"),
    needing=s742_6.needing,
    base=_base,
    split=("ACA", s740_8.covers),
    policies=s742_6.POLICIES,
    stricter=s744.stricter,
    near=_near,
    decisive={kind: frozenset(one.citation for one in rows) for kind, rows in _DECISIVE.items()},
    rationed=frozenset({"6.4", "6.5", "6.6"}),
    allocation=s742_6.allocation,
    unallotted=_unallotted,
    releasable=frozenset(
        {
            "party.conflict",
            "party.screening_hit",
            "classification.inconsistent",
            "red_flag",
            "review.needed",
            _SHARE,
        }
    ),
    may_set_aside=_may_set_aside,
    settled=frozenset({_SHARE}),
    same={"party.screening_hit": frozenset({"party", "name", "owned", "list", "entry", "content"})},
    told_apart=two_names.told_apart,
    figures=frozenset({"asked", "available", "tpp", "least", "catalogue_tpp", "score", "others"}),
    accounting=Accounting(
        limit=_limit,
        openings=_openings,
        likely=_likely,
        barred=_barred,
        credits=_credits,
        terms=_terms,
        notice=s740_8_c.account_of,
        above=_above,
        licensed=frozenset({"LICENSE"}),
    ),
)
