"""Sends an event to a webhook, signed as Standard Webhooks has it, to an address that was checked."""

import asyncio
import base64
import hashlib
import hmac
import ssl
import time
from functools import cache
from typing import NamedTuple

import httpx

from services.notify.addresses import Refused, Resolver, Unresolved, check_public, resolve, system_resolver
from services.notify.urls import Target
from services.visible import visible

ANSWER_SECONDS = 10.0
"""How long a receiver has for its whole answer, from the question for its address on."""

ANSWER_BYTES = 64 * 1024
"""How much of an answer's body is read; what it says is in its status."""

GONE = 410
MEDIA_TYPE = "application/cloudevents+json"


class Outcome(NamedTuple):
    """How a try ended: whether the event was taken, else why not, and whether the receiver wants nothing any more."""

    taken: bool
    why: str = ""
    gone: bool = False


def signature(secret: bytes, id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: HMAC-SHA256 over id, timestamp and body (standardwebhooks.com, version 1).

    >>> signature(bytes(24), "msg_1", 1614265330, b"{}")
    'v1,KjWN5L5x6y1lp3CphFWClw/q3O3AYG1gVKXPjP7QxK4='
    """
    signed = hmac.new(secret, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def headers(secret: bytes, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of an event; the id is the event's, the same at each try."""
    return {
        "Content-Type": MEDIA_TYPE,
        "User-Agent": "tpp-quota-ledger",
        "Accept-Encoding": "identity",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, id, timestamp, body),
    }


@cache
def trusted() -> ssl.SSLContext:
    """Whom TLS trusts: the certificate authorities of SSL_CERT_FILE or SSL_CERT_DIR, else the usual ones."""
    return httpx.create_ssl_context()


class Webhook:
    """A webhook: where it is, and with which key what it gets is signed."""

    def __init__(
        self,
        target: Target,
        secret: bytes,
        *,
        allow_private: bool,
        resolver: Resolver = system_resolver,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._target = target
        self._secret = secret
        self._allow_private = allow_private
        self._resolver = resolver
        self._seconds = seconds

    def send(self, id: str, body: bytes, now: int) -> Outcome:
        """Sends an event at an instant, in microseconds; it is taken if the whole answer comes in time and is a 2xx."""
        end = time.monotonic() + self._seconds
        try:
            addresses = resolve(self._target.host, self._target.port, self._seconds, self._resolver)
            if not self._allow_private:
                check_public(self._target.host, addresses)
            status = asyncio.run(self._post(addresses, headers(self._secret, id, now // 1_000_000, body), body, end))
        except (Refused, Unresolved) as error:
            return Outcome(False, str(error))
        except TimeoutError:
            return Outcome(False, f"no answer within {self._seconds:g} seconds")
        except (httpx.HTTPError, OSError) as error:
            return Outcome(False, _reason(error))
        return Outcome(200 <= status < 300, f"answered {status}", status == GONE)

    async def _post(self, addresses: list[str], headers: dict[str, str], body: bytes, end: float) -> int:
        """The status of the answer at the first address that can be connected to; raises TimeoutError after `end`."""
        fields = {"Host": self._target.authority, **headers}
        context: ssl.SSLContext | bool = trusted() if self._target.scheme == "https" else False
        async with (
            asyncio.timeout(end - time.monotonic()),
            httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False) as client,
        ):
            for number, address in enumerate(addresses, 1):
                share = (end - time.monotonic()) / (len(addresses) - number + 1)
                request = client.build_request(
                    "POST",
                    self._target.at(address),
                    headers=fields,
                    content=body,
                    timeout=httpx.Timeout(None, connect=share),
                    extensions={"sni_hostname": self._target.host.rstrip(".")},
                )
                try:
                    return await _status(client, request)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    if number == len(addresses):
                        raise
        raise TimeoutError


async def _status(client: httpx.AsyncClient, request: httpx.Request) -> int:
    """The status of an answer, once its body has ended or ANSWER_BYTES of it were read."""
    answer = await client.send(request, stream=True)
    try:
        size = 0
        async for part in answer.aiter_raw():
            size += len(part)
            if size > ANSWER_BYTES:
                break
        return answer.status_code
    finally:
        await answer.aclose()


def _reason(error: Exception) -> str:
    """What to say of a failure: nothing that may hold a part of the URL but its host."""
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, httpx.ConnectError):
        cause = str(error)
        if "CERTIFICATE_VERIFY_FAILED" in cause or "certificate verify failed" in cause:
            return f"its certificate is not valid: {visible(cause.rpartition('verify failed: ')[2])}"
        return "no TLS connection" if "SSL" in cause else "no connection"
    if isinstance(error, httpx.RemoteProtocolError):
        return "its answer was cut off or is not HTTP"
    return f"the connection failed ({type(error).__name__})"
