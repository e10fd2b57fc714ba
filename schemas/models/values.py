"""The types of single values on the wire: identifiers, amounts, countries, days, decimals."""

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
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

_DECIMAL = re.compile(r"\d+(\.\d+)?([eE][+-]?\d{1,4})?", re.ASCII)
_DECIMAL_DIGITS = 400


@cache
def country_codes() -> frozenset[str]:
    """The assigned ISO 3166-1 alpha-2 codes."""
    return frozenset(country.alpha_2 for country in pycountry.countries)


def _decimal(value: Any) -> Decimal:
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


def _decimal_or_text(value: Any) -> Decimal:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        try:
            return _decimal(Decimal(value))
        except InvalidOperation:
            pass
    if isinstance(value, str):
        raise PydanticCustomError("number.invalid", "must be a number, 0 or greater, or a decimal string such as 1e26")
    return _decimal(value)


class _DayOfText:
    """A day read by pydantic alone, without a call back into Python: first the form, then the calendar."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(pattern=DAY, strict=True)
        return core_schema.chain_schema([text, core_schema.date_schema(strict=False)])


COUNTRY = f"^({'|'.join(sorted(country_codes()))})$"
_NUMBER_SCHEMA: dict[str, Any] = {"type": "number", "minimum": 0}
_TEXT_NUMBER_SCHEMA: dict[str, Any] = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?$"}
COUNTRY_SCHEMA: dict[str, Any] = {
    "title": "Country", "description": "Assigned ISO 3166-1 alpha-2 code",
    "type": "string", "enum": sorted(country_codes()),
}  # fmt: skip

Identifier = Annotated[str, Field(pattern=IDENTIFIER)]
Text = Annotated[str, Field(min_length=1)]
Tpp = Annotated[int, Field(ge=0, le=TPP_MAX)]
Quantity = Annotated[int, Field(ge=1, le=TPP_MAX)]
Country = Annotated[str, Field(pattern=COUNTRY), WithJsonSchema(COUNTRY_SCHEMA)]
Eccn = Annotated[str, Field(pattern=ECCN)]
Lei = Annotated[str, Field(pattern=LEI)]
Sha256 = Annotated[str, Field(pattern=SHA256)]
Day = Annotated[date, _DayOfText(), WithJsonSchema({"type": "string", "format": "date", "pattern": DAY})]
Instant = Annotated[datetime, PlainValidator(parse_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Number = Annotated[Decimal, PlainValidator(_decimal), WithJsonSchema(_NUMBER_SCHEMA)]
NumberOrText = Annotated[
    Decimal, PlainValidator(_decimal_or_text), WithJsonSchema({"anyOf": [_NUMBER_SCHEMA, _TEXT_NUMBER_SCHEMA]})
]
