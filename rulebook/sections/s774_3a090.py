"""Supplement No. 1 to part 774, ECCNs 3A090, 4A090 and 4E091: which class a line is of."""

from rulebook.law.law import Law
from rulebook.law.provisions import Tried, Verdict, met, not_applicable, not_met, provision, unknown
from rulebook.sections.s774_catalogue import RANK, chip_of, settles
from rulebook.sections.s774_supp1 import INCONSISTENT, Tested, declared
from schemas.models.incoming import Item

_NAMES = {"a": "class .a", "b": "class .b", "none": "a class below .b"}


def tested(item: Item, law: Law) -> Tested:
    """A line as it is tested."""
    whole = item.circuits is None and law.lists("assemblies", item.eccn)
    known, circuits = declared(item.eccn, law), item.circuits or 1
    return Tested(item, known, item.tpp, circuits, item.performance_density, whole, chip_of(item.part_number, law))


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
    if tested.item.datacenter is None:
        return unknown(
            f"line {tested.item.line}: datacenter is not given, so the note is not applied",
            _missing(tested, "datacenter"),
        )
    if tested.item.datacenter:
        return not_applicable(
            f"line {tested.item.line}: the exemption for consumer parts does not apply "
            "(designed or marketed for data centres)"
        )
    if tested.whole and tested.at_least(below):
        return not_applicable(f"{tested.says} is the sum of an assembly whose circuits are not counted")
    if tested.at_least(below):
        return not_applicable(
            f"{tested.says}: the exemption for consumer parts does not apply (not below {below:,} TPP)"
        )
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
            f"{tested.says} is a sum and circuits is not given: one circuit may have all of it",
            _missing(tested, "circuits"),
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


def strictest(tested: Tested, law: Law) -> str:
    """The strictest level that the figures leave open; without `circuits` one circuit may have it all."""
    if not tested.at_least(law.amount("b_dense_tpp")):
        return "none"
    if tested.density is None or tested.at_least(law.amount("a_tpp")):
        return "a"
    if tested.dense(law.decimal("a_density")):
        return "a"
    thin = tested.at_least(law.amount("b_tpp")) and tested.dense(law.decimal("b_density"))
    return "b" if thin or tested.dense(law.decimal("b_dense_density")) else "none"


@provision("ECCN 3A090, as far as the figures tell", row="class open", code=INCONSISTENT, kind="class")
def no_stricter(tested: Tested, law: Law) -> Verdict:
    """Where a figure is missing, the declared class is the strictest that the others leave open."""
    item, most = tested.item, strictest(tested, law)
    if RANK[tested.level] >= RANK[most]:
        return met(f"line {item.line}: its figures leave nothing stricter open than {item.eccn}")
    if settles(tested, law):
        return not_applicable(f"line {item.line}: the catalogue knows part {item.part_number} by the declared figures")
    missing = "circuits" if tested.whole else "performance_density"
    return not_met(
        f"{tested.says} without {missing} may be of {_NAMES[most]}, but {item.eccn} was declared",
        {"line": item.line, "declared": item.eccn, "missing": missing},
    )


@provision("15 CFR part 774, Supplement No. 1", row="4 classification", code=INCONSISTENT, kind="class")
def agrees(tested: Tested, computed: str | None, law: Law) -> Tried:
    """The declared class is the one that the declared TPP, density and use compute."""
    item, declared = tested.item, tested.level
    if computed is None:
        return met(f"line {item.line}: no declared figure contradicts {item.eccn}")
    if computed == declared or (declared in ("c", "undecided") and computed == "none"):
        return met(f"line {item.line}: {item.eccn} is what its figures compute")
    density = "no density" if tested.density is None else f"density {tested.density}"
    return not_met(
        f"{tested.says} at {density} computes {_NAMES[computed]}, but {item.eccn} was declared",
        {"line": item.line, "declared": item.eccn, "computed": computed},
    )
