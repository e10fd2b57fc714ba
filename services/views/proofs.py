"""A ledger's verification, a pack's, and the proofs of a shipment's records, as text."""

from collections.abc import Mapping
from typing import Any

from services.views.wrapping import counted, wrapped
from services.visible import visible


def verification(found: Mapping[str, Any]) -> str:
    """The output of `tpp audit verify`: what was covered, what is bad, and what was not covered."""
    nouns = (("record",), ("entry", "entries"), ("account",), ("snapshot",), ("checkpoint",))
    counts = ", ".join(counted(found[words[1] if len(words) > 1 else f"{words[0]}s"], *words) for words in nouns)
    lines = [f"{'verified' if found['ok'] else 'FAILED'}: {counts}", f"tree root: {found['root']}"]
    for bad in found["bad"]:
        where = f"record {bad['record']}, " if bad["record"] is not None else ""
        lines.append(f"bad: {where}{bad['table']} {'' if bad['key'] is None else bad['key']}: {bad['why']}")
    lines += [
        f"not covered: {one['table']}{'.' + one['column'] if one['column'] else ''}: {one['why']}"
        for one in found["not_records"]
    ]
    return "\n".join(map(visible, lines))


def pack(found: Mapping[str, Any]) -> str:
    """The output of `tpp audit check-pack`: what is proved and was checked, or the file that is wrong and why."""
    first = f"valid: {found['proved']}" if found["ok"] else f"invalid: {found['file']}: {found['why']}"
    lines = [first, *(f"checked: {one}" for one in found["checked"]), f"verifier: SHA-256 {found['verifier']}"]
    return "\n".join(map(visible, lines))


def proofs(found: Mapping[str, Any]) -> str:
    """The output of `tpp audit prove`: each record of a shipment, and the checkpoint that covers it."""
    origin, size, root = found["checkpoint"].split("\n")[:3]
    lines = [f"Shipment {found['shipment_id']}; journal of {origin}: {counted(int(size), 'record')}, root {root}"]
    for record in found["records"]:
        leaf = record["leaf"]
        rests = f"; rests on {', '.join(map(str, leaf['rests_on']))}" if leaf["rests_on"] else ""
        lines += ["", f"Record {leaf['n']}, {leaf['kind']}, recorded {leaf['recorded']}"]
        lines += wrapped(f"Event {leaf['id']} of {leaf['source']}, SHA-256 {leaf['event']}{rests}.", "  ")
        lines += [
            f"  {entry['account']} entry {entry['entry']}: balance {entry['balance']:,}" for entry in leaf["entries"]
        ]
        lines += [f"  {counted(len(record['proof']), 'hash', 'hashes')} from its leaf to the root"]
    return "\n".join(map(visible, lines))
