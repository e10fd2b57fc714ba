"""Which role may send which event, with which source and in whose name: the table of `roles.toml`, row by row."""

import tomllib
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.event_types import INCOMING
from schemas.wire.read import Event, Rejection
from services.engine.message import Message, ReadMessage, read_message
from services.web.access import Caller, Role
from services.web.permissions import CHECKERS, SENDERS, check_events, check_trials, fits, may_use
from services.web.problems import Kind, Problem
from services.web.tokens import is_name, is_pattern

ROOT = Path(__file__).resolve().parents[2]
TABLE = tomllib.loads(Path(__file__).with_name("roles.toml").read_text("utf-8"))
NAME, OTHER = "reviewer-2@example.com", "reviewer-1@example.com"
PATTERN, OWN = "//erp.example/*", "//erp.example/pl"
NAMED = f"//tpp-http/{NAME}"
SOURCES = {
    "own": OWN,
    "named": NAMED,
    "foreign": "//wms.example",
    "another's name": f"//tpp-http/{OTHER}",
    "the ledger's": "//tpp-ledger",
    "the ledger's, disguised": "//TPP%2Dledger",
}
TYPES = sorted(INCOMING)


def caller(role: str, *sources: str, name: str = NAME) -> Caller:
    return Caller("AbCdEf012345", name, Role(role), sources or (PATTERN,))


def example(type: str, source: str = OWN, drop: str | None = None, **data: Any) -> ReadMessage:
    """The contract's example of a type, as it is read of a request: of this source, and sent by NAME.

    `drop`: a member of the envelope without which it is rejected.
    """
    event = orjson.loads((ROOT / "examples" / "events" / f"{type}.json").read_bytes())
    member = TABLE["persons"].get(type)
    said = ({member: NAME} if member else {}) | ({"reviewer": OTHER} if member == "second_reviewer" else {})
    event |= {"source": source, "data": {**event["data"], **said, **data}}
    event["data"] = {name: value for name, value in event["data"].items() if value is not None}
    if drop is not None:
        del event[drop]
    return sent(orjson.dumps(event))


def sent(raw: bytes) -> ReadMessage:
    return read_message(Message(raw, {"request": "r-1", "index": 0}))


def refused(who: Caller, *read: ReadMessage, check: Any = check_events) -> list[tuple[str, str]]:
    """The pointer and the code of each error with which a request is refused; none where it is not."""
    try:
        check(who, read)
    except Problem as problem:
        assert problem.kind is Kind.EVENT_FORBIDDEN
        return [(one.pointer, one.code) for one in problem.errors]
    return []


def allowed(role: str, kind: str) -> bool:
    """Whether a role may send with a source, as the paragraph about sources says."""
    return kind == "own" or (kind == "named" and role != "publisher")


def test_every_type_that_comes_in_has_a_row() -> None:
    assert sorted(TABLE["events"]) == TYPES
    assert TABLE["persons"].keys() <= TABLE["events"].keys()


@pytest.mark.parametrize("role", [str(role) for role in Role])
@pytest.mark.parametrize("type", TYPES)
def test_each_role_sends_each_type_from_each_source_as_the_table_allows(type: str, role: str) -> None:
    for (kind, source), drop in product(SOURCES.items(), (None, "subject")):
        read = example(type, source, drop)
        rejected = drop is not None or kind not in ("own", "named", "foreign", "another's name")
        if type != "tpp.clock.ticked.v1":
            assert isinstance(read.event, Rejection if rejected else Event), read.event
        expected = [("/0", "type.forbidden")] if role not in TABLE["events"][type] else []
        expected += [] if allowed(role, kind) else [("/0", "source.forbidden")]
        assert refused(caller(role), read) == expected, (kind, drop)


def test_each_role_tries_what_the_table_allows() -> None:
    assert {str(role) for role in CHECKERS} == {*TABLE["check"]["any"], *TABLE["check"]["as_sent"]}
    assert {str(role) for role in SENDERS} == set(TABLE["routes"]["POST /v1/events"])
    for type, source, role in product(TYPES, SOURCES.values(), map(str, CHECKERS)):
        read, who = example(type, source), caller(role)
        sent_as = refused(who, read) if role in TABLE["check"]["as_sent"] else []
        assert refused(who, read, check=check_trials) == sent_as


@pytest.mark.parametrize("type", TABLE["persons"])
@pytest.mark.parametrize("role", ["reviewer", "finance", "admin"])
def test_an_event_is_sent_in_the_name_of_its_token(type: str, role: str) -> None:
    if role not in TABLE["events"][type]:
        return
    who, member = caller(role), TABLE["persons"][type]
    wrong = [("/0", "person.forbidden")]
    assert refused(who, example(type)) == []
    for name in ("somebody", NAME.upper(), f"{NAME} "):
        assert refused(who, example(type, **{member: name})) == wrong, name
    if member == "second_reviewer":
        assert refused(who, example(type, reviewer=NAME, second_reviewer=OTHER)) == wrong


def test_a_review_by_one_person_is_in_the_name_of_its_token() -> None:
    alone = {"second_reviewer": None}
    assert refused(caller("reviewer"), example("tpp.review.decided.v1", reviewer=NAME, **alone)) == []
    other = example("tpp.review.decided.v1", reviewer=OTHER, **alone)
    assert refused(caller("reviewer"), other) == [("/0", "person.forbidden")]


def test_a_name_that_only_looks_like_another_is_not_a_second_person() -> None:
    read = example("tpp.review.decided.v1", reviewer=NAME.title(), second_reviewer=NAME)
    assert isinstance(read.event, Rejection)
    assert [one.code for one in read.event.errors] == ["reviewer.same"]


@pytest.mark.parametrize(
    ("raw", "role", "codes"),
    [
        (b"", "monitor", []),
        (b"{", "monitor", []),
        (b"[]", "monitor", []),
        (b"null", "publisher", []),
        (b'{"source":"//other.example"', "publisher", []),
        (b'{"source":"//other.example"}', "publisher", ["source.forbidden"]),
        (b'{"source":"//other.example","type":"tpp.ship.sent.v1"}', "publisher", ["source.forbidden"]),
        (b'{"source":"//erp.example/a","type":"tpp.ship.sent.v1"}', "monitor", []),
        (b'{"source":"//erp.example/a","type":"tpp.list.loaded.v1"}', "publisher", []),
        (b'{"source":"//erp.example/a","type":"tpp.review.decided.v1"}', "monitor", ["type.forbidden"]),
        (b'{"source":"//erp.example/a","type":"tpp.clock.ticked.v1"}', "admin", ["type.forbidden"]),
        (b'{"source":7,"type":"tpp.review.decided.v1"}', "monitor", ["type.forbidden"]),
        (b'{"source":"//other.example","source":"//erp.example/a"}', "publisher", []),
        (b'{"source":"//erp.example/a","type":"tpp.review.decided.v1","type":"tpp.threshold.set.v1"}', "monitor", []),
        (b'{"source":"not a reference","type":"tpp.shipment.requested.v1"}', "publisher", []),
        (b'{"source":"//o\\u0074her.example"}', "publisher", ["source.forbidden"]),
        (b'{"source":"//erp.example/\\u0061"}', "publisher", []),
        (b'{"source":"//erp.example/a","type":"tpp.policy.set.v1","data":{"by":"x"}}', "publisher", ["type.forbidden"]),
        (b'{"source":"//erp.example/' + b"a" * 600 + b'"}', "publisher", []),
    ],
)
def test_what_cannot_be_read_is_no_ground_for_refusal_and_the_rest_is(raw: bytes, role: str, codes: list[str]) -> None:
    read = sent(raw)
    assert isinstance(read.event, Rejection)
    assert [code for _, code in refused(caller(role), read)] == codes


def test_a_request_is_refused_whole_and_names_each_event() -> None:
    good = example("tpp.threshold.set.v1")
    bad, worse = example("tpp.policy.set.v1"), example("tpp.policy.set.v1", "//other.example")
    found = refused(caller("monitor"), good, bad, good, worse, sent(b"{"))
    assert found == [("/1", "type.forbidden"), ("/3", "type.forbidden"), ("/3", "source.forbidden")]
    with pytest.raises(Problem) as raised:
        check_events(caller("monitor"), [worse])
    first, second = raised.value.errors
    assert first.message == "The role monitor may not send tpp.policy.set.v1."
    assert second.message == (
        f'The source must be {NAMED}, or fit a pattern of the token; the source is "//other.example".'
    )


@pytest.mark.parametrize(
    ("source", "pattern", "expected"),
    [
        ("//a", "//a", True),
        ("//a", "*", True),
        ("//a/b/c?d#e", "//a/*", True),
        ("//a", "//a/*", False),
        ("//a/", "//a/*", True),
        ("//A", "//a", False),
        ("//%61", "//a", False),
        ("//a/x/b/y", "//a/*/b/*", True),
        ("//a/x/b", "//a/*/b/*", False),
        ("//aba", "//ab*ba", False),
        ("//abba", "//ab*ba", True),
        ("//a.b", "//a?b", False),
        ("//axb", "//a.b", False),
        ("//a/*", "//a/b*", False),
        ("//a*b", "//a*b", True),
        ("//aXbXc", "//a*b*b*c", False),
        ("//a" + "b" * 500, "//a" + "*b" * 200 + "*c", False),
    ],
)
def test_a_pattern_stands_for_itself_but_for_its_stars(source: str, pattern: str, expected: bool) -> None:
    assert fits(source, pattern) is expected
    assert may_use(caller("publisher", pattern), source) is expected


@pytest.mark.parametrize(
    "source",
    ["//tpp-ledger", "//tpp-clock", "//tpp-cli", "//TPP-LEDGER", "//t%70p-cli", "//x@tpp-cli:80/a", "//tpp-http/",
     f"//TPP-http/{NAME}", f"//tpp-http/{NAME}/", f"//tpp-http/{NAME.upper()}", f"//tpp-http/{NAME[:-1]}",
     f"//tpp-http/{NAME}?", f"//tpp%2Dhttp/{NAME}", f"//x@tpp-http/{NAME}", f"//tpp-http:/{NAME}", "//\u0442pp-http/x"],
)  # fmt: skip
def test_no_pattern_reaches_the_programs_own_sources(source: str) -> None:
    patterns = ("*", "//*", "//tpp-*", "//tpp-http/*", "//T*", source.replace("//", "//*", 1))
    for role in Role:
        assert not may_use(caller(role, *patterns), source)


def test_only_who_publishes_nothing_has_its_own_name_for_a_source() -> None:
    assert [str(role) for role in Role if may_use(caller(role, "*"), NAMED)] == [
        "monitor", "reviewer", "finance", "admin", "calendar",
    ]  # fmt: skip
    assert may_use(Caller("AbCdEf012345", NAME, Role.FINANCE, ()), NAMED)
    assert not may_use(caller("admin", "*", name=OTHER), NAMED)


def test_a_source_of_a_name_is_taken_over_http_alone() -> None:
    raw = example("tpp.threshold.set.v1", NAMED).message.raw
    assert isinstance(sent(raw).event, Event)
    for position in (
        {"file": "in.jsonl", "line": 1}, {"topic": "tpp.facts", "partition": 0, "offset": 1}, {"request": "policy"},
    ):  # fmt: skip
        read = read_message(Message(raw, position)).event
        assert isinstance(read, Rejection)
        assert [(one.pointer, one.code) for one in read.errors] == [("/source", "source.reserved")]
    recorded = read_message(Message(raw, {"file": "in.jsonl", "line": 1}, recorded=True)).event
    assert isinstance(recorded, Event)


def test_names_and_patterns_are_checked() -> None:
    assert all(map(is_name, ("a", "A.b_c@d-9", "9", "a" * 64)))
    assert not any(map(is_name, ("", ".a", "-a", "a b", "a/b", "a*", "é", "a" * 65, "a\n", "\uff41")))
    good = ("//a", "//a/*", "*", "//*.example", "//a:*", "https://a/*", "*://a", "urn:x:*", "a/b", "//tpp-*")
    assert all(map(is_pattern, good))
    assert not any(map(is_pattern, ("", "//a b", "//a\n", "//a/[", "//é", "//" + "a" * 600, "%zz", "//a/%*")))
