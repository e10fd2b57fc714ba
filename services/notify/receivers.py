"""The file that says who is told of what: receivers, each a webhook or an apprise URL, with what it is to get."""

import base64
import binascii
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, ValidationError

from schemas.accounts import FAMILIES
from schemas.event_types import OUTGOING, short_name
from services.failure import Failure, did_you_mean
from services.notify.addresses import is_public, literal
from services.notify.people import check_url
from services.notify.urls import WEB, Target, target_of

TYPES = tuple(sorted(map(short_name, OUTGOING)))
SECRET, SECRET_BYTES = "whsec_", range(24, 65)
_MEMBERS = ("name", "url", "secret_env", "types", "account", "allow_private")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_LOOPBACK = ("localhost", "localhost.")


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told: a webhook, which has a `target` and a `secret`, or else people, by an apprise `url`.

    `types`: the types of event that it gets, None for all; `account`: only events about accounts that match.
    """

    name: str
    url: str
    target: Target | None
    secret: bytes
    types: frozenset[str] | None
    account: str | None
    allow_private: bool


class _To(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: StrictStr
    url: StrictStr
    secret_env: StrictStr | None = None
    types: Annotated[list[StrictStr], Field(min_length=1)] | None = None
    account: StrictStr | None = None
    allow_private: StrictBool = False


def read_receivers(file: str | None, environment: Mapping[str, str] = os.environ) -> tuple[Receiver, ...]:
    """The receivers that a file names; secrets are taken from the environment.

    Raises Failure with the file, the receiver and what is wrong.
    """
    if not file:
        raise Failure("TPP_NOTIFY is not set; name the file that says who is told of what, such as notify.toml")
    try:
        whole = tomllib.loads(Path(file).read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise Failure(f"cannot read {file} of TPP_NOTIFY: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{file} is not UTF-8; save it in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise Failure(f"{file} is not TOML: {error}") from error
    if unknown := sorted(whole.keys() - {"to"}):
        raise Failure(f"{file}: {unknown[0]} is not known; each receiver is a table [[to]]")
    each = whole.get("to")
    if not isinstance(each, list) or not each:
        raise Failure(f"{file} names no receiver; each is a table [[to]] with name and url")
    found: list[Receiver] = []
    for number, table in enumerate(each, 1):
        one = _receiver(table, file, number, environment)
        if one.name in {other.name for other in found}:
            raise Failure(f"{file}: two receivers are named {one.name!r}; give each a name of its own")
        found.append(one)
    return tuple(found)


def _receiver(table: Any, file: str, number: int, environment: Mapping[str, str]) -> Receiver:
    named = table.get("name") if isinstance(table, dict) else None
    who = f"receiver {named!r}" if isinstance(named, str) and named else f"receiver {number}"

    def wrong(what: str) -> Failure:
        return Failure(f"{file}: {who}: {what}")

    try:
        to = _To.model_validate(table)
    except ValidationError as error:
        raise wrong(_problem(error)) from error
    if not _NAME.fullmatch(to.name):
        raise wrong("name must be 1 to 64 characters on one line")
    try:
        target = target_of(to.url)
        if target is None:
            check_url(to.url)
        else:
            _check_target(target, to.allow_private)
        secret = _secret(to, target, environment)
        types = _types(to.types)
        _check_account(to.account)
    except ValueError as error:
        raise wrong(str(error)) from error
    return Receiver(to.name, to.url, target, secret, types, to.account, to.allow_private)


def _problem(error: ValidationError) -> str:
    """The first thing that is wrong with a receiver's table, in our words where pydantic has its own."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "it"
    kinds = {
        "missing": f"{name} is missing",
        "extra_forbidden": f"{name} is not known{did_you_mean(name, _MEMBERS) or '; known: ' + ', '.join(_MEMBERS)}",
        "string_type": f"{name} must be {'a list of strings' if len(first['loc']) > 1 else 'a string'}",
        "list_type": f"{name} must be a list of strings",
        "too_short": f"{name} is empty; leave it out for every type",
        "bool_type": f"{name} must be true or false",
    }
    return kinds.get(first["type"], f"{name}: {first['msg']}")


def _check_target(target: Target, allow_private: bool) -> None:
    """Raises ValueError for a webhook that would be refused at every try."""
    if allow_private:
        return
    if target.scheme != "https":
        raise ValueError("url begins with http:, which is not encrypted; use https:, or set allow_private = true")
    address = literal(target.host)
    if target.host.lower() in _LOOPBACK or (address is not None and not is_public(address)):
        raise ValueError(f"{target.host} is not a public address; set allow_private = true to send there")


def _secret(to: _To, target: Target | None, environment: Mapping[str, str]) -> bytes:
    """The key that signs what a webhook gets; raises ValueError without repeating what the variable holds."""
    name = to.secret_env
    if target is None:
        if name is not None:
            raise ValueError(f"secret_env is for webhooks, whose url begins with {' or '.join(WEB)}")
        return b""
    if not name:
        raise ValueError("secret_env is missing; it names the environment variable with the signing secret, whsec_…")
    value = environment.get(name)
    if not value:
        raise ValueError(f"the environment variable {name} of secret_env is not set")
    meant = f"must be {SECRET} and the base64 of {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} random bytes"
    try:
        text = value.removeprefix(SECRET)
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"the secret in {name} {meant}") from None
    if not value.startswith(SECRET) or len(key) not in SECRET_BYTES:
        raise ValueError(f"the secret in {name} {meant}")
    return key


def _types(names: Sequence[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    for name in names:
        if name not in TYPES:
            raise ValueError(f"{name!r} is not a type of event{did_you_mean(name, TYPES) or ': ' + ', '.join(TYPES)}")
    return frozenset(one for one in OUTGOING if short_name(one) in names)


def _check_account(pattern: str | None) -> None:
    """Raises ValueError if a pattern can match no account."""
    if pattern is None:
        return
    family, slash, _ = pattern.partition("/")
    known = [f"{name}/*" for name in FAMILIES]
    if "*" not in family and f"{family}{slash}*" not in known:
        meant = did_you_mean(f"{family}/*", known) or f"; patterns of accounts are {', '.join(known)}"
        raise ValueError(f"no account matches {pattern!r}{meant}")
