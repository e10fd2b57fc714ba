"""Which hit is the one that a reviewer has set aside: party, name, list, entry and content alone say so."""

from functools import partial
from typing import Any

import pytest

import rulebook

HIT: dict[str, Any] = {
    "party": "CON-9", "role": "ultimate consignee", "name": "Zhipu AI", "list": "us", "version": "1", "entry": "E-1",
    "listed_name": "Zhipu AI", "matched_alias": "Zhipu AI", "score": "1.00", "threshold": "0.85",
    "country_agrees": True, "country_points": "0.05", "address_points": "0.00", "explanation": [], "content": "a" * 64,
}  # fmt: skip
MOVES = {
    "version": "2", "score": "0.90", "threshold": "0.70", "country_agrees": None, "country_points": "-0.05",
    "address_points": "0.05", "matched_alias": "Zhipu", "role": "end user", "cleared_for": "CON-8",
    "explanation": [{"asked": "zhipu", "listed": "zhipu", "score": "1.00"}],
}  # fmt: skip
MAKES_ANOTHER = {"party": "CON-8", "name": "ZHIPU AI", "list": "eu", "entry": "E-2", "content": "b" * 64}
BOOK = rulebook.load("ai-diffusion")


@pytest.mark.parametrize("compare", [BOOK.same, partial(BOOK.same, lasting=True)], ids=["same", "lasting"])
class TestOneHit:
    """A hit, and what it is later."""

    @pytest.mark.parametrize("member", MOVES)
    def test_is_the_same_whatever_moves(self, compare: Any, member: str) -> None:
        code = "party.screening_hit"
        assert compare(code, HIT) == compare(code, {**HIT, member: MOVES[member]})

    @pytest.mark.parametrize("member", MAKES_ANOTHER)
    def test_is_another_one_of_another(self, compare: Any, member: str) -> None:
        code = "party.screening_hit"
        assert compare(code, HIT) != compare(code, {**HIT, member: MAKES_ANOTHER[member]})
