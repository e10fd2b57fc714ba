"""The verifier of a pack: lists that an insider with the key signed anew, and answers that say something else."""

import base64
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from proof_pack import CHOSEN, KEY, LPP, PAPER, Key, Log, Pack, good, story

from services.proof import verifier as verify

GOOD = good()


# --- an insider with the key


def _lines(change: Callable[[list[dict[str, Any]]], Any], **shipments: int) -> Callable[[], Pack]:
    """A pack whose records were changed; where `change` gives a list, by that."""

    def pack() -> Pack:
        lines = GOOD.lines
        result = change(lines)
        return GOOD.with_lines(result if isinstance(result, list) else lines, **shipments)

    return pack


def _without(*numbers: int) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda lines: [line for line in lines if line["leaf"]["n"] not in numbers]


def _set(n: int, name: str, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda lines: lines[CHOSEN.index(n)]["leaf"].update({name: value})


def _rewritten(name: str, change: Callable[[str], str], n: int = 2) -> Callable[[list[dict[str, Any]]], None]:
    """Base64 of a line written in another way."""

    def write(lines: list[dict[str, Any]]) -> None:
        line = lines[CHOSEN.index(n)]
        line[name] = change(line[name]) if name == "event" else [change(line[name][0]), *line[name][1:]]

    return write


def _evidence(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[], Pack]:
    def pack() -> Pack:
        rows = json.loads(GOOD.files["evidence.json"])
        result = change(rows)
        return GOOD.having(evidence=result if isinstance(result, list) else rows)

    return pack


def _since(**more: Any) -> Callable[[], Pack]:
    return lambda: GOOD.having(consistency=story().consistency(5) | more)


INSIDERS: dict[str, tuple[Callable[[], Pack], str]] = {
    "a record left out": (_lines(_without(4)), "record 6 rests on record 4, which is not in the pack before it"),
    "a fact left out": (_lines(_without(1)), "record 2 rests on record 1, which is not in the pack before it"),
    "the last one left out": (_lines(_without(12)), "record 12 of shipment 'S-1' is missing"),
    "another last one": (_lines(lambda _: None, S_1=6), "the last record of its shipment does not lead back to record 12"),
    "no last one": (_lines(lambda _: None, S_9=6), "record 6 of shipment 'S-9' is missing"),
    "a shipment's first one left out": (_lines(_without(7)), "record 8 rests on record 7"),
    "a record moved": (_lines(lambda lines: [*lines[1:], lines[0]]), "record 1 is repeated or out of order"),
    "a record doubled": (_lines(lambda lines: [lines[0], *lines]), "record 1 is repeated or out of order"),
    "rests on less": (_lines(_set(2, "rests_on", [])), "record 2 is not in the tree of the checkpoint"),
    "follows nothing": (_lines(_set(12, "previous", None)), "record 12 is not in the tree of the checkpoint"),
    "another number": (_lines(_set(12, "n", 13)), "record 13 is not in the tree of the checkpoint"),
    "a huge number": (_lines(_set(12, "n", 2**53 - 1)), "is not in the tree of the checkpoint"),
    "no surrogate": (_lines(_set(12, "id", "\\ud800")), "record 12 is not in the tree of the checkpoint"),
    "an entry left out": (_lines(_set(6, "entries", [])), "record 6 is not in the tree of the checkpoint"),
    "a member more": (_lines(_set(6, "more", 1)), "line 4 does not have the members and values"),
    "a member in a line": (_lines(lambda lines: lines[0].update(more=1)), "line 1 does not have the members and values"),
    "true for 1": (_lines(_set(1, "n", True)), "line 1 does not have the members and values"),
    "1.0 for 1": (_lines(_set(1, "n", 1.0)), "line 1 does not have the members and values"),
    "another form of a day": (_lines(_set(1, "recorded", "2025-06-02 09:30:01Z")), "line 1 does not have the members"),
    "no object": (_lines(lambda lines: [*lines, 7]), "line 11 does not have the members and values"),
    "another event": (
        _lines(lambda lines: lines[0].update(event="e30=")), "the event or the answers of record 1 are not those"
    ),
    "an answer left out": (
        _lines(lambda lines: lines[2]["answers"].pop()), "the event or the answers of record 4 are not those"
    ),
    "answers in another order": (
        _lines(lambda lines: lines[2]["answers"].reverse()), "the event or the answers of record 4 are not those"
    ),
    "a longer proof": (
        _lines(lambda lines: lines[0]["proof"].append(lines[0]["proof"][0])), "record 1 is not in the tree"
    ),
    "a shorter proof": (_lines(lambda lines: lines[0]["proof"].pop()), "record 1 is not in the tree"),
    "a short hash": (_lines(lambda lines: lines[0].update(proof=["AAAA"])), "a base64 text in it is malformed"),
    "base64 of other bits": (_lines(_rewritten("proof", lambda text: text[:-2] + _next(text[-2]) + "=")), "a base64 text"),
    "base64 with a space": (_lines(_rewritten("event", lambda text: text[:4] + " " + text[4:])), "a base64 text"),
    "base64 without its end": (_lines(_rewritten("proof", lambda text: text.rstrip("="))), "a base64 text"),
    "base64 of URLs": (_lines(_rewritten("event", lambda text: text[:-4] + "-_-_")), "a base64 text"),
    "base64 beyond ASCII": (_lines(_rewritten("event", lambda text: text[:-1] + "é")), "a base64 text"),
    "evidence of no record": (_evidence(lambda rows: rows[0].update(record=3)), "what the event of record 1 states"),
    "evidence of another record": (_evidence(lambda rows: rows[0].update(record=2)), "what the event of record"),
    "evidence left out": (_evidence(lambda rows: rows[1:]), "what the event of record 1 states"),
    "evidence of another party": (_evidence(lambda rows: rows[0].update(party="CON-9")), "what the event of record 1"),
    "evidence made up": (_evidence(lambda rows: [*rows, {"record": 6, **PAPER}]), "what the event of record 6 states"),
    "evidence in another form": (_evidence(lambda rows: rows[0].update(sha256="AB" * 32)), "members and values"),
    "another beginning": (_since(old=story().checkpoint(4).decode()), "does not prove that its old checkpoint"),
    "another end": (_since(new=story().checkpoint(11).decode()), "does not prove that its old checkpoint"),
    "no proof": (_since(proof=[]), "does not prove that its old checkpoint"),
    "a later beginning": (
        lambda: GOOD.having(
            consistency={"old": _longer().checkpoint().decode(), "new": story().checkpoint().decode(), "proof": []}
        ),
        "does not prove that its old checkpoint",
    ),
    "a stranger's beginning": (_since(old=story().checkpoint(5, Key("other")).decode()), "it is not signed by any given key"),
    "a beginning with a surrogate": (_since(old="\ud800\n\n"), "it is not a signed note"),
    "a stranger's checkpoint": (lambda: GOOD.having(checkpoint=story().checkpoint(None, Key("other"))), "it is not signed by any given key"),
    "an older checkpoint": (lambda: GOOD.having(checkpoint=story().checkpoint(11)), "is not in the tree"),
    "a text for a checkpoint": (
        lambda: GOOD.having(checkpoint=KEY.note("tpp-ledger\n012\n" + "A" * 43 + "=\n")), "a checkpoint must have three lines"
    ),
    "no last newline": (
        lambda: GOOD.having(**{"records.jsonl": GOOD.files["records.jsonl"][:-1]}), "or the last line has no newline"
    ),
    "a blank line": (lambda: GOOD.having(**{"records.jsonl": GOOD.files["records.jsonl"] + b"\n"}), "line 11 is not UTF-8 JSON"),
    "deep JSON": (lambda: GOOD.having(evidence=b"[" * 10**5), "it is not UTF-8 JSON"),
    "JSON with a long number": (lambda: GOOD.having(evidence=b"9" * 10**4), "evidence.json: it "),
    "NaN": (lambda: GOOD.having(evidence=b"[NaN]"), "it is not UTF-8 JSON without duplicate members"),
    "a member twice": (lambda: GOOD.having(evidence=b'[{"record":1,"record":1}]'), "it is not UTF-8 JSON without duplicate members"),
    "more after the end": (lambda: GOOD.having(evidence=GOOD.files["evidence.json"] + b"]"), "it is not UTF-8 JSON without duplicate members"),
    "UTF-16": (lambda: GOOD.having(evidence="[]".encode("utf-16")), "it is not UTF-8 JSON without duplicate members"),
    "a byte order mark": (lambda: GOOD.having(evidence=b"\xef\xbb\xbf[]"), "it is not UTF-8 JSON without duplicate members"),
    "another format": (lambda: Pack(GOOD.files, GOOD.shipments, {"format": "tpp-pack/2"}), "pack.json: it does not have"),
    "another origin": (lambda: Pack(GOOD.files, GOOD.shipments, {"origin": "other"}), "its origin is not that of pack.note"),
    "another period": (lambda: Pack(GOOD.files, GOOD.shipments, {"period": "2025-13"}), "pack.json: it does not have"),
    "shipments in a list": (lambda: Pack(GOOD.files, GOOD.shipments, {"shipments": []}), "pack.json: it does not have"),
    "a last record that is no number": (
        lambda: Pack(GOOD.files, GOOD.shipments, {"shipments": {"S-1": "12"}}), "a record in it is not a number"
    ),
    "a member more in the list": (lambda: Pack(GOOD.files, GOOD.shipments, {"more": 1}), "pack.json: it does not have"),
    "a file that no pack has": (
        lambda: Pack(GOOD.files | {"more.txt": b""}, GOOD.shipments), "it does not list the files of a pack"
    ),
    "a file that the list leaves out": (
        lambda: Pack({k: v for k, v in GOOD.files.items() if k != "evidence.json"}, GOOD.shipments),
        "it does not list the files of a pack",
    ),
    "no files": (lambda: Pack(GOOD.files, GOOD.shipments, {"files": []}), "it does not list the files of a pack"),
}  # fmt: skip


def _next(char: str) -> str:
    """The digit of base64 after this one, which has the same leading bits."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return digits[digits.index(char) + 1]


def _longer() -> Log:
    log = story()
    log.add("party.registered", {"id": "CON-3"}, [])
    return log


@pytest.mark.parametrize("name", INSIDERS)
def test_a_pack_that_an_insider_signed_anew_is_invalid(
    name: str, tmp_path: Path, said: Callable[..., tuple[int, str]]
) -> None:
    make, why = INSIDERS[name]
    status, out = said(make().write(tmp_path))
    assert status == 1
    assert why in out
    assert out.startswith("invalid: ")
    assert "cannot be read" not in out
    assert out.count("\n") == 1


@pytest.mark.parametrize("listed", [b"", b"[]", b"null", b"{}", b'"\xff"', b"[" * 10**5, b"1" * 5000])
def test_a_list_of_another_form_is_invalid(listed: bytes, tmp_path: Path, said: Callable[..., tuple[int, str]]) -> None:
    status, out = said(GOOD.write(tmp_path, listed))
    assert status == 1
    assert out.startswith("invalid: pack.json: it ")


@pytest.mark.parametrize(
    "text", ["tpp-ledger\ntpp-pack/1\n", "tpp-ledger\ntpp-pack/2\n{}\n", "tpp-ledger\ntpp-pack/1\n{}\nx\n"]
)
def test_a_note_of_another_form_is_invalid(text: str, tmp_path: Path, said: Callable[..., tuple[int, str]]) -> None:
    folder = GOOD.write(tmp_path)
    digest = base64.b64encode(sha256(GOOD.list()).digest()).decode()
    (folder / "pack.note").write_bytes(KEY.note(text.format(digest)))
    assert said(folder) == (1, "invalid: pack.note: it is not an origin, tpp-pack/1 and a SHA-256, signed once\n")
    (folder / "pack.note").write_bytes(
        KEY.note(f"tpp-ledger\ntpp-pack/1\n{digest}\n") + Key("other").line("x").encode()
    )
    assert said(folder)[0] == 1


# --- answers that say something else than the entries


def _tell(index: int, **more: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda debits: debits[index].update(more)


LIES: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "another amount": _tell(0, amount=99),
    "another sign": _tell(0, amount=-100),
    "another state": _tell(0, state="pending"),
    "an unknown state": _tell(0, state="lost"),
    "posted for pending": _tell(1, state="posted"),
    "another balance": _tell(1, balance=81),
    "another account": _tell(1, account="lpp/CON-9/2025"),
    "another entry": _tell(1, entry=4),
    "an entry twice": lambda debits: debits.append(debits[2]),
    "an entry too few": lambda debits: debits.pop(),
    "an entry too many": lambda debits: debits.append(debits[1] | {"entry": 4}),
    "nothing": lambda debits: debits.clear(),
    "another order": lambda debits: debits.reverse(),
    "no object": lambda debits: debits.append(7),
    "a null": _tell(0, entry=None),
    "a list for an account": _tell(0, account=[]),
    "a fraction": _tell(0, amount=100.0),
    "a truth": _tell(2, entry=True),
}


@pytest.mark.parametrize("name", LIES)
def test_answers_that_do_not_say_what_the_leaf_says_are_invalid(
    name: str, tmp_path: Path, said: Callable[..., tuple[int, str]]
) -> None:
    status, out = said(good(story(LIES[name])).write(tmp_path))
    assert status == 1
    assert out.startswith("invalid: records.jsonl: ")
    assert "record 4" in out


def test_an_answer_may_tell_more_of_an_entry(tmp_path: Path, said: Callable[..., tuple[int, str]]) -> None:
    assert said(good(story(_tell(0, more="more"))).write(tmp_path))[0] == 0


def test_an_answer_without_data_is_invalid(tmp_path: Path, said: Callable[..., tuple[int, str]]) -> None:
    for answer in (b"[]", b"{}", b'{"data":[]}', b'{"data":{"decision_id":1,"shipment_id":[]}}', b"NaN", b"\xff"):
        log = story()
        log.answers[0] = [answer]
        log.leaves[0]["answers"] = [sha256(answer).hexdigest()]
        status, out = said(good(log).write(tmp_path))
        assert status == 1
        assert out.startswith("invalid: records.jsonl: ")


@pytest.mark.parametrize(("n", "leaf", "why"), [
    (4, {"previous": 1}, "record 4 follows record 1, which is of another shipment"),
    (4, {"previous": 4}, "record 4 rests on record 4, which is not in the pack before it"),
    (4, {"rests_on": [6]}, "record 4 rests on record 6, which is not in the pack before it"),
    (9, {"previous": 6}, "record 9 follows record 6, which is of another shipment"),
    (12, {"previous": 2}, "the last record of its shipment does not lead back to record 4"),
    (7, {"shipment_id": "S-4"}, ""),
])  # fmt: skip
def test_a_ledger_whose_records_do_not_follow_each_other_is_invalid(
    n: int, leaf: dict[str, Any], why: str, tmp_path: Path, said: Callable[..., tuple[int, str]]
) -> None:
    log = story()
    log.leaves[n - 1].update(leaf)
    status, out = said(good(log).write(tmp_path))
    if not why:  # its answer decides S-3 all the same
        assert (status, out) == (1, NOT_LED)
    else:
        assert (status, out) == (1, f"invalid: records.jsonl: {why}\n")


NOT_LED = "invalid: records.jsonl: record 8 of shipment 'S-3' is missing or leads back to no request\n"


def test_a_tick_rests_on_a_record_of_each_shipment_that_it_decides(
    tmp_path: Path, said: Callable[..., tuple[int, str]]
) -> None:
    log = story()
    log.leaves[7]["rests_on"] = []
    status, out = said(good(log).write(tmp_path))
    assert (status, out) == (1, NOT_LED)


def test_a_refused_event_before_a_tick_is_one_of_the_shipment(
    tmp_path: Path, said: Callable[..., tuple[int, str]]
) -> None:
    log = story()
    log.leaves[4].update(shipment_id="S-3")
    log.leaves[6].update(previous=5)
    log.leaves[7].update(rests_on=[5])
    assert said(good(log, [*CHOSEN[:3], 5, *CHOSEN[3:]]).write(tmp_path))[0] == 0


def test_an_entry_that_a_leaf_has_twice_is_invalid(tmp_path: Path, said: Callable[..., tuple[int, str]]) -> None:
    log = story()
    log.leaves[1]["entries"] *= 2
    assert "do not report each entry" in said(good(log).write(tmp_path))[1]


PART = {"account": LPP, "pending": 0, "posted": 0, "attested": 0, "credits": 0}


@pytest.mark.parametrize(("parts", "amount", "state"), [
    ({"pending": 5}, 5, "pending"), ({"pending": -5}, 5, "voided"), ({"posted": 5}, 5, "posted"),
    ({"pending": -5, "posted": 5}, 5, "posted"), ({"pending": -2, "posted": 5}, 5, "posted"),
    ({"attested": -5}, -5, "attested"), ({"credits": 5}, 5, "credits"), ({}, 0, "attested"), ({}, 0, "credits"),
    ({"account": "facility/F", "pending": -5}, -5, "pending"), ({"account": "facility/F", "pending": 5}, -5, "voided"),
    ({"account": "facility/F", "pending": 5, "posted": -5}, -5, "posted"),
    ({"account": "facility/F", "credits": -5}, -5, "credits"),
])  # fmt: skip
def test_what_each_verb_of_the_journal_changes(parts: dict[str, Any], amount: int, state: str) -> None:
    for other in ("pending", "posted", "voided", "attested", "credits", "x"):
        for size in {amount, -amount, amount + 1}:
            right = size == amount and (other == state or not parts)
            if right or (other, size) not in {("pending", -amount), ("voided", -amount)}:
                assert verify._agrees({"amount": size, "state": other}, PART | parts, False) == (right and other != "x")


@pytest.mark.parametrize(("parts", "amount", "state"), [
    ({"pending": -1, "posted": -2, "attested": -3, "credits": -4}, 2, "voided"),
    ({"pending": 1, "posted": 2, "attested": 3, "credits": 4}, 2, "pending"),
    ({"credits": 4}, -4, "credits"), ({"credits": -4}, -4, "voided"), ({"posted": 4, "credits": 4}, 0, "posted"),
    ({"attested": 4}, 4, "attested"),
])  # fmt: skip
def test_what_a_merger_changes(parts: dict[str, int], amount: int, state: str) -> None:
    assert verify._agrees({"amount": amount, "state": state}, PART | parts, True)
    assert not verify._agrees({"amount": amount + 1, "state": state}, PART | parts, True)
    assert not verify._agrees({"amount": amount, "state": "x"}, PART | parts, True)
