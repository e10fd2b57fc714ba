"""What people read of a ledger's verification, and of the proofs of a shipment's records."""

from collections.abc import Mapping
from typing import Any

from services.views.wrapping import wrapped
from services.visible import visible


def verification(found: Mapping[str, Any]) -> str:
    """What `tpp audit verify` shows of a ledger: what was covered, what is bad, and what was not covered."""
    counts = ", ".join(
        f"{found[name]:,} {name}" for name in ("records", "entries", "accounts", "snapshots", "checkpoints")
    )
    lines = [f"{'verified' if found['ok'] else 'BAD'}: {counts}", f"root of the tree: {found['root']}"]
    for bad in found["bad"]:
        where = f"record {bad['record']}, " if bad["record"] is not None else ""
        lines.append(f"bad: {where}{bad['table']} {'' if bad['key'] is None else bad['key']}: {bad['why']}")
    lines += [
        f"not covered: {one['table']}{'.' + one['column'] if one['column'] else ''}: {one['why']}"
        for one in found["not_records"]
    ]
    return "\n".join(map(visible, lines))


def proofs(found: Mapping[str, Any]) -> str:
    """What `tpp audit prove` shows of a shipment: where each record stands, and the checkpoint that covers it."""
    origin, size, root = found["checkpoint"].split("\n")[:3]
    lines = [f"Shipment {found['shipment_id']}, in the journal of {origin}: {size} records, root {root}"]
    for record in found["records"]:
        leaf = record["leaf"]
        rests = f"; rests on {', '.join(map(str, leaf['rests_on']))}" if leaf["rests_on"] else ""
        lines += ["", f"Record {leaf['n']}, {leaf['kind']}, recorded {leaf['recorded']}"]
        lines += wrapped(f"Event {leaf['id']} of {leaf['source']}, SHA-256 {leaf['event']}{rests}.", "  ")
        lines += [
            f"  {entry['account']} entry {entry['entry']}: balance {entry['balance']:,}" for entry in leaf["entries"]
        ]
        lines += [f"  {len(record['proof'])} hashes lead from its leaf to the root"]
    return "\n".join(map(visible, lines))
