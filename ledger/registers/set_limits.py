"""Limits, alert thresholds and policies that events have set."""

from collections.abc import Mapping, Sequence
from datetime import date

from ledger.registers.facts import ALL, Fact, FactBook
from ledger.registers.limits import lower
from ledger.registers.parties import Parties
from ledger.registers.transaction import Transaction
from schemas import accounts
from schemas.kinds import POLICIES, FactKind, Policy
from schemas.models.facts import AllocationSet, PolicySet, ThresholdSet
from schemas.plan import Share


class SetLimits:
    """The limits that events have set on accounts, each from a day on, and the thresholds of alerts."""

    def __init__(self, transaction: Transaction, facts: FactBook, parties: Parties) -> None:
        self._transaction = transaction
        self._facts = facts
        self._parties = parties
        self._by_account: dict[str, list[Fact]] = {}
        self._thresholds: dict[str, tuple[str | int, ...]] = {}
        self._of_patterns: dict[str, tuple[str | int, ...]] = {}
        self.sort()
        for fact in facts.of(FactKind.THRESHOLD, ALL):
            self._know(fact.data)

    def sort(self) -> None:
        """Groups the limits by account; those of an absorbed party belong to the survivor's accounts."""
        self._by_account = {}
        for fact in self._facts.of(FactKind.LIMIT, ALL):
            path = self._parties.path(fact.data.account)
            self._by_account.setdefault(path, []).append(fact)

    def of(self, path: str) -> Sequence[Fact]:
        """The limits that events have set on an account, oldest first."""
        return self._by_account.get(self._parties.path(path), ())

    def in_force(self, path: str, day: date, of_law: int | Share | None) -> int | Share | None:
        """The limit in force on a day: the lower of the law's and the one last set by an event.

        That of a country's allocation is the one last set, which may be the higher.
        """
        chosen: Fact | None = None
        for fact in self.of(path):
            made: AllocationSet = fact.data
            if made.valid_from <= day and (chosen is None or made.valid_from >= chosen.data.valid_from):
                chosen = fact
        if chosen is None:
            return of_law
        self._transaction.use(chosen.n)
        limit: int = chosen.data.limit
        return limit if accounts.raisable(path) else lower(limit, of_law)

    def set(self, made: AllocationSet) -> None:
        """States an account's limit from a day on."""
        fact = self._facts.add(FactKind.LIMIT, ALL, made)
        self._by_account.setdefault(self._parties.path(made.account), []).append(fact)

    def thresholds(self, path: str) -> Sequence[str | int] | None:
        """The alert thresholds that events have set: for the account, else for a pattern, of several the last set."""
        own = self._thresholds.get(path)
        if own is not None:
            return own
        latest_first = reversed(self._of_patterns.items())
        return next((made for pattern, made in latest_first if accounts.matches(pattern, path)), None)

    def set_thresholds(self, made: ThresholdSet) -> None:
        """States the thresholds of alerts from now on."""
        self._facts.add(FactKind.THRESHOLD, ALL, made)
        self._know(made)

    def _know(self, made: ThresholdSet) -> None:
        known = self._of_patterns if "*" in made.account else self._thresholds
        known.pop(made.account, None)
        known[made.account] = tuple(made.thresholds)


class Policies:
    """Rules of the house, each in force from the record that sets it on."""

    def __init__(self, transaction: Transaction, facts: FactBook) -> None:
        self._transaction = transaction
        self._facts = facts
        self._known: tuple[tuple[Fact, ...], tuple[int, ...], dict[str, bool]] = ((), (), {})

    def set(self, made: PolicySet) -> None:
        """States a policy from now on."""
        self._facts.add(FactKind.POLICY, ALL, made)

    def in_force(self) -> Mapping[str, bool]:
        """The policies that were set, by name; the record being made is noted to rest on them.

        The same object until another is set.
        """
        facts = self._facts.of(FactKind.POLICY, ALL)
        if self._known[0] is not facts:
            latest = {str(fact.data.name): fact for fact in facts}
            in_force = {name: latest[name].data.value for name in sorted(latest)}
            self._known = (facts, tuple(fact.n for fact in latest.values()), in_force)
        self._transaction.use(*self._known[1])
        return self._known[2]

    def on(self, policy: Policy) -> bool:
        """Whether a policy is on."""
        return self.in_force().get(policy, POLICIES[policy])

    def stands(self, policy: Policy) -> bool:
        """Whether a policy is on, for what the record being made does not say: it does not rest on it."""
        made = (fact.data.value for fact in reversed(self._facts.of(FactKind.POLICY, ALL)) if fact.data.name == policy)
        return bool(next(made, POLICIES[policy]))
