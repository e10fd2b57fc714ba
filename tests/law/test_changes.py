"""What a shipment can change into: held stays held, what closes closes, and nothing turns on form."""

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rulebook.books.ai_diffusion import CONTENTS
from rulebook.screening.book import Book

from . import generated
from .generated import EMBARGOED_SEATS, FAR_SEATS, ROLES, Made, Outcome, Seat, outcome, party, shipments

BOOK = Book(CONTENTS, {})
ANY = st.one_of(shipments(generated.GOING, 3), shipments(generated.HELD, 1))
GOING = shipments(generated.GOING, 1)
EXAMPLES = 2_000 if os.environ.get("CI") else 300
"""Shipments for each property; all of them in CI, where `CI` is set."""
SETTINGS = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.data_too_large]
)
UNSAID = frozenset({"classification.inconsistent", "party.conflict"})
Changes = dict[str, Callable[[Made, Random], Made | None]]


# --- held stays held --------------------------------------------------------------------------------------------------


def receives(made: Made, chance: Random, seats: tuple[Seat, ...]) -> Made:
    """The shipment with one party more, which nothing on file names."""
    role, new = chance.choice(ROLES), party("NEW-1", chance.choice(seats))
    return made.changed(lambda data: data.__setitem__(role, [*data.get(role, []), new]))


def of_d5_or_part_746(made: Made, chance: Random) -> Made:
    return receives(made, chance, (*FAR_SEATS, *EMBARGOED_SEATS))


def without_a_paper(made: Made, chance: Random) -> Made | None:
    on_file, travelling = made.facts.certifications, len(made.data.get("certifications", []))
    if not on_file and not travelling:
        return None
    left_out = chance.randrange(len(on_file) + travelling) - len(on_file)
    if left_out < 0:
        kept = on_file[:left_out] + on_file[len(on_file) + left_out + 1 :]
        return replace(made, facts=replace(made.facts, certifications=kept))
    return made.changed(lambda data: data["certifications"].pop(left_out))


def item_of(made: Made, chance: Random) -> tuple[int, dict[str, Any]]:
    number = chance.randrange(len(made.data["items"]))
    return number, made.data["items"][number]


def item_changed(made: Made, number: int, **words: Any) -> Made:
    """The shipment with other members of one line; those that are None are left out."""

    def change(data: dict[str, Any]) -> None:
        whole = {**data["items"][number], **words}
        data["items"][number] = {name: value for name, value in whole.items() if value is not None}

    return made.changed(change)


def more_units(made: Made, chance: Random) -> Made:
    number, item = item_of(made, chance)
    return item_changed(made, number, quantity=item["quantity"] * chance.choice((2, 700)) + 1)


def more_tpp(made: Made, chance: Random) -> Made | None:
    """More TPP; its class may not change."""
    number, item = item_of(made, chance)
    more = item_changed(made, number, tpp=item["tpp"] + chance.choice((1, 500, 20_000)))
    return more if item["tpp"] else None


def declared_lower(made: Made, chance: Random) -> Made | None:
    """A part of the catalogue declared with less TPP, a lower class, or as not for data centres."""
    lines = [n for n, item in enumerate(made.data["items"]) if item["part_number"] in generated.PARTS]
    if not lines:
        return None
    lower: dict[str, Any] = chance.choice((
        {"tpp": 0}, {"tpp": 4_800}, {"eccn": "EAR99"}, {"eccn": "5A992.c"}, {"eccn": "3A090.b"}, {"eccn": "3A991.p"},
        {"eccn": "4A003.b"}, {"eccn": "5D992.z.2"}, {"eccn": "3B001.f"}, {"datacenter": False}, {"datacenter": False}, {"datacenter": False, "tpp": 4_799, "eccn": "EAR99"},
        {"tpp": 15_000}, {"tpp": 15_000},
    ))  # fmt: skip
    return item_changed(made, chance.choice(lines), **lower)


def paragraph_below(made: Made, chance: Random) -> Made | None:
    number, item = item_of(made, chance)
    if item["eccn"] == "EAR99":
        return None
    return item_changed(made, number, eccn=f"{item['eccn']}.{chance.choice(('1', '2', '3', 'a', 'c', 'z'))}")


def said_no_more(made: Made, chance: Random) -> Made | None:
    """One fact that neither catalogue nor register states is not said."""
    name = chance.choice((
        "datacenter", "performance_density", "circuits", "designer", "training_operations", "technology_for",
        "private_sector", "facility",
    ))  # fmt: skip
    if name == "facility":
        return made.changed(lambda data: data.pop("facility", None))
    if name == "private_sector":
        return made.changed(lambda data: data["ultimate_consignee"].pop("private_sector", None))
    number, item = item_of(made, chance)
    return None if item["part_number"] in generated.PARTS else item_changed(made, number, **{name: None})


HELD: Changes = {
    one.__name__: one
    for one in (
        of_d5_or_part_746, without_a_paper, more_units, more_tpp, declared_lower, paragraph_below, said_no_more,
    )
}  # fmt: skip


HELD_CHANGES = st.sampled_from((*sorted(HELD), "declared_lower"))


def held_stays_held(book: Book, made: Made, name: str, seed: int) -> bool:
    """Whether the law was asked: a shipment that is held is not approved by any of these changes."""
    changed = HELD[name](made, Random(seed))
    before = outcome(book, made)
    if changed is None or before.approved or before.codes & UNSAID:
        return False
    after = outcome(book, changed)
    if name == "of_d5_or_part_746" and (after.authorization == "NAC" or made.claim == "NAC"):
        return False
    assert not after.approved, (name, before.codes, after.authorization, changed.data, made.data)
    return True


@SETTINGS
@given(ANY, HELD_CHANGES, st.integers(0, 999))
def test_held_stays_held(made: Made, name: str, seed: int) -> None:
    held_stays_held(BOOK, made, name, seed)


# --- what closes, closes ----------------------------------------------------------------------------------------------

CONTROLLED = ("a", "b", "c", "weights")


def d5_or_macau(before: Outcome, made: Made, chance: Random) -> Made | None:
    """A controlled line is received by a party of D:5 or Macau.

    Open are NAC, and ACA for what is transferred there; within the United States nothing is exported.
    """
    lines, shipment = before.screening.lines, before.screening.shipment
    inside = made.data["transaction"] == "transfer" and shipment.asked.ship_to in ("CN", "MO")
    if shipment.domestic or inside or not any(line.level in CONTROLLED for line in lines):
        return None
    return receives(made, chance, FAR_SEATS)


def part_746(_: Outcome, made: Made, chance: Random) -> Made:
    return receives(made, chance, EMBARGOED_SEATS)


def user_not_licensed(before: Outcome, made: Made, chance: Random) -> Made | None:
    if before.authorization != "LICENSE":
        return None
    role, new = chance.choice(ROLES[:2]), party("NEW-1", chance.choice(generated.SEATS))
    return made.changed(lambda data: data.__setitem__(role, [*data.get(role, []), new]))


def user_of_weights(before: Outcome, made: Made, chance: Random) -> Made | None:
    if before.authorization != "AIA" or not any(line.level == "weights" for line in before.screening.lines):
        return None
    role, seats = chance.choice(ROLES[:2]), (("PL", "PL", None), ("DE", "PL", None), ("DE", "DE", "IN"))
    new = party("NEW-1", chance.choice(seats))
    return made.changed(lambda data: data.__setitem__(role, [*data.get(role, []), new]))


def contradicted(before: Outcome, made: Made, chance: Random) -> Made | None:
    """A transaction that the places contradict."""
    to = made.data["ship_to"]
    if before.screening.shipment.domestic:
        return None
    wrong = [("export", to), ("reexport", to), ("reexport", "US"), ("transfer", "TW" if to != "TW" else "IN")]
    transaction, start = chance.choice(wrong)
    return made.changed(lambda data: data.update(transaction=transaction, ship_from=start))


CLOSES = {one.__name__: one for one in (d5_or_macau, part_746, user_not_licensed, user_of_weights, contradicted)}


def what_closes_closes(book: Book, made: Made, name: str, seed: int) -> bool:
    """Whether the law was asked: an approved shipment is held with any of these changes."""
    before = outcome(book, made)
    changed = CLOSES[name](before, made, Random(seed)) if before.approved else None
    if changed is None:
        return False
    after = outcome(book, changed)
    if name == "d5_or_macau" and after.authorization == "NAC":
        return False
    if name in ("user_not_licensed", "user_of_weights"):
        still = after.approved and after.authorization == before.authorization
    else:
        still = after.approved
    assert not still, (name, before.authorization, after.authorization, changed.data)
    return True


@SETTINGS
@given(GOING, st.sampled_from(sorted(CLOSES)), st.integers(0, 999))
def test_what_closes_closes(made: Made, name: str, seed: int) -> None:
    what_closes_closes(BOOK, made, name, seed)


# --- nothing turns on form --------------------------------------------------------------------------------------------


def split(made: Made, chance: Random) -> Made:
    """Lines in parts of fewer units, in another order and with other numbers."""

    def change(data: dict[str, Any]) -> None:
        parts = []
        for item in data["items"]:
            first = chance.randint(0, item["quantity"])
            parts += [{**item, "quantity": units} for units in (first, item["quantity"] - first) if units]
        chance.shuffle(parts)
        data["items"] = [{**part, "line": n} for n, part in zip(count(1), parts)]

    return made.changed(change)


def reordered(made: Made, chance: Random) -> Made:
    def change(data: dict[str, Any]) -> None:
        for name in ("items", "certifications", *ROLES):
            if isinstance(data.get(name), list):
                chance.shuffle(data[name])

    return made.changed(change)


def respelt(made: Made, chance: Random) -> Made:
    """An ECCN in another case, or with blanks."""
    number, item = item_of(made, chance)
    name = chance.choice([name for name in ("eccn", "technology_for") if name in item])
    written = str(item[name])
    other = chance.choice((written.lower(), written.upper(), f" {written}", f"{written} ", written.replace(".", ". ")))
    return item_changed(made, number, **{name: other})


FORM: Changes = {one.__name__: one for one in (split, reordered, respelt)}


def nothing_turns_on_form(book: Book, made: Made, name: str, seed: int) -> None:
    """The same goods to the same parties, otherwise written down, go alike or are rejected."""
    changed = FORM[name](made, Random(seed))
    assert changed is not None
    before = outcome(book, made)
    try:
        after = outcome(book, changed)
    except ValidationError:
        assert name == "respelt"
        return
    for word in ("approved", "authorization", "reference", "debits", "codes"):
        assert getattr(after, word) == getattr(before, word), (word, name, changed.data, made.data)


@SETTINGS
@given(ANY, st.sampled_from(sorted(FORM)), st.integers(0, 999))
def test_nothing_turns_on_form(made: Made, name: str, seed: int) -> None:
    nothing_turns_on_form(BOOK, made, name, seed)
