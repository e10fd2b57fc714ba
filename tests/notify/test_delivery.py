"""What a receiver gets, in which order, and when it is tried again: the clock is an argument."""

from http.server import BaseHTTPRequestHandler
from pathlib import Path
from random import Random

import pytest
from events import shipment
from notify_run import Hook, Ledger, receivers, run_due, status, webhook
from soak import much

from ledger.doors.notices import Place, find_place, list_notices, move_receiver
from ledger.queries.records import published_answer
from services.notify.delivery import WAITS, Behind

HOUR = 3_600


def test_a_receiver_gets_what_comes_after_its_beginning_in_order(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    ledger.attest(100, 200)
    (delivery,) = ledger.deliveries(*receivers(tmp_path, webhook("desk", hook)))
    assert run_due(delivery) is None
    assert hook.got == [], "what was there before its first start is not sent"
    given = ledger.attest(13_450_000, 26_900_000)
    assert len(given) > 3
    assert run_due(delivery) is None
    assert hook.ids == [one["id"] for one in given]


def test_the_body_is_the_event_as_it_is_published(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    (delivery,) = ledger.deliveries(*receivers(tmp_path, webhook("desk", hook)))
    (given,) = ledger.attest(1)
    run_due(delivery)
    (got,) = hook.got
    assert got.path == "/hook"
    assert got.headers["content-type"] == "application/cloudevents+json"
    with ledger.store.read() as connection:
        published = published_answer(connection, int(given["sequence"]))
    assert got.body.decode() == published


def test_types_and_accounts_choose(ledger: Ledger, hook: Hook, other: Hook, tmp_path: Path) -> None:
    alerts, one = ledger.deliveries(
        *receivers(
            tmp_path,
            webhook("alerts", hook, 'types = ["quota.alert"]'),
            webhook("one account", other, 'account = "lpp/CON-2/*"'),
        )
    )
    given = [*ledger.attest(13_450_000), *ledger.attest(13_450_000, account="lpp/CON-2/2025"), *ledger.attest(5)]
    assert run_due(alerts) is run_due(one) is None
    assert hook.ids == [event["id"] for event in given if event["type"] == "tpp.quota.alert.v1"]
    assert len(hook.ids) == 2
    assert other.ids == [event["id"] for event in given if "lpp/CON-2/2025" in str(event)]
    assert len(other.ids) == 2


def test_what_is_not_taken_is_tried_again_and_the_later_ones_wait(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    (delivery,) = ledger.deliveries(*receivers(tmp_path, webhook("desk", hook)))
    first, second = ledger.attest(1, 2)
    hook.answer = status(500)
    for number, wait in enumerate(WAITS, 1):
        assert run_due(delivery) == wait
        assert hook.ids == [first["id"]] * number, "the later one waits"
        ledger.passes(wait - 1)
        assert run_due(delivery) == pytest.approx(1)
        assert len(hook.ids) == number, "not before its time"
        ledger.passes(1)
    hook.answer = status(204)
    assert run_due(delivery) is None
    assert hook.ids == [first["id"]] * 5 + [second["id"]]
    assert {one.headers["webhook-id"] for one in hook.got} == {first["id"], second["id"]}


def test_after_the_fifth_try_it_is_set_aside_and_tried_every_hour(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    """And one that comes back after an hour gets it then."""
    (delivery,) = ledger.deliveries(*receivers(tmp_path, webhook("desk", hook)))
    first, second = ledger.attest(1, 2)

    def refuses_first(request: BaseHTTPRequestHandler) -> None:
        status(204 if hook.got[-1].id == second["id"] else 503)(request)

    hook.answer = refuses_first
    for wait in WAITS:
        run_due(delivery)
        ledger.passes(wait)
    assert run_due(delivery) == HOUR
    assert hook.ids == [first["id"]] * 5 + [second["id"]], "the later ones go on"
    with ledger.store.read() as connection:
        (aside,) = list_notices(connection)
        assert list_notices(connection, given_up=True) == []
    assert (aside.receiver, aside.id, aside.tries, aside.why) == ("desk", first["id"], 5, "answered 503")
    ledger.passes(HOUR - 1)
    run_due(delivery)
    assert len(hook.ids) == 6
    hook.answer = status(200)
    ledger.passes(1)
    assert run_due(delivery) is None
    assert hook.ids[6:] == [first["id"]]
    with ledger.store.read() as connection:
        assert list_notices(connection) == []


def test_after_three_days_of_hours_it_is_given_up(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    (delivery,) = ledger.deliveries(*receivers(tmp_path, webhook("desk", hook)))
    (given,) = ledger.attest(1)
    hook.answer = status(400)
    for wait in (*WAITS, *[HOUR] * 72):
        assert run_due(delivery) == (wait if wait != HOUR else pytest.approx(HOUR))
        ledger.passes(wait)
    with ledger.store.read() as connection:
        assert list_notices(connection, given_up=True) == []
    assert run_due(delivery) is None
    assert hook.ids == [given["id"]] * (5 + 72)
    with ledger.store.read() as connection:
        (lost,) = list_notices(connection, given_up=True)
    assert (lost.id, lost.tries, lost.next) == (given["id"], 77, None)
    ledger.passes(30 * 24 * HOUR)
    assert run_due(delivery) is None
    assert len(hook.ids) == 77


def test_one_that_answers_410_is_off_until_the_next_start(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    to = receivers(tmp_path, webhook("desk", hook))
    (delivery,) = ledger.deliveries(*to)
    given = ledger.attest(1, 2)
    hook.answer = status(410)
    assert run_due(delivery) is None
    assert delivery.is_off
    hook.answer = status(204)
    ledger.passes(24 * HOUR)
    assert run_due(delivery) is None
    assert len(hook.ids) == 1
    (again,) = ledger.deliveries(*to)
    assert run_due(again) is None
    assert hook.ids[1:] == [one["id"] for one in given]


def test_a_redirect_is_not_taken_and_not_followed(ledger: Ledger, hook: Hook, other: Hook, tmp_path: Path) -> None:
    (delivery,) = ledger.deliveries(*receivers(tmp_path, webhook("desk", hook)))
    ledger.attest(1)
    hook.answer = status(307, Location=other.url)
    assert run_due(delivery) == WAITS[0]
    assert (len(hook.got), other.got) == (1, [])


def test_the_place_is_kept_and_a_try_that_is_set_too(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    """What a process that ended at once has left is all in the database."""
    to = receivers(tmp_path, webhook("desk", hook))
    (delivery,) = ledger.deliveries(*to)
    first, second, third = ledger.attest(1, 2, 3)
    assert delivery.step() == 0
    hook.answer = status(500)
    assert run_due(delivery) == WAITS[0]
    ledger.passes(2)
    (again,) = ledger.deliveries(*to)
    assert run_due(again) == pytest.approx(WAITS[0] - 2)
    hook.answer = status(204)
    ledger.passes(WAITS[0])
    run_due(again)
    assert hook.ids == [first["id"], second["id"], second["id"], third["id"]]


def test_a_new_receiver_begins_now_beside_one_that_is_behind(
    ledger: Ledger, hook: Hook, other: Hook, tmp_path: Path
) -> None:
    (old,) = ledger.deliveries(*receivers(tmp_path, webhook("old", hook)))
    before = ledger.attest(1, 2)
    old, new = ledger.deliveries(*receivers(tmp_path, webhook("old", hook), webhook("new", other)))
    after = ledger.attest(3)
    run_due(old), run_due(new)
    assert hook.ids == [one["id"] for one in [*before, *after]]
    assert other.ids == [one["id"] for one in after]


def test_a_receiver_never_goes_back(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    """Of two processes that both believe to be the active one, the one that is behind changes nothing."""
    to = receivers(tmp_path, webhook("desk", hook))
    (ahead,) = ledger.deliveries(*to)
    (behind,) = ledger.deliveries(*to)
    ledger.attest(1, 2, 3)
    run_due(ahead)
    behind.step()
    with ledger.store.read() as connection:
        found = find_place(connection, "desk")
    assert found is not None
    assert found.sequence == 3


def test_a_clock_that_is_set_back_holds_up_nothing(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    (delivery,) = ledger.deliveries(*receivers(tmp_path, webhook("desk", hook)))
    ledger.attest(1)
    hook.answer = status(500)
    run_due(delivery)
    ledger.passes(-24 * HOUR)
    assert run_due(delivery) == WAITS[1]
    assert len(hook.ids) == 2


def test_events_that_nobody_wants_are_passed_for_good(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    to = receivers(tmp_path, webhook("desk", hook, 'types = ["snapshot.closed"]'))
    (delivery,) = ledger.deliveries(*to)
    ledger.attest(*range(1, 1_200))
    assert run_due(delivery) is None
    delivery.end()
    with ledger.store.read() as connection:
        found = find_place(connection, "desk")
    assert found is not None
    assert (found.record, found.sequence) == (1_199, 1_199)


def test_an_obligation_is_about_the_accounts_of_its_shipment(
    ledger: Ledger, hook: Hook, other: Hook, tmp_path: Path
) -> None:
    mine, theirs = ledger.deliveries(
        *receivers(
            tmp_path,
            webhook("mine", hook, 'types = ["obligation.due"]', 'account = "lpp/CON-1/*"'),
            webhook("theirs", other, 'types = ["obligation.due"]', 'account = "lpp/CON-2/*"'),
        )
    )
    asked = shipment({"id": "SHP-1", "claim": "LPP", "papers": ["lpp 2025-05-20"]})
    given = ledger.run(
        ledger.line.event("shipment.requested", asked),
        ledger.line.event("clock.ticked", {"now": "2025-08-01T00:00:00Z"}, "2025-08-01T00:00:00Z"),
    )
    due = [one["id"] for one in given if one["type"] == "tpp.obligation.due.v1"]
    assert due
    run_due(mine), run_due(theirs)
    assert hook.ids == due
    assert other.ids == []


def test_an_address_that_is_none_is_a_try_that_failed(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    """Whatever goes wrong for one receiver does not end the part, which serves others too."""
    to = receivers(tmp_path, webhook("desk", hook))
    (delivery,) = ledger.deliveries(*to, resolver=lambda _, __: ["no address"])
    ledger.attest(1)
    assert run_due(delivery) == WAITS[0]


def test_a_ledger_that_was_restored_to_before_a_place_is_noticed(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    to = receivers(tmp_path, webhook("desk", hook))
    ledger.deliveries(*to)
    move_receiver(ledger.store, "desk", Place(7, 900))
    (delivery,) = ledger.deliveries(*to)
    with pytest.raises(Behind, match="the ledger ends at event 0, but desk has come to 900"):
        delivery.step()


@pytest.mark.parametrize("seed", range(much(2, 100)))
def test_whatever_a_receiver_answers_each_event_is_taken_or_kept(
    ledger: Ledger, hook: Hook, tmp_path: Path, seed: int
) -> None:
    """With restarts at any moment, and hours or days in between: first tries are in order, and nothing is lost."""
    chance = Random(seed)
    to = receivers(tmp_path, webhook("desk", hook, 'account = "lpp/CON-1/*"'))
    (delivery,) = ledger.deliveries(*to)
    given: list[str] = []
    taken: set[str] = set()
    fails = False

    def answer(request: BaseHTTPRequestHandler) -> None:
        code = chance.choice((500, 302, 404)) if fails or chance.random() < 0.2 else 204
        if code == 204:
            taken.add(hook.got[-1].id)
        status(code)(request)

    hook.answer = answer
    for _ in range(60):
        fails = chance.random() < 0.4
        match chance.choice(("event", "step", "step", "time", "start")):
            case "event":
                given += [one["id"] for one in ledger.attest(chance.randrange(1, 100))]
                ledger.attest(chance.randrange(1, 100), account="lpp/CON-2/2025")
            case "step":
                delivery.step()
            case "time":
                ledger.passes(chance.choice((1, 5, 30, 120, 600, HOUR, 24 * HOUR)))
            case _:
                (delivery,) = ledger.deliveries(*to)
    with ledger.store.read() as connection:
        kept = {one.id for one in list_notices(connection)}
        place = find_place(connection, "desk")
    first_tries = list(dict.fromkeys(hook.ids))
    assert first_tries == given[: len(first_tries)]
    assert place is not None
    tried = first_tries[:-1] if place.tries else first_tries
    assert set(tried) == taken | kept
    assert taken & kept == set()
