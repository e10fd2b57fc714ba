"""Ledgers that are proven, and ways to ask them."""

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import proof_pack
import pytest
from click.testing import CliRunner, Result
from proof_audit import Copies, url_of, whole
from proof_cli import Audit
from proof_ledger import KEY, STORY, build, opened, sign_all
from proof_made import Made, Tpp, canonical, leaves_of

from services.cli.commands import main
from services.proof import verifier as verify


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Verifies the folder of a made-up pack within this process: exit status and output; a signature is computed once."""
    monkeypatch.setattr(verify, "ed25519", lru_cache(verify.ed25519))

    def run(folder: Path, key: str = proof_pack.KEY.public) -> tuple[int, str]:
        monkeypatch.chdir(folder)
        status = verify.main([key])
        return status, capsys.readouterr().out

    return run


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    url, key = f"sqlite:///{folder / 'ledger.db'}", folder / "key"
    key.write_text(KEY.secret() + "\n")
    key.chmod(0o600)
    build(url, STORY[:60])
    (folder / "old").write_bytes(sign_all(url))
    build(url, STORY)
    sign_all(url)
    leaves, decided = leaves_of(url)
    return Made(url, key, leaves, [canonical(leaf) for leaf in leaves], folder / "old", decided)


@pytest.fixture
def tpp(made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tpp:
    """Runs a command of `tpp audit` on the ledger, in a folder of its own."""
    monkeypatch.setenv("TPP_SIGNING_KEY", str(made.key))
    monkeypatch.delenv("TPP_ORIGIN", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        done = CliRunner().invoke(main, ["audit", *words, "--ledger", made.url])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


@pytest.fixture(scope="session")
def whole_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story, with checkpoints at two sizes."""
    file = tmp_path_factory.mktemp("made") / "ledger.db"
    build(url_of(file), STORY[:60])
    sign_all(url_of(file))
    build(url_of(file), STORY)
    sign_all(url_of(file))
    return whole(file)


@pytest.fixture
def ledger(whole_ledger: Path, tmp_path: Path) -> Iterator[Copies]:
    with opened(url_of(tmp_path / "copy.db")) as store:
        yield Copies(whole_ledger, tmp_path / "copy.db", store)


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    for name in [name for name in os.environ if name.startswith("TPP_")]:
        monkeypatch.delenv(name)
    made = Audit(tmp_path)
    monkeypatch.setenv("TPP_SIGNING_KEY", str(made.key))
    monkeypatch.chdir(tmp_path)
    build(made.url, STORY[:40])
    return made
