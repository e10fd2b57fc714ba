"""Lists, clearings, merges and reviews in any order, in small chunks with others' events between: what is listed stays."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rescreen_run import NOW, ZHIPU, Ledgers
from soak import much
from sqlalchemy import select

from ledger.database import tables
from ledger.registers.shipments import Shipment
from services.engine.context import DecisionContext
from services.engine.engine import Engine
from services.engine.handlers import rescreening
from services.engine.handlers.kept import as_of_export, names_of

SHIPMENTS = ["S-1", "S-2", "S-3", "S-4", "S-5"]
PARTIES: list[dict[str, Any]] = [
    ZHIPU,
    {"id": "CON-9", "name": "Kaspersky Lab"},
    {"id": "CON-8", "name": "Zhipu Huazhang Ltd"},
    {"id": "CON-8", "name": "Bharat Compute Pvt"},
    {"id": "CON-7", "name": "Nile Data Centers", "parent": "CON-9"},
]
ENTRIES: list[dict[str, Any]] = [
    {},
    {"e/1": "Kaspersky Lab"},
    {"e/2": "Zhipu Huazhang"},
    {"e/1": "Kaspersky Lab", "e/2": "Zhipu Huazhang"},
    {"e/1": "Kaspersky Lab", "e/2": {"name": "Zhipu Huazhang", "policy": "presumption of denial"}},
    {"e/1": {"name": "Kaspersky Lab", "effective": date(2025, 6, 6)}, "e/2": "Zhipu Huazhang"},
]
DAYS = ["2025-06-05", "2025-06-06"]
named, who = st.sampled_from(SHIPMENTS), st.sampled_from(PARTIES)


def asked(do: str) -> st.SearchStrategy[dict[str, Any]]:
    """A request or an amendment."""
    return st.builds(
        lambda shipment, consignee, buyer, day, lapses, claim: {
            "do": do,
            "ship": {
                "id": shipment, "consignee": consignee, "date": day, "claim": claim,
                **({"purchaser": [buyer]} if buyer else {}), **({"expires": "2025-06-20"} if lapses else {}),
            },
        },
        named, who, st.one_of(st.none(), st.none(), who), st.sampled_from(DAYS), st.booleans(),
        st.sampled_from(["LPP", "LPP", "LICENSE L-1"]),
    )  # fmt: skip


def about(do: str, *more: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An event about a shipment."""
    return st.builds(
        lambda shipment, data: {"do": do, "data": {"shipment_id": shipment, **data}}, named, st.sampled_from(more)
    )


loads = st.builds(
    lambda name, entries: {"do": "load", "list": name, "entries": entries},
    st.sampled_from(["us", "us", "house"]), st.sampled_from(ENTRIES),
)  # fmt: skip
clears = st.builds(
    lambda name, entry, party, until: {"do": "clear", "data": {"list": name, "entry": entry, "party": party, **until}},
    st.sampled_from(["us", "us", "house"]), st.sampled_from(["e/1", "e/2"]), st.sampled_from(["CON-9", "CON-8"]),
    st.sampled_from([{}, {}, {"until": DAYS[0]}]),
)  # fmt: skip
others = st.sampled_from([
    {"do": "recheck", "data": {"all": True}},
    {"do": "recheck", "data": {"account": "lpp/CON-9/2025"}},
    {"do": "merge", "data": {"survivor": "CON-9", "absorbed": "CON-8"}},
    {"do": "merge", "data": {"survivor": "CON-8", "absorbed": "CON-9"}},
    {"do": "register", "data": {"id": "CON-9", "name": "Zhipu Huazhang Ltd", "country": "PL"}},
    {"do": "register", "data": {"id": "CON-9", "name": "Nile Data Centers", "country": "PL"}},
    {"do": "policy", "data": {"name": "auto_recheck", "value": True}},
    {"do": "license", "data": {"number": "L-1", "consignee": "CON-9", "country": "PL", "tpp": 40_000}},
    {"do": "revoke", "data": {"number": "L-1", "date": "2025-06-03"}},
    {"do": "attest", "data": {"account": "lpp/CON-9/2025", "tpp": 26_860_000}},
    {"do": "tick", "now": "2025-06-20T00:00:00Z"},
])  # fmt: skip
reviews = about(
    "review", {}, {}, {"action": "deny"}, {"authorization": "LPP"}, {"authorization": "LICENSE L-1"}
)  # fmt: skip
departures = about("dispatch", *({"export_date": day} for day in DAYS))
returns = about("return", {"items": [{"line": 1, "quantity": 1}]})
steps = st.lists(
    st.tuples(
        st.one_of(
            asked("request"), asked("request"), asked("request"), loads, loads, reviews, reviews, clears, others,
            asked("amend"), about("cancel", {}), about("recheck", {}), departures, returns,
        ),
        st.integers(0, 3),
    ),
    min_size=6, max_size=24,
)  # fmt: skip


@contextmanager
def small() -> Iterator[None]:
    """Chunks of two."""
    whole, rescreening.CHUNK = rescreening.CHUNK, 2
    try:
        yield
    finally:
        rescreening.CHUNK = whole


class Watched(Ledgers):
    """A ledger that is looked at between its steps."""

    def shipments(self) -> dict[str, Shipment]:
        """Every shipment as its table has it."""
        with self.store.read() as connection:
            rows = [Shipment.read(row) for row in connection.execute(select(tables.shipment))]
        return {one.id: one for one in rows}

    def resembling(self, ids: list[str]) -> list[str]:
        """Those of these shipments of which a party resembles an entry, and neither a clearing nor a release says no."""

        def ask(_: object) -> list[str]:
            with self.engine._ledger.shadow(NOW) as journal, self.engine.deciding(journal, ()) as context:
                return [one for one in ids if _hits(context, one)]

        return list(self.engine._tried(ask, None))

    def pending_now(self) -> dict[str, int]:
        """What the shipments that may still leave have pending, by the account that stands."""
        found, shipments = dict[str, int](), self.shipments().values()
        with self.engine._ledger.shadow(NOW) as journal:
            for one in shipments:
                for debit in one.terms.debits if one.pending else ():
                    path = f"{journal.accounts.path(debit.account)} pending"
                    found[path] = found.get(path, 0) + debit.amount
        return found


def _hits(context: DecisionContext, identifier: str) -> bool:
    one = context.journal.shipments.find(identifier)
    return one is not None and bool(
        names_of(context, as_of_export(context, one)).without(context, one.reviewed).reasons
    )


def check(run: Watched) -> None:
    """What must be so whenever nothing is left to do."""
    pending = {path: amount for path, amount in run.pending().items() if path.endswith(" pending")}
    assert {path: amount for path, amount in pending.items() if not path.startswith("country/")} == run.pending_now()
    for one in run.shipments().values():
        if one.kept is not None:
            assert one.state == "held" and "party.screening_hit" in one.codes
        elif one.state not in ("approved", "released", "dispatched"):
            assert not one.terms.debits, one


@pytest.mark.soak
@given(steps)
@settings(max_examples=much(40, 2_000), deadline=None)
def test_nothing_listed_goes_and_nothing_is_lost(chosen: list[tuple[dict[str, Any], int]]) -> None:
    with small(), Watched(":memory:") as run:
        known = True  # whether nothing but lists and reviews has changed what is known of names since the last load
        for n, (step, chunks) in enumerate(chosen, 1):
            one = step | ({"version": str(n)} if step["do"] == "load" else {})
            leaving = one["data"]["shipment_id"] if one["do"] == "dispatch" else None
            listed = run.resembling([leaving]) if leaving else []
            (message,) = run.messages([one], n)
            (texts,) = run.engine.decide_between(Engine.read([message]))
            if leaving and listed and one["data"]["export_date"] == run.shipments()[leaving].terms.export_date:
                assert (
                    orjson.loads(texts[0])["data"].get("state") != "dispatched"
                    or "reasons" in orjson.loads(texts[0])["data"]
                )
            assert "errors" not in orjson.loads(texts[0])["data"], texts[0]
            for _ in range(chunks):
                run.engine.go_on()
            known = True if one["do"] == "load" else known and one["do"] not in ("register", "clear", "merge")
            if not run.engine.pending:
                check(run)
                going = [each.id for each in run.shipments().values() if each.open]
                assert not known or run.resembling(going) == []
        run.engine.finish()
        check(run)
        assert run.bad() == []
