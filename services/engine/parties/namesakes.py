"""One party under two names: whom a new owner has the name of, and what is noted of the owners of shipments let go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ledger.registers.accounts import Account
from ledger.registers.names.owners import MOST, Alike, Forms, Owner
from schemas import accounts
from schemas.kinds import FactKind, IdentifierKind
from schemas.lookalikes import same_identifier
from schemas.models.incoming import Requested
from schemas.models.parts import Parent, Party
from schemas.plan import Case, Debit, Facts, Namesake
from services.engine.context import DecisionContext
from services.engine.parties.screening import decimal, known_of

if TYPE_CHECKING:
    from ledger.journal import Journal

_KEPT = 1 << 12
"""How many names' forms are remembered."""
MOST_TOLD = 5
"""How many owners are told of that have the name of another, and how many that resemble it."""


def facts_of(context: DecisionContext, asked: Requested) -> Facts:
    """What is known of a shipment's parties, the owners among it that have the name of its owner."""
    known, found = known_of(context, asked), namesakes_of(context, asked)
    return replace(known, namesakes=found) if found else known


def namesakes_of(context: DecisionContext, asked: Requested) -> tuple[Namesake, ...]:
    """The owners with a balance whose name is that of a shipment's owner, then those that resemble it, the most first.

    None where a shipment of that owner was let go before, under any of its identifiers. Owners with another LEI are
    others.
    """
    consignee, owners = asked.ultimate_consignee, context.journal.owners
    owner, stated = consignee.owner, _owner(consignee)
    group = context.journal.parties.group(owner)
    if owners.let_go(group):
        return ()
    lei = _lei(context.journal, owner, stated)
    forms = _forms(owner, stated.name, lei)
    every = (*_alike(context.journal, owner), *owners.having(forms.exact, but=group))
    exact = {one.id: one for one in every if _may_be(one, group, lei)}
    near = [one for one in owners.having(forms.loose, MOST, but=group) if _may_be(one, group, lei)]
    if not exact and not near:
        return ()
    same = [(one, "") for _, one in sorted(exact.items())]
    told: set[str] = set(group)
    equal = [
        found._replace(by=_by(consignee, one, lei)) for one, found in _with_balances(context, consignee, same, told)
    ]
    rated = _with_balances(context, consignee, _rated(stated.name, near), told)
    return (*equal, *(found for _, found in rated))


def _owner(party: Party) -> Party | Parent:
    """The owner of a party as the party names it: its ultimate parent, else itself."""
    return party.ultimate_parent or party


def _lei(journal: Journal, owner: str, stated: Party | Parent) -> str | None:
    """The LEI of an owner, as a shipment states it or as it is known of before."""
    if stated.lei is not None:
        return stated.lei
    known = journal.owners.find(owner)
    return None if known is None else known.lei


@lru_cache(_KEPT)
def _forms(identifier: str, name: str, lei: str | None) -> Forms:
    from rulebook.parties.namesakes import compared

    return Forms(*compared(identifier, name, lei))


def _alike(journal: Journal, identifier: str) -> Iterator[Owner]:
    """Those whose identifier cannot be told apart from one, those of whom only an account is known among them."""
    for other in journal.identifiers.like(IdentifierKind.PARTY, identifier):
        yield journal.owners.find(other) or Owner(other, other)


def _may_be(one: Owner, group: Sequence[str], lei: str | None) -> bool:
    """Whether an owner may be another's namesake: it is not the same party, and has not another LEI."""
    return one.id not in group and (lei is None or one.lei is None or one.lei == lei)


def _by(consignee: Party, one: Owner, lei: str | None) -> str:
    """What two owners have in common that share an exact form: the name, of now or of before, unless it is another."""
    from rulebook.parties.namesakes import equal

    if equal(_owner(consignee).name, one.name):
        return "name"
    if lei is not None and one.lei == lei:
        return "LEI"
    return "identifier" if same_identifier(consignee.owner) == same_identifier(one.id) else "name"


def _rated(name: str, near: Iterable[Owner]) -> list[tuple[Owner, str]]:
    """Those whose name resembles a name, each with the score, the best first."""
    from rulebook.parties.namesakes import LEAST, likeness

    rated = [(score, one) for one in near if (score := likeness(name, one.name)) >= LEAST]
    rated.sort(key=lambda each: (-each[0], each[1].id))
    return [(one, decimal(score)) for score, one in rated]


def _with_balances(
    context: DecisionContext, consignee: Party, found: Iterable[tuple[Owner, str]], told: set[str]
) -> Iterator[tuple[Owner, Namesake]]:
    """Those that have a balance, each party once, without those `told`; at most so many that are not told apart."""
    left = MOST_TOLD
    for one, score in found:
        if not left:
            return
        survivor = context.journal.parties.survivor(one.id)
        if survivor in told:
            continue
        account = _largest(context, survivor)
        if account is None:
            continue
        told.add(survivor)
        apart = are_apart(context, consignee.owner, survivor)
        left -= not apart
        yield one, Namesake(survivor, one.name, account.path, account.balance, score=score, apart=apart)


def _largest(context: DecisionContext, party: str) -> Account | None:
    """The account of an owner or holder with the largest balance above zero, the first of equal ones; None without."""
    known = context.journal.accounts
    paths = known.owned.of(party)
    known.load(paths)
    found = [account for path in paths if (account := known.find(path)) is not None and account.balance > 0]
    return max(found, key=lambda account: account.balance, default=None)


def forms_ahead(journal: Journal, consignees: Sequence[Party], registered: Sequence[Party]) -> Iterator[str]:
    """The forms of the names of registered parties, and of the new ones of the owners of consignees."""
    first = [(one.owner, _owner(one)) for one in consignees if not journal.owners.let_go([one.owner])]
    new = {(owner, one.name, _lei(journal, owner, one)) for owner, one in first}
    for one in registered:
        new |= {(one.owner, _owner(one).name, _owner(one).lei), (one.id, one.name, one.lei)}
    for named in new:
        forms = _forms(*named)
        yield from (*forms.exact, *forms.loose)


def note_let_go(context: DecisionContext, case: Case, debits: Iterable[Debit]) -> None:
    """Notes the owner of a shipment that is let go with TPP that count, and the holder whose account it is on."""
    consignee, owners = case.asked.ultimate_consignee, context.journal.owners
    owner, name, lei = consignee.owner, _owner(consignee).name, _owner(consignee).lei
    known = owners.find(owner)
    if known is None or known.n is None:
        owners.note_alike(
            Alike(owner, name, one.id, one.name, one.score)
            for one in case.facts.namesakes
            if not one.by and not one.apart
        )
    if known is None or known.n is None or (known.name, known.lei) != (name, lei or known.lei):
        owners.name(owner, name, lei, _forms(owner, name, lei), let_go=True)
    if consignee.id != owner and any(
        accounts.party(debit.account) == consignee.id and debit.account.startswith(accounts.OWNED) for debit in debits
    ):
        note_name(context, consignee.id, consignee.name, consignee.lei)


def note_registered(context: DecisionContext, party: Party) -> None:
    """Notes the names of a registered party and of its ultimate parent."""
    note_name(context, party.id, party.name, party.lei)
    if party.owner != party.id:
        note_name(context, party.owner, _owner(party).name, _owner(party).lei)


def note_name(context: DecisionContext, identifier: str, name: str, lei: str | None) -> None:
    """Notes the name of a party that may be an owner."""
    context.journal.owners.name(identifier, name, lei, _forms(identifier, name, lei))


def pair(identifier: str, other: str) -> str:
    """The key of two identifiers that are told apart.

    >>> pair("CON-2", "CON-1")
    'CON-1/CON-2'
    """
    return "/".join(sorted((identifier, other)))


def are_apart(context: DecisionContext, identifier: str, other: str) -> bool:
    """Whether a reviewer has told two parties apart, under any of their identifiers."""
    group, facts = context.journal.parties.group, context.journal.facts
    keys = [pair(one, another) for one in group(identifier) for another in group(other)]
    facts.load(keys)
    return any(facts.used(FactKind.APART, key) for key in keys)
