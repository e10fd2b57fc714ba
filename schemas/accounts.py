"""The chart of accounts: the only place that builds or reads an account path (docs/contract/accounts.md)."""

import re
from datetime import date
from typing import NamedTuple

ALLOCATION_PERIOD = "2025-2027"
FAMILIES = ("lpp", "country", "license", "nac", "nveu", "uveu", "aia", "facility")
"""The families that hold entries; `flow` is a report and holds none."""
CREDITABLE = ("country", "nveu", "uveu")
"""The families on which attrition is credited (748.15(a)(2)(iii)(B))."""

OWNED = ("lpp", "nveu", "uveu")
"""The families that count what one owner or holder has received, whatever it is called."""

_FLOW = "flow/"
_FLOW_PATH = re.compile(r"flow/[A-Z]{2}/\d{4}", re.ASCII)
_ID = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
_PATHS = {
    "lpp": re.compile(rf"lpp/(?P<party>{_ID})/(?P<year>\d{{4}})", re.ASCII),
    "country": re.compile(rf"country/(?P<country>[A-Z]{{2}})/{ALLOCATION_PERIOD}", re.ASCII),
    "license": re.compile(rf"license/(?P<number>{_ID})", re.ASCII),
    "nac": re.compile(rf"nac/(?P<reference>{_ID})", re.ASCII),
    "nveu": re.compile(rf"nveu/(?P<party>{_ID})/(?P<country>[A-Z]{{2}})", re.ASCII),
    "uveu": re.compile(rf"uveu/(?P<party>{_ID})/(?P<part>total|outside-5a|outside-us|[A-Z]{{2}})", re.ASCII),
    "aia": re.compile(rf"aia/(?P<party>{_ID})", re.ASCII),
    "facility": re.compile(rf"facility/(?P<facility>{_ID})", re.ASCII),
}


class Account(NamedTuple):
    """The parts of an account path; those that its family does not use are empty."""

    family: str
    party: str = ""
    year: str = ""
    country: str = ""
    number: str = ""
    facility: str = ""
    part: str = ""
    reference: str = ""


def lpp(owner: str, year: int) -> str:
    """Exports and reexports under LPP to one owner in one calendar year."""
    return f"lpp/{owner}/{year}"


def country(code: str) -> str:
    """TPP licensed to one destination in the allocation period."""
    return f"country/{code}/{ALLOCATION_PERIOD}"


def license(number: str) -> str:
    """Shipments under one licence."""
    return f"license/{number}"


def nac(reference: str) -> str:
    """Shipments under one notification of License Exception NAC."""
    return f"nac/{reference}"


def nveu(holder: str, code: str) -> str:
    """The installed base of a national validated end-user in one country."""
    return f"nveu/{holder}/{code}"


def uveu(holder: str, part: str) -> str:
    """A part of a universal validated end-user's base: `total`, `outside-5a`, `outside-us` or a country."""
    return f"uveu/{holder}/{part}"


def aia(consignee: str) -> str:
    """Shipments under AIA to one ultimate consignee."""
    return f"aia/{consignee}"


def facility(identifier: str) -> str:
    """Items in and out of a facility under ACM."""
    return f"facility/{identifier}"


def flow(destination: str, year: str) -> str:
    """The controlled TPP approved for one destination in one year of export: a report, not an account."""
    return f"{_FLOW}{destination}/{year}"


def names_flows(pattern: str) -> bool:
    """Whether a pattern names the report of flows."""
    return pattern.startswith(_FLOW)


def is_flow(path: str) -> bool:
    """Whether a path is that of a flow.

    >>> is_flow("flow/IN/2025"), is_flow("flow/*")
    (True, False)
    """
    return _FLOW_PATH.fullmatch(path) is not None


def read(path: str) -> Account | None:
    """The parts of an account path; None if it is not an account that holds entries.

    >>> read("lpp/CON-70/2025")
    Account(family='lpp', party='CON-70', year='2025', country='', number='', facility='', part='', reference='')
    >>> read("flow/IN/2025") is None
    True
    """
    family = path.partition("/")[0]
    match = family in _PATHS and _PATHS[family].fullmatch(path)
    return Account(family, **match.groupdict()) if match else None


def party(path: str) -> str:
    """The party that an account's path names; empty if it names none.

    >>> party("uveu/CON-1/total"), party("license/L-1")
    ('CON-1', '')
    """
    account = read(path)
    return account.party if account else ""


def pattern(*families: str) -> str:
    """The paths of these families as a regular expression of ECMA 262, for the published schemas."""
    return f"^({'|'.join(re.sub('[?]P<[a-z]+>', '?:', _PATHS[family].pattern) for family in families)})$"


def of_party(path: str, party: str) -> str:
    """The same account of another party; `path` itself if its family names no party.

    >>> of_party("uveu/CON-1/total", "CON-2")
    'uveu/CON-2/total'
    """
    account = read(path)
    if account is None or not account.party:
        return path
    return path.replace(f"/{account.party}", f"/{party}", 1)


def within(path: str, day: date) -> bool:
    """Whether a day lies in the year of an account; true for an account without a year.

    >>> within("lpp/CON-70/2025", date(2026, 1, 1)), within("aia/CON-70", date(2026, 1, 1))
    (False, True)
    """
    account = read(path)
    return account is None or not account.year or account.year == str(day.year)


def committed(path: str) -> bool:
    """Whether licences commit the pending TPP of an account, which may then be corrected by hand."""
    return path.startswith("country/")


def raisable(path: str) -> bool:
    """Whether an event may raise the limit of an account above the law's own figure (Supplement No. 5(b))."""
    return path.startswith("country/")


def matches(pattern: str, path: str) -> bool:
    """Whether a path matches a pattern, in which `*` matches any text, including `/`."""
    first, *others = pattern.split("*")
    if not others:
        return pattern == path
    *between, last = others
    at, end = len(first), len(path) - len(last)
    if at > end or not path.startswith(first) or not path.endswith(last):
        return False
    for part in between:
        found = path.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
