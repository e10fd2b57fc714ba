"""Reading a message quickly loses nothing: whatever it takes, the careful reading takes, and makes the same of it."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schema_samples import EXAMPLES

from schemas.wire import strict_json as strict
from schemas.wire.read import Event, Rejection, parse

MANY = settings(max_examples=1_500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BLANKS = st.sampled_from(["", "", " ", "  ", "\t", "\n", "\r\n"])
CHARACTERS = (
    "a", "b", " ", "  ", ",", ":", "{", "]", "é", "語", "😀", "\x7f", "\t", "\\u00e9", "\\u0061", "\\u0022", "\\u0020",
    "\\u0000", "\\u007f", "\\u0080", "\\ud83d\\ude00", "\\ud800", "\\udc00", "\\u8a9e", "\\u8A9E", "\\\\", "\\\\u0061",
    "\\\\u00e9", '\\"', "\\n", "\\t", "\\/", "\\u12", "\\U0001F600", "\\ ", "null", "ull",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(CHARACTERS), max_size=4).map("".join)
NUMBERS = (
    "0", "1", "-1", "10", "1.0", "1.10", "19.4", "1e2", "1E2", "1e22", "1e+22", "1E400", "-0", "-0.0", "0.1", "1e-7",
    "1.0e-7", "9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551615", "1" + "0" * 30,
    "18446744073709551616", "0.12345678901234567890", "5e-324", "1e308", "01", "1.", ".5", "+1", "1 0", "0x1", "9" * 40,
)  # fmt: skip
WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity", "True", "nul", "")


@st.composite
def _written(draw: st.DrawFn, depth: int = 3) -> str:
    """A text that looks like JSON, with blanks, repeated members, escapes and numbers of every kind."""
    left, right = draw(BLANKS), draw(BLANKS)
    kind = draw(st.integers(0, 9))
    if kind < 4 and depth:
        names = st.sampled_from(["data", "a", "a b", "ab", " a", "é", "\\u00e9", "\\u0061"]) | TEXTS
        members = [
            f'{draw(BLANKS)}"{draw(names)}"{draw(BLANKS)}:{draw(_written(depth - 1))}'
            for _ in range(draw(st.integers(0, 4)))
        ]
        return f"{left}{{{','.join(members)}{draw(BLANKS)}}}{right}"
    if kind < 5 and depth:
        return f"{left}[{','.join(draw(_written(depth - 1)) for _ in range(draw(st.integers(0, 3))))}]{right}"
    if kind < 7:
        return f'{left}"{draw(TEXTS)}"{right}'
    return left + draw(st.sampled_from(NUMBERS if kind < 9 else WORDS)) + right


def _exact(value: Any) -> Any:
    """A value as it was written: with the order of members, and numbers with all their digits."""
    if isinstance(value, dict):
        return [(name, _exact(part)) for name, part in value.items()]
    if isinstance(value, list):
        return [_exact(part) for part in value]
    if isinstance(value, (float, Decimal)):
        return Decimal(repr(value) if isinstance(value, float) else value).as_tuple()
    return type(value), value


def _agrees(raw: bytes) -> bool:
    """Whether the message was read quickly; then the careful reading makes the same of it, without an error."""
    quick = strict.quick(raw)
    if quick is strict.UNREAD:
        return False
    careful, errors = strict.read(raw)
    assert not errors
    assert _exact(quick) == _exact(careful)
    return True


@MANY
@given(_written())
def test_whatever_is_read_quickly_is_read_carefully_alike(text: str) -> None:
    _agrees(text.encode())


@MANY
@given(st.sampled_from(sorted(EXAMPLES)), _written(1), _written(2), BLANKS)
def test_an_event_or_its_errors_are_the_same_however_it_is_read(name: str, member: str, value: str, blank: str) -> None:
    text = json.dumps(json.loads(EXAMPLES[name]))
    for changed in (text, text.replace('"data": {', f'"data": {{"extra":{member},{blank}"id":{value},', 1)):
        outcome = parse(changed.encode())
        carefully = parse(changed.removesuffix("}").encode() + b',"unset":null}')
        assert type(outcome) is type(carefully)
        if isinstance(outcome, Rejection) and isinstance(carefully, Rejection):
            assert _without_place(outcome) == _without_place(carefully)
        elif isinstance(outcome, Event) and isinstance(carefully, Event):
            assert (outcome.data, outcome.time, outcome.extensions) == (
                carefully.data, carefully.time, carefully.extensions,
            )  # fmt: skip


def _without_place(rejection: Rejection) -> list[tuple[str, str]]:
    """The errors, of text that is not JSON without the sentence, which may speak of its end."""
    return [(e.pointer, "" if e.code == "json.invalid" else e.message) for e in rejection.errors]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 1}',
        '{"a":1,"a":2}',
        '{"ab": 1, "a b": {"c":1, "c":1}}',
        '{"\\u00e9":1,"é":1}',
        '{"\\u00e9": 1, "\\u00e9": 1}',
        '{"a": "x\\u0022, \\u0022a\\u0022: \\u0022y"}',
        '{"a": 1.10}',
        '{"a": 1E400}',
        '{"a": 18446744073709551616}',
        '{"a": NaN}',
        '{"data": {"a": null}}',
        '{"a": "\\ud800"}',
        '{"a": "\\u0000"}',
        '{"a": "\t"}',
        '{"a": "\\u12"}',
        '{"a": "\\U0001F600"}',
        '{"a": 1} 2',
        "\ufeff{}",
        "",
        "[" * 300 + "]" * 300,
    ],
)
def test_what_must_be_looked_at_is_not_read_quickly(text: str) -> None:
    assert strict.quick(text.encode()) is strict.UNREAD


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,", "\t:\r\n")])
def test_every_usual_layout_is_read_quickly(ascii_only: bool, indent: int | None, separators: tuple[str, str]) -> None:
    value = {"a b": [1, -1.5, True, {}], "ab": "a  b,: {\\", "é": '語 "ä"\n', "none": []}
    assert _agrees(json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators).encode())
