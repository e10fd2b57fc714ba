"""`tpp`, run in a folder of its own."""

import shutil
from pathlib import Path

import pytest
from cli_events import dispatch, event, lines, request
from cli_run import Tpp, inside, runner

LICENSE = {"number": "L-1", "consignee": "CON-9", "country": "IN", "tpp": 500_000}


@pytest.fixture
def tpp(tmp_path: Path) -> Tpp:
    """Runs `tpp` in the test's folder."""
    return inside(tmp_path)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger: SHP-1 left, SHP-2 pending, SHP-3 held for want of quota; a licence to India."""
    folder = tmp_path_factory.mktemp("made")
    text = lines(
        request("SHP-1"),
        dispatch("SHP-1"),
        request("SHP-2", 1_000, time="2025-06-10T08:00:00Z"),
        request("SHP-3", 1_000, time="2025-06-11T08:00:00+02:00"),
        event("lic-1", "license.issued", LICENSE, "2025-06-12T08:00:00Z"),
    )
    assert runner(folder)("screen", "-", stdin=text).returncode == 0
    return folder / "tpp-ledger.db"


@pytest.fixture
def filled(tpp: Tpp, made: Path, tmp_path: Path) -> Tpp:
    """Runs `tpp` in a folder with a copy of that ledger."""
    shutil.copy(made, tmp_path)
    return tpp
