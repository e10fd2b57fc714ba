"""Settings from the environment or a `.env` file; the command line wins (docs/contract/settings.md)."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


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


class Settings(BaseSettings):
    """The settings of an operator.

    `ledger_password_file`: a file with the password of a PostgreSQL ledger whose URL has none. `switches`: readings of
    the law that differ from the default. `broker`: `host:port[,host:port]`. `metrics`: `host:port` on which a part
    serves /metrics and /health. `signing_key`: the file with the key of checkpoints and packs. `origin`: the name of
    that key.
    """

    model_config = SettingsConfigDict(env_prefix="TPP_", env_file=".env", extra="ignore")

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
