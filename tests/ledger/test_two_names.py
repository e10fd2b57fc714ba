"""One party under two names: any story is answered as it must be, in any batches, by any process, on both databases."""

from collections.abc import Sequence
from contextlib import closing

from hypothesis import given
from ledger_events import engine, records
from two_names_events import STORIES, Oracle, Step, asks, merges, of, raws_of, told

from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.registers.names.owners import MOST, Forms
from rulebook import load
from services.engine.engine import Texts
from services.proof.verification import verify
from services.resources import software

LONG = [
    asks("A-1"), asks("A-2"), asks("B-1"), asks("A-2"), of("recheck", 1),
    of("release", 1), asks("A-3"), of("recheck", 3), asks("A-2"), asks("B-2"),
    of("deny", 6), asks("B-2"), merges("B-1", "B-2"), of("recheck", 7), of("leave", 0),
    of("leave", 1), asks("A-1"), asks("C-1"), of("release", 4), of("leave", 4),
]  # fmt: skip
"""Holds, releases that tell apart, a denial, a merger, goods that leave."""


def decided(store: Store, raws: Sequence[bytes], size: int) -> list[Texts]:
    """The answers to events in batches of a size, each by an engine of its own in turn: two processes on one ledger."""
    engines, found = (engine(store), engine(store)), list[Texts]()
    for at in range(0, len(raws), size):
        batch = records(raws[at : at + size], at + 1)
        found += engines[at // size % 2].run(batch)
    return found


def in_memory() -> Store:
    """A new ledger in memory."""
    store = Store(":memory:")
    store.open()
    return store


@given(STORIES)
def test_any_story_is_answered_as_it_must_be(story: list[Step]) -> None:
    with closing(in_memory()) as store:
        answers = decided(store, list(raws_of(story)), 1)[1:]
    oracle = Oracle()
    wanted = [answer for step in story if (answer := oracle.answer(step)) is not None]
    assert [told(texts) for texts in answers] == wanted


def test_the_long_story_has_every_kind_of_answer() -> None:
    oracle = Oracle()
    words = [answer.word for step in LONG if (answer := oracle.answer(step)) is not None]
    assert set(words) == {"approved", "held", "released", "denied", "recorded"}


def test_the_answers_do_not_depend_on_batches_or_processes(ledger_url: str) -> None:
    raws = list(raws_of(LONG))
    with closing(in_memory()) as store:
        once = decided(store, raws, len(raws))
    with closing(Store(ledger_url)) as store:
        store.open()
        assert decided(store, raws, 3) == once
        assert decided(store, raws, 1) == once
        found = verify(store, load("ai-diffusion"), software(), lambda recorded: [*recorded], [])
    assert found.bad == []


def test_a_check_says_the_same_and_writes_nothing(ledger_url: str) -> None:
    raws = list(raws_of(LONG))
    with closing(Store(ledger_url)) as store:
        store.open()
        checked = [told(texts) for texts in engine(store).check(records(raws))]
        assert engine(store).check(records(raws[:2])) == [
            *engine(store).check(records(raws[:1])), *engine(store).check(records(raws))[1:2],
        ]  # fmt: skip
        assert [told(texts) for texts in decided(store, raws, 5)] == checked


def test_a_form_that_many_share_finds_nobody(ledger_url: str) -> None:
    forms = [Forms((f"name owner {n}",), ("word owner",)) for n in range(MOST + 10)]
    with closing(Store(ledger_url)) as store:
        store.open()
        ledger = Ledger(store)
        for first in range(0, len(forms), 60):
            with ledger.begin(0) as journal:
                for n, one in enumerate(forms[first : first + 60], first):
                    journal.owners.name(f"O-{n:04}", f"Owner {n}", None, one)
                shared = journal.owners.having(["word owner"], MOST)
                assert len(shared) == (min(first + 60, len(forms)) if first + 60 <= MOST else 0)
        with Ledger(store).begin(0) as journal:
            assert journal.owners.having(["word owner"], MOST) == []
            assert [one.id for one in journal.owners.having(["name owner 7"])] == ["O-0007"]
