"""Supplement No. 1 to part 774: what an ECCN names, and what this book decides of it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from rulebook.law.authorization import named
from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.provisions import Test, Verdict, in_words, met, not_applicable, not_met, provision, unknown
from rulebook.law.shipment import Shipment
from rulebook.sections import s750_7
from schemas.models.incoming import Item
from schemas.plan import WAITING, Line

INCONSISTENT = "classification.inconsistent"
_LISTS = (
    ("a_commodities", "a", False),
    ("b_commodities", "b", False),
    ("a_software", "a", True),
    ("b_software", "b", True),
    ("hbm", "c", False),
    ("weights", "weights", False),
)


class Declared(NamedTuple):
    """What an ECCN says by itself.

    `eccn`: as the lists of the book name it. `level`: as of a line. `doubt`: `heading` where it does not say which of
    its paragraphs is meant, `unprinted` where the text has no such paragraph; empty otherwise. `family`: the ECCN of
    which the text prints every paragraph, for technology and its software the heading; empty for any other.
    """

    eccn: str
    level: str
    software: bool
    doubt: str
    family: str


class Tested(NamedTuple):
    """One line under test; one circuit has `tpp` / `circuits`. `whole`: an assembly whose circuits are not counted.

    `chip`: what the catalogue has of the part, None where it has nothing.
    """

    item: Item
    declared: Declared
    tpp: int
    circuits: int
    density: Decimal | None
    whole: bool
    chip: Mapping[str, Any] | None

    @property
    def level(self) -> str:
        """The level that the ECCN names."""
        return self.declared.level

    @property
    def commodity(self) -> bool:
        """Whether the ECCN names a commodity, or none that tells."""
        return not self.declared.software and self.level != "weights"

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


def declared(eccn: str, law: Law) -> Declared:
    """What an ECCN says by itself, worked out once for the values of a period."""
    key = ("declared", eccn)
    known: Declared | None = law.worked_out.get(key)
    if known is None:
        known = _declared(eccn, law)
        law.remember(key, known)
    return known


def _declared(eccn: str, law: Law) -> Declared:
    for heading in law.eccns("technology"):
        if eccn == heading or eccn.startswith(f"{heading}."):
            return Declared(eccn, "technology", True, "", heading)
    family = next((one for one in law.eccns("families") if eccn.startswith(one)), "")
    if law.lists("read_as_parent", eccn):
        eccn = eccn.rpartition(".")[0]
    for name, level, software in _LISTS:
        if law.lists(name, eccn):
            return Declared(eccn, level, software, "", family)
    if family:
        above = any(one.startswith(f"{eccn}.") for one in printed(family, law))
        return Declared(eccn, "none", strictest(family, law)[1], "heading" if above else "unprinted", family)
    return Declared(eccn, "none" if law.lists("at_only", eccn) else "undecided", False, "", "")


def printed(family: str, law: Law) -> tuple[str, ...]:
    """The paragraphs of such an ECCN that the text prints, in order."""
    names = (*(name for name, _, _ in _LISTS), "read_as_parent")
    return tuple(sorted(one for name in names for one in law.eccns(name) if one.startswith(family)))


def strictest(family: str, law: Law) -> tuple[str, bool]:
    """The strictest level of such an ECCN, and whether it is software."""
    found = [(level, software) for name, level, software in _LISTS for one in law.eccns(name) if one.startswith(family)]
    return found[0]


def waits(shipment: Shipment, line: Line) -> bool:
    """Whether a line that this book does not decide is to be covered: by what is claimed, or by a licence for it."""
    under = shipment.case.released_under
    if under is not None:
        return under != "NLR"
    return shipment.asked.authorization is not None or s750_7.names(shipment, line)


def listed(law: Law, name: str, line: Line) -> bool:
    """Whether a list has a line: by its ECCN, and of software and technology by what it is for.

    Where a reviewer named an authorization and nothing says what the line is for, the heading decides.
    """
    if law.lists(name, line.listed_as):
        return True
    return line.by_name and any(entry.startswith(f"{line.listed_as} for ") for entry in law.eccns(name))


@provision(
    "15 CFR part 774, Supplement No. 1, list of items controlled",
    row="class paragraph",
    code=INCONSISTENT,
    kind="class",
)
def paragraph(tested: Tested, law: Law) -> Verdict | None:
    """The paragraph that is named exists, and is not a heading of several."""
    item, known = tested.item, tested.declared
    if not known.doubt:
        return None
    exist = ", ".join(printed(known.family, law))
    exist = "no paragraphs" if exist == known.family else exist
    facts = {"line": item.line, "declared": item.eccn}
    if known.doubt == "heading":
        return not_met(
            f"line {item.line}: {item.eccn} does not say which of its sub-paragraphs is meant; there are {exist}", facts
        )
    return not_met(f"line {item.line}: {item.eccn} does not exist; {known.family} has {exist}", facts)


def technology_level(item: Item, known: Declared, law: Law) -> tuple[str, str]:
    """The level of a line of software or technology with its name in lists, as `4E001 for 4A090.a`.

    Instead of a level: `missing` where nothing says what it is for, `undecided` where the text does not print it,
    `other` where it prints it for another heading, `unprinted` where there is no such paragraph, `less` where the ECCN
    itself names .a and what it is for does not.
    """
    if item.technology_for is None:
        return "missing", known.family
    what = declared(item.technology_for, law)
    name = f"{known.family} for {what.eccn}"
    if what.doubt == "unprinted":
        return "unprinted", name
    for level, entries in (("a", "technology_a"), ("b", "technology_b"), ("none", "technology_free")):
        if law.lists(entries, name):
            return ("less" if level != "a" and law.lists("a_software", known.eccn) else level), name
    every = (*law.eccns("technology_a"), *law.eccns("technology_b"))
    elsewhere = any(entry.endswith(f" for {what.eccn}") for entry in every)
    return ("other" if elsewhere else "undecided"), name


@provision("15 CFR 742.6(a)(6)(iii)", row="class technology", code="review.needed", kind="class")
def technology(tested: Tested, law: Law) -> Verdict | None:
    """Software and technology need what the item that they are for needs; where that is unknown, a reviewer decides."""
    item = tested.item
    if tested.level != "technology":
        return None
    level, _ = technology_level(item, tested.declared, law)
    start, what = f"line {item.line}: {item.eccn}", item.technology_for
    facts = {"line": item.line, "eccn": item.eccn} | ({"technology_for": what} if what else {})
    if level in ("a", "b"):
        return met(f"{start} for {what} counts as .{level}")
    if level == "none":
        return not_applicable(f"{start} for {what} needs no licence under this book")
    if level == "unprinted":
        exist = ", ".join(printed(declared(str(what), law).family, law))
        return not_met(f"{start} for {what}, which does not exist; there are {exist}", facts, INCONSISTENT)
    if level == "other":
        return not_met(f"{start} is not the heading of software or technology for {what}", facts, INCONSISTENT)
    if level == "less":
        return not_met(f"{start} is for a .a item, but {what} was declared", facts, INCONSISTENT)
    found = "technology_for does not say what it is for" if what is None else f"what is for {what} is not decided here"
    return unknown(
        f"{start}: {found}; a reviewer decides, and the release names an authorization", "technology_for", facts=facts
    )


@provision("15 CFR 738.4", row="class undecided", code="review.needed", kind="class")
def undecided(tested: Tested, law: Law) -> Verdict | None:
    """What an ECCN needs that this book does not decide is for a reviewer, or for a licence that names it."""
    if tested.level != "undecided":
        return None
    item = tested.item
    known = ", ".join((*law.eccns("families"), *law.eccns("technology")))
    return unknown(
        f"line {item.line}: this book decides {known}, EAR99 and what is controlled for anti-terrorism reasons only, "
        f"not {item.eccn}; a reviewer decides, and the release names an authorization",
        "ECCN",
        facts={"line": item.line, "eccn": item.eccn},
    )


@provision("15 CFR 738.4", row="NLR undecided", code="review.needed", of_route=True)
def no_license(route: Route, law: Law) -> Test | None:
    """What this book does not decide needs no licence only where a reviewer says so."""
    return None if WAITING.isdisjoint(route.levels) else _released


def _released(shipment: Shipment, law: Law) -> Verdict | None:
    released, claim = shipment.case.released_under == "NLR", shipment.asked.authorization
    lines = [line for line in (shipment.lines if released else shipment.needing) if line.level in WAITING]
    if not lines or (claim is not None and claim.kind == "NLR" and not released):
        return None
    if released:
        return met(f"{named(lines)}: needs no licence, on the word of the reviewer")
    return unknown(f"{named(lines)}: this book does not decide whether a licence is needed", "ECCN")
