"""The catalogue of parts beside what is declared: class, use and TPP."""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rulebook.law.law import Law
from rulebook.law.provisions import Verdict, in_words, met, not_applicable, not_met, provision
from rulebook.law.shipment import Shipment
from rulebook.sections.s774_supp1 import INCONSISTENT, Tested

RANK = {"none": 0, "undecided": 0, "c": 1, "b": 2, "a": 3}
"""The levels of commodities, from the mildest to the strictest."""
_CITES = "ECCN 3A090, as the catalogue computes it"
_DENSITIES = ("b_density", "b_dense_density", "a_density")


def _key(part: str) -> str:
    """A part number or name without case, blanks and punctuation."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", part).casefold())


def chip_of(part_number: str, law: Law) -> Mapping[str, Any] | None:
    """The catalogue's entry for a part number or a name, compared without case and punctuation; None without one."""
    index = law.worked_out.get("catalogue")
    if index is None:
        index = {_key(number): one for one in law.period.chips for number in (one["name"], *one["part_numbers"])}
        law.remember("catalogue", index)
    chip: Mapping[str, Any] | None = index.get(_key(part_number))
    return chip


def level_of(chip: Mapping[str, Any]) -> str:
    """The level of a catalogue entry: `a`, `b` or `none`."""
    last = str(chip["class"]).rpartition(".")[2]
    return last if last in ("a", "b") else "none"


def verified(tested: Tested) -> Mapping[str, Any] | None:
    """The catalogue's entry, unless it has none or an unverified one."""
    chip = tested.chip
    return None if chip is None or chip["confidence"] == "unverified" else chip


def for_data_centres(shipment: Shipment, law: Law) -> bool:
    """Whether the catalogue knows a part of the shipment as designed or marketed for data centres."""
    chips = [chip_of(item.part_number, law) for item in shipment.asked.items if item.datacenter is None]
    return any(chip is not None and chip["confidence"] != "unverified" and chip["datacenter"] for chip in chips)


def figure(tested: Tested, chip: Mapping[str, Any], tpp: int) -> int:
    """A figure of the catalogue for as many circuits as are declared, once where none are; rounded up."""
    own = int(chip.get("circuits", 1))
    return -(-tpp * (tested.item.circuits or own) // own)


def too_low(tested: Tested) -> bool:
    """Whether less TPP is declared than the catalogue accepts."""
    chip = verified(tested)
    return chip is not None and tested.tpp < figure(tested, chip, chip["tpp_accept"][0])


def settles(tested: Tested, law: Law) -> bool:
    """Whether the catalogue knows the part by the figures that are declared."""
    chip = verified(tested)
    return chip is not None and _agrees(tested, chip, law)


def _agrees(tested: Tested, chip: Mapping[str, Any], law: Law) -> bool:
    least, most = (figure(tested, chip, tpp) for tpp in chip["tpp_accept"])
    given, known = tested.density, chip.get("performance_density")
    same = given is None or known is None or _band(given, law) == _band(Decimal(known), law)
    return least <= tested.tpp <= most and same


def _band(density: Decimal, law: Law) -> int:
    return sum(density >= law.decimal(name) for name in _DENSITIES)


@provision(_CITES, row="class catalogue", code=INCONSISTENT, kind="class")
def catalogue(tested: Tested, law: Law) -> Verdict:
    """The declared class is not below the catalogue's, nor above it with figures that the catalogue does not have."""
    item, chip = tested.item, tested.chip
    part = f"line {item.line}: part {item.part_number}"
    if chip is None:
        return not_applicable(f"{part} is not in the catalogue")
    figures = f"the catalogue has {in_words(chip['tpp'])} and {chip['class']} for {chip['name']}"
    if chip["confidence"] == "unverified":
        return not_applicable(f"{part}: {figures}, unverified and so not held against the declaration")
    known, facts = level_of(chip), {"line": item.line, "declared": item.eccn, "catalogue_class": chip["class"]}
    if not tested.commodity:
        if known == "none":
            return not_applicable(f"{part}: {figures}, and {item.eccn} was declared, which is not a commodity")
        return not_met(f"{part}: {figures}, a commodity, but {item.eccn} was declared", facts)
    if RANK[tested.level] < RANK[known]:
        return not_met(f"{part}: {figures}, but {item.eccn} with {in_words(tested.tpp)} was declared", facts)
    if RANK[tested.level] == RANK[known]:
        return met(f"{part}: {figures}; the declared class {item.eccn} agrees")
    if _agrees(tested, chip, law):
        return met(f"{part}: {figures}; the declared figures agree")
    return not_met(f"{part}: {figures}, but {item.eccn} with {in_words(tested.tpp)} was declared", facts)


@provision(_CITES, row="class catalogue use", code=INCONSISTENT, kind="class")
def catalogue_use(tested: Tested, law: Law) -> Verdict | None:
    """A part that the catalogue knows as designed or marketed for data centres is not declared otherwise."""
    chip, item = verified(tested), tested.item
    if chip is None or not chip["datacenter"] or item.datacenter is not False:
        return None
    return not_met(
        f"line {item.line}: part {item.part_number} was declared not to be for data centres, but the catalogue has "
        f"{chip['name']} as designed or marketed for them",
        {"line": item.line, "declared": item.eccn, "datacenter": False, "catalogue_datacenter": True},
    )


@provision(_CITES, row="class catalogue TPP", code=INCONSISTENT, kind="class")
def catalogue_tpp(tested: Tested, law: Law) -> Verdict | None:
    """No less TPP is declared than the catalogue accepts; more counts as declared."""
    chip, item = verified(tested), tested.item
    if chip is None:
        return None
    least, most = (figure(tested, chip, one) for one in chip["tpp_accept"])
    own = figure(tested, chip, chip["tpp"])
    if tested.tpp < least:
        return not_met(
            f"{tested.says} were declared, but the catalogue has {in_words(own)} for {chip['name']} and accepts "
            f"{least:,} or more",
            {"line": item.line, "declared": item.eccn, "tpp": tested.tpp, "catalogue_tpp": own, "least": least},
        )
    if tested.tpp > most:
        return not_applicable(
            f"{tested.says} were declared, more than the {in_words(own)} that the catalogue has for {chip['name']}: "
            "the declared figure counts"
        )
    return met(f"{tested.says} agree with the catalogue's {in_words(own)} for {chip['name']}")
