"""15 CFR 740.29: License Exception LPP (Low Processing Performance)."""

from datetime import timedelta
from functools import partial

from rulebook.law.authorization import duty, named, plan, record_retention, statement
from rulebook.law.goods import Goods, Route
from rulebook.law.law import Law
from rulebook.law.provisions import (
    Test,
    Verdict,
    met,
    not_applicable,
    not_met,
    outside_d5,
    provision,
    try_all,
    unknown,
)
from rulebook.law.shipment import Shipment
from rulebook.sections import s740_2, s744
from schemas import accounts
from schemas.codes import Result
from schemas.plan import Debit, Line, Obligation, Option


@provision("15 CFR 740.29(a)", row="LPP 1", of_route=True)
def a_scope(route: Route, law: Law) -> Verdict:
    """Exports and reexports only, no transfer (in-country)."""
    transaction = route.transaction
    if transaction == "transfer":
        return not_met("LPP authorizes no transfer (in-country)")
    return met(f"the transaction is {'an' if transaction == 'export' else 'a'} {transaction}")


def _eligible(line: Line, law: Law) -> bool:
    return law.lists("lpp_commodities", line.eccn) or (law.switch("lpp_5a002") and law.lists("lpp_5a002", line.eccn))


@provision("15 CFR 740.29(b)", row="LPP 2", of_goods=True)
def b_items(goods: Goods, law: Law) -> Verdict | None:
    """Every line that needs a licence is an eligible commodity; 5A002.z only by the switch lpp_5a002."""
    if not goods.needing:
        return None
    others = [line for line in goods.needing if not _eligible(line, law)]
    if others:
        doubtful = [line for line in others if law.lists("lpp_5a002", line.eccn)]
        reading = " (paragraph (b) is applied; (f)(iii) and (h)(2) read otherwise)" if doubtful else ""
        return not_met(f"not eligible for LPP: {named(others)}{reading}")
    return met(f"eligible for LPP: {named(goods.needing)}")


@provision("15 CFR 740.29(c)", row="LPP 3", code="destination.denied", of_route=True)
def c_destination(route: Route, law: Law) -> Verdict | Test:
    """Not to D:5 or Macau, nor to a consignee with its headquarters or ultimate parent there."""
    return outside_d5(route)


@provision("15 CFR 740.29(f)", row="LPP 6", code="certification.missing")
def f_statement(shipment: Shipment, law: Law) -> Verdict:
    """The owner, the ultimate parent of the consignee, stated for this calendar year what it has received."""
    parent = shipment.consignee.ultimate_parent
    name = parent.name if parent else shipment.consignee.name
    for owner in shipment.owners[1:]:
        registered = statement(shipment, "lpp_consignee_statement", (owner,), owner, this_year=True)
        if registered.result is not Result.MET:
            return registered
    return statement(shipment, "lpp_consignee_statement", (shipment.owner,), name, this_year=True)


@provision("15 CFR 740.29(a), second sentence", row="LPP pass-through")
def a_pass_through(shipment: Shipment, law: Law) -> Verdict | None:
    """An owner headquartered in Supplement No. 5(a) may count against the operator's ultimate parent instead."""
    if not elected(shipment):
        return None
    headquarters = shipment.consignee.parent_headquarters
    if headquarters not in law.members("supp5a"):
        return not_met(
            f"the owner is headquartered in {headquarters}, outside Supplement No. 5(a): the shipment cannot count for "
            "the operator"
        )
    operators = shipment.asked.operator
    if not operators:
        return unknown("counting for the operator was elected, but no operator is named", "operator")
    counted = {shipment.facts.one(operator.owner) for operator in operators}
    if len(counted) > 1:
        return unknown(
            f"the operators have {len(counted)} ultimate parents, and it is not said which of them counts", "operator"
        )
    return met(f"the owner is headquartered in {headquarters}: the shipment counts for {counted.pop()}")


@provision("15 CFR 740.29(d)", row="LPP note")
def d_intermediates(shipment: Shipment, law: Law) -> Verdict:
    """Through intermediate consignees, but not through distributors; that cannot be tested."""
    through = len(shipment.asked.intermediate_consignees or ())
    if not through:
        return not_applicable("no intermediate consignee is named")
    consignees = "1 intermediate consignee" if through == 1 else f"{through} intermediate consignees"
    return not_applicable(f"{consignees}: whether one is a distributor, to whom LPP is closed, is not tested")


def elected(shipment: Shipment) -> bool:
    """Whether the publisher elected to count against the operator's ultimate parent."""
    claim = shipment.asked.authorization
    return claim is not None and claim.kind == "LPP" and claim.apply_to == "operator"


def counted_party(shipment: Shipment) -> str:
    """Whose yearly limit is used: the owner's, or the operator's ultimate parent's where that is elected."""
    operators = shipment.asked.operator
    return shipment.facts.one(operators[0].owner) if elected(shipment) and operators else shipment.owner


@provision("15 CFR 740.29(d)", row="LPP 7", code="quota.exhausted", kind="quota")
def d_yearly(shipment: Shipment, law: Law) -> Debit:
    """At most 26,900,000 TPP for one ultimate consignee in a calendar year, from all exporters together."""
    account = accounts.lpp(counted_party(shipment), shipment.day.year)
    return Debit(account, shipment.needing_tpp, law.amount("lpp_annual_tpp"), cites="15 CFR 740.29(d)")


_LPP = (
    a_scope,
    b_items,
    c_destination,
    s740_2.lpp_destination,
    s744.lpp_end_use,
    f_statement,
    a_pass_through,
    d_intermediates,
)


def _debits(shipment: Shipment, law: Law) -> tuple[Debit, ...]:
    yearly: Debit = d_yearly.test(shipment, law)
    if len(shipment.owners) == 1 or elected(shipment):
        return (yearly,)
    return tuple(yearly._replace(account=accounts.lpp(owner, shipment.day.year)) for owner in shipment.owners)


def _duties(shipment: Shipment, law: Law) -> tuple[Obligation, ...]:
    day = shipment.day
    owed = [duty(shipment, law, "lpp_certification_copy", day + timedelta(days=law.amount("lpp_copy_days")))]
    if shipment.needing_tpp >= law.amount("lpp_notice_tpp"):
        owed.append(duty(shipment, law, "lpp_shipment_notice", day))
    account = accounts.lpp(counted_party(shipment), day.year)
    reached = (account, law.amount("lpp_limit_reached_tpp"))
    owed.append(duty(shipment, law, "lpp_limit_reached", day, counted_party(shipment), reached, exactly=True))
    return (*owed, record_retention(shipment, law))


def lpp(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """License Exception LPP: up to a yearly TPP for each ultimate consignee; exports and reexports only."""
    findings = try_all(shipment, law, _LPP)
    apply_to = "operator" if elected(shipment) else None
    own, duties = partial(_debits, shipment, law), partial(_duties, shipment, law)
    return (plan(shipment, "LPP", findings, own, duties, apply_to=apply_to),)
