"""The wheel has all that runs: installed alone in a folder, away from the checkout, it migrates, screens and packs."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ("schemas", "rulebook", "ledger", "services", "pyproject.toml", "README.md", "LICENSE", "NOTICE")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input"]
SHIPMENT = "SHP-0002"


def run(folder: Path, *command: object, **settings: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TPP_", "PYTHON", "PIP_"))}
    done = subprocess.run(
        [str(one) for one in command], env=plain | settings, cwd=folder, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: what an earlier build left in the checkout is not in it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source, target = ROOT / name, folder / "src" / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    command = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, folder / "src"]
    assert run(folder, *command).returncode == 0
    (made,) = folder.glob("*.whl")
    return made


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    packages = [folder for folder in SOURCES if (ROOT / folder).is_dir()]
    tracked = subprocess.run(["git", "ls-files", *packages], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(tracked.stdout.split()) <= set(zipfile.ZipFile(wheel).namelist())


def test_what_is_installed_migrates_screens_and_packs(wheel: Path, tmp_path: Path) -> None:
    site, folder = tmp_path / "site", tmp_path / "folder"
    folder.mkdir()
    assert run(folder, *PIP, "install", "--no-deps", "--no-index", "--target", site, wheel).returncode == 0
    asked = run(folder, sys.executable, "-c", "import services; print(services.__file__)", PYTHONPATH=str(site))
    assert asked.stdout.startswith(str(site))
    url, key = f"sqlite:///{folder / 'ledger.db'}", str(folder / "key")

    def tpp(*words: object, code: int = 0) -> str:
        done = run(folder, site / "bin" / "tpp", *words, "--ledger", url, PYTHONPATH=str(site), TPP_SIGNING_KEY=key)
        assert done.returncode == code, done.stderr
        return done.stdout

    assert tpp("migrate").startswith("created the ledger")
    assert len(tpp("screen", ROOT / "examples/quickstart.jsonl", code=1).splitlines()) > 20
    assert tpp("audit", "verify").startswith("verified: ")
    assert tpp("explain", SHIPMENT, "--short", "--format", "html").startswith("<!DOCTYPE html>")
    assert tpp("audit", "export", SHIPMENT, "--out", folder / "pack").startswith(
        f"wrote {folder / 'pack'}: 1 shipment, "
    )
    key_line = tpp("audit", "key").strip()
    run(folder, site / "bin" / "tpp", "audit", "verifier", "--out", "verify.py", PYTHONPATH=str(site))
    checked = run(folder, site / "bin" / "tpp", "audit", "check-pack", "pack", "--key", key_line, PYTHONPATH=str(site))
    assert checked.stdout.startswith("valid: ")
    checked = subprocess.run(
        [sys.executable, "-I", "verify.py", key_line, "pack"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout.startswith("valid: ")) == (0, True), checked.stdout
