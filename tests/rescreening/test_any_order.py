"""Lists that come and go and shipments that live on, in any order: what is pending is what may still leave, no more."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rescreen_run import TPP, ZHIPU, Ledgers
from soak import much
from sqlalchemy import select

from ledger.database import tables
from ledger.registers.shipments import Shipment

SHIPMENTS = ["S-1", "S-2", "S-3"]
OTHER = {"id": "CON-9", "name": "Bharat Compute Pvt"}
ENTRIES: list[dict[str, Any]] = [
    {"e/1": "Kaspersky Lab"},
    {"e/1": "Kaspersky Lab", "e/2": "Zhipu Huazhang"},
    {"e/2": {"name": "Zhipu Huazhang", "policy": "presumption of denial"}},
]
named = st.sampled_from(SHIPMENTS)
reviewed = st.sampled_from([{"action": "release"}, {"action": "deny"}, {"action": "release", "authorization": "LPP"}])


def request(do: str) -> st.SearchStrategy[dict[str, Any]]:
    """A request or an amendment, for a party that a list may have or for another."""
    return st.builds(
        lambda shipment, party, expires: {
            "do": do,
            "ship": {"id": shipment, "consignee": party, **({"expires": "2025-06-20"} if expires else {})},
        },
        named, st.sampled_from([ZHIPU, ZHIPU, OTHER]), st.booleans(),
    )  # fmt: skip


def about(do: str, **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    """An event about a shipment."""
    return named.map(lambda shipment: {"do": do, "data": {"shipment_id": shipment, **more}})


loads = st.builds(
    lambda name, entries: {"do": "load", "list": name, "entries": entries},
    st.sampled_from(["us", "us", "house"]), st.sampled_from(ENTRIES),
)  # fmt: skip
reviews = st.builds(lambda one, how: {**one, "data": {**one["data"], **how}}, about("review"), reviewed)
steps = st.lists(
    st.one_of(
        request("request"), request("request"), loads, loads, reviews, reviews, request("amend"), about("cancel"),
        about("recheck"), about("dispatch", export_date="2025-06-05"), about("dispatch", export_date="2025-06-06"),
        st.sampled_from([
            {"do": "recheck", "data": {"all": True}},
            {"do": "clear", "data": {"list": "us", "entry": "e/2", "party": "CON-9"}},
            {"do": "tick", "now": "2025-06-20T00:00:00Z"},
        ]),
    ),
    min_size=4, max_size=16,
)  # fmt: skip


@pytest.mark.soak
@given(steps)
@settings(max_examples=much(40, 2_000))
def test_what_is_pending_is_what_may_still_leave(chosen: list[dict[str, Any]]) -> None:
    # the versions of a list count on, as its publisher's do
    numbered = [one | ({"version": str(n)} if one["do"] == "load" else {}) for n, one in enumerate(chosen)]
    with Ledgers(":memory:") as run:
        for n, step in enumerate(numbered, 1):
            run.send([step], n)
            with run.store.read() as connection:
                rows = [Shipment.read(row) for row in connection.execute(select(tables.shipment))]
            ahead = sum(TPP for one in rows if one.state in ("approved", "released") or one.kept is not None)
            left = sum(TPP for one in rows if one.state == "dispatched")
            found = run.pending()
            assert (found.get("lpp/CON-9/2025 pending", 0), found.get("lpp/CON-9/2025 posted", 0)) == (ahead, left)
            assert all(one.state == "held" and one.terms.debits for one in rows if one.kept is not None)
            assert not any(one.terms.debits for one in rows if one.state in ("held", "denied") and one.kept is None)
        assert run.bad() == []
