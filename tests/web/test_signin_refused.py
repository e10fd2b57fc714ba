"""Refused sign-ins: each is counted, and no log has a link, a token or a session."""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from signin_run import SAME, browser, link
from web_run import Served, served

from ledger.database.store import Store
from ledger.doors.tokens import revoke_token
from services.resources import wall_clock
from services.web.connection.edge import Edge
from services.web.connection.parser import Limits
from services.web.pages.sessions import LINK_SECONDS
from services.web.problems import REFUSED
from services.web.state import shown_path

SECRET = "JzfQ_ZX-kXPmaDs7cx7V9r9eSI4DpT"


@pytest.fixture
def web(ledger_url: str) -> Iterator[Served]:
    with served(ledger_url) as running:
        yield running


def counts(web: Served) -> dict[str, int]:
    """How often the server says that it refused a token, by problem."""
    with web.client(web.token("monitor")) as client:
        families = text_string_to_metric_families(client.get("/metrics").text)
        found = next(family for family in families if family.name == "tpp_tokens_refused")
    return {one.labels["problem"]: int(one.value) for one in found.samples if one.name.endswith("_total")}


def test_each_refused_sign_in_is_counted_and_none_is_told(web: Served) -> None:
    before = counts(web)
    assert {kind.slug for kind in REFUSED} | {"link-unknown", "link-spent", "provider-refused"} == set(before)
    now = wall_clock()
    unknown, expired, revoked = f"tpp_{'a' * 12}_{'b' * 40}", web.token("admin", expires=now - 1), web.token("admin")
    store = Store(web.ledger)
    revoke_token(store, revoked.split("_")[1], now)
    store.close()
    spent, old = link(web), link(web, now=now - (LINK_SECONDS + 1) * 1_000_000)
    with browser(web) as client:
        for token in (unknown, expired, revoked, web.token("calendar")):
            assert client.post("/sign-in", data={"token": token}, headers=SAME).status_code in (401, 403)
        codes = [client.post(path, headers=SAME).status_code for path in (spent, spent, old, f"/link/{SECRET}")]
    assert codes == [303, 410, 410, 404]
    after = counts(web)
    once = ("token-unknown", "token-expired", "token-revoked", "role-forbidden", "link-unknown")
    assert {name: after[name] - before[name] for name in after if after[name] > before[name]} == {
        **dict.fromkeys(once, 1), "link-spent": 2,
    }  # fmt: skip
    assert web.stop() == 0
    told = "".join(line for line in web.lines if "no token exists yet" not in line)
    secrets = [unknown, expired, revoked, spent.removeprefix("/link/"), old.removeprefix("/link/"), SECRET]
    assert not [secret for secret in secrets if secret in told]


@pytest.mark.parametrize("path", [f"/link/{SECRET}", f"http://127.0.0.1/link/{SECRET}"])
@pytest.mark.parametrize("failure", [ValueError, asyncio.CancelledError])
def test_a_failure_is_logged_without_the_secret_of_a_link(
    path: str, failure: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*_: Any) -> None:
        raise failure

    async def ignore(_: Any) -> None:
        return

    async def nothing() -> Any:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "state": {}}
    caplog.set_level(logging.DEBUG)
    asyncio.run(Edge(fails, {"127.0.0.1"}, Limits())(scope | {"headers": [(b"host", b"127.0.0.1")]}, nothing, ignore))
    assert "POST" in caplog.text
    assert SECRET not in caplog.text


def test_what_a_log_may_have_of_a_path() -> None:
    assert shown_path({"path": f"/v1/tpp_{'a' * 12}_{'b' * 40}/x"}) == f"/v1/tpp_{'a' * 12}_…/x"
    assert shown_path({"path": f"/LINK/{SECRET}\n"}) == "/LINK/…"
    assert len(shown_path({"path": "/a" * 5_000})) == 200
    assert "\x1b" not in shown_path({"path": "/\x1b[2J"})


WITHOUT = "import sys; sys.modules['authlib'] = None; from services.cli.commands import main; main()"


def test_without_the_extra_the_page_works_and_a_provider_is_refused(tmp_path: Path) -> None:
    program, ledger = (sys.executable, "-c", WITHOUT, "serve"), f"sqlite:///{tmp_path}/l.db"
    with served(ledger, program=program) as web, browser(web) as client:
        assert client.post(link(web), headers=SAME).status_code == 303
        assert client.get("/sign-in/oidc").status_code == 404
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    words = [*program, "--listen", "127.0.0.1:0", "--ledger", ledger]
    env = plain | {"TPP_OIDC_ISSUER": "https://login.example"}
    done = subprocess.run(words, env=env, capture_output=True, check=False, text=True)
    said = "Error: TPP_OIDC_ISSUER needs the extra `oidc`: pip install 'tpp-quota-ledger[oidc]'\n"
    assert (done.returncode, done.stderr) == (2, said)
