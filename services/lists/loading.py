"""What a load changes, before it and after it."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from rulebook.parties.entries import ListEntry, entries_of
from schemas.event_types import EVENT_RECORDED, SHIPMENT_HELD
from services.engine.commands.list_load import Load, NotLoaded
from services.lists.comparing import compare


def comparison(entries: Sequence[ListEntry], *, force: bool) -> Callable[[bytes | None], tuple[int, int, int]]:
    """How many entries a list adds, removes and changes, asked with the content before it, None where there is none.

    It raises NotLoaded where the list lost more than a tenth of its entries, unless `force`.
    """

    def counted(before: bytes | None) -> tuple[int, int, int]:
        old = () if before is None else entries_of(before)
        if 10 * len(entries) < 9 * len(old) and not force:
            raise NotLoaded(
                f"the list has {len(entries):,} entries, and {len(old):,} before: more than 10 % fewer; "
                "look whether the file is complete, and load it with --force if it is"
            )
        found = compare(old, entries)
        return len(found.added), len(found.removed), len(found.changed)

    return counted


def loaded_json(load: Load) -> dict[str, Any]:
    """What a load did, in counts; one that is repeated held nothing and raised no alert."""
    data = load.data
    members = ("name", "version", "sha256", "entries", "added", "removed", "changed")
    return {**{one: data[one] for one in members}, **_rescreened(load)}


def _rescreened(load: Load) -> dict[str, int]:
    """How many shipments the rescreening held, how many it would let pass, and how many alerts it raised."""
    found = Counter[str]({"held": 0, "recheck": 0, "alerts": 0})
    for text in () if load.repeated else load.texts:
        one = orjson.loads(text)
        found["held"] += one["type"] == SHIPMENT_HELD
        found["alerts"] += one["type"].endswith(".alert.v1")
        if one["type"] == EVENT_RECORDED:
            found["recheck"] += one["data"].get("recheck_count", len(one["data"].get("recheck") or ()))
    return dict(found)


def _unscreened(load: Load) -> list[str]:
    """On which shipments and parties the program failed; of a load that is repeated too."""
    return [one for text in load.texts for one in orjson.loads(text)["data"].get("unscreened") or ()]


def loaded_text(load: Load) -> str:
    """What a load did, in sentences."""
    did = loaded_json(load)
    named = f"The list {did['name']} {did['version']}"
    if load.repeated:
        return f"{named} was in force already; nothing changed."
    changes = ", ".join(f"{did[one]:,} {one}" for one in ("added", "removed", "changed"))
    lines = [f"{named} is in force: {_counted(did['entries'], 'entry', 'entries')}, {changes}."]
    if did["held"]:
        lines.append(f"It held {_counted(did['held'], 'shipment')}, which keep their quota; `tpp holds` lists them.")
    if did["recheck"]:
        lines.append(f"{_counted(did['recheck'], 'held shipment')} may pass now; `tpp recheck` screens them again.")
    if did["alerts"]:
        lines.append(f"It raised {_counted(did['alerts'], 'alert')}; `tpp alerts` lists them.")
    if unscreened := _unscreened(load):
        lines.append(
            f"The program failed on {', '.join(unscreened)}: not screened; `tpp.rejected` has the errors. "
            "A shipment is screened as it leaves."
        )
    if not did["held"] and not did["alerts"] and not unscreened:
        lines.append("No open shipment and no registered party resembles an entry that is new.")
    lines.append(f"Its content has the digest sha256:{did['sha256']}.")
    return "\n".join(lines)


def _counted(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
