"""One version of the program, one set of bytes: the answers to the examples, beside the version that gives them.

`tpp audit verify` decides records anew where book and version are its own. Under the same version it would call a good
ledger bad for a sentence that was changed. After a change of bytes: raise `version` in pyproject.toml, install, and

    python -P tests/test_version.py > tests/version.toml
"""

import gzip
import tomllib
from hashlib import sha256
from pathlib import Path

from ledger.database.store import Store
from ledger.journal import Ledger
from rulebook import load
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "tests" / "version.toml"
EXAMPLES = ("quickstart.jsonl", "gpu-clusters.jsonl.gz")


def digest(example: str) -> str:
    """The SHA-256 of all answers to an example, in order, each with its line's end."""
    raw = (ROOT / "examples" / example).read_bytes()
    lines = (gzip.decompress(raw) if example.endswith(".gz") else raw).splitlines()
    store = Store(":memory:")
    store.open()
    records = [Message(line, {"file": example, "line": number}) for number, line in enumerate(lines, 1) if line]
    answers = Engine(Ledger(store), load("ai-diffusion"), lambda: 0, software()).run(records)
    store.close()
    return sha256("".join(f"{text}\n" for texts in answers for text in texts).encode()).hexdigest()


def test_the_bytes_of_a_version_never_change() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert software() == version, "The installed program is of another version: install it anew with `make`."
    kept = tomllib.loads(KEPT.read_text("utf-8"))
    renew = "renew the digests with `python -P tests/test_version.py > tests/version.toml`."
    assert kept["version"] == version, f"The version is {version} and the digests are of {kept['version']}: {renew}"
    changed = [example for example in EXAMPLES if kept["answers"][example] != digest(example)]
    assert not changed, (
        f"The answers to {' and '.join(changed)} changed, and the version is still {version}: "
        f"raise `version` in pyproject.toml, install, and {renew}"
    )


if __name__ == "__main__":
    print(f'version = "{software()}"\n\n[answers]')
    for name in EXAMPLES:
        print(f'"{name}" = "{digest(name)}"')
