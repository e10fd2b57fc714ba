"""`python -m schemas.generate` writes the files; with `--check` it only names stale ones, and then exits with 1."""

import argparse
import sys
from pathlib import Path

from schemas.generate.files import ROOT, stale


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Writes or checks the published files under `root`; 1 where a check finds a stale one."""
    parser = argparse.ArgumentParser(
        prog="python -m schemas.generate",
        description="Writes the schemas and the contract's tables from the models.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; name the stale files and exit with 1")
    check: bool = parser.parse_args(arguments).check
    old = stale(root)
    for path, text in old.items():
        if check:
            sys.stderr.write(f"stale: {path}\n")
        elif text is None:
            (root / path).unlink()
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, "utf-8")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
