"""`tpp notify failed` and `tpp notify retry`: what was given up, and how it is sent again."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from installed import TPP
from notify_run import ENVIRONMENT, Hook, Ledger, plain, receivers, run_due, status, webhook

from ledger.doors.notices import list_notices
from services.notify.delivery import WAITS
from services.notify.tries import DAYS

HOUR = 3_600


def tpp(
    ledger: str, *words: str, env: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A command, with the settings of these tests."""
    return subprocess.run(
        [TPP, *words, "--ledger", ledger],
        cwd=folder,
        env=plain() | ENVIRONMENT | (env or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def given_up(ledger: Ledger, hook: Hook, folder: Path, *names: str) -> str:
    """Has an event given up by receivers that answer 500; returns its id."""
    deliveries = ledger.deliveries(*receivers(folder, *(webhook(name, hook) for name in names)))
    (given,) = ledger.attest(1)
    hook.answer = status(500)
    for wait in (*WAITS, HOUR, DAYS * 24 * HOUR):
        for one in deliveries:
            run_due(one)
        ledger.passes(wait)
    for one in deliveries:
        run_due(one)
    hook.got.clear()
    return str(given["id"])


def test_what_was_given_up_is_listed_and_sent_again(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    lost = given_up(ledger, hook, tmp_path, "desk")
    env = {"TPP_NOTIFY": str(tmp_path / "notify.toml")}
    (listed,) = orjson.loads(tpp(ledger.url, "notify", "failed", "--format", "json").stdout)
    assert listed.keys() == {"receiver", "id", "sequence", "since", "tries", "next", "why"}
    assert (listed["receiver"], listed["id"], listed["sequence"], listed["next"], listed["why"]) == (
        "desk", lost, 1, None, "answered 500",
    )  # fmt: skip
    assert lost in tpp(ledger.url, "notify", "failed").stdout
    again = tpp(ledger.url, "notify", "retry", lost, env=env)
    assert (again.returncode, again.stdout) == (1, "desk: not taken: answered 500\n")
    hook.answer = status(204)
    again = tpp(ledger.url, "notify", "retry", lost, env=env)
    assert (again.returncode, again.stdout, again.stderr) == (0, "desk: taken\n", "")
    assert hook.ids == [lost, lost]
    assert tpp(ledger.url, "notify", "failed", "--format", "json").stdout == "[]\n"
    assert tpp(ledger.url, "notify", "failed").stdout == "no event was given up\n"
    again = tpp(ledger.url, "notify", "retry", lost, env=env)
    assert (again.returncode, again.stderr) == (
        1, f"Error: no event {lost} is set aside; `tpp notify failed --all` lists those that are\n",
    )  # fmt: skip


def test_one_that_is_still_tried_is_listed_with_all_alone(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    (delivery,) = ledger.deliveries(*receivers(tmp_path, webhook("desk", hook)))
    (given,) = ledger.attest(1)
    hook.answer = status(500)
    for wait in WAITS:
        run_due(delivery)
        ledger.passes(wait)
    run_due(delivery)
    assert tpp(ledger.url, "notify", "failed", "--format", "json").stdout == "[]\n"
    (listed,) = orjson.loads(tpp(ledger.url, "notify", "failed", "--all", "--format", "json").stdout)
    assert (listed["id"], listed["tries"]) == (given["id"], 5)
    assert listed["next"] is not None


def test_it_is_sent_again_to_those_that_lack_it(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    lost = given_up(ledger, hook, tmp_path, "one", "two")
    hook.answer = status(204)
    env = {"TPP_NOTIFY": str(tmp_path / "notify.toml")}
    again = tpp(ledger.url, "notify", "retry", lost, "--to", "two", env=env)
    assert (again.returncode, again.stdout) == (0, "two: taken\n")
    with ledger.store.read() as connection:
        assert [one.receiver for one in list_notices(connection)] == ["one"]
    (tmp_path / "notify.toml").write_text(webhook("two", hook))
    again = tpp(ledger.url, "notify", "retry", lost, env=env)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("Error: receiver 'one' is not in the file of TPP_NOTIFY")
    assert len(hook.got) == 1


@pytest.mark.parametrize("words", [("failed",), ("retry", "x")])
def test_a_ledger_that_does_not_exist_is_not_made(words: tuple[str, ...], tmp_path: Path, hook: Hook) -> None:
    receivers(tmp_path, webhook("desk", hook))
    done = tpp("sqlite:///none.db", "notify", *words, env={"TPP_NOTIFY": "notify.toml"}, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: no ledger at sqlite:///none.db")
    assert not (tmp_path / "none.db").exists()


def test_the_ledger_may_stand_before_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [TPP, "notify", "--ledger", "sqlite:///none.db", "failed"],
        cwd=tmp_path,
        env=plain(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "no ledger at sqlite:///none.db" in done.stderr) == (2, True)


def test_without_a_file_it_does_not_start(tmp_path: Path) -> None:
    done = tpp("sqlite:///none.db", "notify", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: TPP_NOTIFY is not set; name the file")
