"""What reviewers do to a hold on its page: each action, in each role, once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import orjson
import pytest
from databases import KINDS
from holds_run import (
    act,
    buttons,
    events_of,
    fill,
    flagged,
    form,
    page,
    policy,
    press,
    shipment,
    state,
    text_of,
    told,
    too_much,
    unpapered,
)
from reading_run import event
from signin_run import shared, sign_in, somebody
from web_run import Served

WHY = "Another country, city and address."


@pytest.fixture(scope="module", params=KINDS)
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that the tests of this file share; each has shipments of its own."""
    yield from shared(request, tmp_path_factory)


@pytest.fixture
def reviewer(desk: Served) -> Iterator[httpx.Client]:
    """A reviewer who is signed in."""
    with sign_in(desk, desk.token("reviewer", somebody())) as client:
        yield client


@pytest.fixture
def second(desk: Served) -> Iterator[httpx.Client]:
    """Another reviewer who is signed in."""
    with sign_in(desk, desk.token("reviewer", somebody())) as client:
        yield client


def held(desk: Served, make=flagged, **words: object) -> str:
    """A new hold."""
    id = shipment()
    fill(desk, [make(id, **words)])
    return id


def test_a_proposal_is_confirmed_by_another_person(desk, reviewer, second) -> None:
    id = held(desk)
    answer = act(reviewer, id, "propose release", reason=WHY)
    assert answer.headers["location"].startswith(f"/console/holds/{id}?answer=")
    assert f"proposes to release shipment {id}" in told(reviewer, answer)
    mine = page(reviewer, f"/console/holds/{id}")
    assert buttons(mine) == ["back", "recheck"]
    assert "You proposed this yourself." in text_of(mine)
    theirs = page(second, f"/console/holds/{id}")
    assert buttons(theirs) == ["confirm release", "back", "propose deny", "recheck"]
    assert WHY in text_of(theirs) and "Held, release proposed" in text_of(theirs)
    assert "Release proposed by" in text_of(page(second, "/console/holds?party=CON-" + id))
    answer = act(second, id, "confirm release", reason="Seen too.")
    assert answer.headers["location"].startswith(f"/console/holds/{id}?answer=")
    assert f"Shipment {id} is released under LPP: 126,656 TPP on lpp/CON-{id}/2025." in told(second, answer)
    assert state(desk, id) == "released"
    moved = second.get(answer.headers["location"])
    assert (moved.status_code, moved.headers["location"]) == (
        303, answer.headers["location"].replace("/holds/", "/shipments/"),
    )  # fmt: skip


def test_a_denial_is_proposed_and_confirmed(desk, reviewer, second) -> None:
    id = held(desk, too_much)
    act(reviewer, id, "propose deny", reason=WHY)
    assert buttons(page(second, f"/console/holds/{id}")) == ["confirm deny", "back", "recheck"]
    answer = act(second, id, "confirm deny", reason="Yes.")
    assert told(second, answer) == f"Shipment {id} is denied, and does not go."


def test_a_proposal_is_sent_back_by_anybody(desk, reviewer, second) -> None:
    id = held(desk)
    act(reviewer, id, "propose release", reason=WHY)
    assert "withdraws what was proposed" in told(second, act(second, id, "back", reason="The address is wrong."))
    assert "propose release" in buttons(page(reviewer, f"/console/holds/{id}"))


def test_a_proposal_names_the_authorization_that_is_confirmed(desk, reviewer, second) -> None:
    id = held(desk)
    fill(
        desk,
        [
            event(
                f"l-{id}",
                "license.issued",
                {"number": f"L-{id}", "consignee": f"CON-{id}", "country": "PL", "tpp": 500_000},
            )
        ],
    )
    act(reviewer, id, "propose release", reason=WHY, kind="LICENSE", reference=f"L-{id}")
    html = page(second, f"/console/holds/{id}")
    assert f"under LICENSE L-{id}" in text_of(html) and f"authorization    LICENSE L-{id}" in html
    assert f"is released under LICENSE L-{id}" in told(second, act(second, id, "confirm release", reason="Yes."))


def test_one_reviewer_decides_where_the_house_asks_for_no_second(desk, reviewer) -> None:
    released, denied = held(desk), held(desk, too_much)
    assert "is released under LPP" in told(reviewer, act(reviewer, released, "release", reason=WHY))
    assert "is denied" in told(reviewer, act(reviewer, denied, "deny", reason=WHY))
    assert (state(desk, released), state(desk, denied)) == ("released", "denied")


def test_the_policy_of_the_house_takes_the_single_decision_away(desk, reviewer) -> None:
    id = held(desk)
    before = form(page(reviewer, f"/console/holds/{id}"), "release")
    policy(desk, True)
    try:
        shown = buttons(page(reviewer, f"/console/holds/{id}"))
        assert shown == ["recheck", "propose release", "propose deny"]
        refused = told(reviewer, press(reviewer, f"/console/holds/{id}", before, reason=WHY))
        assert "The house's policy needs two persons: no second person is named." in refused
    finally:
        policy(desk, False)
    assert state(desk, id) == "held"


def test_what_needs_two_reviewers_is_not_released_by_one(desk, reviewer) -> None:
    id = held(desk)
    answer = act(reviewer, id, "release", reason=WHY, kind="SAVING")
    assert answer.status_code == 422
    assert "SAVING needs a second reviewer" in text_of(answer.text) and WHY in answer.text
    assert events_of(desk, id) == ["tpp.shipment.held.v1"]


@pytest.mark.parametrize("make", [too_much, unpapered])
def test_no_release_where_law_or_quota_forbid_it(desk, reviewer, make) -> None:
    id = held(desk, make)
    html = page(reviewer, f"/console/holds/{id}")
    licence = html[html.index("Release under a licence") :]
    assert "No release. A reviewer cannot set this aside" in text_of(html)
    assert html.count('value="propose release"') == licence.count('value="propose release"') == 1
    answer = act(reviewer, id, "propose release", reason=WHY)
    assert answer.status_code == 422 and "Give the number of the licence." in text_of(answer.text)
    assert 'id="release-err"' in answer.text and WHY in answer.text
    proposed = told(reviewer, act(reviewer, id, "propose release", reason=WHY, reference="L-1"))
    assert "under LICENSE L-1" in proposed


def test_a_release_with_another_reason_is_held_again_in_words(desk, reviewer) -> None:
    id = held(desk, flags=[2], quantity=1_700)
    form_there = page(reviewer, f"/console/holds/{id}")
    assert "No release." in text_of(form_there)
    fields = form(form_there, "release") | {"kind": "LPP", "form_of": "release", "reason": WHY}
    assert f"Shipment {id} stays held." in told(reviewer, press(reviewer, f"/console/holds/{id}", fields))


@pytest.mark.parametrize(
    ("button", "field"), [("propose release", "release"), ("propose deny", "deny"), ("release", "release")]
)
def test_a_form_without_a_reason_is_shown_again(desk, reviewer, button, field) -> None:
    id = held(desk)
    answer = act(reviewer, id, button, reason="  ")
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text and f'id="{field}-err"' in answer.text
    assert events_of(desk, id) == ["tpp.shipment.held.v1"]


def test_a_reason_that_is_too_long_is_mended_in_its_field(desk, reviewer) -> None:
    id = held(desk)
    answer = act(reviewer, id, "propose deny", reason="x" * 5_000)
    assert answer.status_code == 422 and 'id="deny-err"' in answer.text


def test_a_recheck_names_what_came_of_it(desk, reviewer) -> None:
    id = held(desk, unpapered)
    assert told(reviewer, act(reviewer, id, "recheck")) == f"Rechecked 1 hold. Still held: {id}."
    paper = {"kind": "lpp_consignee_statement", "party": f"CON-{id}", "date": "2025-02-01", "reference": f"C-{id}"}
    fill(desk, [policy_off(), event(f"paper-{id}", "certification.received", paper)])
    if state(desk, id) == "held":
        said = told(reviewer, act(reviewer, id, "recheck"))
        assert said.startswith(f"Rechecked 1 hold. Released: {id}.")


def policy_off() -> bytes:
    """Papers release nothing by themselves from now on."""
    return event(f"auto-{shipment()}", "policy.set", {"name": "auto_recheck", "value": False})


def test_a_recheck_of_all_names_each_and_is_one_event(desk, reviewer) -> None:
    id = held(desk, unpapered)
    html = page(reviewer, "/console/holds")
    fields = form_all(html)
    first, again = (press(reviewer, "/console/holds", fields) for _ in range(2))
    assert first.headers["location"] == again.headers["location"]
    said = told(reviewer, first)
    assert said.startswith("Rechecked ") and "Still held: " in said
    one = press(reviewer, "/console/holds", form_all(html) | {"event_id": "a" * 40, "account": f"lpp/CON-{id}/2025"})
    assert told(reviewer, one) == "Rechecked 0 holds."


def form_all(html: str) -> dict[str, str]:
    """The fields of the form that rechecks every hold."""
    return form(html.replace('id="recheck"', 'name="do" value="all" id="recheck"'), "all")


@pytest.mark.parametrize("role", ["monitor", "finance", "publisher"])
def test_a_role_that_may_not_act_has_no_button_and_is_refused(desk, reviewer, role) -> None:
    id = held(desk)
    sources = ["//wms.example/*"] if role == "publisher" else []
    fields = form(page(reviewer, f"/console/holds/{id}"), "release")
    with sign_in(desk, desk.token(role, somebody(), *sources)) as client:
        if role == "publisher":
            page(client, f"/console/holds/{id}", 403)
            page(client, "/console/holds", 403)
        else:
            html = page(client, f"/console/holds/{id}")
            assert buttons(html) == [] and "your role does not" in text_of(html)
            assert 'id="recheck"' not in page(client, "/console/holds")
        for path in (f"/console/holds/{id}", "/console/holds"):
            assert press(client, path, fields, reason=WHY).status_code == 403
    assert events_of(desk, id) == ["tpp.shipment.held.v1"]


def test_an_administrator_may_act(desk) -> None:
    id = held(desk)
    with sign_in(desk, desk.token("admin", somebody())) as client:
        assert "is released" in told(client, act(client, id, "release", reason=WHY))


def test_a_form_from_elsewhere_sends_nothing(desk, reviewer) -> None:
    id = held(desk)
    fields = form(page(reviewer, f"/console/holds/{id}"), "release") | {"reason": WHY}
    assert press(reviewer, f"/console/holds/{id}", fields | {"form": "0" * 64}).status_code == 403
    assert press(reviewer, f"/console/holds/{id}", fields | {"event_id": "1"}).status_code == 400
    assert press(reviewer, f"/console/holds/{id}", fields | {"do": "approve"}).status_code == 400
    assert events_of(desk, id) == ["tpp.shipment.held.v1"]


def test_only_a_proposal_of_this_hold_is_confirmed(desk, reviewer, second) -> None:
    one, other = held(desk), held(desk)
    act(reviewer, one, "propose release", reason=WHY)
    act(reviewer, other, "propose release", reason=WHY)
    fields = form(page(second, f"/console/holds/{one}"), "confirm release") | {"reason": "Yes."}
    for record in ("", "x", "9" * 30, form(page(second, f"/console/holds/{other}"), "confirm release")["proposal"]):
        answer = press(second, f"/console/holds/{one}", fields | {"proposal": record})
        assert answer.status_code == 400 and "is not on this hold" in text_of(answer.text)
    act(reviewer, one, "back", reason="No.")
    refused = told(second, press(second, f"/console/holds/{one}", fields))
    assert "has not proposed this release" in refused
    assert state(desk, one) == "held"


def test_the_proposer_cannot_confirm_with_a_forged_form(desk, reviewer, second) -> None:
    id = held(desk)
    act(reviewer, id, "propose release", reason=WHY)
    fields = form(page(second, f"/console/holds/{id}"), "confirm release")
    own = form(page(reviewer, f"/console/holds/{id}"), "back")
    forged = fields | {"form": own["form"], "event_id": own["event_id"], "reason": WHY}
    answer = press(reviewer, f"/console/holds/{id}", forged)
    assert answer.status_code == 422, answer.headers
    assert state(desk, id) == "held"


def amended(desk: Served, id: str) -> None:
    """The publisher amends the shipment, which is held anew."""
    data = {**orjson.loads(flagged(id, quantity=9))["data"]}
    fill(desk, [event(f"amend-{id}", "shipment.amended", data)])


@pytest.mark.parametrize("button", ["release", "deny", "propose release", "propose deny"])
def test_a_review_of_a_hold_that_the_page_did_not_show_is_not_sent(desk, reviewer, button) -> None:
    id = held(desk)
    path = f"/console/holds/{id}"
    fields = form(page(reviewer, path), button) | {"reason": WHY}
    amended(desk, id)
    before = events_of(desk, id)
    answer = press(reviewer, path, fields)
    assert answer.status_code == 422 and "This hold has changed since the page was shown" in text_of(answer.text)
    assert WHY in answer.text and events_of(desk, id) == before
    assert press(reviewer, path, {name: fields[name] for name in fields if name != "hold"}).status_code == 422
    assert press(reviewer, path, form(answer.text, button), reason=WHY).status_code == 303
    assert len(events_of(desk, id)) == len(before) + 1


def test_a_confirmation_is_of_the_hold_that_its_page_showed(desk, reviewer, second) -> None:
    id = held(desk)
    path = f"/console/holds/{id}"
    act(reviewer, id, "propose release", reason=WHY)
    fields = form(page(second, path), "confirm release") | {"reason": "Yes."}
    amended(desk, id)
    act(reviewer, id, "propose release", reason="The amended one too.")
    answer = press(second, path, fields)
    assert answer.status_code == 422 and "This hold has changed" in text_of(answer.text)
    assert state(desk, id) == "held"
    assert f"Shipment {id} is released" in told(second, act(second, id, "confirm release", reason="Yes."))


def test_a_lost_answer_comes_again_though_the_hold_is_another_one_by_now(desk, reviewer) -> None:
    id = held(desk)
    path = f"/console/holds/{id}"
    fields = form(page(reviewer, path), "propose release") | {"reason": WHY}
    first = press(reviewer, path, fields)
    amended(desk, id)
    assert press(reviewer, path, fields).headers["location"] == first.headers["location"]


def test_who_comes_second_is_told_what_happened_and_who_did_it(desk, reviewer, second) -> None:
    id = held(desk)
    path = f"/console/holds/{id}"
    first, late = form(page(reviewer, path), "release"), form(page(second, path), "deny")
    press(reviewer, path, first, reason=WHY)
    answer = press(second, path, late, reason="No.")
    said = told(second, answer)
    who = reviewer_name(page(reviewer, "/console/holds"))
    assert said.startswith(f"Somebody was faster. Shipment {id} was released under LPP on ")
    assert f"by {who}." in said and f"Refused: Shipment {id} is released" in said and "See what happened" in said
    assert state(desk, id) == "released"


def reviewer_name(html: str) -> str:
    """Who is signed in, as the frame says."""
    return text_of(html[html.index('class="who"') :][:400]).split("> ")[-1].split(",")[0]


def test_a_press_whose_answer_was_lost_shows_the_first_answer(desk, reviewer) -> None:
    id = held(desk)
    path = f"/console/holds/{id}"
    fields = form(page(reviewer, path), "release") | {"reason": WHY}
    press(reviewer, path, fields)
    again = press(reviewer, path, fields)
    assert f"Shipment {id} is released under LPP" in told(reviewer, again)
    assert events_of(desk, id).count("tpp.shipment.released.v1") == 1
    assert "tpp.event.refused.v1" not in events_of(desk, id)


def test_a_confirmation_whose_answer_was_lost_shows_the_first_answer(desk, reviewer, second) -> None:
    id = held(desk)
    path = f"/console/holds/{id}"
    act(reviewer, id, "propose release", reason=WHY)
    fields = form(page(second, path), "confirm release") | {"reason": "Yes."}
    first, again = (told(second, press(second, path, fields)) for _ in range(2))
    assert first == again and "is released" in first


def test_presses_at_the_same_time_are_one_event(desk, reviewer) -> None:
    id = held(desk)
    path = f"/console/holds/{id}"
    fields = form(page(reviewer, path), "release") | {"reason": WHY}
    answers = at_once([lambda: press(reviewer, path, fields)] * 6)
    assert {one.status_code for one in answers} == {303}
    assert len({one.headers["location"] for one in answers}) == 1
    assert events_of(desk, id) == ["tpp.shipment.held.v1", "tpp.shipment.released.v1"]


def test_of_two_officers_at_the_same_time_one_decides_and_the_other_is_told(desk, reviewer, second) -> None:
    for _ in range(3):
        id = held(desk)
        path = f"/console/holds/{id}"
        one = form(page(reviewer, path), "release") | {"reason": WHY}
        other = form(page(second, path), "deny") | {"reason": "No."}
        answers = at_once([lambda: press(reviewer, path, one), lambda: press(second, path, other)])  # noqa: B023
        said = [told(reviewer, answers[0]), told(second, answers[1])]
        late = [one for one in said if one.startswith("Somebody was faster.")]
        assert len(late) == 1, said
        decisions = {"tpp.shipment.released.v1", "tpp.shipment.denied.v1"}
        assert len(decisions.intersection(events_of(desk, id))) == 1


def at_once(calls: list) -> list[httpx.Response]:
    """The responses to calls that begin at the same time."""
    gate = threading.Barrier(len(calls))

    def go(call):
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(go, calls))
