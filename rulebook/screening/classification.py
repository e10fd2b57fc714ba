"""Each line of a shipment with its class in force: the declared one, or what its figures compute."""

from typing import NamedTuple

from rulebook.law.law import Law
from rulebook.law.provisions import Verdict
from rulebook.sections import s774_3a090 as ccl
from rulebook.sections.s774_3a090 import Tested
from schemas.codes import Result
from schemas.models.incoming import Item
from schemas.plan import Case, Finding, Line

_RANK = {"none": 0, "c": 1, "b": 2, "a": 3}
_LISTS = (
    ("a_commodities", "a", False),
    ("b_commodities", "b", False),
    ("a_software", "a", True),
    ("b_software", "b", True),
    ("hbm", "c", False),
    ("weights", "weights", False),
)


class Classified(NamedTuple):
    """What a line was declared as and computes; `failed` are the findings that contradict, `higher` the class then."""

    level: str
    eccn: str
    software: bool
    designer: str | None
    findings: tuple[Finding, ...]
    failed: tuple[Finding, ...]
    higher: tuple[str, str]
    undecided: Finding | None


def classify(item: Item, law: Law) -> Classified:
    """The class of one line (guide, section 3); worked out once for equal lines under the same values."""
    key = (
        item.line,
        item.eccn,
        item.tpp,
        str(item.performance_density),
        item.circuits,
        item.datacenter,
        item.part_number,
        item.designer,
        str(item.training_operations),
        item.published,
    )
    known: Classified | None = law.worked_out.get(key)
    if known is None:
        known = _classify(item, law)
        law.remember(key, known)
    return known


def lines_of(case: Case, law: Law) -> tuple[tuple[Line, ...], list[Classified]]:
    """The lines of a shipment as they count, and how each was classified."""
    lines: list[Line] = []
    classes: list[Classified] = []
    aside = "classification.inconsistent" in case.set_aside
    for item in case.asked.items:
        one = classify(item, law)
        level, eccn = one.higher if one.failed and aside else (one.level, one.eccn)
        counted = item.quantity * item.tpp if level == "a" and not one.software else 0
        lines.append(Line(item.line, eccn, level, one.software, counted, item.tpp, item.datacenter, one.designer))
        classes.append(one)
    return tuple(lines), classes


def declared_level(eccn: str, law: Law) -> tuple[str, bool]:
    """The level that an ECCN names, and whether it is software of .a or .b."""
    for name, level, software in _LISTS:
        if law.lists(name, eccn):
            return level, software
    return ("technology" if law.lists("technology", eccn) else "none"), False


def _classify(item: Item, law: Law) -> Classified:
    level, software = declared_level(item.eccn, law)
    heading = law.lists("headings", item.eccn)
    assembly = law.lists("assemblies", item.eccn)
    whole = assembly and item.circuits is None
    tested = Tested(item, level, item.tpp, item.circuits or 1, item.performance_density, whole)
    chip = ccl.chip_of(item.part_number, law)
    designer = item.designer if item.designer is not None else (str(chip["designer"]) if chip else None)
    if level == "weights":
        found = ccl.weights.finding(ccl.weights.test(tested, law))
        controlled = found.result is not Result.NOT_MET
        undecided = found if found.result is Result.UNKNOWN else None
        level = "weights" if controlled else "none"
        return Classified(level, item.eccn, False, designer, (found,), (), (level, item.eccn), undecided)
    if level == "technology" or (software and not heading):
        return Classified(level, item.eccn, software, designer, (), (), (level, item.eccn), None)
    findings, computed = _compute(tested, law)
    verdict: Verdict = ccl.agrees.test(tested, computed, law)
    agreed = ccl.agrees.finding(verdict)
    known = ccl.catalogue.finding(ccl.catalogue.test(tested, law))
    failed = tuple(one for one in (agreed, known) if not one.open)
    levels = [level, computed or ("a" if heading else level)]
    if not known.open and chip is not None:
        levels.append(ccl.catalogue_level(chip))
    highest = max(levels, key=_RANK.__getitem__)
    higher = (highest, item.eccn if highest == level and not heading else _eccn_of(highest, item.eccn, assembly, law))
    return Classified(level, item.eccn, False, designer, (*findings, agreed, known), failed, higher, None)


def _compute(tested: Tested, law: Law) -> tuple[list[Finding], str | None]:
    """The findings of tests 2 to 5, and the level they compute; None where the figures do not tell."""
    findings: list[Finding] = []
    unknown = False
    for rule, level in ((ccl.note_1, "none"), (ccl.class_a, "a"), (ccl.class_b, "b"), (ccl.below, "none")):
        if rule is ccl.below and unknown:
            return findings, None
        found = rule.finding(rule.test(tested, law))
        findings.append(found)
        if found.result is Result.MET:
            return findings, level
        if rule is ccl.class_a and tested.whole:
            contradicts = found.result is Result.NOT_MET and tested.level == "a"
            return findings, "none" if contradicts else None
        unknown = unknown or (rule is not ccl.note_1 and found.result is Result.UNKNOWN)
    return findings, None


def _eccn_of(level: str, eccn: str, assembly: bool, law: Law) -> str:
    """The ECCN of a line that counts as another level than its declared one names."""
    if level not in ("a", "b"):
        return eccn
    of_b = law.eccns("b_commodities")
    if level == "a" and eccn in of_b:
        return law.eccns("a_commodities")[of_b.index(eccn)]
    names = law.eccns("assembly_class" if assembly else "circuit_class")
    return names[0 if level == "a" else 1]
