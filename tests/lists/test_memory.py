"""Clearings and registered parties, in flows of `memory/*.toml`: what is given out, on both databases, and its proof."""

import tomllib
from pathlib import Path

import pytest
from memory_run import Listed

FLOWS = sorted((Path(__file__).parent / "memory").glob("*.toml"))


@pytest.mark.parametrize("path", FLOWS, ids=[path.stem for path in FLOWS])
def test_flow(path: Path, databases) -> None:
    steps = tomllib.loads(path.read_text("utf-8"))["step"]
    urls = [databases.ledger() for _ in range(2)]
    with Listed(urls[0]) as listed:
        said = listed.run(steps)
        rows = listed.rows("clearing", "list, entry, party")
        assert listed.verified() == []
    wanted = [step["gives"] for step in steps]
    wrong = [
        f"step {number} ({step['do']}): expected {step['gives']}, got {got}"
        for number, (step, got) in enumerate(zip(steps, said, strict=True), 1)
        if step["gives"] != got
    ]
    assert not wrong, "\n".join(wrong)
    with Listed(urls[1]) as listed:
        assert listed.run(steps, at_once=True) == wanted, "one event a transaction or all in one"
        assert listed.rows("clearing", "list, entry, party") == rows
    for url in urls:
        databases.drop(url)
