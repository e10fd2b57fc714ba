"""Tokens of the HTTP interface: makes them, reads them anew twice a second, and notes when they were used."""

import asyncio
import logging
import re
import secrets
import string
from collections import OrderedDict
from hashlib import shake_256
from threading import Lock, Thread

from anyio import CapacityLimiter, fail_after, to_thread

from ledger.database.store import DatabaseError, Store, database_message
from ledger.doors.tokens import HOUR, Token, add_token, digest_of, find_token, find_token_by_id, note_use
from schemas.event_types import HTTP_SOURCES
from schemas.wire.sources import is_of_http, is_reference

log = logging.getLogger("tpp.web")

_LETTERS = string.ascii_letters + string.digits
_FAIR = 256 // len(_LETTERS) * len(_LETTERS)
"""Below it a byte gives each letter equally often."""
ID_LENGTH, SECRET_LENGTH = 12, 40
_FORM = re.compile(rf"tpp_([A-Za-z0-9]{{{ID_LENGTH}}})_[A-Za-z0-9]{{32,128}}")

PATTERN_MOST = 512
"""The most characters of a pattern, as many as a source may have."""
FRESH = 0.5
"""For how many seconds what was read of a token counts: revoking it bites sooner than a second after."""
LOOKUP_SECONDS = 5.0
"""How long the ledger may take to say what it knows of a token."""
_KEPT = 4_096
"""The most tokens that are kept in memory; those that do not exist are not."""
_READERS = 2
"""How many threads read tokens at once that were known before, and how many any other: these do not hold up those."""


def new_token(store: Store, role: str, name: str, sources: tuple[str, ...], expires: int | None, now: int) -> str:
    """A new token, of which the ledger keeps the SHA-256. Instants are microseconds since 1970 (UTC)."""
    id, secret = (_random(length) for length in (ID_LENGTH, SECRET_LENGTH))
    made = f"tpp_{id}_{secret}"
    add_token(store, Token(id, name, role, sources, now, expires), digest_of(made))
    return made


def token_of_form(
    store: Store, key: bytes, form: str, role: str, name: str, sources: tuple[str, ...], expires: int | None, now: int
) -> str | None:
    """As `new_token`, of a form that may be sent twice: then it is the same token.

    It follows from the form's id, `form`, and a secret `key` of this process. None, and nothing is made, if the form
    has made another token, or one with another key.
    """
    text = "".join(_LETTERS[byte % len(_LETTERS)] for byte in _stream(b"", form, 4 * ID_LENGTH) if byte < _FAIR)
    secret = "".join(_LETTERS[byte % len(_LETTERS)] for byte in _stream(key, form, 4 * SECRET_LENGTH) if byte < _FAIR)
    token = Token(text[:ID_LENGTH], name, role, sources, now, expires)
    made = f"tpp_{token.id}_{secret[:SECRET_LENGTH]}"
    if add_token(store, token, digest_of(made)):
        return made
    with store.read() as connection:
        found = find_token(connection, digest_of(made))
    same = found is not None and (found.name, found.role, found.sources, found.expires) == (
        name,
        role,
        sources,
        expires,
    )
    return made if same else None


def _stream(key: bytes, form: str, length: int) -> bytes:
    """Bytes that follow from a key and the id of a form."""
    return shake_256(b"token\0" + len(key).to_bytes(2) + key + form.encode()).digest(length)


def is_name(text: str) -> bool:
    """Whether it is a NAME: 1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or digit."""
    return is_of_http(f"{HTTP_SOURCES}{text}")


def is_pattern(text: str) -> bool:
    """Whether it is a URI-reference in which `*` stands for any text, of at most PATTERN_MOST characters.

    >>> is_pattern("//erp.example:*/pl"), is_pattern("*"), is_pattern("//erp example"), is_pattern("")
    (True, True, False, False)
    """
    return len(text) <= PATTERN_MOST and any(is_reference(text.replace("*", stand)) for stand in ("*", "a", "1"))


def id_in(text: str) -> str | None:
    """The id that a token names, whether or not it exists; None if the text has not the form of a token."""
    found = _FORM.fullmatch(text)
    return found and found[1]


def reason(error: Exception) -> str:
    """Why the ledger failed, for the log: without the statement, whose parameters are the digests of tokens."""
    return database_message(error) if isinstance(error, DatabaseError) else f"{type(error).__name__} {error}".strip()


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


class Tokens:
    """What the ledger knows of tokens. Used on one event loop; it reads and writes in threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[str, tuple[float, Token]] = OrderedDict()
        self._lookups: dict[str, tuple[float, asyncio.Task[Token | None]]] = {}
        self._limiters: tuple[CapacityLimiter, CapacityLimiter] | None = None
        self._uses = _Uses(store)

    def __len__(self) -> int:
        """How many tokens are kept in memory."""
        return len(self._kept)

    async def find(self, secret: str) -> Token | None:
        """The token of a secret, revoked and expired ones too; None if there is none. Raises if the ledger fails."""
        return None if id_in(secret) is None else await self._read(digest_of(secret))

    async def find_by_id(self, id: str) -> Token | None:
        """The token of an id; None if there is none. Raises if the ledger fails."""
        return await self._read(id)

    def note(self, token: Token, now: int) -> None:
        """Has it noted that a token is used, unless that is noted of this hour; nobody waits for it."""
        self._uses.note(token, now)

    async def _read(self, key: str) -> Token | None:
        """The token of a digest or, which is shorter, of an id."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < FRESH:
            return kept[1]
        running = self._lookups.get(key)
        if running is None or now - running[0] >= FRESH:
            running = (now, loop.create_task(self._look_up(key, now)))
            self._lookups[key] = running
            running[1].add_done_callback(_looked_at)
        return await asyncio.shield(running[1])

    async def _look_up(self, key: str, now: float) -> Token | None:
        if self._limiters is None:  # they belong to the loop, which runs by now
            self._limiters = CapacityLimiter(_READERS), CapacityLimiter(_READERS)
        limiter = self._limiters[key in self._kept]
        try:
            with fail_after(LOOKUP_SECONDS):
                token = await to_thread.run_sync(_found, self._store, key, limiter=limiter, abandon_on_cancel=True)
        finally:
            running = self._lookups.get(key)
            if running is not None and running[0] == now:
                del self._lookups[key]
        self._keep(key, now, token)
        return token

    def _keep(self, key: str, now: float, token: Token | None) -> None:
        """Keeps what was read of a token at a time, unless something newer is kept."""
        kept = self._kept.get(key)
        if kept is not None and kept[0] > now:
            return
        self._kept.pop(key, None)
        if token is not None:
            self._kept[key] = (now, token)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


def _found(store: Store, key: str) -> Token | None:
    with store.read() as connection:
        return (find_token_by_id if len(key) == ID_LENGTH else find_token)(connection, key)


def _looked_at(lookup: "asyncio.Task[Token | None]") -> None:
    """Looks at the failure of a lookup for which nobody waits any more; whoever does gets it too."""
    if not lookup.cancelled():
        lookup.exception()


class _Uses:
    """Notes the hour in which each token was last used, in a thread that lives while there is something to note.

    It waits for the ledger's lock in the place of requests. What is not written when the program ends is lost.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[str, int] = {}
        self._left: dict[str, int] = {}
        self._lock = Lock()
        self._writing = False

    def note(self, token: Token, now: int) -> None:
        """As `Tokens.note`."""
        hour = now // HOUR * HOUR
        if self._store.read_only or max(token.last_used or 0, self._noted.get(token.id, 0)) >= hour:
            return
        if len(self._noted) >= _KEPT:
            self._noted.clear()
        self._noted[token.id] = hour
        with self._lock:
            self._left[token.id] = hour
            if self._writing:
                return
            self._writing = True
        Thread(target=self._write, name="token-uses", daemon=True).start()

    def _write(self) -> None:
        while True:
            with self._lock:
                left, self._left = self._left, {}
                self._writing = bool(left)
            if not left:
                return
            try:
                note_use(self._store, left)
            except Exception as error:  # noqa: BLE001  whatever fails, requests go on
                log.warning("cannot note that %d tokens were used: %s", len(left), reason(error))
