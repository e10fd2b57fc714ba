"""The pack for an examiner: records with proofs, and a verifier that needs nothing of ours (contract, section 9)."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection

from ledger.database.store import Store
from ledger.proof.checkpoints import closure, of_shipment, proven
from ledger.proof.merkle import Read
from ledger.proof.notes import Checkpoint, SigningKey, sign
from schemas.models.incoming import Certification, Requested
from schemas.wire.read import Event, parse
from services.resources import Failure

FORMAT = "tpp-pack/1"
VERIFIER = Path(__file__).with_name("verifier.py")
_README = """\
This folder holds records of a TPP quota ledger and the proof that they stand in its journal.

    python3 -I verify.py KEY

checks it with Python 3.9 or newer and nothing else. KEY is the ledger's public key, or a file with it; take it from
the company by another way than this folder. The answer is a sentence: valid, or invalid and why. Exit 0: valid; 1:
invalid; 2: no KEY.

records.jsonl      one record a line, by number: the leaf of the journal's tree, its inclusion proof, and in base64 the
                   event as it was received and every answer to it
checkpoint         size and root of the tree, signed
evidence.json      digests of the documents that records name; the documents themselves may be put into evidence/
consistency.json   where it is there: the proof that nothing before an older checkpoint was changed
pack.json          the files and their SHA-256, and for each shipment its last record at the checkpoint
pack.note          the signature over pack.json

The tree is that of RFC 6962 with SHA-256; the signatures are Ed25519 in C2SP signed notes. Amounts are in TPP (Total
Processing Performance, 15 CFR part 774, Supplement No. 1, 3A090), times in UTC.
"""


def export(
    connection: Connection, store: Store, key: SigningKey, note: bytes, checkpoint: Checkpoint, read: Read,
    shipments: Iterable[str], period: str | None, since: tuple[str, Sequence[str]] | None, folder: Path,
) -> tuple[int, int]:  # fmt: skip
    """Writes the pack of shipments into an empty folder; the numbers of shipments and records.

    `since`: an older checkpoint's note, and the proof that it is a prefix. Failure where a shipment has no record.
    """
    last: dict[str, int] = {}
    wanted: set[int] = set()
    for shipment in shipments:
        records = of_shipment(connection, shipment, checkpoint.size)
        if not records:
            raise Failure(f"no shipment {shipment} was ever presented to this ledger")
        last[shipment] = records[-1]
        wanted.update(records)
    records = closure(connection, store, wanted)
    _empty(folder)
    evidence: list[dict[str, Any]] = []
    with (folder / "records.jsonl").open("wb") as file:
        for record in proven(connection, store, records, read, checkpoint.size):
            evidence += _evidence(record["leaf"]["n"], base64.b64decode(record["event"]))
            file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
    _write(folder, "checkpoint", note)
    _write(folder, "evidence.json", _json(evidence))
    _write(folder, "README.txt", _README.encode())
    _write(folder, "verify.py", VERIFIER.read_bytes())
    if since is not None:
        told = {"old": since[0], "new": note.decode(), "proof": list(since[1])}
        _write(folder, "consistency.json", _json(told))
    _sign(folder, key, period, last)
    return len(last), len(records)


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
    event = parse(raw)
    data: Any = event.data if isinstance(event, Event) else None
    stated = [data] if isinstance(data, Certification) else data.certifications if isinstance(data, Requested) else ()
    for one in stated or ():
        if one.sha256 is not None:
            yield {"record": n, "kind": one.kind, "party": one.party, "reference": one.reference, "sha256": one.sha256}


def _empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Failure(f"the folder {folder} is not empty")
    except OSError as error:
        raise Failure(f"the folder {folder} cannot be made: {error.strerror}") from error


def _write(folder: Path, name: str, raw: bytes) -> None:
    (folder / name).write_bytes(raw)


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
