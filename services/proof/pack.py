"""The pack for an examiner: records with proofs, and a verifier that needs only Python (docs/contract/books.md)."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection

from ledger.database.store import Store
from ledger.proof.checkpoints import (
    booked_in,
    check_covered,
    closure,
    consistency,
    cover,
    newest,
    of_shipment,
    proven,
    tree,
)
from ledger.proof.checkpoints import keys as known
from ledger.proof.merkle import Read
from ledger.proof.notes import Checkpoint, PublicKey, SigningKey, open_checkpoint, sign
from schemas.models.incoming import Certification, Requested
from schemas.periods import Period
from schemas.wire.read import Event, read_record
from services.failure import Failure, NotFound
from services.proof.keys import read_note
from services.proof.proofs import ConsistencyProof, Keys

FORMAT = "tpp-pack/1"
VERIFIER = Path(__file__).with_name("verifier.py")
_README = """\
This folder contains records of a TPP quota ledger and the proof that they are in its journal.

    python3 -I verify.py KEY

verifies it with Python 3.9 or newer and nothing else. KEY is the ledger's public key, or a file that contains it; get
it from the company, but not with this folder. The output is one line: valid, or invalid and why. Exit status 0: valid;
1: invalid; 2: no KEY.

records.jsonl      one record per line, by number: the leaf of the journal's tree, its inclusion proof, and in base64
                   the event as received and every answer to it
checkpoint         size and root of the tree, signed
evidence.json      digests of the documents that records name; the documents themselves may be placed in evidence/
consistency.json   if present: the proof that nothing before an older checkpoint was changed
pack.json          the files and their SHA-256, and the last record of each shipment at the checkpoint
pack.note          the signature over pack.json

The tree is that of RFC 6962 with SHA-256; the signatures are Ed25519 in C2SP signed notes. Amounts are in TPP (Total
Processing Performance, 15 CFR part 774, Supplement No. 1, 3A090), times in UTC.
"""


@dataclass(frozen=True, slots=True)
class Packed:
    """How many shipments and records a pack has."""

    shipments: int
    records: int


class NotAPrefix(Exception):
    """An older checkpoint is not a prefix of the newest one."""


def export(
    store: Store, key: SigningKey, chosen: Sequence[str] | Period, since: str | None, keys: Keys, folder: Path
) -> Packed:
    """Writes the pack of shipments, or of those with an entry booked in a period, into an empty folder.

    `since`: the file of an older checkpoint, signed by one of `keys`; the pack proves that it is a prefix of its own.
    Raises NotAPrefix if it is not, NotFound if a shipment has no record, Failure if a file cannot be used, and
    NoteError if a note is signed by none of the keys.
    """
    note = newest(store, key.public)[0] if store.read_only else cover(store, key)
    head = open_checkpoint(note, [key.public])
    with store.read() as connection:
        nodes = tree(connection, head.size)
        older = None if since is None else _older(since, note, head, nodes, keys(known(connection)))
        period = chosen if isinstance(chosen, Period) else None
        if store.read_only and not isinstance(chosen, Period):
            check_covered(connection, chosen, head.size)
        picked = _chosen_records(connection, chosen, head.size)
        if store.read_only:
            check_covered(connection, picked.by_shipment, head.size)
        records = closure(connection, store, picked.records)
        _empty(folder)
        evidence: list[dict[str, Any]] = []
        with (folder / "records.jsonl").open("wb") as file:
            for record in proven(connection, store, records, nodes, head.size):
                evidence += _evidence(record["leaf"]["n"], base64.b64decode(record["event"]))
                file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
    _write(folder, "checkpoint", note)
    _write(folder, "evidence.json", _json(evidence))
    _write(folder, "README.txt", _README.encode())
    _write(folder, "verify.py", VERIFIER.read_bytes())
    if older is not None:
        _write(folder, "consistency.json", _json(older.to_json()))
    _sign(folder, key, period.name if period else None, picked.by_shipment)
    return Packed(len(picked.by_shipment), len(records))


def _older(since: str, note: bytes, head: Checkpoint, nodes: Read, keys: Sequence[PublicKey]) -> ConsistencyProof:
    raw = read_note(since)
    proof = consistency(nodes, open_checkpoint(raw, keys), head)
    if proof is None:
        raise NotAPrefix(since)
    return ConsistencyProof(raw, note, proof)


@dataclass(frozen=True, slots=True)
class _Chosen:
    by_shipment: Mapping[str, int]
    """The last record of each shipment."""
    records: AbstractSet[int]
    """All of their records."""


def _chosen_records(connection: Connection, chosen: Sequence[str] | Period, size: int) -> _Chosen:
    """The records of the chosen shipments, among the first `size`."""
    if isinstance(chosen, Period):
        shipments: Iterable[str] = booked_in(connection, chosen.first.isoformat(), chosen.last.isoformat(), size)
    else:
        shipments = dict.fromkeys(chosen)
    last: dict[str, int] = {}
    wanted: set[int] = set()
    for shipment in shipments:
        records = of_shipment(connection, shipment, size)
        if not records:
            raise NotFound(f"shipment {shipment} does not exist in this ledger")
        last[shipment] = records[-1]
        wanted.update(records)
    return _Chosen(last, wanted)


def _sign(folder: Path, key: SigningKey, period: str | None, shipments: Mapping[str, int]) -> None:
    files = [_file(path) for path in sorted(folder.iterdir())]
    pack = {
        "format": FORMAT, "origin": key.public.name, "period": period, "shipments": dict(sorted(shipments.items())),
        "files": files,
    }  # fmt: skip
    raw = _json(pack)
    _write(folder, "pack.json", raw)
    digest = base64.b64encode(hashlib.sha256(raw).digest()).decode()
    _write(folder, "pack.note", sign(f"{key.public.name}\n{FORMAT}\n{digest}\n", key))


def _file(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _evidence(n: int, raw: bytes) -> Iterator[dict[str, Any]]:
    event = read_record(raw)
    data: Any = event.data if isinstance(event, Event) else None
    stated = [data] if isinstance(data, Certification) else data.certifications if isinstance(data, Requested) else ()
    for one in stated or ():
        if one.sha256 is not None:
            yield {"record": n, "kind": one.kind, "party": one.party, "reference": one.reference, "sha256": one.sha256}


def _empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Failure(f"folder {folder} is not empty")
    except OSError as error:
        raise Failure(f"cannot create folder {folder}: {error.strerror}") from error


def _write(folder: Path, name: str, raw: bytes) -> None:
    (folder / name).write_bytes(raw)


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
