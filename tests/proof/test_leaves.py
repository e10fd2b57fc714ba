"""The leaves of a real ledger: what they hold, and what each decision rests on."""

import json
from hashlib import sha256
from typing import Any

from proof_ledger import b64, opened
from proof_made import Made, Tpp, numbers_of
from proof_tree import mth, path
from sqlalchemy import text


def test_what_is_proven_is_what_the_tables_say(made: Made, tpp: Tpp) -> None:
    with opened(made.url) as store, store.read() as connection:
        hashes = connection.execute(text("SELECT hash FROM leaf ORDER BY n")).scalars().all()
        events = dict(connection.execute(text("SELECT n, event FROM journal")).all())
        answers = dict(connection.execute(text("SELECT n, answers FROM journal")).all())
    assert [sha256(b"\x00" + data).digest() for data in made.data] == list(hashes)
    seen = set()
    for shipment in made.shipments:
        done = tpp("prove", shipment, "--format", "json")
        assert done.exit_code == 0
        told = json.loads(done.output)
        assert list(told) == ["shipment_id", "checkpoint", "records"]
        origin, size, root = told["checkpoint"].split("\n")[:3]
        assert (origin, int(size), root) == ("tpp-ledger", len(made.data), b64(mth(made.data)))
        numbers = [record["leaf"]["n"] for record in told["records"]]
        assert numbers == made.of(shipment)
        for record in told["records"]:
            n = record["leaf"]["n"]
            seen.add(n)
            assert record == {
                "leaf": made.leaves[n - 1],
                "proof": [b64(one) for one in path(n - 1, made.data)],
                "event": b64(events[n]),
                "answers": [b64(line.encode()) for line in answers[n].split("\n")],
            }
    assert len(seen) > 60


def test_a_decision_rests_on_the_facts_that_it_used_and_not_on_others(made: Made) -> None:
    def one(kind: str, **data: Any) -> int:
        return numbers_of(made, kind, **data)[0]

    def rests(kind: str, last: bool = False, **data: Any) -> set[int]:
        return set(made.leaves[numbers_of(made, kind, **data)[-1 if last else 0] - 1]["rests_on"])

    def asked(shipment: str) -> set[int]:
        return rests("shipment.requested", shipment_id=shipment)

    con_1, con_3 = one("party.registered", id="CON-1"), one("party.registered", id="CON-3")
    paper_3 = one("certification.received", party="CON-3")
    paper_6 = one("certification.received", party="CON-6")
    limit = one("allocation.set")
    merged = one("party.merged")
    veu, veu_end = one("veu.authorized"), one("veu.revoked")
    first_2, second_2, third_2 = numbers_of(made, "license.issued", number="L-2")
    revoked = one("license.revoked")
    assert con_1 in asked("S-1") and {con_3, paper_3, paper_6, limit, veu, merged}.isdisjoint(asked("S-1"))
    assert {con_3, paper_3} <= asked("S-2") and {con_1, paper_6, limit}.isdisjoint(asked("S-2"))
    assert asked("F-2") == {one("license.issued", number="L-1")}
    assert first_2 in asked("L-A")
    left = rests("shipment.dispatched", shipment_id="L-A")
    assert second_2 in left and first_2 not in left, "an amendment takes the place of the issue"
    assert one("shipment.requested", shipment_id="L-A") in left
    left = rests("shipment.dispatched", shipment_id="L-B")
    assert {second_2, revoked} <= left
    assert third_2 in rests("recheck.requested", caused_by=third_2), "the recheck that it brings releases L-B"
    assert limit in asked("Q-1") and limit in asked("Q-2") and limit not in asked("H-1")
    assert veu in asked("V-1") and veu not in asked("A-1") and veu_end not in asked("V-1")
    assert merged in asked("M-3") and merged not in asked("LATE-1") and merged not in asked("M-1")
    assert merged in rests("shipment.dispatched", shipment_id="M-1"), "its account is another since"
    anew = one("shipment.dispatched", shipment_id="S-2")
    assert one("shipment.requested", shipment_id="S-2") in made.leaves[anew - 1]["rests_on"]
    again = numbers_of(made, "recheck.requested", all=True)[1]
    assert paper_6 in rests("recheck.requested", caused_by=paper_6)
    held = {one("shipment.requested", shipment_id=name) for name in ("H-3", "H-4")}
    assert held <= set(made.leaves[again - 1]["rests_on"])
    tick = numbers_of(made, "clock.ticked")[0]
    assert made.leaves[tick - 1]["rests_on"] == [one("shipment.requested", shipment_id=f"E-{n}") for n in (1, 2, 3)]
    assert all(n < leaf["n"] for leaf in made.leaves for n in leaf["rests_on"])


def test_what_follows_a_tick_or_a_recheck_names_it_as_the_record_before(made: Made) -> None:
    tick = numbers_of(made, "clock.ticked")[0]
    refused = numbers_of(made, "shipment.dispatched", shipment_id="E-1")[0]
    assert made.leaves[refused - 1]["previous"] == tick
    third = numbers_of(made, "shipment.cancelled", shipment_id="S-3")
    assert made.leaves[third[1] - 1]["previous"] == third[0], "a refused event follows, too"
    assert made.leaves[numbers_of(made, "shipment.dispatched", shipment_id="S-NONE")[0] - 1]["previous"] is None
