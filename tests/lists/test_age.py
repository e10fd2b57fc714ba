"""The age of a list: more than `--max-age` days from its load to the last tick."""

from typing import Any

import pytest
from memory_run import Listed

START = "2025-06-02T09:00:00+00:00"
BASE: dict[str, Any] = {"do": "load", "version": "1", "entries": {"E-1": "Zhipu AI"}, "max_age": 30, "time": START}
STALE = "stale us 1: 31 of 30 days"


@pytest.fixture
def listed(ledger_url: str) -> Any:
    """A ledger."""
    with Listed(ledger_url) as made:
        yield made


def tick(now: str) -> dict[str, Any]:
    return {"do": "tick", "now": now}


def load(**words: Any) -> dict[str, Any]:
    return {**BASE, **words}


def found(listed: Listed, name: str) -> list[str]:
    """What the decision on a new shipment says of the age of lists."""
    (decision, *_) = listed.events({"do": "request", "ship": {"id": name}})
    said = [one for one in decision["data"]["findings"] if "days old" in one["detail"]]
    assert all(one["result"] == "unknown" for one in said)
    assert decision["data"]["outcome"] == "approved"
    return [one["detail"] for one in said]


def test_a_list_is_out_of_date_on_the_day_after_its_last(listed: Listed) -> None:
    assert listed.run([load(), tick("2025-06-02T10:00:00Z"), tick("2025-07-02T23:59:59Z")]) == [
        [],
        ["recorded"],
        ["recorded"],
    ]
    assert found(listed, "S-1") == []
    assert listed.run([tick("2025-07-03T00:00:00Z")]) == [["recorded", STALE]]
    assert found(listed, "S-2") == ["the list us 1 is 31 days old, more than the 30 that were set"]
    assert listed.run([tick("2025-07-03T10:00:00Z"), tick("2025-07-04T10:00:00Z")]) == [["recorded"]] * 2, "one alert"
    assert listed.verified() == []


def test_before_the_first_tick_no_list_has_an_age(listed: Listed) -> None:
    assert listed.run([load(time="2015-06-02T09:00:00+00:00")]) == [[]]
    assert found(listed, "S-1") == []
    assert listed.run([tick("2025-06-02T10:00:00Z")]) == [["recorded", "stale us 1: 3653 of 30 days"]]


def test_a_load_ends_it_and_one_that_is_old_already_says_so(listed: Listed) -> None:
    listed.run([load(), tick("2025-07-03T00:00:00Z")])
    assert listed.run([load(version="2", time="2025-07-03T08:00:00+00:00")]) == [[]]
    assert found(listed, "S-1") == []
    assert listed.run([load(version="3", time="2025-06-02T08:00:00+00:00")]) == [["stale us 3: 31 of 30 days"]]
    assert len(found(listed, "S-2")) == 1
    without = {name: value for name, value in BASE.items() if name != "max_age"}
    assert listed.run([{**without, "version": "4"}]) == [[]]
    assert found(listed, "S-3") == []


def test_time_set_back_makes_it_young_again(listed: Listed) -> None:
    listed.run([load(), tick("2025-08-03T00:00:00Z")])
    assert len(found(listed, "S-1")) == 1
    back = {"do": "correct", "data": {"now": "2025-06-20T00:00:00Z"}}
    assert listed.run([back]) == [["recorded"]]
    assert found(listed, "S-2") == []
    assert listed.run([tick("2025-06-21T00:00:00Z")]) == [["recorded"]]
    assert listed.run([tick("2025-07-03T00:00:00Z")]) == [["recorded", STALE]], "out of date anew"
    assert listed.verified() == []


def test_each_list_has_its_own_age(listed: Listed) -> None:
    listed.run([load(), load(name="eu", max_age=10), tick("2025-06-10T00:00:00Z")])
    assert listed.run([tick("2025-06-13T00:00:00Z")]) == [["recorded", "stale eu 1: 11 of 10 days"]]
    assert listed.run([tick("2025-07-03T00:00:00Z")]) == [["recorded", STALE]]
    assert len(found(listed, "S-1")) == 2


def test_a_tick_that_works_in_chunks_says_it_once(listed: Listed) -> None:
    listed.run([load()])
    requests = [{"do": "request", "ship": {"id": f"S-{n}", "quantity": 1, "expires": "2025-06-10"}} for n in range(501)]
    listed.run(requests, at_once=True)
    (said,) = listed.run([tick("2025-07-03T00:00:00Z")])
    assert [one for one in said if one.startswith("stale")] == [STALE]
    assert sum(one.startswith("expired") for one in said) == 501
