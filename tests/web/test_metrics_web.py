"""The metrics of `tpp serve`: who may read them, what they count, and that Prometheus' own linter accepts them."""

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime
from pathlib import Path

import httpx
import orjson
import pytest
from brokers import quiet_port
from web_run import Served, served

from services.files import batches
from services.resources import engine

ROOT = Path(__file__).parent.parent.parent
QUICKSTART = ROOT / "examples" / "quickstart.jsonl"


def value(text: str, sample: str) -> float:
    """The value of one sample, by its name and labels as they stand; -1 where there is none."""
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else -1.0


def metrics(web: Served) -> str:
    with web.client(web.token("monitor")) as client:
        return client.get("/metrics").raise_for_status().text


def screened(url: str) -> None:
    with engine(url, None) as decides:
        decides.run([one for batch in batches([str(QUICKSTART)], lambda _: None) for one in batch])


def test_metrics_are_for_those_who_watch(web: Served) -> None:
    with web.client() as nobody:
        assert nobody.get("/metrics").status_code == 401
    for role, status in {
        "publisher": 403,
        "calendar": 403,
        "monitor": 200,
        "reviewer": 200,
        "finance": 200,
        "admin": 200,
    }.items():
        with web.client(web.token(role, role, "//x")) as client:
            answer = client.get("/metrics")
        assert answer.status_code == status, role
    assert answer.headers["content-type"].startswith("text/plain; version=")
    with web.client("tpp_unknown") as unknown:
        unknown.get("/metrics")
    told = metrics(web)
    assert value(told, 'tpp_tokens_refused_total{problem="token-missing"}') == 1
    assert value(told, 'tpp_tokens_refused_total{problem="token-unknown"}') == 1
    assert value(told, 'tpp_tokens_refused_total{problem="role-forbidden"}') == 2
    assert value(told, 'tpp_tokens_refused_total{problem="token-revoked"}') == 0
    assert value(told, 'tpp_http_requests_total{method="GET",status="403"}') == 2
    assert value(told, "tpp_http_request_duration_seconds_count") >= 8


def test_the_state_of_the_ledger_is_read_when_prometheus_asks(ledger_url: str) -> None:
    screened(ledger_url)
    with served(ledger_url) as web:
        told = metrics(web)
    assert value(told, "tpp_ledger_readable") == 1
    held = [line for line in told.splitlines() if line.startswith("tpp_hold_reasons_open{")]
    assert value(told, 'tpp_holds_open{age="30d+"}') == 1, held
    assert value(told, 'tpp_holds_open{age="0-1d"}') == 0
    assert value(told, 'tpp_hold_reasons_open{age="30d+",code="destination.denied"}') == 1
    used = {
        line: float(line.rpartition(" ")[2]) for line in told.splitlines() if line.startswith("tpp_quota_used_ratio{")
    }
    assert used[next(line for line in used if "lpp/CON-20/2025" in line)] == pytest.approx(
        26_898_568 / 26_900_000, abs=1e-6
    )
    assert list(used.values()) == sorted(used.values(), reverse=True)
    assert value(told, 'tpp_obligations_open{state="overdue"}') > 0
    ticks = [
        orjson.loads(line)["data"]["now"] for line in QUICKSTART.read_bytes().splitlines() if b"clock.ticked" in line
    ]
    assert value(told, "tpp_last_tick_timestamp_seconds") == datetime.fromisoformat(max(ticks)).timestamp()


def test_metrics_and_health_need_no_token_on_an_address_of_their_own(tmp_path: Path) -> None:
    address = f"127.0.0.1:{quiet_port()}"
    with served(f"sqlite:///{tmp_path}/l.db", env={"TPP_METRICS": address}) as web:
        told = httpx.get(f"http://{address}/metrics").raise_for_status().text
        assert httpx.get(f"http://{address}/health/ready").status_code == 200
        assert httpx.get(f"{web.url}/metrics").status_code == 401
    assert "tpp_ledger_readable 1.0" in told


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian's package prometheus)")
def test_promtool_finds_nothing_wrong_with_the_metrics(ledger_url: str) -> None:
    screened(ledger_url)
    with served(ledger_url) as web:
        told = metrics(web)
    done = subprocess.run(["promtool", "check", "metrics"], input=told, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_ledger_that_cannot_be_read_takes_no_other_metric_away(tmp_path: Path) -> None:
    file = tmp_path / "l.db"
    address = f"127.0.0.1:{quiet_port()}"
    with served(f"sqlite:///{file}", env={"TPP_METRICS": address}):
        with closing(sqlite3.connect(file)) as damaging:
            damaging.execute("ALTER TABLE shipment RENAME TO elsewhere")
        told = httpx.get(f"http://{address}/metrics", timeout=60).raise_for_status().text
    assert "tpp_ledger_readable 0.0" in told
    assert "tpp_holds_open" not in told
    assert "tpp_http_requests_total" in told
