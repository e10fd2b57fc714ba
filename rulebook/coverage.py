"""What the book does with each paragraph of the rule, as a page: `python -m rulebook.coverage [--check]`."""

import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from rulebook.books.ai_diffusion import CONTENTS
from rulebook.law.provisions import Provision, all_provisions
from rulebook.law.values import Values

PAGE = Path(__file__).parent.parent / "docs" / "coverage.md"
HEAD = """# Coverage

What the rulebook `{name}` does with each paragraph of 90 FR 4544 that is law, in the rule's order. The book writes this
page (`python -m rulebook.coverage`), and `make check` compares the two.

| how | means |
|---|---|
| decided | a row of the [decision guide](law/decision-guide.md) can hold or carry a shipment by it |
| duty only | it gives an obligation, and holds nothing |
| finding only | a finding names it, and nothing follows |
| not modelled | no decision rests on it |

Every decision says in a finding that it rests on nothing that is not modelled. Besides the paragraphs below these are:
{left}. The numbers in brackets are those of the paragraphs in the rule's order.
"""
_TABLE = "\n| paragraph | text | what it says | how | by |\n|---|---|---|---|---|\n"
_BEYOND = """
## Beyond the rule

Rows and obligations that rest on other law or on a rule of the house.

| row or obligation | citation | what it says |
|---|---|---|
"""
_TOTALS = "\n## In numbers\n\n| how | paragraphs |\n|---|---|\n"


def entries() -> list[dict[str, Any]]:
    """The paragraphs of the rule, in order, each with the rows, obligations and values that go with it."""
    text = resources.files("rulebook").joinpath("data", "coverage.toml").read_text("utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["paragraphs"]
    return found


def rows() -> dict[str, Provision]:
    """Every row of the guide with its provision in the latest version, by section."""
    return {one.row: one for one in sorted(all_provisions(), key=lambda one: one.test.__module__)}


def how(entry: Mapping[str, Any], known: Mapping[str, Provision]) -> str:
    """Whether a paragraph is decided, gives a duty or a finding only, or is not modelled."""
    notes = {gate.provision.row for gate in (*CONTENTS.before, *CONTENTS.gates) if gate.effect == "note"}
    tried = [row for row in entry.get("rows", []) if row in known]
    if any(row not in notes and not row.endswith(" note") for row in tried):
        return "decided"
    if entry.get("notices"):
        return "duty only"
    return "finding only" if tried else "not modelled"


def unknown(listed: Iterable[Mapping[str, Any]], values: Values) -> list[str]:
    """Names in the table of paragraphs that the book does not have."""
    known, tables = rows(), values.tables
    valued = {name for kind in ("amounts", "decimals", "groups", "eccn", "rules") for name in tables[kind]}
    return sorted(
        {row for entry in listed for row in entry.get("rows", []) if row not in known}
        | {name for entry in listed for name in entry.get("notices", []) if name not in tables["notices"]}
        | {name for entry in listed for name in entry.get("values", []) if name not in valued}
    )


def page() -> str:
    """The whole page; LookupError where the table of paragraphs names what the book does not have."""
    values, listed, known = Values(CONTENTS.values, {}), entries(), rows()
    if wrong := unknown(listed, values):
        raise LookupError(f"rulebook/data/coverage.toml names what the book does not have: {', '.join(wrong)}")
    left = "; ".join(values.tables["not_modelled"]["names"])
    text = HEAD.format(name=values.name, left=left) + _TABLE
    counts: dict[str, int] = dict.fromkeys(("decided", "duty only", "finding only", "not modelled"), 0)
    for entry in listed:
        kind = how(entry, known)
        counts[kind] += 1
        named = [*entry.get("rows", []), *entry.get("notices", []), *entry.get("values", [])]
        by = "; ".join(part for part in (", ".join(f"`{name}`" for name in named), entry.get("why", "")) if part)
        text += f"| {entry['cite']} | [{entry['text']}] | {entry['says']} | {kind} | {by or '–'} |\n"
    text += _BEYOND
    used = {name for entry in listed for name in (*entry.get("rows", []), *entry.get("notices", []))}
    for row, one in known.items():
        if row not in used:
            text += f"| `{row}` | {one.citation} | {one.doc.strip().splitlines()[0]} |\n"
    for name, notice in values.tables["notices"].items():
        if name not in used:
            text += f"| `{name}` | {notice['citation']} | {notice['what']} |\n"
    return text + _TOTALS + "".join(f"| {kind} | {count} |\n" for kind, count in counts.items())


def main(arguments: list[str]) -> int:
    """Writes the page; with `--check` says whether it is up to date, and exits 1 where it is not."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, "utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text("utf-8") == text:
        return 0
    sys.stderr.write("docs/coverage.md is out of date; write it with python -m rulebook.coverage\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
