"""Settings from the environment or a `.env` file; the command line wins (docs/contract/settings.md)."""

import codecs
import re
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.failure import Failure

PREFIX, FILE = "TPP_", ".env"
_OTHERS = (
    "cache", "db_password", "partitions", "kafka_port", "http_port", "lock", "secrets",
)  # fmt: skip
"""Names in the file that no field has: of the contract, and what `docker-compose.yml` reads there."""


def _switches(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, _, answer = (text.strip() for text in part.partition("="))
        if answer not in ("true", "false"):
            message = f"{part!r} is not NAME=true or NAME=false"
            raise ValueError(message)
        found[name] = answer == "true"
    return found


def _names(value: object) -> object:
    return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value


def _address(value: str | None) -> str | None:
    if not value:
        return None
    if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", value):
        message = f"{value!r} is not an address such as https://ledger.example"
        raise ValueError(message)
    return value


_PEOPLE = ("monitor", "reviewer", "finance", "admin")


def _roles(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        claim, _, role = (text.strip() for text in part.rpartition("="))
        if not claim or role not in _PEOPLE:
            message = f"{part!r} is not VALUE=ROLE with a role of {', '.join(_PEOPLE)}"
            raise ValueError(message)
        found.append((claim, role))
    return tuple(found)


class Settings(BaseSettings):
    """The settings of an operator.

    `ledger_password_file`: a file with the password of a PostgreSQL ledger whose URL has none. `switches`: readings of
    the law that differ from the default. `broker`: `host:port[,host:port]`. `metrics`: `host:port` on which a part
    serves /metrics and /health. `signing_key`: the file with the key of checkpoints and packs. `origin`: the name of
    that key. `listen`: `host:port` of `tpp serve`. `hosts`: names by which it may be called. `rate`: requests a second
    of a token; 0 for any number. `connections`: how many may be open. `insecure`: whether it may listen beyond loopback
    without TLS. `public_url`: the address under which people reach the page. `notify`: the file that names who is told
    of what. `sources`: the file that says which sources each topic may have. `log_format`: how the parts log.
    `oidc_issuer`, `oidc_client_id`,
    `oidc_client_secret` or `_file`: the identity provider, and this program's name and secret there. `oidc_name_claim`,
    `oidc_role_claim`: the claims that give NAME and the values of which `oidc_roles` makes roles, in its order.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=FILE, env_file_encoding="utf-8-sig", extra="ignore")

    ledger_url: str = "sqlite:///tpp-ledger.db"
    ledger_password_file: str | None = None
    rulebook: str = "ai-diffusion"
    switches: Annotated[dict[str, bool], NoDecode, BeforeValidator(_switches)] = Field(default_factory=dict)
    broker: str | None = None
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ca_file: str | None = None
    group: str = "tpp-ledger"
    metrics: str | None = None
    signing_key: str = "tpp-signing.key"
    origin: str = "tpp-ledger"
    listen: str = "127.0.0.1:8080"
    hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = ()
    rate: int = Field(default=200, ge=0)
    connections: int = Field(default=1_000, ge=1)
    insecure: bool = False
    public_url: Annotated[str | None, AfterValidator(_address)] = None
    notify: str | None = None
    sources: str | None = None
    log_format: Literal["text", "json"] = "text"
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_client_secret_file: str | None = None
    oidc_name_claim: str | None = None
    oidc_role_claim: str = "groups"
    oidc_roles: Annotated[tuple[tuple[str, str], ...], NoDecode, BeforeValidator(_roles)] = ()


def check_file() -> None:
    """Raises Failure if the file of settings cannot be read as UTF-8, or has a setting that does not exist."""
    path = Path(FILE)
    if not path.is_file():
        return
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {FILE}: {error.strerror}") from error
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw:
        raise Failure(f"{FILE} is in UTF-16; save it in UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Failure(f"line {line} of {FILE} is not UTF-8, perhaps Latin-1; save it in UTF-8") from error
    known = [PREFIX + name.upper() for name in (*Settings.model_fields, *_OTHERS)]
    for name in dotenv_values(stream=StringIO(text), interpolate=False):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            nearest = get_close_matches(name.upper(), known, n=1, cutoff=0)[0]
            raise Failure(f"{FILE}: {name} is not a setting; did you mean {nearest}?")
