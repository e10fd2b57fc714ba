"""The container files: what compose says of them where it is there, and what must hold of every service."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from services.cli.commands import main
from services.kafka.local_broker import KAFKA

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "docker-compose.yml"
RUNNING = ("worker", "relay", "clock")
ONCE = ("migrate", "topics")
STORES = ("kafka", "postgres")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    try:
        import yaml
    except ImportError:
        message = "no YAML reader: install pyyaml"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    read: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return read


def _compose_command() -> list[str] | None:
    docker = shutil.which("docker")
    if docker is None:
        return None
    answer = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    return [docker, "compose"] if answer.returncode == 0 else None


@pytest.mark.skipif(_compose_command() is None, reason="docker compose is not installed")
def test_compose_finds_nothing_wrong() -> None:
    command = [*(_compose_command() or []), "--file", str(FILE), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_system_is_whole(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {*RUNNING, *ONCE, *STORES}
    for name in (*RUNNING, *ONCE):
        assert services[name]["command"][0] == name
        assert name in main.commands
    assert services["worker"]["deploy"]["replicas"] == 2
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)


def test_what_runs_is_watched_kept_up_and_waits_for_what_it_needs(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name in (*RUNNING, *STORES):
        assert services[name]["restart"] == "unless-stopped", name
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
        assert int(services[name]["stop_grace_period"].removesuffix("s")) >= 30, name
    for name in RUNNING:
        needed = ("migrate",) if name == "clock" else ONCE
        assert services[name]["depends_on"] == {one: {"condition": "service_completed_successfully"} for one in needed}
        assert "/health/ready" in services[name]["healthcheck"]["test"][-1]
        assert (
            services[name]["environment"]["TPP_METRICS"].rpartition(":")[2] in services[name]["healthcheck"]["test"][-1]
        )
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}


def test_nothing_runs_as_root_and_data_outlives_the_containers(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not any(not port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        if name != "kafka":  # its image has a user of its own
            assert service["user"] not in ("root", "0", "0:0"), name
    for name in (*RUNNING, *ONCE):
        assert services[name]["read_only"] is True
    for name in STORES:
        volume, _, path = services[name]["volumes"][0].partition(":")
        assert volume in compose["volumes"]
        assert path.startswith("/var/lib/")
    assert services["kafka"]["environment"]["KAFKA_LOG_DIRS"] == services["kafka"]["volumes"][0].partition(":")[2]


def test_every_part_reaches_the_stores_and_the_broker_is_the_one_that_is_tested(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["kafka"]["image"] == f"apache/kafka:{KAFKA}"
    advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    for name in (*RUNNING, *ONCE):
        settings = services[name]["environment"]
        assert f"://{settings['TPP_BROKER']}" in advertised
        assert settings["TPP_LEDGER_URL"].endswith("@postgres/tpp")
    password = services["postgres"]["environment"]["POSTGRES_PASSWORD"]
    assert f":{password}@" in services["worker"]["environment"]["TPP_LEDGER_URL"]


def test_the_image_takes_locked_packages_and_another_user_than_root() -> None:
    text = (ROOT / "ops" / "Dockerfile").read_text("utf-8")
    build, _, final = text.partition("\nFROM ")[2].partition("\nFROM ")
    assert "--require-hashes --requirement requirements.lock" in build
    assert re.findall(r"^USER (\d+)", final, re.MULTILINE) == ["10001"]
    assert 'ENTRYPOINT ["tpp"]' in final
    let_in = (ROOT / "ops" / "Dockerfile.dockerignore").read_text("utf-8").split()
    copied = [name for line in re.findall(r"^COPY ((?!--).*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    assert {"services", "requirements.lock"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in let_in, name
