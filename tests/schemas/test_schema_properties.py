"""Whatever the bytes are, reading them never fails; and what is read fits the published schema."""

import copy
import json
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schema_samples import EXAMPLES, message_validator, validator

from schemas.codes import RejectionCode
from schemas.wire import strict_json as strict
from schemas.wire.read import Event, Rejection, parse, rejection_id, same_content

FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "IN",
            "US",
            "XX",
            "2025-06-05",
            "2025-02-30",
            "LPP",
            "CON-70",
            "0.9",
            "3A090.a",
            0,
            1,
            2**53,
            2**53 - 1,
            "national",
        ]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(sorted(EXAMPLES))


def _checked(raw: bytes) -> Event | Rejection:
    outcome = parse(raw)
    if isinstance(outcome, Rejection):
        assert outcome.errors
        assert {error.code for error in outcome.errors} <= set(RejectionCode)
        assert list(outcome.errors) == sorted(outcome.errors, key=lambda error: error.pointer)
        json.dumps([[error.pointer, error.message] for error in outcome.errors], ensure_ascii=False).encode()
    assert same_content(raw, raw)
    assert len(rejection_id({"line": 1}, raw)) == 64
    return outcome


@FEW
@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    assert isinstance(_checked(raw), Rejection)


@FEW
@given(st.text(alphabet='{}[]",:\\u0d8d9ea1.-+NaInfty \n', max_size=60))
def test_anything_like_json(text: str) -> None:
    _checked(text.encode())


@FEW
@given(VALUES)
def test_any_json(value: Any) -> None:
    _checked(json.dumps(value).encode())


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, part in inner for place in _places(part, (*at, key)))]


@st.composite
def _changed(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """An example with some values replaced, members added, members left out."""
    name = draw(NAMES)
    event: dict[str, Any] = copy.deepcopy(json.loads(EXAMPLES[name]))
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(_places(event)[1:]))
        part: Any = event
        for step in way:
            part = part[step]
        action = draw(st.sampled_from(["replace", "add", "drop"]))
        if action == "replace":
            part[last] = draw(VALUES)
        elif action == "drop":
            del part[last]
        elif isinstance(part, dict):
            part[
                draw(
                    st.sampled_from(["lei", "address", "expires", "country", "valid_until", "note", "second_reviewer"])
                    | st.text(max_size=8)
                )
            ] = draw(VALUES)
        if not _places(event)[1:]:
            break
    return name, event


@settings(FEW, max_examples=500)
@given(_changed())
def test_what_is_read_fits_the_schemas(changed: tuple[str, dict[str, Any]]) -> None:
    name, event = changed
    raw = json.dumps(event).encode()
    if isinstance(_checked(raw), Event):
        written = json.loads(raw, parse_float=Decimal)
        assert not list(validator(name).iter_errors(written))
        assert not list(message_validator(name).iter_errors(written))


@st.composite
def _relaid(draw: st.DrawFn) -> tuple[str, bytes]:
    """An example with its members in another order, other white space and other escapes."""
    name = draw(NAMES)

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shuffled(value[key]) for key in draw(st.permutations(sorted(value)))}
        return [shuffled(part) for part in value] if isinstance(value, list) else value

    event = shuffled(json.loads(EXAMPLES[name]))
    text = json.dumps(
        event, indent=draw(st.sampled_from([None, 0, 2])), separators=draw(st.sampled_from([(",", ":"), (", ", " : ")]))
    )
    return name, text.encode()


@FEW
@given(_relaid())
def test_a_valid_event_is_read_in_any_layout(relaid: tuple[str, bytes]) -> None:
    name, raw = relaid
    event, plain = _checked(raw), parse(EXAMPLES[name])
    assert isinstance(event, Event)
    assert isinstance(plain, Event)
    assert event.data == plain.data
    assert same_content(raw, EXAMPLES[name])


@settings(FEW, max_examples=300)
@given(VALUES | st.dictionaries(st.text(max_size=5), SCALARS))
def test_the_quick_reading_gives_what_the_careful_one_gives(value: Any) -> None:
    raw = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    quick = strict.quick(raw)
    if quick is not strict.UNREAD:
        careful, errors = strict.read(raw)
        assert not errors
        assert _exact(quick) == _exact(careful)


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _exact(part)) for key, part in value.items()]
    if isinstance(value, list):
        return [_exact(part) for part in value]
    return (
        ("number", Decimal(repr(value)))
        if isinstance(value, float)
        else ("number", value)
        if isinstance(value, Decimal)
        else (type(value), value)
    )
