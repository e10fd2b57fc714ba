"""The values of one book as they stand on one day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from schemas.plan import Finding


@dataclass(eq=False, slots=True)
class Period:
    """The values that hold from `first` on until the next change, and what was worked out from them.

    `not_modelled`: what the book leaves out, and the page that says so.
    `policies`: a use of part 744 to its policy of review and the section that says so.
    `rules`: a rule that was stayed to `in force`, `stayed`, or nothing before its first day.
    `places`: territory to the country whose destination it is. `seats`: the few of these that count for headquarters.
    `territories`: those of `places`; `noted`: these and the countries of D:5, Macau and part 746.
    `checked`: the last day for which the catalogue of chips and the list of designers were checked.
    """

    first: date
    amounts: Mapping[str, int | None]
    decimals: Mapping[str, Decimal]
    groups: Mapping[str, frozenset[str]]
    eccns: Mapping[str, tuple[str, ...]]
    prefixed: frozenset[str]
    dates: Mapping[str, date]
    notices: Mapping[str, Mapping[str, Any]]
    yearly: Mapping[str, tuple[str, ...]]
    switches: Mapping[str, bool]
    not_modelled: tuple[Sequence[str], str]
    policies: Mapping[str, tuple[str, str]]
    rules: Mapping[str, str]
    places: Mapping[str, str]
    seats: Mapping[str, str]
    territories: frozenset[str]
    noted: frozenset[str]
    chips: Sequence[Mapping[str, Any]]
    designers: tuple[str, ...]
    checked: Mapping[str, date]
    worked_out: dict[Any, Any] = field(default_factory=dict)


class Law:
    """The values of one book in force on one day; `of_the_day` are the findings that depend on the day alone."""

    __slots__ = ("day", "of_the_day", "period", "worked_out")

    def __init__(self, day: date, period: Period) -> None:
        self.day = day
        self.of_the_day: tuple[Finding, ...] | None = None
        self.period = period
        self.worked_out = period.worked_out

    def amount(self, name: str) -> int:
        """A figure in the unit that the book gives; LookupError where none is printed for the day."""
        value = self.period.amounts[name]
        if value is None:
            raise LookupError(f"no {name} is printed for {self.day}")
        return value

    def printed(self, name: str) -> int | None:
        """A figure, or None where none is printed for the day."""
        return self.period.amounts[name]

    def decimal(self, name: str) -> Decimal:
        """A figure that is no integer, exactly as printed."""
        return self.period.decimals[name]

    def members(self, group: str) -> frozenset[str]:
        """The countries of a group, written or derived."""
        return self.period.groups[group]

    def eccns(self, name: str) -> tuple[str, ...]:
        """The entries of a list of ECCNs, in the book's order."""
        return self.period.eccns[name]

    def lists(self, name: str, eccn: str) -> bool:
        """Whether a list of ECCNs has this one; lists of headings have every sub-paragraph of theirs."""
        key = (name, eccn)
        known = self.worked_out.get(key)
        if known is None:
            entries = self.period.eccns[name]
            known = eccn in entries
            if not known and name in self.period.prefixed:
                known = any(eccn.startswith(f"{entry}.") for entry in entries)
            self.remember(key, known)
        return bool(known)

    def place(self, code: str) -> str:
        """The country as whose part a destination, a location or a facility counts; mostly itself."""
        return self.period.places.get(code, code)

    def date_of(self, name: str) -> date:
        """A dated turn of the rule, such as `effective` or `compliance`."""
        return self.period.dates[name]

    def rule(self, name: str) -> str:
        """Whether a rule that was stayed is `in force` or `stayed`; empty before its first day."""
        return self.period.rules[name]

    def switch(self, name: str) -> bool:
        """Whether a reading that differs from the default was chosen."""
        return self.period.switches[name]

    def remember(self, key: Any, value: Any) -> None:
        """Keeps what was worked out from the values of this period; the oldest is let go when there is much."""
        if len(self.worked_out) > 5_000:
            self.worked_out.clear()
        self.worked_out[key] = value
