"""The types of single values on the wire: identifiers, amounts, countries, days, decimals."""

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from math import inf
from typing import Annotated, Any

import pycountry
from pydantic import Field, GetCoreSchemaHandler, PlainValidator, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from schemas.times import DAY, parse_instant

TPP_MAX = 2**53 - 1
"""The largest amount of TPP: JSON in a browser and a spreadsheet still keep it exactly."""

IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"
ECCN = r"^([0-9][A-E][0-9]{3}(\.[a-z0-9]+)*|EAR99)$"
TECHNOLOGY = r"^(3D001|3E001|4D001|4D090|4E001|5E002|5E992)(\.[a-z0-9]+)*$"
"""The ECCNs of software and technology that is for another item."""
LEI = r"^[A-Z0-9]{18}[0-9]{2}$"
SHA256 = r"^[0-9a-f]{64}$"

TEXT_MOST, ADDRESS_MOST, REASON_MOST = 512, 2_048, 4_096
"""The most characters of a text, of a postal address, and of a reason or note."""
TIME_MOST = 40
"""The most characters of a time."""
TOO_LONG = "text.too_long"

_DECIMAL = re.compile(r"\d+(\.\d+)?([eE][+-]?\d{1,4})?", re.ASCII)
_DECIMAL_DIGITS = 400


@cache
def country_codes() -> frozenset[str]:
    """The assigned ISO 3166-1 alpha-2 codes."""
    return frozenset(country.alpha_2 for country in pycountry.countries)


def any_decimal(value: Any) -> Decimal:
    """The decimal of a number, however many digits it has; raises PydanticCustomError if it is out of range."""
    if type(value) is int:
        value = Decimal(value)
    elif type(value) is float:
        value = Decimal(repr(value))
    if (
        type(value) is Decimal
        and value.is_finite()
        and value >= 0
        and -_DECIMAL_DIGITS < value.adjusted() < _DECIMAL_DIGITS
    ):
        return value
    raise PydanticCustomError("number.invalid", "must be a number from 0 to below 1e400")


def any_decimal_or_text(value: Any) -> Decimal:
    """Like `any_decimal`, for a number or its text."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        try:
            return any_decimal(Decimal(value))
        except InvalidOperation:
            pass
    if isinstance(value, str):
        raise PydanticCustomError("number.invalid", "must be a number, 0 or greater, or a decimal string such as 1e26")
    return any_decimal(value)


def decimal(value: Any) -> Decimal:
    """Like `any_decimal`, for at most TEXT_MOST digits."""
    if type(value) is float and 0 <= value < inf:
        return Decimal(repr(value))
    if type(value) is int and 0 <= value <= TPP_MAX:
        return Decimal(value)
    return _short(any_decimal(value))


def decimal_or_text(value: Any) -> Decimal:
    """Like `any_decimal_or_text`, for at most TEXT_MOST characters."""
    if isinstance(value, str) and len(value) > TEXT_MOST:
        raise _too_long(TEXT_MOST, len(value))
    return _short(any_decimal_or_text(value))


def _short(value: Decimal) -> Decimal:
    if (digits := len(value.as_tuple().digits)) > TEXT_MOST:
        context = {"digits": f"{digits:,}", "most": TEXT_MOST}
        raise PydanticCustomError("number.too_long", "has {digits} digits, more than {most}", context)
    return value


def _too_long(most: int, length: int) -> PydanticCustomError:
    context = {"most": f"{most:,}", "length": f"{length:,}"}
    return PydanticCustomError(TOO_LONG, "must have at most {most} characters, not {length}", context)


def instant(value: Any) -> datetime:
    """The instant of an RFC 3339 text of at most TIME_MOST characters; raises PydanticCustomError if it is not."""
    if isinstance(value, str) and len(value) > TIME_MOST:
        raise _too_long(TIME_MOST, len(value))
    return parse_instant(value)


class _DayOfText:
    """A day read by pydantic alone, without a call back into Python: first the form, then the calendar."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(pattern=DAY, strict=True)
        return core_schema.chain_schema([text, core_schema.date_schema(strict=False)])


ANY_COUNTRY = "^[A-Z]{2}$"
"""What is read as a country in a record, whose code may have been withdrawn since."""
COUNTRY = f"^({'|'.join(sorted(country_codes()))})$"
_NUMBER_SCHEMA: dict[str, Any] = {"type": "number", "minimum": 0}
_TEXT_NUMBER_SCHEMA: dict[str, Any] = {"type": "string", "maxLength": TEXT_MOST,
    "pattern": r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?$",
}  # fmt: skip
COUNTRY_SCHEMA: dict[str, Any] = {
    "title": "Country", "description": "Assigned ISO 3166-1 alpha-2 code",
    "type": "string", "enum": sorted(country_codes()),
}  # fmt: skip

Identifier = Annotated[str, Field(pattern=IDENTIFIER)]
Words = Annotated[str, Field(min_length=1)]
Text = Annotated[str, Field(min_length=1, max_length=TEXT_MOST)]
Address = Annotated[str, Field(max_length=ADDRESS_MOST)]
Note = Annotated[str, Field(max_length=REASON_MOST)]
Reason = Annotated[str, Field(min_length=1, max_length=REASON_MOST)]
Tpp = Annotated[int, Field(ge=0, le=TPP_MAX)]
Quantity = Annotated[int, Field(ge=1, le=TPP_MAX)]
Country = Annotated[str, Field(pattern=COUNTRY), WithJsonSchema(COUNTRY_SCHEMA)]
Eccn = Annotated[str, Field(pattern=ECCN)]
Lei = Annotated[str, Field(pattern=LEI)]
Sha256 = Annotated[str, Field(pattern=SHA256)]
Day = Annotated[date, _DayOfText(), WithJsonSchema({"type": "string", "format": "date", "pattern": DAY})]
Instant = Annotated[
    datetime,
    PlainValidator(instant),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": TIME_MOST}),
]
Number = Annotated[Decimal, PlainValidator(decimal), WithJsonSchema(_NUMBER_SCHEMA)]
NumberOrText = Annotated[
    Decimal, PlainValidator(decimal_or_text), WithJsonSchema({"anyOf": [_NUMBER_SCHEMA, _TEXT_NUMBER_SCHEMA]})
]
