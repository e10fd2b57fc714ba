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
from services.resources import software
from services.settings import _OTHERS, Settings

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "docker-compose.yml"
RUNNING = ("worker", "relay", "clock", "serve", "notify")
WITHOUT_BROKER = ("clock", "serve", "notify")
ONCE = ("migrate", "topics")
STORES = ("kafka", "postgres")
TOOL = "tpp"
OURS = (*RUNNING, *ONCE, TOOL)


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
    assert set(services) == {*OURS, *STORES}
    for name in (*RUNNING, *ONCE):
        assert services[name]["command"][0] == name
        assert name in main.commands or name == "notify"
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
        needed = ("migrate",) if name in WITHOUT_BROKER else ONCE
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
    for name in OURS:
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
    for name in OURS:
        settings = services[name]["environment"]
        assert f"://{settings['TPP_BROKER']}" in advertised
        assert settings["TPP_LEDGER_URL"].endswith("@postgres/tpp")


def test_one_service_builds_the_image_and_no_other_image_is_looked_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    images = {services[name]["image"] for name in OURS}
    assert images == {f"tpp-quota-ledger:{software()}"}
    assert [name for name in services if "build" in services[name]] == ["migrate"]
    assert services["migrate"]["pull_policy"] == "build"
    assert {services[name]["pull_policy"] for name in OURS if name != "migrate"} == {"never"}


def test_images_are_of_exact_versions_and_memory_has_a_limit(compose: dict[str, Any]) -> None:
    dockerfile = (ROOT / "ops/Dockerfile").read_text("utf-8")
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert len(set(bases)) == 1
    for image in (*bases, *(service["image"] for service in compose["services"].values())):
        assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?", image), image
    for name, service in compose["services"].items():
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name


def test_passwords_are_in_files_and_the_parts_have_that_of_the_application_alone(compose: dict[str, Any]) -> None:
    services, secrets = compose["services"], compose["secrets"]
    assert set(secrets) == {"postgres", "tpp_owner", "tpp"}
    assert all(secret["file"].startswith("${TPP_SECRETS:-./secrets}/") for secret in secrets.values())
    for name in OURS:
        role = "tpp_owner" if name == "migrate" else "tpp"
        settings = services[name]["environment"]
        assert settings["TPP_LEDGER_URL"] == f"postgresql://{role}@postgres/tpp"
        assert settings["TPP_LEDGER_PASSWORD_FILE"] == f"/run/secrets/{role}"
        assert services[name]["secrets"] == [role]
    assert set(services["postgres"]["secrets"]) == set(secrets)
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or (name.endswith("_FILE") and str(value).startswith("/run/secrets/")), name
    assert "secrets/" in (ROOT / ".gitignore").read_text("utf-8").split()


def test_the_database_is_prepared_by_the_file_that_is_tested(compose: dict[str, Any]) -> None:
    postgres = compose["services"]["postgres"]
    assert "./ops/postgres/roles.sql:/docker-entrypoint-initdb.d/roles.sql:ro" in postgres["volumes"]
    text = (ROOT / "ops/postgres/roles.sql").read_text("utf-8")
    for name in re.findall(r"\$(TPP_\w+)", text):
        assert name in postgres["environment"]
    for role in ("tpp_owner", "tpp"):
        assert re.search(rf"\\set (owner|app) {role} ", text)
    assert postgres["environment"]["POSTGRES_USER"] not in ("tpp", "tpp_owner")


def test_the_key_is_in_a_volume_that_one_service_has(compose: dict[str, Any]) -> None:
    with_keys = [
        name
        for name, service in compose["services"].items()
        if any("keys:" in one for one in service.get("volumes", ()))
    ]
    assert with_keys == [TOOL]
    tool = compose["services"][TOOL]
    folder = tool["volumes"][0].partition(":")[2]
    assert tool["environment"]["TPP_SIGNING_KEY"].startswith(f"{folder}/")
    assert tool["profiles"] == ["tools"]
    assert "keys" in compose["volumes"]
    assert f"--owner=10001 --group=10001 --mode=0700 {folder}" in (ROOT / "ops/Dockerfile").read_text("utf-8")


def test_http_is_published_on_this_machine_alone_and_notices_are_asked_for(compose: dict[str, Any]) -> None:
    serve, notify = compose["services"]["serve"], compose["services"]["notify"]
    assert serve["ports"] == ["127.0.0.1:${TPP_HTTP_PORT:-8080}:8080"]
    told = serve["environment"]
    assert (told["TPP_LISTEN"], told["TPP_INSECURE"]) == ("0.0.0.0:8080", "1")
    assert told["TPP_HOSTS"] == "${TPP_HOSTS:-localhost,127.0.0.1}"
    assert notify["profiles"] == ["notify"]
    assert notify["environment"]["TPP_NOTIFY"] == notify["volumes"][0].split(":")[1]
    assert notify["volumes"][0].endswith(":ro")
    assert "ports" not in notify


def test_what_compose_reads_may_stand_in_the_file_of_settings(compose: dict[str, Any]) -> None:
    known = {f"TPP_{name.upper()}" for name in (*Settings.model_fields, *_OTHERS)}
    assert set(re.findall(r"\$\{(TPP_\w+)", FILE.read_text("utf-8"))) <= known
    assert compose["services"]["migrate"]["build"]["args"] == {"LOCK": "${TPP_LOCK:-requirements.lock}"}


def test_no_health_check_starts_a_java_machine(compose: dict[str, Any]) -> None:
    kafka = compose["services"]["kafka"]
    assert kafka["healthcheck"]["test"] == ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9092"]
    assert "INSIDE://:9092" in kafka["environment"]["KAFKA_LISTENERS"]


def test_the_image_takes_locked_packages_and_another_user_than_root() -> None:
    text = (ROOT / "ops" / "Dockerfile").read_text("utf-8")
    build, _, final = text.partition("\nFROM ")[2].partition("\nFROM ")
    assert '--require-hashes --requirement "$LOCK"' in build
    assert "ARG LOCK=requirements.lock" in build
    assert re.findall(r"^USER (\d+)", final, re.MULTILINE) == ["10001"]
    assert 'ENTRYPOINT ["tpp"]' in final
    let_in = (ROOT / "ops" / "Dockerfile.dockerignore").read_text("utf-8").split()
    copied = [name for line in re.findall(r"^COPY ((?!--).*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    assert {"services", "requirements.lock"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in let_in, name


def test_the_image_backs_up_the_database_with_clients_of_its_version(compose: dict[str, Any]) -> None:
    """pg_dump refuses a server of a later major version. Debian 13 (trixie) has the clients of PostgreSQL 17."""
    text = (ROOT / "ops" / "Dockerfile").read_text("utf-8")
    major = compose["services"]["postgres"]["image"].partition(":")[2].partition(".")[0]
    final = text.rpartition("\nFROM ")[2]
    assert final.splitlines()[0].endswith("-trixie")
    assert re.findall(r"postgresql-client-(\d+)", final) == [major]
    assert f":/usr/lib/postgresql/{major}/bin:" in final
