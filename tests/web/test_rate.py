"""How many requests a token may make; time is an argument."""

import pytest

from services.web.rate import MOST, Rate


def taken(rate: Rate, count: int, now: float, key: str = "a") -> int:
    """How many of so many requests are let through at one moment."""
    return sum(rate.take(key, now) == 0 for _ in range(count))


def test_twice_a_seconds_worth_comes_at_once_and_then_the_rate() -> None:
    rate = Rate(200)
    assert taken(rate, 1_000, 5.0) == 400
    assert taken(rate, 1_000, 5.25) == 50
    assert taken(rate, 1_000, 6.25) == 200
    assert taken(rate, 1_000, 100.0) == 400


def test_who_must_wait_learns_how_long() -> None:
    rate = Rate(1)
    assert taken(rate, 2, 0.0) == 2
    assert rate.take("a", 0.0) == pytest.approx(1)
    assert rate.take("a", 0.75) == pytest.approx(0.25)
    assert rate.take("a", 1.0) == 0
    assert rate.take("a", 1.0) == pytest.approx(1)


def test_no_key_takes_from_another_and_a_refused_request_takes_nothing() -> None:
    rate = Rate(2)
    assert taken(rate, 100, 0.0) == taken(rate, 100, 0.0, "b") == 4
    assert taken(rate, 100, 0.5) == 1


def test_none_is_for_any_number() -> None:
    rate = Rate(0)
    assert taken(rate, 10_000, 0.0) == 10_000
    assert len(rate) == 0


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    rate = Rate(1)
    assert taken(rate, 2, 10.0) == 2
    assert taken(rate, 5, 3.0) == 0
    assert taken(rate, 5, 3.5) == 0


def test_buckets_that_are_full_again_are_forgotten() -> None:
    rate = Rate(10)
    for number in range(50 * MOST):
        assert rate.take(f"token-{number}", number / MOST) == 0
    assert len(rate) <= 3 * MOST
