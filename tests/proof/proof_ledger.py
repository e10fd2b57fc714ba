"""Real ledgers for the proof's tests: one rich story, decided by the engine, closed and signed."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from events import of_step
from sqlalchemy import text

from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.proof.checkpoints import cover
from ledger.proof.leaves import seal
from ledger.proof.notes import SigningKey
from rulebook import load
from rulebook.parties.entries import ListEntry, ListKind, content_of, digest_of
from schemas.periods import period
from schemas.wire.binary import structured
from services.engine.commands.list_load import load_list
from services.engine.commands.period_close import close_period
from services.engine.engine import Engine
from services.engine.message import Message
from services.proof import verification as audit
from services.proof.report import VerificationReport
from services.resources import software, wall_clock

FLOWS = Path(__file__).resolve().parents[1] / "flow"
ORIGIN = "tpp-ledger"
KEY = SigningKey.make(ORIGIN)
BOOK = load("ai-diffusion")
RECORDED = 1_748_856_600_000_000
"""The recorded instant of the first record, in microseconds; each batch is one second and one microsecond later."""
SHA = {name: sha256(name.encode()).hexdigest() for name in ("statement", "own", "amended")}
LPP = ["lpp 2025-01-20"]
INDIA = {"to": "IN", "consignee": "CON-2"}
MINE = {"to": "VN", "consignee": {"id": "CON-M", "private": True}, "use": "production", "claim": "ACM"}
BASE = {"consignee": "CON-9", "facility": "FAC-9", "claim": "VEU", "date": "2025-10-10"}
LISTED = [{"id": "FAC-9", "address": "1 Example Road", "country": "PL", "valid_from": "2025-03-01"}]
Step = dict[str, Any]


def ask(shipment: str, *, do: str = "request", time: str | None = None, with_sha: str = "", **ship: Any) -> Step:
    """A request under LPP with its statement, unless it says another claim."""
    lpp = {"claim": "LPP", "papers": LPP} if ship.get("claim", "LPP") == "LPP" else {}
    step: Step = {"do": do, "ship": {**lpp, "id": shipment, **ship}}
    return step | ({"time": time} if time else {}) | ({"sha": with_sha} if with_sha else {})


def do(word: str, time: str | None = None, /, **data: Any) -> Step:
    """Another event."""
    return {"do": word, "data": data} | ({"time": time} if time else {})


def tick(now: str) -> Step:
    """A tick."""
    return {"do": "tick", "now": now}


def shut(name: str) -> Step:
    """A close."""
    return {"close": name}


def raw(message: bytes, value: bytes | None = None) -> Step:
    """A message as it is; `value` where it came in binary mode."""
    return {"message": message, "value": value}


BINARY = [
    ("content-type", b"application/json"), ("ce_specversion", b"1.0"), ("ce_id", b"bin-1"), ("ce_source", b"//wms.example"),
    ("ce_type", b"tpp.shipment.cancelled.v1"), ("ce_subject", b"S-BIN"), ("ce_time", b"2025-06-03T10:00:00Z"),
]  # fmt: skip
BINARY_VALUE = b' {"shipment_id": "S-BIN", "reason": "order withdrawn"} '
WRONG_VALUE = b'{"shipment_id": "S-BIN", "reason": 7}'

STORY: list[Step] = [
    do("license", "2025-01-13T08:00:00Z", number="L-1", country="IN", tpp=1_000_000, consignee="CON-2"),
    *(
        ask(f"F-{n}", time=f"2025-0{n}-20T08:00:00Z", date=f"2025-0{n}-20", claim="LICENSE L-1", **INDIA)
        for n in range(1, 6)
    ),
    do("dispatch", shipment_id="F-1", export_date="2025-01-20"),
    shut("2025-05"),
    do("register", id="CON-1", country="PL"),
    do("register", id="CON-3", country="PL"),
    do("certify", kind="lpp", party="CON-3", date="2025-02-01", sha256=SHA["statement"]),
    do("certify", kind="designer", party="Example Designs", date="2025-02-01"),
    do("limit", account="lpp/CON-5/2025", limit=300_000, valid_from="2025-06-01"),
    do("thresholds", account="lpp/CON-1/*", thresholds=["0.001", 500_000]),
    ask("S-1", with_sha="own"),
    ask("S-2", consignee="CON-3", papers=[]),
    do("dispatch", shipment_id="S-1", export_date="2025-06-05"),
    do("return", shipment_id="S-1", items=[{"line": 1, "quantity": 2}], date="2025-07-01"),
    do("dispatch", shipment_id="S-2", export_date="2025-06-09"),
    ask("S-3"),
    ask("S-3", do="amend", quantity=4, with_sha="amended"),
    do("cancel", shipment_id="S-3"),
    do("cancel", shipment_id="S-3"),
    do("dispatch", shipment_id="S-NONE", export_date="2025-06-09"),
    ask("S-1", time="2025-06-03T09:00:00Z"),
    ask("S-BIN"),
    raw(structured(BINARY, WRONG_VALUE), WRONG_VALUE),
    raw(structured(BINARY, BINARY_VALUE), BINARY_VALUE),
    raw(b'{"specversion": "1.0", \xff'),
    raw(b"[]"),
    ask("Q-1", consignee="CON-5", quantity=18),
    ask("Q-2", consignee="CON-5", quantity=4),
    ask("Q-3", consignee="CON-5", quantity=2, date="2025-06-20"),
    do("cancel", shipment_id="Q-1"),
    do("recheck", account="lpp/CON-5/2025"),
    ask("H-1", consignee="CON-6", papers=[]),
    ask("H-2", consignee="CON-6", papers=[], date="2025-06-30"),
    ask("H-3", flags=[{"number": 2, "note": "a note"}]),
    ask("H-4", flags=[{"number": 3, "note": "a note"}]),
    do("propose", shipment_id="H-3"),
    do("recheck", all=True),
    do("certify", kind="lpp", party="CON-6", date="2025-02-01", sha256=SHA["statement"]),
    do("recheck", all=True),
    do("review", shipment_id="H-3", second_reviewer="r.two"),
    do("review", shipment_id="H-4", action="deny"),
    do("recheck", shipment_id="H-4"),
    do("license", number="L-2", country="IN", tpp=500_000, consignee="CON-2"),
    ask("L-A", claim="LICENSE L-2", date="2025-06-12", **INDIA),
    ask("L-B", claim="LICENSE L-2", date="2025-06-25", quantity=2, **INDIA),
    do("license", number="L-2", country="IN", tpp=400_000, consignee="CON-2"),
    do("dispatch", shipment_id="L-A", export_date="2025-06-12"),
    do("return", shipment_id="L-A", items=[{"line": 1, "quantity": 1}], date="2025-06-20"),
    do("revoke", number="L-2", date="2025-06-20"),
    do("dispatch", shipment_id="L-B", export_date="2025-06-25"),
    do("revoke", number="L-0", date="2025-06-20"),
    do("license", number="L-2", country="IN", tpp=450_000, consignee="CON-2"),
    do("recheck", shipment_id="L-B"),
    do("attrition", account="country/IN/2025-2027", tpp=16_000),
    do("veu", holder="CON-9", program="national", country="PL", facilities=LISTED),
    do("attest", account="nveu/CON-9/PL", tpp=1_500_000_000),
    do("attest", account="nveu/CON-9/PL", tpp=1_400_000_000),
    ask("V-1", quantity=10, **BASE),
    ask("V-2", quantity=10, **{**BASE, "facility": "FAC-0"}),
    do("veu_revoke", holder="CON-9", program="national", country="PL", date="2025-12-01"),
    ask("A-1", facility="FAC-1", quantity=10, **MINE),
    do("dispatch", shipment_id="A-1", export_date="2025-06-05"),
    ask("A-2", facility="FAC-2", from_facility="FAC-1", quantity=6, transaction="transfer", **{"from": "VN"}, **MINE),
    ask("A-3", facility="FAC-2", from_facility="FAC-1", quantity=5, transaction="transfer", **{"from": "VN"}, **MINE),
    do("dispatch", shipment_id="A-2", export_date="2025-06-05"),
    do("adjust", account="lpp/CON-1/2025", amount=50),
    do("adjust", account="lpp/CON-1/2025", amount=-70),
    ask("M-1", consignee="CON-7"),
    ask("M-2", consignee="CON-8"),
    do("attest", account="lpp/CON-7/2025", tpp=900, by="p.two"),
    ask("M-W", consignee="CON-7", quantity=1_695),
    do("merge", survivor="CON-8", absorbed="CON-7"),
    do("merge", survivor="CON-7", absorbed="CON-8"),
    do("dispatch", shipment_id="M-1", export_date="2025-06-05"),
    ask("M-3", consignee="CON-7"),
    do("clear", party="CON-1", list="entity-list", entry="E-1"),
    *(ask(f"E-{n}", expires="2025-06-10", quantity=n) for n in (1, 2, 3)),
    do("cancel", shipment_id="E-9"),
    tick("2025-06-11T00:00:00Z"),
    tick("2025-06-10T00:00:00Z"),
    do("dispatch", shipment_id="E-1", export_date="2025-06-11"),
    do("met", kind="lpp_certification_copy", shipment_id="S-1", due="2025-07-05", date="2025-06-20"),
    do("met", kind="lpp_certification_copy", shipment_id="S-1", due="2025-07-06", date="2025-06-20"),
    tick("2025-07-08T00:00:00Z"),
    shut("2025-06"),
    ask("LATE-1", quantity=1, time="2025-06-03T12:00:00Z"),
    do("adjust", "2025-04-03T12:00:00Z", account="lpp/CON-1/2025", amount=11),
    shut("2025-Q2"),
    ask("T-1", time="2025-07-09T12:00:00Z", date="2025-07-20"),
    ask("T-2", time="2025-07-09T12:00:01Z", date="2025-07-20", consignee="CON-6", papers=[], quantity=2),
    do("cancel", "2025-07-09T13:00:00Z", shipment_id="T-1"),
    raw(b"once more"),
    do("adjust", "2025-07-10T12:00:00Z", account="lpp/CON-1/2025", amount=5),
]  # fmt: skip


def message(number: int, step: Mapping[str, Any]) -> Message:
    """The message of a step."""
    if "message" in step:
        return Message(step["message"], {"topic": "tpp.shipments", "partition": 0, "offset": number}, step["value"])
    made = of_step(number, step, {}, {})
    if "sha" in step:
        event = orjson.loads(made)
        event["data"]["certifications"][0]["sha256"] = SHA[step["sha"]]
        made = orjson.dumps(event)
    return Message(made, {"file": "in.jsonl", "line": number})


ENTRY = ListEntry(id="E-1", name="Zarquon Microsystems", kind=ListKind.ENTITY)
STORY[-5:-5] = [
    {"list": [ENTRY]},
    ask("S-LISTED", consignee={"id": "CON-Z", "name": ENTRY.name}, date="2025-10-10"),
]


def _load(ledger: Ledger, engine: Engine, entries: Sequence[ListEntry], recorded: int) -> None:
    """Puts a list in force."""
    content = content_of(entries)
    wanted = {
        "name": "us", "version": "1", "sha256": digest_of(content), "file_sha256": digest_of(content),
        "entries": len(entries), "threshold": "0.85",
    }  # fmt: skip
    when = datetime(2025, 10, 1, tzinfo=UTC)
    load_list(ledger, engine, wanted, content, when, recorded, lambda _: (len(entries), 0, 0))


def build(url: str, steps: Sequence[Mapping[str, Any]] = STORY, batch: int = 9, sealed: Iterable[int] = ()) -> None:
    """Decides a story in batches; a close stands alone; after these numbers of steps the leaves are hashed."""
    store = Store(url)
    store.open()
    ledger, ticks, seals = Ledger(store), count(), set(sealed)
    engine = Engine(ledger, BOOK, lambda: RECORDED + 1_000_001 * next(ticks), software())
    waiting: list[Message] = []
    for number, step in enumerate(steps, 1):
        if "list" in step:
            engine.run(waiting)
            waiting = []
            _load(ledger, engine, step["list"], RECORDED + 1_000_001 * next(ticks))
        elif "close" in step:
            engine.run(waiting)
            waiting = []
            close_period(ledger, period(step["close"]), RECORDED + 1_000_001 * next(ticks))
        else:
            waiting.append(message(number, step))
        if len(waiting) == batch or number == len(steps) or number in seals:
            engine.run(waiting)
            waiting = []
        if number in seals:
            seal(store)
    store.close()


def sign_all(url: str, key: SigningKey = KEY) -> bytes:
    """The checkpoint of all records, which it makes."""
    with opened(url) as store:
        return cover(store, key)


@contextmanager
def opened(url: str) -> Any:
    """A store that is closed at the end."""
    store = Store(url)
    try:
        yield store
    finally:
        store.close()


def verified(
    url: str, given: Sequence[tuple[str, bytes]] = (), keys: Sequence[Any] | None = None, book: Any = BOOK
) -> VerificationReport:
    """What `audit verify` finds, within this process; the keys are KEY and those that the ledger names, if none."""
    with opened(url) as store:
        return audit.verify(store, book, software(), lambda recorded: keys or [KEY.public, *recorded], given)


def untie(url: str) -> None:
    """Drops every trigger, as an insider would."""
    with opened(url) as store, store.begin() as connection:
        if store.postgresql:
            connection.execute(text("DROP FUNCTION tpp_append_only() CASCADE"))
            return
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f'DROP TRIGGER "{name}"'))


def decided(url: str, flow: Mapping[str, Any]) -> Any:
    """Decides a flow in one transaction; the book of its switches."""
    book = load("ai-diffusion", flow.get("switches", {}))
    raws = [of_step(n, step, flow.get("parties", {}), flow.get("usual", {})) for n, step in enumerate(flow["step"], 1)]
    with opened(url) as store:
        store.open()
        Engine(Ledger(store), book, wall_clock, software()).run(
            [Message(raw, {"file": "f", "line": n}) for n, raw in enumerate(raws, 1)]
        )
        seal(store)
    return book


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
