"""Verifies an evidence pack: `python3 -I verify.py KEY [FOLDER]`, Python 3.9 or newer, standard library only.

KEY is the ledger's public key, `NAME+HASH+BASE64`, or a file with one per line. Take it, and this file, from another
source than the pack. FOLDER is the working folder by default; nothing in it is run, and no file outside of it is read.
Exit 0, `valid: ` and what was proved; 1, `invalid: ` and a sentence with the file; 2 without a key or a folder.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any, NamedTuple

FORMAT, PACK, NOTE, RECORDS, CHECKPOINT = "tpp-pack/1", "pack.json", "pack.note", "records.jsonl", "checkpoint"
EVIDENCE, CONSISTENCY, FOLDER = "evidence.json", "consistency.json", "evidence"
REQUIRED = {RECORDS, CHECKPOINT, EVIDENCE, "README.txt", "verify.py"}
PARTS, MOST = ("pending", "posted", "attested", "credits"), 2**53 - 1
MOST_BYTES = {NOTE: 2**26, PACK: 2**26, FOLDER: 2**30}  # of files whose size no signature tells


class Invalid(Exception):
    """The pack does not prove what it claims: the file, and why."""


# Forms: a string is the pattern of a text, an integer a minimum, a list has the form of its elements, a dict the forms
# of its members, a tuple lists alternatives, a type stands for any of its values, and None for null.
TEXT, AMOUNT, NUMBER, DIGEST, TIME = ".*", -MOST, 1, "[0-9a-f]{64}", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
PERIOD = (r"\d{4}(-Q[1-4]|-(0[1-9]|1[0-2]))?", None)
CERTIFICATION = {"kind": TEXT, "party": TEXT, "reference": TEXT, "sha256": (DIGEST, None)}
ENTRY: dict[str, Any] = {"account": TEXT, "entry": NUMBER, "booked": r"\d{4}-\d\d-\d\d", "happened": TIME}
ENTRY |= {"limit": (AMOUNT, None), "late_for": PERIOD, **dict.fromkeys((*PARTS, "balance"), AMOUNT)}
LEAF: dict[str, Any] = {"n": NUMBER, "kind": TEXT, "recorded": TIME, "source": TEXT, "id": TEXT, "event": DIGEST}
LEAF |= {"answers": [DIGEST], "shipment_id": (TEXT, None), "previous": (NUMBER, None), "rests_on": [NUMBER]}
LINE = {"leaf": LEAF | {"entries": [ENTRY]}, "proof": [TEXT], "event": TEXT, "answers": [TEXT]}
LISTED = {"path": TEXT, "bytes": 0, "sha256": DIGEST}
LIST = {"format": re.escape(FORMAT), "origin": TEXT, "period": PERIOD, "shipments": dict, "files": [LISTED]}
REPORTED = {"account": TEXT, "entry": NUMBER, "amount": AMOUNT, "balance": AMOUNT, "state": TEXT}
Keys = dict[tuple[str, bytes], bytes]
Point = tuple[int, int, int, int]  # of Ed25519 (RFC 8032, 5.1.4): X, Y, Z, T with x = X/Z, y = Y/Z, x * y = T/Z
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _fits(value: Any, form: Any) -> bool:
    if isinstance(form, tuple):
        return any(_fits(value, one) for one in form)
    if isinstance(form, dict):
        return isinstance(value, dict) and value.keys() == form.keys() and all(_fits(value[k], form[k]) for k in form)
    if isinstance(form, list):
        return isinstance(value, list) and all(_fits(one, form[0]) for one in value)
    if isinstance(form, int):
        return type(value) is int and form <= value <= MOST
    if isinstance(form, str):
        return isinstance(value, str) and re.fullmatch(form, value, re.ASCII | re.DOTALL) is not None
    return value is None if form is None else isinstance(value, form)


def _json(raw: bytes, form: Any, file: str, what: str = "it") -> Any:
    """The value of a UTF-8 JSON text that matches a form and has no duplicate members; `int` refuses NaN and ""."""
    unique = lambda pairs: dict(pairs) if len(dict(pairs)) == len(pairs) else int("")  # noqa: E731
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=int)
    except (ValueError, RecursionError):
        raise Invalid(file, f"{what} is not UTF-8 JSON without duplicate members") from None
    if not _fits(value, form):
        raise Invalid(file, f"{what} does not have the members and values of {FORMAT}")
    return value


def _unbase64(text: str, file: str, length: int | None = None) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b"?"
    if base64.b64encode(raw).decode() != text or length not in (None, len(raw)):
        raise Invalid(file, "a base64 text in it is malformed, not canonical or of the wrong length")
    return raw


def _add(one: Point, two: Point) -> Point:
    a, b = (one[1] - one[0]) * (two[1] - two[0]), (one[1] + one[0]) * (two[1] + two[0])
    c, d = 2 * one[3] * two[3] * D, 2 * one[2] * two[2]
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    for bit in f"{scalar:b}":
        result = _add(_add(result, result), point) if bit == "1" else _add(result, result)
    return result


def _point(raw: bytes) -> Point | None:
    """The point of 32 bytes (5.1.3); None if they are not its canonical encoding."""
    sign, y = raw[31] >> 7, int.from_bytes(raw, "little") & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        return None
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


def ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature is that of a message: R = [S]B - [k]A, without cofactor, S below the order (5.1.7)."""
    base, a, s = _point(b"\x58" + b"\x66" * 31), _point(public), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or base is None or a is None or s >= ORDER:
        return False
    k = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % ORDER
    x, y, z, _ = _add(_times(s, base), _times(k, (P - a[0], a[1], 1, P - a[3])))
    x, y = x * pow(z, P - 2, P) % P, y * pow(z, P - 2, P) % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


def keys_of(text: str) -> Keys:
    """The public keys of a text, by their names and ids (C2SP signed-note), one in each line; raises ValueError."""
    keys: Keys = {}
    for line in text.split() or [""]:
        name, identity, encoded = line.split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        signs = sha256(name.encode() + b"\n" + raw).digest()[:4]
        known = base64.b64encode(raw).decode() == encoded and len(raw) == 33 and raw[0] == 1 and signs.hex() == identity
        if not known or not name or _point(raw[1:]) is None:
            raise ValueError
        keys[name, signs] = raw[1:]
    return keys


def _open(raw: bytes, keys: Keys, file: str) -> tuple[list[str], int]:
    """The lines of a note, and its number of signatures; a key with the name in the first line must have signed."""
    head, blank, block = raw.decode("utf-8", "surrogateescape").rpartition("\n\n")
    if not blank or block[-1:] != "\n" or re.search("[^\n -\ud7ff\ue000-\U0010ffff]", head + block):
        raise Invalid(file, "it is not a signed note: a UTF-8 text, a blank line, signature lines")
    lines, signed = head.split("\n"), False
    for line in block[:-1].split("\n"):
        match = re.fullmatch("— ([^\\s+]+) ([A-Za-z0-9+/]{7,}=*)", line)
        if match is None:
            raise Invalid(file, "a signature line in it is malformed")
        signature = _unbase64(match[2], file)
        key = keys.get((match[1], signature[:4]))
        if key is not None and not ed25519(key, f"{head}\n".encode(), signature[4:]):
            raise Invalid(file, "its signature does not match its text")
        signed = signed or (key is not None and match[1] == lines[0])
    if not signed:
        raise Invalid(file, "it is not signed by any given key of the name in its first line")
    return lines, block.count("\n")


def _checkpoint(raw: bytes, keys: Keys, file: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a signed checkpoint (C2SP tlog-checkpoint)."""
    lines, _ = _open(raw, keys, file)
    if len(lines) != 3 or not re.fullmatch("0|[1-9][0-9]{0,15}", lines[1]):
        raise Invalid(file, "a checkpoint must have three lines: its origin, its size and its root")
    return lines[0], int(lines[1]), _unbase64(lines[2], file, 32)


def climb(index: int, last: int, seed: bytes, path: list[bytes]) -> tuple[bytes, bytes] | None:
    """The root of everything up to and including a subtree, and the root of all, in the tree of RFC 6962, 2.1.

    The checks of RFC 9162, 2.1.3.2 and 2.1.4.2. `index`: of the subtree in its level; `last`: of the level's last one.
    """
    left = whole = seed
    for one in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            left, whole = (sha256(b"\x01" + one + below).digest() for below in (left, whole))
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            whole = sha256(b"\x01" + whole + one).digest()
        index, last = index >> 1, last >> 1
    return (left, whole) if last == 0 else None


class Record(NamedTuple):
    """A proven record: its leaf, its event, and the shipments that its event names or its answers decide."""

    leaf: dict[str, Any]
    event: bytes
    shipments: set[Any]


def files(folder: Path, keys: Keys) -> tuple[dict[str, Any], dict[str, bytes], dict[str, str]]:
    """The content of pack.json, its files, and the evidence by SHA-256; reads only a size that is signed or bounded."""
    sizes, raw = dict[str, int](), dict[str, bytes]()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink():
            sizes[name] = path.stat().st_size
        elif path.is_symlink() or not path.is_dir() or name.split("/")[0] != FOLDER:
            raise Invalid(name, "pack.json does not list it")
        if sizes.get(name, 0) > MOST_BYTES.get(name.split("/")[0], MOST):
            raise Invalid(name, "it is larger than such a file of a pack may be")
    head = {name: (folder / name).read_bytes() if name in sizes else b"" for name in (NOTE, PACK)}
    note, signatures = _open(head[NOTE], keys, NOTE)
    if len(note) != 3 or note[1] != FORMAT or signatures != 1:
        raise Invalid(NOTE, f"it is not an origin, {FORMAT} and a SHA-256, signed once")
    if note[2] != base64.b64encode(sha256(head[PACK]).digest()).decode():
        raise Invalid(PACK, "it is missing, or its SHA-256 is not the one that pack.note signs")
    pack: dict[str, Any] = _json(head[PACK], LIST, PACK)
    listed = {one["path"]: one for one in pack["files"]}
    if pack["origin"] != note[0] or not all(_fits(n, NUMBER) for n in pack["shipments"].values()):
        raise Invalid(PACK, "its origin is not that of pack.note, or a record in it is not a number")
    if len(listed) != len(pack["files"]) or not REQUIRED <= listed.keys() <= REQUIRED | {CONSISTENCY, "summary.txt"}:
        raise Invalid(PACK, "it does not list the files of a pack, each once")
    for name, one in listed.items():
        raw[name] = (folder / name).read_bytes() if sizes.get(name) == one["bytes"] else b""
        if sizes.get(name) != one["bytes"] or one["sha256"] != sha256(raw[name]).hexdigest():
            raise Invalid(name, "it is missing, or its size or SHA-256 differs from pack.json")
    present = [name for name in sizes if name.startswith(f"{FOLDER}/")]
    for name in sorted(sizes.keys() - {*listed, NOTE, PACK, *present}):
        raise Invalid(name, "pack.json does not list it")
    return pack, raw, {sha256((folder / name).read_bytes()).hexdigest(): name for name in present}


def records_of(raw: bytes, size: int, root: bytes) -> dict[int, Record]:
    """The records by number, each proven to be in the tree of `size` records with this root."""
    records, before = dict[int, Record](), 0
    *lines, rest = raw.split(b"\n")
    for number, line in enumerate([*lines, rest] if rest else lines, 1):
        value = _json(line, LINE, RECORDS, f"line {number}")
        leaf, proof = value["leaf"], [_unbase64(one, RECORDS, 32) for one in value["proof"]]
        event, answers = _unbase64(value["event"], RECORDS), [_unbase64(one, RECORDS) for one in value["answers"]]
        n = leaf["n"]
        if rest or n <= before:
            raise Invalid(RECORDS, f"record {n} is repeated or out of order, or the last line has no newline")
        # Names in ASCII and integers up to 2**53 - 1 make this the form of RFC 8785: it differs only in the order of
        # names beyond U+FFFF, and in how other numbers are written. Texts are escaped alike.
        text = json.dumps(leaf, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        digest = sha256(b"\x00" + text.encode(errors="surrogatepass")).digest()
        found = climb(n - 1, size - 1, digest, proof) if n <= size else None
        if found is None or found[1] != root:
            raise Invalid(RECORDS, f"record {n} is not in the tree of the checkpoint")
        if sha256(event).hexdigest() != leaf["event"] or [sha256(a).hexdigest() for a in answers] != leaf["answers"]:
            raise Invalid(RECORDS, f"the event or the answers of record {n} are not those of its leaf")
        reported = [_json(one, dict, RECORDS, f"an answer of record {n}")["data"] for one in answers]
        decided = {data.get("shipment_id") for data in reported if "decision_id" in data}
        records[n], before = Record(leaf, event, decided | {leaf["shipment_id"]}), n
        moves(leaf, reported)
    return records


def moves(leaf: dict[str, Any], answers: list[dict[str, Any]]) -> None:
    """Refuses answers that do not report exactly the entries of the leaf, each once, in the order of each account."""
    about, last = f"record {leaf['n']}", dict[str, int]()
    signed = {(one["account"], one["entry"]): one for one in leaf["entries"]}
    lists = [data.get(name) for data in answers for name in ("debits", "entries")]
    reported = [one for entries in lists if isinstance(entries, list) for one in entries]
    for one in reported:
        form = {name: one.get(name) for name in REPORTED} if isinstance(one, dict) else {}
        entry = signed.pop((one["account"], one["entry"]), None) if _fits(form, REPORTED) else None
        if entry is None or one["entry"] <= last.get(one["account"], 0):
            raise Invalid(RECORDS, f"an answer of {about} reports an entry that its leaf does not have")
        last[one["account"]] = one["entry"]
        if one["balance"] != entry["balance"] or not _agrees(one, entry, "party.merged" in leaf["kind"]):
            raise Invalid(RECORDS, f"an answer of {about} differs from its leaf in balance, amount or state")
    if len(reported) != len(leaf["entries"]):
        raise Invalid(RECORDS, f"the answers of {about} do not report each entry of its leaf exactly once")


def _agrees(reported: dict[str, Any], entry: dict[str, Any], merged: bool) -> bool:
    """Whether the reported amount and state are those of the parts that an entry changes.

    Only an amount that leaves a facility or a base and a lowered attestation are negative. A posted amount may come
    from pending, wholly or in part. In a merger of parties, all parts move from one account to another.
    """
    amount, state = reported["amount"], reported["state"]
    pending, posted, attested, credits = parts = tuple(entry[part] for part in PARTS)
    if merged:
        change = pending + posted + attested - credits
        first = next((part for part in PARTS if entry[part]), None)
        return (amount, state) in ((-change, "voided"), (change, first))
    if amount < 0 and state != "attested" and not entry["account"].startswith(("facility/", "uveu/", "nveu/")):
        return False
    taken = pending if state == "posted" and min(0, -amount) <= pending <= max(0, -amount) else 0
    changes = {"pending": (amount, 0, 0, 0), "posted": (taken, amount, 0, 0), "voided": (-amount, 0, 0, 0)}
    changes |= {"attested": (0, 0, amount, 0), "credits": (0, 0, 0, amount)}
    return parts == changes.get(state)


def chains(records: dict[int, Record], shipments: dict[str, int]) -> None:
    """Refuses a record that rests on a missing one, and a shipment whose records do not lead back to its first."""
    of, reached = dict[Any, list[int]](), set()
    for n, record in records.items():
        before, shipment = record.leaf["previous"], record.leaf["shipment_id"]
        for name in record.shipments:
            of.setdefault(name, []).append(n)
        for m in [*record.leaf["rests_on"], *([] if before is None else [before])]:
            if m >= n or m not in records:
                raise Invalid(RECORDS, f"record {n} rests on record {m}, which is not in the pack before it")
        if before is not None and (shipment is None or shipment not in records[before].shipments):
            raise Invalid(RECORDS, f"record {n} follows record {before}, which is of another shipment")
    for shipment, last in shipments.items():
        n = last if last in of.get(shipment, []) else -1
        while n > 0:
            reached.add(n)
            leaf = records[n].leaf
            # A tick or a recheck decides many, and rests on a record of each shipment; refused events may lie between.
            led = max(m for m in [*of[shipment], -1] if m < n) if {*leaf["rests_on"]} & {*of[shipment]} else -1
            n = led if leaf["shipment_id"] != shipment else leaf["previous"] or 0
        if n < 0:
            raise Invalid(RECORDS, f"record {last} of shipment {shipment!a} is missing or leads back to no request")
    for n, record in records.items():
        if record.leaf["shipment_id"] in shipments and n not in reached:
            raise Invalid(RECORDS, f"the last record of its shipment does not lead back to record {n}")


def _certifications(n: int, record: Record) -> set[tuple[Any, ...]]:
    """The certifications in an event, which may be one itself, as evidence.json lists them."""
    try:
        data = json.loads(record.event)["data"]
        found = [{name: one.get(name) for name in CERTIFICATION} for one in [data, *(data.get("certifications") or [])]]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        found = []
    return {(n, *one.values()) for one in found if _fits(one, CERTIFICATION)}


def evidence(raw: bytes, records: dict[int, Record], present: dict[str, str]) -> str:
    """The number of digests, each of which an event of the pack states, and of evidence files in the pack."""
    rows = _json(raw, [{"record": NUMBER, **CERTIFICATION}], EVIDENCE)
    listed = {tuple(one[name] for name in ("record", *CERTIFICATION)) for one in rows}
    stated = {one for n, record in records.items() for one in _certifications(n, record)}
    due = {one for one in stated if one[-1] is not None and "rejected" not in records[one[0]].leaf["kind"]}
    for n in sorted(one[0] for one in (listed - stated) | (due - listed)):
        raise Invalid(EVIDENCE, f"it does not list exactly what the event of record {n} states")
    digests = {one[-1] for one in listed} - {None}
    for digest in sorted(present.keys() - digests):
        raise Invalid(present[digest], "evidence.json does not have its digest")
    listed_files = f"{_counted(len(digests), 'evidence digest')}, {_counted(len(present), 'file')} present"
    return listed_files if digests else "no evidence files"


def consistency(raw: bytes, newest: bytes, size: int, root: bytes, keys: Keys) -> str:
    """Refuses an older checkpoint that is not a prefix of the pack's; returns what it proves."""
    value = _json(raw, {"old": TEXT, "new": TEXT, "proof": [TEXT]}, CONSISTENCY)
    _, old, old_root = _checkpoint(value["old"].encode(errors="surrogatepass"), keys, CONSISTENCY)
    proof, index, last = [_unbase64(one, CONSISTENCY, 32) for one in value["proof"]], old - 1, size - 1
    while index > 0 and index & 1:
        index, last = index >> 1, last >> 1
    if old in (0, size):
        shown = not proof and old_root == (root if old else sha256(b"").digest())
    else:
        seed, path = (old_root, proof) if index == 0 else (b"".join(proof[:1]), proof[1:])
        shown = old < size and climb(index, last, seed, path) == (old_root, root)
    if not shown or value["new"].encode(errors="surrogatepass") != newest:
        raise Invalid(CONSISTENCY, "it does not prove that its old checkpoint is a prefix of the pack's")
    return f", which extends an older one of {_counted(old, 'record')}"


def verify(folder: Path, keys: Keys) -> str:
    """What the pack in a folder proves; raises Invalid."""
    pack, raw, present = files(folder, keys)
    origin, size, root = _checkpoint(raw[CHECKPOINT], keys, CHECKPOINT)
    if origin != pack["origin"]:
        raise Invalid(CHECKPOINT, "its origin is not that of pack.json")
    records = records_of(raw[RECORDS], size, root)
    chains(records, pack["shipments"])
    shown = f"{_counted(len(pack['shipments']), 'shipment')}, {len(records)} of {_counted(size, 'record')} proved"
    older = consistency(raw[CONSISTENCY], raw[CHECKPOINT], size, root, keys) if CONSISTENCY in raw else ""
    return f"{shown} under the checkpoint{older}; {evidence(raw[EVIDENCE], records, present)}"


def outcome(folder: Path, keys: Keys) -> tuple[str, str]:
    """An empty text and what a pack proves; or the file that is wrong, and why."""
    try:
        return "", verify(folder, keys)
    except Exception as error:  # noqa: BLE001  the pack is malformed
        unforeseen = (getattr(error, "filename", None) or RECORDS, f"it cannot be read ({type(error).__name__})")
        file, why = error.args if isinstance(error, Invalid) else unforeseen
        return ascii(file)[1:-1], why


def main(arguments: list[str]) -> int:
    """Verifies the pack in a folder, or in the working folder; returns the exit status."""
    try:
        argument, folder = arguments if len(arguments) > 1 else (*arguments, ".")
        keys = keys_of(argument if argument.count("+") > 1 else Path(argument).read_text("utf-8"))
        next(Path(folder).iterdir(), None)
    except (OSError, ValueError):
        print("usage: python3 -I verify.py KEY [FOLDER] (NAME+HASH+BASE64, or a file)", file=sys.stderr)  # noqa: T201
        return 2
    file, answer = outcome(Path(folder), keys)
    print(f"invalid: {file}: {answer}" if file else f"valid: {answer}")  # noqa: T201
    return 1 if file else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
