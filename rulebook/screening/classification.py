"""Each line of a shipment with its class in force: the declared one, or what its figures and the catalogue say."""

from typing import NamedTuple

from rulebook.law.law import Law
from rulebook.law.provisions import Provision
from rulebook.sections import s774_3a090 as ccl
from rulebook.sections import s774_catalogue as known
from rulebook.sections import s774_supp1 as supp1
from rulebook.sections.s774_supp1 import Tested
from schemas.codes import Result
from schemas.models.incoming import Item
from schemas.plan import Case, Finding, Line, of_fields


class Standing(NamedTuple):
    """What a line counts as; the fields are those of a line."""

    level: str
    eccn: str
    software: bool
    unit_tpp: int
    datacenter: bool | None
    listed_as: str
    by_name: bool = False


class Classified(NamedTuple):
    """What a line counts as, and every finding of its class.

    `failed` are the findings that contradict; set aside, the line counts as `strict`. `waits` is the finding for which
    a reviewer is needed; of `technology`, a release that names another authorization than NLR makes it `released`.
    """

    stands: Standing
    designer: str | None
    findings: tuple[Finding, ...]
    failed: tuple[Finding, ...] = ()
    strict: Standing | None = None
    waits: Finding | None = None
    released: Standing | None = None


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
        item.technology_for,
    )
    found: Classified | None = law.worked_out.get(key)
    if found is None:
        found = _classify(item, law)
        law.remember(key, found)
    return found


def lines_of(case: Case, law: Law) -> tuple[tuple[Line, ...], list[Classified]]:
    """The lines of a shipment as they count, and how each was classified."""
    lines: list[Line] = []
    classes: list[Classified] = []
    for item in case.asked.items:
        one = classify(item, law)
        level, eccn, software, unit, datacenter, listed, by_name = _counts(one, case) if case.set_aside else one.stands
        counted = item.quantity * unit if level == "a" and not software else 0
        line = (item.line, eccn, level, software, counted, unit, datacenter, one.designer, listed, by_name)
        lines.append(of_fields(Line, line))
        classes.append(one)
    return tuple(lines), classes


def _counts(one: Classified, case: Case) -> Standing:
    """What a line counts as after a release: the stricter of all, or what the named authorization asks."""
    if one.strict is not None and "classification.inconsistent" in case.set_aside:
        return one.strict
    if one.released is not None and case.released_under not in (None, "NLR"):
        return one.released
    return one.stands


def _classify(item: Item, law: Law) -> Classified:
    tested = ccl.tested(item, law)
    chip = tested.chip
    designer = item.designer if item.designer is not None else (str(chip["designer"]) if chip else None)
    doubt = _found((supp1.paragraph,), tested, law)
    if doubt:
        computed = _compute(tested, law)[1] if tested.commodity else None
        return Classified(_standing(tested), designer, doubt, doubt, _strict(tested, computed, law))
    if tested.level == "technology":
        return _technology(tested, designer, law)
    if not tested.commodity:
        return _intangible(tested, designer, law)
    findings, computed = _compute(tested, law)
    agreed = ccl.agrees.finding(ccl.agrees.test(tested, computed, law))
    left = _found((ccl.no_stricter,), tested, law) if computed is None else ()
    every = (agreed, *left, *_found((known.catalogue, known.catalogue_use, known.catalogue_tpp), tested, law))
    failed = tuple(one for one in every if not one.open)
    strict = _strict(tested, computed, law) if failed else None
    waits = next(iter(_found((supp1.undecided,), tested, law)), None)
    return Classified(_standing(tested), designer, (*findings, *every), failed, strict, waits)


def _technology(tested: Tested, designer: str | None, law: Law) -> Classified:
    """Software and technology of a heading: what they are for decides."""
    level, name = supp1.technology_level(tested.item, tested.declared, law)
    stands = _standing(tested)._replace(level=level if level in ("a", "b", "none") else "technology", listed_as=name)
    (found,) = _found((supp1.technology,), tested, law)
    beside = _found((known.catalogue,), tested, law) if tested.chip else ()
    failed = tuple(one for one in (found, *beside) if one.code == supp1.INCONSISTENT)
    as_a = stands._replace(level="a", by_name=level == "missing")
    strict = _strict(tested, None, law) if failed and failed[0] is not found else as_a._replace(by_name=False)
    waits = found if found.result is Result.UNKNOWN else None
    findings = (*(() if waits else (found,)), *beside)
    return Classified(stands, designer, findings, failed, strict if failed else None, waits, as_a)


def _intangible(tested: Tested, designer: str | None, law: Law) -> Classified:
    """Model weights, and software that its paragraph decides."""
    stands = _standing(tested)
    findings = _found((known.catalogue,), tested, law) if tested.chip else ()
    failed = tuple(one for one in findings if not one.open)
    strict = _strict(tested, None, law) if failed else None
    waits = None
    if tested.level == "weights":
        (found,) = _found((ccl.weights,), tested, law)
        if found.result is Result.UNKNOWN:
            waits = found
        else:
            stands = stands._replace(level="weights" if found.open else "none")
            findings = (found._replace(code=""), *findings)
    return Classified(stands, designer, findings, failed, strict, waits)


def _found(rows: tuple[Provision, ...], tested: Tested, law: Law) -> tuple[Finding, ...]:
    """What these rows find; nothing of one that does not concern the line."""
    tried = ((row, row.test(tested, law)) for row in rows)
    return tuple(row.finding(verdict) for row, verdict in tried if verdict is not None)


def _standing(tested: Tested) -> Standing:
    item, said = tested.item, tested.declared
    return Standing(said.level, said.eccn, said.software, item.tpp, item.datacenter, said.eccn)


def _strict(tested: Tested, computed: str | None, law: Law) -> Standing:
    """What a contradictory line counts as: the stricter of what is declared, computed, left open and catalogued."""
    said, stands, chip = tested.declared, _standing(tested), known.verified(tested)
    levels = []
    if said.doubt:
        level, software = supp1.strictest(said.family, law)
        if level == "weights":
            return stands._replace(level=level, eccn=said.family, listed_as=said.family)
        if software:
            return stands._replace(level=level)
        levels.append(level if said.doubt == "unprinted" else computed or level)
    elif tested.commodity:
        levels += [said.level, computed or ccl.strictest(tested, law)]
    if chip is not None:
        levels.append(known.level_of(chip))
        if chip["datacenter"] and stands.datacenter is False:
            stands = stands._replace(datacenter=True)
        if known.too_low(tested):
            stands = stands._replace(unit_tpp=known.figure(tested, chip, chip["tpp"]))
    highest = max(levels, key=known.RANK.__getitem__)
    if not tested.commodity and chip is not None:
        eccn = str(chip["class"])
    else:
        same = highest == said.level and not said.doubt
        eccn = said.eccn if same else _eccn_of(highest, said.eccn, law)
    return stands._replace(level=highest, eccn=eccn, listed_as=eccn, software=False)


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


def _eccn_of(level: str, eccn: str, law: Law) -> str:
    """The ECCN of a line that counts as another level than its declared one names."""
    if level not in ("a", "b"):
        return eccn
    of_b = law.eccns("b_commodities")
    if level == "a" and eccn in of_b:
        return law.eccns("a_commodities")[of_b.index(eccn)]
    names = law.eccns("assembly_class" if law.lists("assemblies", eccn) else "circuit_class")
    return names[0 if level == "a" else 1]
