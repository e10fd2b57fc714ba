"""The paths of accounts in incoming events, and the thresholds at which alerts are raised."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas import accounts
from schemas.models.values import TPP_MAX, country_codes


def _account(path: str) -> str:
    if accounts.read(path) is None:
        raise PydanticCustomError(
            "account.invalid", "must be the path of an account that holds entries, such as lpp/CON-70/2025"
        )
    return path


def assigned(path: str) -> str:
    """An account's path, whose country is an assigned one; raises PydanticCustomError if it is not."""
    account = accounts.read(path)
    if account is None:
        return path
    place = account.country or (account.part if len(account.part) == 2 else "")
    if place and place not in country_codes():
        raise PydanticCustomError(
            "country.unknown", "must name an assigned ISO 3166-1 alpha-2 code, not {code}", {"code": place}
        )
    return path


def _creditable(path: str) -> str:
    account = accounts.read(_account(path))
    if account is None or account.family not in accounts.CREDITABLE:
        raise PydanticCustomError(
            "account.not_creditable",
            "attrition is credited on country, nveu and uveu accounts only (748.15(a)(2)(iii)(B))",
        )
    return path


def _account_schema(*families: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": accounts.pattern(*families)})


AccountPath = Annotated[str, AfterValidator(_account), AfterValidator(assigned), _account_schema(*accounts.FAMILIES)]
CreditableAccount = Annotated[
    str, AfterValidator(_creditable), AfterValidator(assigned), _account_schema(*accounts.CREDITABLE)
]

_FRACTION = r"^(?:0\.(?!0+$)[0-9]{1,6}|1(?:\.0{1,6})?)$"


def _threshold(value: Any) -> str | int:
    if isinstance(value, str) and re.fullmatch(_FRACTION[1:-1], value):
        return value
    if type(value) is int and value > TPP_MAX:
        raise PydanticCustomError("amount.overflow", "must be {most} (2^53−1) or less", {"most": f"{TPP_MAX:,}"})
    if type(value) is int and value >= 1:
        return value
    raise PydanticCustomError(
        "threshold.invalid", 'must be a fraction such as "0.9", above 0 and at most 1, or at least 1 TPP'
    )


Threshold = Annotated[
    str | int,
    BeforeValidator(_threshold),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": _FRACTION}, {"type": "integer", "minimum": 1, "maximum": TPP_MAX}]}
    ),
]
