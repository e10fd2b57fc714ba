"""The part of a book that looks at names of parties alone, and is asked by itself when a list of names changes."""

from collections.abc import Mapping
from typing import Any

from rulebook.law.contents import Contents
from rulebook.law.shipment import Shipment
from rulebook.law.values import Values
from rulebook.screening.gates import pass_names
from schemas.plan import Case, Finding, Reason


class Names:
    """The gates of a book that look at names alone."""

    def __init__(self, contents: Contents, values: Values) -> None:
        self._contents = contents
        self._values = values
        self._codes = frozenset[str]().union(*(gate.by_names for gate in contents.gates))

    def screen(self, case: Case) -> tuple[tuple[Finding, ...], tuple[Reason, ...]]:
        """What the names of a case's parties give by themselves: the findings, and the reasons that hold it."""
        law = self._values.law(case.asked.export_date)
        trace = pass_names(self._contents, Shipment(case, law, ()), law)
        return tuple(trace.findings), tuple(one for one in trace.reasons if self.gives(one.code, one.facts))

    def may_give(self, code: str) -> bool:
        """Whether a reason of this code may be one that names give."""
        return code in self._codes

    def gives(self, code: str, facts: Mapping[str, Any]) -> bool:
        """Whether a reason is one that names give: it states a list, or how many more hits there are."""
        return code in self._codes and not facts.keys().isdisjoint(("list", "untold"))
