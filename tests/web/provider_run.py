"""Identity providers on loopback: one that is not ours, and one that says whatever a test has it say."""

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
from joserfc.jwk import KeySet, RSAKey
from joserfc.jwt import encode
from waiting import PATIENCE, wait_until

CLIENT, SECRET = "tpp ledger", "s3cret/+=:"


def settings(issuer: str, **more: str) -> dict[str, str]:
    """The settings of `tpp serve` for an identity provider."""
    return {
        "TPP_OIDC_ISSUER": issuer,
        "TPP_OIDC_CLIENT_ID": CLIENT,
        "TPP_OIDC_CLIENT_SECRET": SECRET,
        "TPP_OIDC_ROLES": "tpp-admins=admin,tpp-review=reviewer,cn=x=monitor",
    } | more


@contextmanager
def mock_provider() -> Iterator[str]:
    """`oidc-provider-mock` as a process of its own; its issuer."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    issuer = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)],
        env=os.environ | {"AUTHLIB_INSECURE_TRANSPORT": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        assert process.poll() is None, "the provider ended"
        try:
            return httpx.get(f"{issuer}/.well-known/openid-configuration").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(answers)
        yield issuer
    finally:
        process.kill()
        process.wait()


def consent(location: str, person: str) -> str:
    """What the mock provider sends a browser back to, where a person consents on its page."""
    answer = httpx.post(location, data={"sub": person}, timeout=PATIENCE)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


@dataclass
class Provider:
    """An identity provider of our own: `claims` changes those of the ID token, and the other members all else."""

    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    signs: Any = None
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "one"})
    algorithms: list[str] | None = None
    claims: Callable[[dict[str, Any]], dict[str, Any]] = dict
    raw: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    asked: dict[str, str] = field(default_factory=dict)
    """What the last authorization asked for, by which tokens are made."""
    codes: set[str] = field(default_factory=set)
    authorized: list[str] = field(default_factory=list)
    """The Authorization headers of the token endpoint."""

    def authorize(self, location: str, **more: str) -> str:
        """What the browser is sent back to."""
        self.asked = dict(parse_qsl(urlsplit(location).query))
        code = f"code-{time.monotonic_ns()}"
        self.codes.add(code)
        back = {"code": code, "state": self.asked["state"]} | more
        return f"{self.asked['redirect_uri']}?{httpx.QueryParams(back)}"

    def token(self) -> str:
        """The ID token."""
        if self.raw is not None:
            return self.raw
        now = int(time.time())
        plain = {
            "iss": self.issuer, "sub": "1", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": self.asked["nonce"],
            "preferred_username": "r.osei", "groups": ["tpp-review"],
        }  # fmt: skip
        claims = {name: value for name, value in self.claims(plain).items() if value is not None}
        return encode(self.header, claims, self.signs or self.key, algorithms=self.algorithms)

    def exchange(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint, which looks at the code and at PKCE."""
        verifier = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if form["code"][0] not in self.codes or challenge != self.asked.get("code_challenge"):
            return 400, {"error": "invalid_grant"}
        self.codes.remove(form["code"][0])
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": self.token()}

    def answer(self, path: str) -> tuple[int, Any]:
        """The answer to GET."""
        if path == "/.well-known/openid-configuration":
            plain = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
            }
            return 200, plain | self.metadata
        if path == "/jwks":
            return 200, KeySet([self.key]).as_dict(private=False)
        return (200, self.userinfo) if path == "/userinfo" and self.userinfo is not None else (404, {})


@contextmanager
def own_provider() -> Iterator[Provider]:
    """A running provider of our own."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*provider.answer(self.path))

        def do_POST(self) -> None:
            provider.authorized.append(self.headers.get("Authorization", ""))
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._send(*provider.exchange(form))

        def _send(self, status: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
