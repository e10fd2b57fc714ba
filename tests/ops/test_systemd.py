"""The systemd units: systemd finds nothing wrong with them, and each part may do no more than it needs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.commands import main
from services.settings import Settings

ROOT = Path(__file__).parent.parent.parent
UNITS = sorted((ROOT / "ops" / "systemd").glob("*.service"))
PARTS = {"tpp-serve", "tpp-worker@", "tpp-relay", "tpp-clock", "tpp-notify"}
HARDENED = {
    "User=tpp", "NoNewPrivileges=true", "CapabilityBoundingSet=", "AmbientCapabilities=", "ProtectSystem=strict",
    "ProtectHome=true", "PrivateTmp=true", "PrivateDevices=true", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=true", "RestrictSUIDSGID=true", "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources", "LockPersonality=true",
    "MemoryDenyWriteExecute=true", "UMask=0077", "StateDirectory=tpp", "WorkingDirectory=/var/lib/tpp",
    "Restart=always", "EnvironmentFile=/etc/tpp/tpp.env", "WantedBy=multi-user.target",
}  # fmt: skip
MOST_EXPOSED = 2.0
"""The level of `systemd-analyze security`, of 10, that a unit may have."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
every_unit = pytest.mark.parametrize("unit", UNITS, ids=[unit.stem for unit in UNITS])


def test_there_is_a_unit_for_each_part() -> None:
    assert {unit.stem for unit in UNITS} == PARTS


@every_unit
def test_a_unit_runs_its_part_and_may_do_no_more_than_it_needs(unit: Path) -> None:
    lines = unit.read_text("utf-8").splitlines()
    assert HARDENED - set(lines) == set()
    part = unit.stem.removeprefix("tpp-").removesuffix("@")
    assert f"ExecStart=/opt/tpp/bin/tpp {part}" in lines
    assert part in main.commands or part == "notify"
    [seconds] = [int(line.partition("=")[2]) for line in lines if line.startswith("TimeoutStopSec=")]
    assert seconds > 10, "tpp serve may take 10 s to answer what it has taken"
    named = re.findall(r"^Environment=(\w+)=", unit.read_text("utf-8"), re.MULTILINE)
    assert {name.removeprefix("TPP_").lower() for name in named} <= set(Settings.model_fields)


def test_no_two_units_serve_their_metrics_at_one_port() -> None:
    ports = [re.findall(r"TPP_METRICS=127\.0\.0\.1:(\S+)", unit.read_text("utf-8")) for unit in UNITS]
    found = [port for some in ports for port in some]
    assert len(found) == len(set(found)) == len(UNITS)
    assert [port for port in found if "%" in port] == ["911%i"]
    assert not any(port.startswith("911") and port != "911%i" for port in found)


@needs_systemd
@every_unit
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    """With the `tpp` of this environment in the place of the installed one, which need not be there."""
    name = unit.name.replace("@", "@1")
    here = tmp_path / name
    here.write_text(unit.read_text("utf-8").replace("/opt/tpp/bin/tpp", str(Path(sys.executable).with_name("tpp"))))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True, check=False)
    mine = [line for line in (done.stdout + done.stderr).splitlines() if name in line or str(here) in line]
    assert (done.returncode, mine) == (0, [])


@needs_systemd
@every_unit
def test_systemd_finds_little_that_a_unit_could_still_do(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    level = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout)
    if level is None:
        pytest.skip(f"systemd-analyze security cannot read units from files here: {done.stderr}")
    assert float(level[1]) <= MOST_EXPOSED, done.stdout
