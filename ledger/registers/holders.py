"""Holders of validated end-users' authorizations, and who is said to own them."""

from collections.abc import Callable, Iterable

from ledger.registers.facts import FactBook
from ledger.registers.transaction import Transaction
from schemas.kinds import FactKind
from schemas.models.facts import PartyRegistered, VeuAuthorized
from schemas.models.incoming import Requested
from schemas.models.parts import Party
from schemas.plan import Veu


class Holders:
    """Holders by owner. What tells of an owner is kept under the owner, so that what its group receives is seen.

    `group` gives every identifier of the same party.
    """

    def __init__(self, transaction: Transaction, facts: FactBook, group: Callable[[str], tuple[str, ...]]) -> None:
        self._transaction = transaction
        self._facts = facts
        self._group = group

    def holds(self, party: str) -> bool:
        """Whether a party was ever authorized as a validated end-user."""
        return any(self._facts.of(FactKind.VEU, key) for key in self._group(party))

    def authorize(self, made: VeuAuthorized) -> None:
        """States the owners of a holder: the one that its authorization names, and those that it is registered with."""
        registered = [
            fact.data.owner for key in self._group(made.holder) for fact in self._facts.of(FactKind.PARTY, key)
        ]
        for owner in dict.fromkeys([made.owner or made.holder, *registered]):
            self._note(made.holder, owner, made)

    def register(self, made: PartyRegistered) -> None:
        """States the owner that a holder is registered with; nothing of other parties."""
        if self.holds(made.id):
            self._note(made.id, made.owner, made)

    def _note(self, holder: str, owner: str, made: VeuAuthorized | PartyRegistered) -> None:
        if owner != holder:
            self._facts.add(FactKind.HOLDER, owner, made)

    def ship(self, asked: Requested) -> None:
        """States the owner that a shipment to a holder names, unless the last shipment to it named the same."""
        consignee = asked.ultimate_consignee
        if consignee.owner == consignee.id or not self.holds(consignee.id):
            return
        named = self._shipments_to(consignee.id)
        if not named or named[-1].ultimate_consignee.owner != consignee.owner:
            self._facts.add(FactKind.HOLDER, consignee.id, asked)
            self._facts.add(FactKind.HOLDER, consignee.owner, asked)

    def of_owners(self, ids: Iterable[str]) -> tuple[str, ...]:
        """The holders of which one of these parties is or was said to be the owner."""
        stated = {fact.n: fact.data for key in ids for fact in self._facts.of(FactKind.HOLDER, key)}
        self._transaction.use(*stated)
        return tuple(dict.fromkeys(_holder_of(made) for _, made in sorted(stated.items())))

    def named_owners(self, veus: Iterable[Veu]) -> dict[str, str]:
        """Holder to owner, as the last shipment to the holder named it."""
        holders = dict.fromkeys(veu.authorized.holder for veu in veus)
        named = {holder: self._shipments_to(holder) for holder in holders}
        return {holder: each[-1].ultimate_consignee.owner for holder, each in named.items() if each}

    def _shipments_to(self, holder: str) -> list[Requested]:
        return [
            made
            for key in self._group(holder)
            for made in self._facts.used(FactKind.HOLDER, key)
            if isinstance(made, Requested) and made.ultimate_consignee.id == key
        ]


def _holder_of(made: VeuAuthorized | Party | Requested) -> str:
    if isinstance(made, VeuAuthorized):
        return made.holder
    return made.id if isinstance(made, Party) else made.ultimate_consignee.id
