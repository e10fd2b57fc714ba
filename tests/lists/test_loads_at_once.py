"""Two processes load the same version of a list, and a load is killed before its rescreening is done."""

from collections.abc import Callable
from typing import Any

import pytest
from events import START
from memory_run import NOW, Listed, entry, in_words

from rulebook.parties.entries import content_of, digest_of
from services.engine.commands.list_load import Load, NotLoaded, load_list
from services.lists.loading import loaded_json

ONE = {"E-1": "Zhipu AI"}
OTHER = {"E-2": "Northern Dockyard"}
ASK = {"do": "request", "ship": {"id": "S-1", "consignee": {"id": "CON-9", "name": "Zhipu AI", "country": "PL"}}}


def _load(listed: Listed, entries: dict[str, str], meanwhile: Callable[[], Any] = lambda: None) -> Load:
    """Loads version 1; `meanwhile` is done after the ledger was looked at, and before the load is recorded."""
    wanted, text = _wanted(entries)

    def compare(_: bytes | None) -> tuple[int, int, int]:
        meanwhile()
        return len(entries), 0, 0

    return load_list(listed.ledger, listed.engine, wanted, text, START, NOW, compare)


def _wanted(entries: dict[str, str]) -> tuple[dict[str, Any], bytes]:
    text = content_of(entry(*one) for one in entries.items())
    wanted = {"name": "us", "version": "1", "sha256": digest_of(text), "file_sha256": "0" * 64}
    return {**wanted, "entries": len(entries), "threshold": "0.85"}, text


def test_what_another_process_loaded_meanwhile_is_not_said_to_be_ones_own(ledger_url: str) -> None:
    with Listed(ledger_url) as one, Listed(ledger_url) as other:
        with pytest.raises(NotLoaded, match="other content"):
            _load(one, ONE, lambda: _load(other, OTHER))
        assert in_words(one.engine.run([one.message(ASK)])[0]) == ["approved S-1"], "the other content is in force"
        assert one.verified() == []


def test_the_same_list_loaded_by_another_process_meanwhile_is_loaded(ledger_url: str) -> None:
    with Listed(ledger_url) as one, Listed(ledger_url) as other:
        first: list[Load] = []
        made = _load(one, ONE, lambda: first.append(_load(other, ONE)))
        assert made.data == first[0].data
        assert one.rows("journal", "n") == other.rows("journal", "n")
        assert not any("rejected" in words for words in in_words(made.texts))
        assert one.verified() == []


def test_a_load_that_was_killed_tells_all_that_it_did_once_it_is_done(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with Listed(ledger_url) as listed:
        listed.run([ASK])
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(listed.engine, "_do_chunk", killed)
            _load(listed, ONE)
        made = _load(listed, ONE)
        assert (made.repeated, loaded_json(made)["held"]) == (False, 1)
        again = _load(listed, ONE)
        assert (again.repeated, loaded_json(again)["held"]) == (True, 0)
        assert listed.verified() == []
