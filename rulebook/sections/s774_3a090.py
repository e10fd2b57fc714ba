"""Supplement No. 1 to part 774, ECCNs 3A090, 4A090 and 4E091: which class a line is of."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from rulebook.law.law import Law
from rulebook.law.provisions import Tried, Verdict, in_words, met, not_applicable, not_met, provision, unknown
from schemas.models.incoming import Item


class Tested(NamedTuple):
    """One line under test; one circuit has `tpp` / `circuits`. `whole`: an assembly whose circuits are not counted."""

    item: Item
    level: str
    tpp: int
    circuits: int
    density: Decimal | None
    whole: bool

    @property
    def says(self) -> str:
        """The line and its figure, as findings begin."""
        inside = f" in {self.circuits:,} circuits" if self.circuits > 1 else ""
        return f"line {self.item.line}: {in_words(self.tpp)}{inside}"

    def at_least(self, tpp: int) -> bool:
        """Whether one circuit has this much or more."""
        return self.tpp >= tpp * self.circuits

    def dense(self, density: Decimal) -> bool | None:
        """Whether the performance density is this or more; None where it is not given."""
        return None if self.density is None else self.density >= density


def _missing(tested: Tested, field: str) -> str:
    return f"items line {tested.item.line}: {field}"


@provision("ECCN 4E091", row="class 1", code="review.needed", kind="class")
def weights(tested: Tested, law: Law) -> Verdict:
    """Model weights are controlled unless published or trained with less than 10^26 operations."""
    item, least = tested.item, law.decimal("weights_operations")
    if item.published:
        return not_met(f"line {item.line}: the weights are published, so not controlled")
    if item.training_operations is None:
        return unknown(
            f"line {item.line}: training_operations is not given, so whether the weights are controlled is unknown",
            _missing(tested, "training_operations"),
        )
    given = f"line {item.line}: trained with {item.training_operations} operations"
    if item.training_operations < least:
        return not_met(f"{given}, fewer than {least}: not controlled")
    return met(f"{given}, {least} or more: controlled")


@provision("ECCN 3A090, Note 1 to 3A090.a and 3A090.b", row="class 2", code="", kind="class")
def note_1(tested: Tested, law: Law) -> Verdict:
    """Not designed or marketed for data centres and below 4,800 TPP: neither .a nor .b."""
    below = law.amount("not_controlled_tpp")
    if tested.whole:
        return not_applicable(f"{tested.says} is the sum of an assembly whose circuits are not counted")
    if tested.item.datacenter is None:
        return unknown(
            f"line {tested.item.line}: datacenter is not given, so the note is not applied",
            _missing(tested, "datacenter"),
        )
    if tested.item.datacenter:
        return not_met(f"line {tested.item.line}: designed or marketed for data centres")
    if tested.at_least(below):
        return not_met(f"{tested.says} is not below {below:,}, though not for data centres")
    return met(f"{tested.says} is below {below:,} and not for data centres: not controlled")


@provision("ECCN 3A090.a", row="class 3", code="", kind="class")
def class_a(tested: Tested, law: Law) -> Verdict:
    """.a: 4,800 TPP or more, or 1,600 or more with a performance density of 5.92 or more."""
    high, low, density = law.amount("a_tpp"), law.amount("a_dense_tpp"), law.decimal("a_density")
    dense = tested.dense(density)
    if not tested.at_least(low):
        return not_met(f"{tested.says} is below {low:,}")
    if tested.at_least(high) and not tested.whole:
        return met(f"{tested.says} is {high:,} or more: .a")
    if dense:
        return met(f"{tested.says} is {low:,} or more and density {tested.density} is {density} or more: .a")
    if tested.whole:
        return unknown(
            f"{tested.says} is a sum and circuits is not given: the declared class stands", _missing(tested, "circuits")
        )
    if dense is None:
        return unknown(
            f"{tested.says} needs a performance density to be classified", _missing(tested, "performance_density")
        )
    return not_met(f"{tested.says} is below {high:,} and density {tested.density} below {density}")


@provision("ECCN 3A090.b", row="class 4", code="", kind="class")
def class_b(tested: Tested, law: Law) -> Verdict:
    """.b: 2,400 TPP or more with a density of 1.6 or more, or 1,600 or more with 3.2 or more, and not .a."""
    first, second = law.amount("b_tpp"), law.amount("b_dense_tpp")
    thin, thick = law.decimal("b_density"), law.decimal("b_dense_density")
    if not tested.at_least(second):
        return not_met(f"{tested.says} is below {second:,}")
    if tested.density is None:
        return unknown(
            f"{tested.says} needs a performance density to be classified", _missing(tested, "performance_density")
        )
    if tested.at_least(first) and tested.density >= thin:
        return met(f"{tested.says} is {first:,} or more and density {tested.density} is {thin} or more: .b")
    if tested.density >= thick:
        return met(f"{tested.says} is {second:,} or more and density {tested.density} is {thick} or more: .b")
    return not_met(f"{tested.says} at density {tested.density} is below both limits of .b")


@provision("ECCN 3A090", row="class 5", code="", kind="class")
def below(tested: Tested, law: Law) -> Verdict:
    """Neither .a nor .b: below."""
    return met(f"{tested.says} is below the limits of .a and .b")


@provision(
    "ECCN 3A090, as the catalogue computes it", row="class catalogue", code="classification.inconsistent", kind="class"
)
def catalogue(tested: Tested, law: Law) -> Verdict:
    """The catalogue contradicts only where the declared class and the declared TPP or density both disagree with it."""
    chip = chip_of(tested.item.part_number, law)
    part = f"line {tested.item.line}: part {tested.item.part_number}"
    if chip is None:
        return not_applicable(f"{part} is not in the catalogue")
    least, most = chip["tpp_accept"]
    figures = f"the catalogue has {in_words(chip['tpp'])} and {chip['class']} for {chip['name']}"
    if chip["confidence"] == "unverified":
        return not_applicable(f"{part}: {figures}, unverified and so not held against the declaration")
    if tested.level == catalogue_level(chip):
        return met(f"{part}: {figures}; the declared class {tested.item.eccn} agrees")
    agrees = least * tested.circuits <= tested.tpp <= most * tested.circuits
    given, printed = tested.density, chip.get("performance_density")
    if given is not None and printed is not None and _band(given, law) != _band(Decimal(printed), law):
        agrees = False
    if agrees:
        return met(f"{part}: {figures}; the declared figures agree")
    return not_met(f"{part}: {figures}, but {tested.item.eccn} with {in_words(tested.tpp)} was declared")


def _band(density: Decimal, law: Law) -> int:
    return sum(density >= law.decimal(name) for name in ("b_density", "b_dense_density", "a_density"))


def chip_of(part_number: str, law: Law) -> Mapping[str, Any] | None:
    """The catalogue's entry for a part number or a name, compared without case; None where there is none."""
    index = law.worked_out.get("catalogue")
    if index is None:
        index = {}
        for entry in law.period.chips:
            for number in (entry["name"], *entry["part_numbers"]):
                index[number.casefold()] = entry
        law.remember("catalogue", index)
    chip: Mapping[str, Any] | None = index.get(part_number.strip().casefold())
    return chip


def catalogue_level(chip: Mapping[str, Any]) -> str:
    """The level of a catalogue entry: `a`, `b` or `none`."""
    last = str(chip["class"]).rpartition(".")[2]
    return last if last in ("a", "b") else "none"


@provision(
    "15 CFR part 774, Supplement No. 1", row="4 classification", code="classification.inconsistent", kind="class"
)
def agrees(tested: Tested, computed: str | None, law: Law) -> Tried:
    """The declared class is the one that the declared TPP, density and use compute."""
    item, declared = tested.item, tested.level
    if law.lists("headings", item.eccn):
        return not_met(f"line {item.line}: {item.eccn} does not say which of its sub-paragraphs is meant")
    if computed is None:
        return met(f"line {item.line}: {item.eccn} stands, since nothing declared contradicts it")
    if computed == declared or (declared == "c" and computed == "none"):
        return met(f"line {item.line}: {item.eccn} is what its figures compute")
    density = "no density" if tested.density is None else f"density {tested.density}"
    names = {"a": "class .a", "b": "class .b", "none": "a class below .b"}
    return not_met(
        f"{tested.says} at {density} computes {names[computed]}, but {item.eccn} was declared",
        {"line": item.line, "declared": item.eccn, "computed": computed},
    )
