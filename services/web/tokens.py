"""Makes tokens: `tpp_`, an id, and a secret that is shown once."""

import secrets
import string

from ledger.database.store import Store
from ledger.doors.tokens import Token, add_token, digest_of

_LETTERS = string.ascii_letters + string.digits
ID_LENGTH, SECRET_LENGTH = 12, 40


def new_token(store: Store, role: str, name: str, sources: tuple[str, ...], expires: int | None, now: int) -> str:
    """A new token, of which the ledger keeps the SHA-256. Instants are microseconds since 1970 (UTC)."""
    id, secret = (_random(length) for length in (ID_LENGTH, SECRET_LENGTH))
    made = f"tpp_{id}_{secret}"
    add_token(store, Token(id, name, role, sources, now, expires), digest_of(made))
    return made


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
