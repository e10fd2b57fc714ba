"""A worker whose file of TPP_SOURCES is not one does not start."""

from pathlib import Path

from cli_run import runner

from services.kafka.sources import topic_sources


def test_a_file_that_cannot_be_read_ends_the_worker(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"# \xe9")
    for name, said in (("none.toml", "cannot be read"), ("latin", "is not TOML"), (".", "cannot be read")):
        env = {"TPP_SOURCES": name, "TPP_BROKER": "127.0.0.1:1"}
        done = runner(tmp_path)("worker", "--ledger", "sqlite:///l.db", env=env)
        assert (done.returncode, done.stdout) == (2, b"")
        told = done.stderr.decode()
        assert told.startswith(f"Error: TPP_SOURCES {name} ")
        assert said in told
        assert told.count("\n") == 1
    assert not (tmp_path / "l.db").exists()
    assert topic_sources(None) is None
