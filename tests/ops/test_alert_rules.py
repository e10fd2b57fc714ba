"""The alert rules and the dashboard: each rule has its section and its cases, and every metric is exported by a part."""

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from brokers import quiet_port
from prometheus_client import generate_latest
from waiting import PATIENCE, wait_until

from services.telemetry.health import Health
from services.telemetry.metrics import RelayMetrics, StreamMetrics
from services.telemetry.notices import NoticeMetrics

ROOT = Path(__file__).parent.parent.parent
PROMETHEUS = ROOT / "ops" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"] for rule in group["rules"]
]
TESTS: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text())["tests"]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "ops" / "grafana" / "dashboard.json").read_text("utf-8"))
RUNBOOK, METRICS = ((ROOT / "docs" / "operate" / name).read_text("utf-8") for name in ("runbook.md", "metrics.md"))
NAME = re.compile(r"\b(?:tpp_[a-z_]+|process_[a-z_]+)\b")
SUFFIXES = ("_bucket", "_sum", "_count")
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian's package prometheus)"
)


@contextmanager
def part(ledger: str, name: str, log: Path) -> Iterator[str]:
    """A running part, as `tpp up` starts it; yields the address of its metrics."""
    address = f"127.0.0.1:{quiet_port()}"
    settings = {"TPP_METRICS": address, "TPP_LEDGER_URL": ledger, "TPP_LISTEN": f"127.0.0.1:{quiet_port()}"}
    command = [sys.executable, "-m", "services.cli", name]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=settings, stdin=subprocess.PIPE, stderr=errors)
    try:
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        if process.stdin is not None:
            process.stdin.close()


def told(address: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def families(exposition: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+) ", exposition, re.MULTILINE))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The metrics that running parts export, and those that need a broker or a receiver, of the classes that those parts use."""
    folder = tmp_path_factory.mktemp("exported")
    ledger = f"sqlite:///{folder}/l.db"
    found: set[str] = set()
    with part(ledger, "clock", folder / "clock.log") as clock, part(ledger, "serve", folder / "serve.log") as serve:
        wait_until(lambda: "tpp_events_total{" in told(clock), (folder / "clock.log").read_text)
        wait_until(lambda: "tpp_last_tick_timestamp_seconds" in told(serve), (folder / "serve.log").read_text)
        found = families(told(clock)) | families(told(serve))
    worker, relay, notify = Health("worker"), Health("relay"), Health("notify")
    StreamMetrics(worker), RelayMetrics(relay), NoticeMetrics(notify.registry)
    return found.union(*(families(generate_latest(one.registry).decode()) for one in (worker, relay, notify)))


def names(expression: str) -> set[str]:
    """The families that an expression reads."""
    found = set()
    for name in NAME.findall(expression):
        suffix = next((one for one in SUFFIXES if name.endswith(one)), "")
        found.add(name.removesuffix(suffix))
    return found


def panels() -> list[dict[str, Any]]:
    return list(DASHBOARD["panels"])


def expressions() -> dict[str, str]:
    found = {rule["alert"]: rule["expr"] for rule in RULES}
    for panel in panels():
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_a_rule_has_its_section_and_two_cases(rule: dict[str, Any]) -> None:
    name = rule["alert"]
    assert rule["annotations"]["runbook_url"] == f"docs/operate/runbook.md#{name.lower()}"
    assert re.search(rf"^## {name}$", RUNBOOK, re.MULTILINE)
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    fires = [
        [bool(check["exp_alerts"]) for check in test["alert_rule_test"] if check["alertname"] == name] for test in TESTS
    ]
    assert sorted(one for some in fires for one in some) == [False, True]


def test_the_runbook_has_no_section_of_a_rule_that_is_gone() -> None:
    assert re.findall(r"^## (\S+)$", RUNBOOK, re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_every_metric_of_a_rule_or_a_panel_is_exported_and_documented(exported: set[str]) -> None:
    for where, expression in expressions().items():
        assert names(expression) <= exported, where
        assert names(expression) or "up{" in expression, where
    mine = {name for name in exported if name.startswith("tpp_")}
    documented = {name.partition("{")[0] for name in re.findall(r"^\| `(tpp_[^`]+)`", METRICS, re.MULTILINE)}
    assert mine == documented
    assert mine <= {name for expression in expressions().values() for name in names(expression)} | UNSEEN


UNSEEN: set[str] = set()
"""Metrics that neither a rule nor a panel shows."""


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(places) == len(set(places))
    for panel in panels():
        assert panel["title"] and panel["description"], panel["id"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["datasource"]
    assert set(DASHBOARD) >= {"title", "uid", "schemaVersion", "panels", "time"}


@needs_promtool
def test_promtool_accepts_the_rules_and_they_do_what_their_cases_say() -> None:
    for words in (["check", "rules", "--lint-fatal", "rules.yml"], ["test", "rules", "rules_test.yml"]):
        done = subprocess.run(["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("where", expressions())
def test_every_expression_can_be_parsed(where: str, tmp_path: Path) -> None:
    expression = expressions()[where].replace("$__rate_interval", "5m")
    rule = {"groups": [{"name": "one", "rules": [{"record": "one", "expr": expression}]}]}
    (tmp_path / "one.yml").write_text(json.dumps(rule))
    done = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "one.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
