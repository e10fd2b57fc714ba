"""Every generated file, and whether it agrees with the models."""

import json
import re
from pathlib import Path

from schemas.event_types import INCOMING, OUTGOING
from schemas.generate.asyncapi import asyncapi
from schemas.generate.json_schemas import Schema, event_schema
from schemas.generate.openapi import openapi
from schemas.generate.pages import filled_in

ROOT = Path(__file__).parent.parent.parent
PAGES = Path("docs/contract")


def files(root: Path = ROOT) -> dict[Path, str]:
    """Each generated file's path in the project, and its text; the handwritten parts of pages stay."""
    found = {path.relative_to(root): filled_in(path.read_text("utf-8")) for path in (root / PAGES).glob("*.md")}
    for name in (*INCOMING, *OUTGOING):
        found[Path(f"schemas/json/{name}.schema.json")] = _written(event_schema(name))
    found[Path("schemas/asyncapi.yaml")] = _written(asyncapi())
    found[Path("schemas/openapi.json")] = _written(openapi())
    return found


def _written(document: Schema) -> str:
    """JSON, which is also YAML; a list of short words is on one line."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return re.sub(
        r"\[\n\s+((?:\"[^\"\n]{0,60}\"|null)(?:,\n\s+(?:\"[^\"\n]{0,60}\"|null))*)\n\s+\]", _on_one_line, text
    )


def _on_one_line(match: re.Match[str]) -> str:
    return "[" + re.sub(r",\n\s+", ", ", match[1]) + "]"


def stale(root: Path = ROOT) -> dict[Path, str | None]:
    """The published files that disagree with the models, with the text they should have; None if none should exist."""
    wanted = files(root)
    old: dict[Path, str | None] = {
        path: text
        for path, text in wanted.items()
        if not (root / path).is_file() or (root / path).read_text("utf-8") != text
    }
    present = (path.relative_to(root) for path in (root / "schemas/json").glob("*"))
    return old | dict.fromkeys(path for path in present if path not in wanted)
