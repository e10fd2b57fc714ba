"""90 FR 4544, DATES: what a reviewer may let go as before the rule (saving clause, compliance date)."""

from datetime import date

from rulebook.law.authorization import plan
from rulebook.law.law import Law
from rulebook.law.provisions import Verdict, met, not_met, provision, try_all
from rulebook.law.shipment import Shipment
from schemas.plan import Option


def _within(shipment: Shipment, first: date, last: date) -> Verdict:
    day = shipment.day
    if first <= day <= last:
        return met(f"{day} is from {first} to {last}")
    return not_met(f"{day} is not from {first} to {last}")


def _needed_before(shipment: Shipment, law: Law) -> Verdict:
    found = [place for place in shipment.destinations if place in law.members("restricted_740_2")]
    if found or shipment.barred:
        why = [f"{place} is in D:1, D:4 or D:5 and not in A:5 or A:6" for place in found]
        return not_met(f"a licence was needed before the rule too: {'; '.join([*why, *shipment.barred])}")
    return met(f"no licence was needed before the rule for {' and '.join(shipment.destinations)} and these parties")


@provision("90 FR 4544, saving clause", row="SAVING 1")
def saving_days(shipment: Shipment, law: Law) -> Verdict:
    """The goods leave from the day on which they were aboard a carrier to the last day of completion."""
    return _within(shipment, law.date_of("saving_en_route_on"), law.date_of("saving_complete_by"))


@provision("90 FR 4544, saving clause", row="SAVING 2")
def saving_before(shipment: Shipment, law: Law) -> Verdict:
    """No licence was needed before the rule: no destination of 740.2(a)(9)(ii), no party of D:5 or Macau."""
    return _needed_before(shipment, law)


@provision("90 FR 4544, saving clause", row="SAVING note")
def saving_word(shipment: Shipment, law: Law) -> Verdict:
    """That the goods were aboard under actual orders, and the export complete in time, rests on the reviewers' word."""
    start, end = law.date_of("saving_en_route_on"), law.date_of("saving_complete_by")
    return met(
        f"on the word of two reviewers the goods were aboard a carrier to the port on {start} under actual orders, "
        f"and the export was complete by {end}"
    )


@provision("90 FR 4544, compliance date", row="NOT_YET_REQUIRED 1")
def not_yet_days(shipment: Shipment, law: Law) -> Verdict:
    """The goods leave on or after the rule's first day and before compliance is required."""
    first, required = law.date_of("effective"), law.date_of("compliance")
    return _within(shipment, first, date.fromordinal(required.toordinal() - 1))


@provision("90 FR 4544, compliance date", row="NOT_YET_REQUIRED 2")
def not_yet_before(shipment: Shipment, law: Law) -> Verdict:
    """No licence was needed before the rule: no destination of 740.2(a)(9)(ii), no party of D:5 or Macau."""
    return _needed_before(shipment, law)


def saving(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """The saving clause, which two reviewers alone apply: goods under way may go as before the rule."""
    return (plan(shipment, "SAVING", try_all(shipment, law, (saving_days, saving_before, saving_word))),)


def not_yet_required(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """The time before compliance is required, which two reviewers alone apply."""
    return (plan(shipment, "NOT_YET_REQUIRED", try_all(shipment, law, (not_yet_days, not_yet_before))),)
