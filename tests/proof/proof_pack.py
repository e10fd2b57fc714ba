"""Packs put together by hand after the contract: a small ledger of records, its tree, its key, and what is exported."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from proof_tree import mth, path, subproof

VERIFIER = Path(__file__).resolve().parents[2] / "services/proof/verifier.py"
ORIGIN = "tpp-ledger"
FILE = b"the statement that CON-1 signed"
Told = list[tuple[str, dict[str, Any]]]


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


class Key:
    """A signing key that is the same in every run."""

    def __init__(self, name: str = ORIGIN, seed: bytes = b"7" * 32) -> None:
        self.name, self._key = name, Ed25519PrivateKey.from_private_bytes(seed)
        raw = b"\x01" + self._key.public_key().public_bytes_raw()
        self.id = sha256(name.encode() + b"\n" + raw).digest()[:4]
        self.public = f"{name}+{self.id.hex()}+{b64(raw)}"

    def line(self, text: str) -> str:
        return f"— {self.name} {b64(self.id + self._key.sign(text.encode()))}\n"

    def note(self, text: str) -> bytes:
        return f"{text}\n{self.line(text)}".encode()


KEY = Key()


def entry(account: str, number: int, balance: int, limit: int | None = None, **parts: int) -> dict[str, Any]:
    """An entry of a leaf."""
    zero = dict.fromkeys(("pending", "posted", "attested", "credits"), 0)
    times = {"booked": "2025-06-02", "happened": "2025-06-02T09:30:00Z", "late_for": None}
    return {"account": account, "entry": number, "balance": balance, "limit": limit} | zero | parts | times


def told(account: str, number: int, balance: int, amount: int, state: str) -> dict[str, Any]:
    """The same entry as an answer tells it."""
    return {
        "account": account, "amount": amount, "state": state, "balance": balance, "limit": None, "entry": number,
    }  # fmt: skip


@dataclass
class Log:
    """A journal as its leaves, its events and its answers."""

    leaves: list[dict[str, Any]] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    answers: list[list[bytes]] = field(default_factory=list)

    def add(
        self, kind: str, data: Mapping[str, Any] | bytes, answers: Told, entries: Sequence[dict[str, Any]] = (),
        shipment: str | None = None, previous: int | None = None, rests_on: Sequence[int] = (),
    ) -> int:  # fmt: skip
        """Records an event; its number."""
        n = len(self.leaves) + 1
        event = {
            "id": f'evt-{n} é\u2028\U0001f600"\\',
            "source": "//wms.example",
            "type": f"tpp.{kind}.v1",
            "data": data,
        }
        raw = data if isinstance(data, bytes) else json.dumps(event, indent=1).encode()
        out = [
            dumps({"specversion": "1.0", "id": f"{n}-{i}", "type": t, "data": d}) for i, (t, d) in enumerate(answers)
        ]
        self.events.append(raw)
        self.answers.append(out)
        self.leaves.append(
            {
                "n": n, "kind": f"tpp.{kind}.v1", "recorded": f"2025-06-02T09:30:{n:02d}.000001Z", "source": event["source"],
                "id": event["id"], "event": sha256(raw).hexdigest(), "answers": [sha256(one).hexdigest() for one in out],
                "shipment_id": shipment, "previous": previous, "rests_on": list(rests_on), "entries": list(entries),
            }
        )  # fmt: skip
        return n

    @property
    def data(self) -> list[bytes]:
        """The leaves as the tree takes them."""
        return [dumps(leaf) for leaf in self.leaves]

    def checkpoint(self, size: int | None = None, key: Key = KEY) -> bytes:
        """The signed checkpoint of the first records, or of all."""
        data = self.data[:size]
        return key.note(f"{key.name}\n{len(data)}\n{b64(mth(data))}\n")

    def line(self, n: int) -> dict[str, Any]:
        """A record as a pack has it."""
        proof = [b64(one) for one in path(n - 1, self.data)]
        answers = [b64(one) for one in self.answers[n - 1]]
        return {"leaf": self.leaves[n - 1], "proof": proof, "event": b64(self.events[n - 1]), "answers": answers}

    def consistency(self, old: int) -> dict[str, Any]:
        """What shows that the first records begin the log."""
        proof = subproof(old, self.data, True) if old else []
        return {
            "old": self.checkpoint(old).decode(),
            "new": self.checkpoint().decode(),
            "proof": [b64(p) for p in proof],
        }


def recorded(entries: Sequence[dict[str, Any]] = (), **more: Any) -> tuple[str, dict[str, Any]]:
    return "tpp.event.recorded.v1", {"causation": {}, "entries": list(entries)} | more


def decided(outcome: str, shipment: str, debits: Sequence[dict[str, Any]] = ()) -> tuple[str, dict[str, Any]]:
    data = {"decision_id": f"d-{shipment}", "shipment_id": shipment, "outcome": outcome, "debits": list(debits)}
    return f"tpp.shipment.{outcome}.v1", data


PAPER = {"kind": "lpp_consignee_statement", "party": "CON-1", "reference": "C-1", "sha256": sha256(FILE).hexdigest()}
SECOND = {"kind": "notification", "party": "CON-2", "reference": "C-2", "sha256": "ab" * 32}
BARE = {"kind": "notification", "party": "CON-2", "reference": "C-3"}
LPP, MERGED, FACILITY = "lpp/CON-1/2025", "lpp/CON-0/2025", "facility/FAC-1"


def story(change: Callable[[list[dict[str, Any]]], None] | None = None) -> Log:
    """Twelve records: shipments S-1 and S-3 in full. `change` alters what the approval of record 4 tells."""
    log = Log()
    log.add("certification.received", PAPER, [recorded()])
    papers = {"shipment_id": "S-1", "certifications": [SECOND, BARE]}
    one = told(LPP, 1, 100, 100, "pending")
    log.add("shipment.requested", papers, [decided("approved", "S-1", [one])], [entry(LPP, 1, 100, pending=100)],
            "S-1", None, [1])  # fmt: skip
    log.add("shipment.requested", {"shipment_id": "S-2"}, [decided("held", "S-2")], [], "S-2", None, [1])
    debits = [told(LPP, 2, 0, 100, "voided"), told(LPP, 3, 80, 80, "pending"), told("aia/CON-1", 1, 80, 80, "pending")]
    if change is not None:
        change(debits)
    moved = [entry("aia/CON-1", 1, 80, pending=80), entry(LPP, 2, 0, pending=-100), entry(LPP, 3, 80, 900, pending=80)]
    alert = ("tpp.quota.alert.v1", {"account": LPP, "balance": 80, "limit": 900})
    log.add(
        "shipment.amended", {"shipment_id": "S-1"}, [decided("approved", "S-1", debits), alert], moved, "S-1", 2, [1]
    )
    log.add("event.rejected", b"\xff not JSON", [("tpp.event.rejected.v1", {"original": "/w=="})])
    out = [told(LPP, 4, 80, 80, "posted")]
    log.add("shipment.dispatched", {"shipment_id": "S-1"}, [recorded(out, shipment_id="S-1", state="dispatched")],
            [entry(LPP, 4, 80, pending=-80, posted=80)], "S-1", 4, [])  # fmt: skip
    leaving = [told(FACILITY, 1, -50, -50, "pending")]
    log.add("shipment.requested", {"shipment_id": "S-3"}, [decided("approved", "S-3", leaving)],
            [entry(FACILITY, 1, -50, pending=-50)], "S-3", None, [])  # fmt: skip
    stays = [told(FACILITY, 2, 0, -50, "voided")]
    log.add("clock.ticked", {"now": "2025-07-01T00:00:00Z"}, [recorded(), decided("expired", "S-3", stays)],
            [entry(FACILITY, 2, 0, pending=50)], None, None, [7])  # fmt: skip
    whole = [told(MERGED, 2, 0, 7, "voided"), told(LPP, 5, 87, 7, "posted")]
    log.add("party.merged", {"survivor": "CON-1", "absorbed": "CON-0"}, [recorded(whole)],
            [entry(MERGED, 2, 0, posted=-9, credits=-2), entry(LPP, 5, 87, posted=9, credits=2)])  # fmt: skip
    log.add("usage.attested", {"account": LPP}, [recorded([told(LPP, 6, 82, -5, "attested")])],
            [entry(LPP, 6, 82, attested=-5)])  # fmt: skip
    log.add("period.closed", {"period": "2025-Q2"}, [("tpp.snapshot.closed.v1", {"entries": 8, "accounts": 4})])
    back = [told(LPP, 7, 62, 20, "credits"), told("aia/CON-1", 2, 80, 0, "credits")]
    log.add("shipment.returned", {"shipment_id": "S-1"}, [recorded(back, shipment_id="S-1", state="dispatched")],
            [entry("aia/CON-1", 2, 80), entry(LPP, 7, 62, credits=20)], "S-1", 6, [9, 10, 11])  # fmt: skip
    return log


CHOSEN = (1, 2, 4, 6, 7, 8, 9, 10, 11, 12)


@dataclass
class Pack:
    """A pack in memory. `listed`: members of pack.json put in the place of the right ones."""

    files: dict[str, bytes]
    shipments: dict[str, int]
    listed: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, bytes] = field(default_factory=dict)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The records, to be changed and given to `with_lines`."""
        return [json.loads(line) for line in self.files["records.jsonl"].splitlines()]

    def with_lines(self, lines: Sequence[Any], **shipments: int) -> "Pack":
        """The pack with other records."""
        records = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
        named = {name.replace("_", "-"): n for name, n in shipments.items()}
        return replace(self, files=self.files | {"records.jsonl": records}, shipments=self.shipments | named)

    def having(self, **files: Any) -> "Pack":
        """The pack with other files; a value that is no bytes is written as JSON."""
        names = {"evidence": "evidence.json", "consistency": "consistency.json"}
        raw = {names.get(k, k): v if isinstance(v, bytes) else json.dumps(v).encode() for k, v in files.items()}
        return replace(self, files=self.files | raw)

    def list(self) -> bytes:
        """The bytes of pack.json."""
        files = [{"path": p, "bytes": len(r), "sha256": sha256(r).hexdigest()} for p, r in sorted(self.files.items())]
        whole = {"format": "tpp-pack/1", "origin": ORIGIN, "period": None, "shipments": self.shipments, "files": files}
        return json.dumps(whole | self.listed, indent=1).encode()

    def write(self, folder: Path, listed: bytes | None = None, key: Key = KEY) -> Path:
        """Writes and signs the pack; `listed`: in the place of pack.json."""
        listed = self.list() if listed is None else listed
        note = key.note(f"{key.name}\ntpp-pack/1\n{b64(sha256(listed).digest())}\n")
        for name, raw in (self.files | self.beside | {"pack.json": listed, "pack.note": note}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(raw)
        return folder


def good(log: Log | None = None, chosen: Sequence[int] = CHOSEN) -> Pack:
    """The pack of S-1 and S-3, with an older checkpoint and one file of evidence."""
    log = log or story()
    evidence = [{"record": 1, **PAPER}, {"record": 2, **SECOND}, {"record": 2, **BARE, "sha256": None}]
    files = {
        "checkpoint": log.checkpoint(), "evidence.json": json.dumps(evidence).encode(),
        "consistency.json": json.dumps(log.consistency(5)).encode(), "README.txt": "What this is – and is not.\n".encode(),
        "verify.py": VERIFIER.read_bytes(),
    }  # fmt: skip
    pack = Pack(files, {"S-1": 12, "S-3": 8}, beside={"evidence/statements/CON-1.pdf": FILE})
    return pack.with_lines([log.line(n) for n in chosen])
