"""Supplement No. 3 to part 732, and 15 CFR 734.9(h): red flags."""

from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.provisions import Test, Verdict, met, not_met, provision
from rulebook.law.shipment import Shipment

_ALL_SUBJECT = met("no .a or .b line is said not to be subject to the EAR")


@provision("Supplement No. 3 to part 732", row="4 red flag", code="red_flag", kind="gate", of_route=True)
def red_flags(route: Route, law: Law) -> Verdict | Test:
    """The publisher saw no red flag."""
    return _flagged if route.given.red_flags else met("no red flag is reported")


def _flagged(shipment: Shipment, law: Law) -> list[Verdict]:
    return [
        not_met(f"red flag {flag.number}: {flag.note}", {"number": flag.number, "note": flag.note})
        for flag in shipment.asked.red_flags
    ]


@provision("15 CFR 734.9(h)", row="4 red flag 734.9(h)", code="red_flag", kind="gate", of_route=True)
def h_direct_product(route: Route, law: Law) -> Verdict | Test:
    """An .a or .b item said not to be subject to the EAR is doubtful: the foreign direct product rule is worldwide."""
    return _doubtful if route.given.doubtful else _ALL_SUBJECT


def _doubtful(shipment: Shipment, law: Law) -> Verdict | list[Verdict]:
    found = [
        item.line
        for line, item in zip(shipment.lines, shipment.asked.items, strict=True)
        if item.subject_basis == "not_subject" and line.level in ("a", "b")
    ]
    if not found:
        return _ALL_SUBJECT
    return [
        not_met(
            f"line {line} is an .a or .b item, but is said not to be subject to the EAR",
            {"line": line, "subject_basis": "not_subject"},
        )
        for line in found
    ]
