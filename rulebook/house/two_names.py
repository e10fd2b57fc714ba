"""One party under two names: a new owner with the name of one that has a balance would have its limits twice."""

from collections.abc import Mapping
from typing import Any

from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.provisions import Test, Verdict, met, not_met, provision
from rulebook.law.shipment import Shipment
from schemas.codes import Result
from schemas.plan import Namesake


@provision("15 CFR 740.29(h)(1); house rule", row="4 two names", code="red_flag", kind="gate", of_route=True)
def equal(route: Route, law: Law) -> Test | None:
    """An owner of which nothing was let go before is not equal to one with a balance under another identifier."""
    return _equals if route.given.namesakes else None


def _equals(shipment: Shipment, law: Law) -> list[Verdict] | None:
    if not shipment.counts:
        return None
    return [_equal(shipment, one) for one in shipment.facts.namesakes if one.by] or None


def _equal(shipment: Shipment, one: Namesake) -> Verdict:
    owner, name = shipment.owner, shipment.owner_name
    if one.apart:
        return met(f"{name} ({owner}) and {_other(one)} are two owners: a reviewer has told them apart")
    facts: dict[str, Any] = {
        "resembles": one.id, "name": one.name, "account": one.account, "balance": one.balance,
    }  # fmt: skip
    what = {"LEI": "the same LEI as", "identifier": "an identifier that cannot be told apart from that of"}
    return not_met(
        f"{name} ({owner}), of which no shipment was let go before, has {what.get(one.by, 'the same name as')} "
        f"{_other(one)}, with {one.balance:,} TPP on {one.account}: if the two are one owner, merge them",
        facts,
    )


def _other(one: Namesake) -> str:
    """The other owner in words; without a name if only accounts are known of it."""
    return one.id if one.name == one.id else f"{one.name} ({one.id})"


@provision("15 CFR 740.29(h)(1); house rule", row="4 two names note", kind="gate", of_route=True)
def resembling(route: Route, law: Law) -> Test | None:
    """Whether such an owner only resembles one with a balance: a finding."""
    return _resembling if route.given.namesakes else None


def _resembling(shipment: Shipment, law: Law) -> list[Verdict] | None:
    if not shipment.counts:
        return None
    owner, name = shipment.owner, shipment.owner_name
    return [
        Verdict(
            Result.UNKNOWN,
            f"{name} ({owner}), of which no shipment was let go before, resembles {one.name} ({one.id}), with "
            f"{one.balance:,} TPP on {one.account}, with a score of {one.score}: they may be one owner",
            {"resembles": one.id, "name": one.name, "account": one.account, "balance": one.balance, "score": one.score},
        )
        for one in shipment.facts.namesakes
        if not one.by and not one.apart
    ] or None


def told_apart(code: str, facts: Mapping[str, Any]) -> str | None:
    """The owner that the shipment's is not, where a reviewer sets aside that it has its name; else None."""
    return str(facts["resembles"]) if code == equal.code and "resembles" in facts else None
