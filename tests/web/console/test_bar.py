"""The bar: its parts are shares of the whole, and no sum of amounts makes it longer than that."""

from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from schemas.models.values import TPP_MAX
from services.views.console.look.bar import bar
from services.views.console.look.render import fragment

AMOUNT = st.integers(0, TPP_MAX) | st.integers(0, 1_000)
SLACK = Fraction(1, 10_000)


def share(text: str) -> Fraction:
    assert text.endswith("%")
    return Fraction(text[:-1]) / 100


@given(
    limit=st.none() | AMOUNT, posted=AMOUNT, pending=AMOUNT, attested=AMOUNT, credits=AMOUNT, asked=AMOUNT,
    bounded=st.booleans(), ticks=st.lists(AMOUNT, max_size=4),
)  # fmt: skip
@example(100, 30, 20, 0, 0, 10, True, [50])
@example(0, 0, 0, 0, 0, 0, False, [0])
@example(0, 0, 0, 0, 0, 5, False, [])
def test_parts_stand_one_after_another_and_never_pass_the_whole(
    limit: int | None, posted: int, pending: int, attested: int, credits: int, asked: int, bounded: bool,
    ticks: list[int],
) -> None:  # fmt: skip
    made = bar(
        limit=limit, posted=posted, pending=pending, attested=attested, credits=credits, asked=asked, ticks=ticks,
        bounded=bounded,
    )  # fmt: skip
    sizes = {"attested": attested, "posted": max(0, posted - credits), "pending": pending}
    used = sum(sizes.values())
    whole = max(used, limit or 0, used + asked if bounded and asked else 0, 1)
    at = Fraction(0)
    for part in made.parts:
        x, width = share(part.x), share(part.width)
        assert x >= at - SLACK
        assert 0 <= x <= x + width <= 1
        at = x + width
        if part.kind in sizes:
            assert abs(width - Fraction(sizes[part.kind], whole)) <= SLACK
    certain = [part for part in made.parts if part.kind in sizes]
    assert [part.kind for part in certain] == [kind for kind, size in sizes.items() if size]
    assert abs(sum((share(part.width) for part in certain), Fraction(0)) - Fraction(used, whole)) <= 3 * SLACK
    drawn = sum((share(part.width) for part in made.parts if part.kind not in sizes), Fraction(0))
    wanted = min(asked, whole - used)
    assert abs(drawn - Fraction(wanted, whole)) <= 2 * SLACK
    assert all(0 < share(x) + SLACK <= 1 + SLACK for x in (*made.ticks, *made.cuts))
    assert share(made.room) <= 1
    assert len(made.ticks) == sum(0 < one <= whole for one in ticks)


def test_asked_is_red_where_it_does_not_fit() -> None:
    kinds = [part.kind for part in bar(limit=100, posted=90, pending=0, asked=11, bounded=False).parts]
    assert kinds == ["posted", "asked"]
    assert [part.kind for part in bar(limit=100, posted=90, pending=0, asked=10).parts] == ["posted", "fits"]
    assert [part.kind for part in bar(limit=100, posted=90, pending=0, asked=11).parts] == ["posted", "asked", "over"]


def test_no_style_stands_in_it() -> None:
    html = fragment("parts", "bar", bar(limit=100, posted=90, pending=5, attested=3, asked=11, ticks=[50]))
    assert "style" not in html
    assert 'x1="45.87%"' in html
