"""What is read over HTTP: the values of the command line, in pages, by those who may."""

import base64
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import httpx
import orjson
import pytest
from databases import KINDS, Databases
from reading_run import CARRIER, listed, pages, reading
from web_run import Served

ROLES = ("publisher", "monitor", "reviewer", "finance", "admin", "calendar")
LPP = "/v1/accounts/lpp/CON-1/2025"


@pytest.fixture(scope="module", params=KINDS)
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("reading")
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    databases = Databases(request.param, folder, server)
    url = databases.ledger()
    with reading(url, folder) as running:
        yield running
    databases.drop(url)


@pytest.fixture(scope="module")
def client(there: Served) -> Iterator[httpx.Client]:
    with there.client(there.token("admin")) as made:
        yield made


def got(client: httpx.Client, path: str, **query: Any) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("accounts", {}, "balance"),
        ("accounts", {"sort": "path"}, "balance --sort path"),
        ("accounts", {"sort": "used"}, "balance --sort used"),
        ("accounts", {"match": "lpp/CON-1*/2025", "sort": "used"}, "balance lpp/CON-1*/2025 --sort used"),
        ("accounts", {"match": "flow/*"}, "balance flow/*"),
        ("accounts", {"as_of": "2025-06-10"}, "balance --as-of 2025-06-10"),
        ("accounts", {"as_of": "2025-06-10", "sort": "used"}, "balance --as-of 2025-06-10 --sort used"),
        ("accounts", {"known_at": "record:6"}, "balance --known-at record:6"),
        ("accounts", {"known_at": "snapshot:2025-06"}, "balance --known-at snapshot:2025-06"),
        ("holds", {}, "holds"),
        ("holds", {"code": "quota.exhausted"}, "holds --code quota.exhausted"),
        ("holds", {"account": "lpp/*"}, "holds --account lpp/*"),
        ("obligations", {}, "obligations"),
        ("obligations", {"state": "all"}, "obligations --all"),
        ("obligations", {"due_by": "2025-07-31"}, "obligations --due-by 2025-07-31"),
        ("snapshots", {}, "snapshot list"),
    ],
)
def test_a_list_is_that_of_the_command_line_in_pages_of_any_size(
    there: Served, client: httpx.Client, path: str, query: dict[str, str], words: str
) -> None:
    told = listed(there.ledger, *words.split())
    assert told
    assert got(client, f"/v1/{path}", limit=1_000, **query) == {"items": told, "next": None}
    assert pages(client, f"/v1/{path}", 1, **query) == told
    assert got(client, f"/v1/{path}", limit=1_000, cursor="first", **query) == {"items": told, "next": None}
    assert pages(client, f"/v1/{path}", 2, **query) == told


def test_obligations_by_state(there: Served, client: httpx.Client) -> None:
    every = listed(there.ledger, "obligations", "--all")
    for state in ("open", "met", "withdrawn"):
        assert got(client, "/v1/obligations", state=state)["items"] == [one for one in every if one["state"] == state]
    assert {"open", "met"} <= {one["state"] for one in every}


def test_an_account_says_what_counts_for_it_and_what_waits(there: Served, client: httpx.Client) -> None:
    (told,) = listed(there.ledger, "balance", "lpp/CON-1/2025")
    whole = {**told, "thresholds": ["0.9", 1_000_000], "holds_waiting": ["SHP-2"]}
    assert got(client, LPP) == whole
    assert got(client, "/v1/accounts/lpp%2FCON-1%2f2025") == whole
    other = got(client, "/v1/accounts/lpp/CON-10/2025")
    assert (other["thresholds"], other["holds_waiting"], other["forecast"]) == (["0.5"], [], other["forecast"])
    (then,) = listed(there.ledger, "balance", "lpp/CON-1/2025", "--as-of", "2025-06-04")
    assert got(client, LPP, as_of="2025-06-04") == {**whole, **then}
    assert got(client, "/v1/accounts/flow/PL/2025")["thresholds"] == []


def test_an_account_named_entries_is_an_account(client: httpx.Client) -> None:
    for path in ("/v1/accounts/license/entries", "/v1/accounts/license%2Fentries"):
        assert got(client, path)["account"] == "license/entries"
    for path in ("/v1/accounts/license/entries/entries", "/v1/accounts/license%2Fentries%2Fentries"):
        assert set(got(client, path)) == {"items", "next"}


def test_entries_are_rows_of_the_statement_by_number(there: Served, client: httpx.Client) -> None:
    told = listed(there.ledger, "statement", "lpp/CON-1/2025")[1:-1]
    told.sort(key=lambda one: one["entry"])
    found = got(client, f"{LPP}/entries")["items"]
    assert [list(one) for one in found] == [list(one) for one in told]
    balance = 0
    for one in told:
        balance += one["change"]
        one["balance"] = balance
    assert found == told and len(told) > 2
    assert [one["booked"] for one in told] != sorted(one["booked"] for one in told)
    assert pages(client, f"{LPP}/entries", 1) == told
    some = [one for one in told if "2025-06-04" <= one["booked"] <= "2025-06-05"]
    assert got(client, f"{LPP}/entries", **{"from": "2025-06-04", "to": "2025-06-05"})["items"] == some
    assert 0 < len(some) < len(told)
    assert got(client, "/v1/accounts/flow/PL/2025/entries") == {"items": [], "next": None}
    none = {"from": "2025-06-05", "to": "2025-06-04"}  # there is no such day
    assert got(client, f"{LPP}/entries", **none) == {"items": [], "next": None}


def test_a_shipment_with_its_debits_obligations_and_answers(there: Served, client: httpx.Client) -> None:
    answer = client.get("/v1/shipments/SHP-1")
    found = answer.json()
    members = "shipment_id state export_date authorization tpp debits obligations answers"
    assert list(found) == members.split()
    assert (found["state"], found["export_date"], found["tpp"]) == ("dispatched", "2025-06-05", 15_832_000)
    assert found["authorization"] == {"kind": "LPP", "reference": None}
    assert {"account": "lpp/CON-1/2025", "amount": 15_832_000} in found["debits"]
    every = listed(there.ledger, "obligations", "--all")
    assert found["obligations"] == [one for one in every if one["about"] == "SHP-1"]
    told = [answer for one in listed(there.ledger, "explain", "SHP-1") for answer in one["answers"]]
    assert found["answers"] == told
    assert all(orjson.dumps(one) in answer.content for one in told)
    held = got(client, "/v1/shipments/SHP-2")
    assert (held["state"], held["authorization"], held["debits"]) == ("held", None, [])


def test_a_publisher_sees_the_shipments_that_it_asked_for_alone(there: Served) -> None:
    with there.client(there.token("publisher", "wms", "//wms.example/*")) as wms:
        assert got(wms, "/v1/shipments/SHP-1")["shipment_id"] == "SHP-1"
        other, none = wms.get("/v1/shipments/SHP-3"), wms.get("/v1/shipments/SHP-99")
        assert (other.status_code, none.status_code) == (404, 404)
        assert other.json()["detail"].replace("SHP-3", "SHP-99") == none.json()["detail"]
    with there.client(there.token("publisher", "carrier", "//nobody.example", CARRIER)) as carrier:
        assert got(carrier, "/v1/shipments/SHP-3")["shipment_id"] == "SHP-3"
        assert carrier.get("/v1/shipments/SHP-1").status_code == 404


MAY = {
    "/v1/shipments/SHP-1": "publisher monitor reviewer finance admin",
    "/v1/accounts": "monitor reviewer finance admin",
    LPP: "monitor reviewer finance admin",
    f"{LPP}/entries": "monitor reviewer finance admin",
    "/v1/holds": "monitor reviewer finance admin",
    "/v1/obligations": "monitor reviewer finance admin",
    "/v1/snapshots": "finance admin",
}


def test_each_role_reads_what_the_table_of_roles_says(there: Served) -> None:
    for role in ROLES:
        sources = ("//wms.example/*",) if role == "publisher" else ()
        with there.client(there.token(role, "one", *sources)) as client:
            found = {path: client.get(path).status_code for path in MAY}
        assert found == {path: 200 if role in may.split() else 403 for path, may in MAY.items()}, role
    with there.client() as nobody:
        assert {nobody.get(path).status_code for path in MAY} == {401}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/accounts/lpp/CON-1/1999", "/v1/accounts/lpp", "/v1/accounts/lpp/CON-1/2025/", "/v1/accounts/lpp//CON-1/2025",
        "/v1/accounts/lpp/*/2025", "/v1/accounts/%00", "/v1/accounts/%ff", "/v1/accounts/flow/%00", "/v1/accounts/flow/*",
        "/v1/accounts/flow/XX/1999", "/v1/accounts/flow/XX/1999/entries", "/v1/accounts/entries", "/v1/accounts/x/entries",
        "/v1/accounts/lpp/CON-9/2025/entries", "/v1/accounts/lpp/CON-1/2025%0A", "/v1/accounts/..%2Fholds",
        "/v1/shipments/SHP-99", "/v1/shipments/%00", "/v1/shipments/SHP-1%00", "/v1/shipments/%ff", "/v1/shipments/SHP-*",
        "/v1/shipments/SHP-UNKNOWN", "/v1/shipments/SHP-1/x", "/v1/shipments", "/v1/shipments/%F0%9F%A6%80", "/v1/lpp",
    ],
)  # fmt: skip
def test_what_is_not_there_is_404(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "query", "pointers"),
    [
        ("accounts", "limit=ten", "/limit"),
        ("accounts", "limit=0", "/limit"),
        ("accounts", "limit=1001", "/limit"),
        ("accounts", "limit=-1", "/limit"),
        ("accounts", "limit=%2B5", "/limit"),
        ("accounts", "limit=1_0", "/limit"),
        ("accounts", "limit=%D9%A5", "/limit"),
        ("accounts", "limit=" + "9" * 5_000, "/limit"),
        ("accounts", "limit=5&limit=5", "/limit"),
        ("accounts", "limit", "/limit"),
        ("accounts", "limit=", "/limit"),
        ("accounts", "limits=5", "/limits"),
        ("accounts", "LIMIT=5", "/LIMIT"),
        ("accounts", "a/b~c=5", "/a~1b~0c"),
        ("accounts", "=5", "/"),
        ("accounts", "match=%00", "/match"),
        ("accounts", "match=%ff", "/match"),
        ("accounts", "match=%ED%A0%80", "/match"),
        ("accounts", "%ff=1", "/%ff"),
        ("accounts", "sort=size", "/sort"),
        ("accounts", "sort=", "/sort"),
        ("accounts", "as_of=yesterday", "/as_of"),
        ("accounts", "as_of=2025-13-01", "/as_of"),
        ("accounts", "as_of=record:1", "/as_of"),
        ("accounts", "known_at=record:x", "/known_at"),
        ("accounts", "known_at=snapshot:1999", "/known_at"),
        ("accounts", "as_of=x&sort=y&limit=z&w=1", "/w /as_of /sort /limit"),
        ("accounts", "token=x", "/token"),
        ("accounts/lpp/CON-1/2025", "limit=5", "/limit"),
        ("accounts/lpp/CON-1/2025", "known_at=1", "/known_at"),
        ("accounts/lpp/CON-1/2025/entries", "from=2025-6-1&to=1", "/from /to"),
        ("shipments/SHP-1", "limit=5", "/limit"),
        ("holds", "code=none.such", "/code"),
        ("holds", "party=CON-1", "/party"),
        ("obligations", "state=due", "/state"),
        ("obligations", "due_by=2025-02-30", "/due_by"),
        ("snapshots", "sort=path", "/sort"),
    ],
)
def test_a_query_that_is_not_valid_names_each_fault(client: httpx.Client, path: str, query: str, pointers: str) -> None:
    answer = client.get(f"/v1/{path}?{query}")
    assert answer.status_code == 400, answer.text
    problem = answer.json()
    assert problem["type"] == "/problems/query-invalid"
    assert [one["pointer"] for one in problem["errors"]] == pointers.split()
    assert all(one["code"] and one["message"].endswith(".") for one in problem["errors"])


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("accounts", "match='; DROP TABLE account; --"),
        ("accounts", "match=%25%5B_%3F%5C"),
        ("accounts", "match=" + "*a" * 3_000),
        ("accounts", "match=%F0%9F%A6%80"),
        ("holds", "account=nobody/%5B*"),
        ("accounts", "as_of=0001-01-01"),
        ("accounts", "as_of=9999-12-31T23:59:59Z&known_at=record:" + "9" * 40),
        ("obligations", "due_by=0001-01-01"),
    ],
)
def test_a_strange_value_matches_nothing_or_everything_and_never_fails(
    client: httpx.Client, path: str, query: str
) -> None:
    assert client.get(f"/v1/{path}?{query}").status_code == 200


def cursor(value: Any) -> str:
    content = orjson.dumps(value)
    return f"c.{sha256(content).hexdigest()[:8]}{base64.urlsafe_b64encode(content).decode().rstrip('=')}"


def read_cursor(text: str) -> Any:
    text = text.removeprefix("c.")[8:]
    return orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_a_cursor_of_another_list_or_other_filters_or_a_broken_one_is_refused(client: httpx.Client) -> None:
    first = got(client, "/v1/accounts", limit=1)["next"]
    inside = read_cursor(first)
    assert got(client, "/v1/accounts", limit=5, cursor=first, sort="path")["items"]
    places: list[Any] = [[], [0, 0, 0], [0, 0, 0, 5], [0, 0, 0, "a\0"], ["0", 0, 0, "a"], [2**63, 0, 0, "a"], [True, 0, 0, "a"],
                         [0, 0, 0, "a", 1], None, {}, "a", [0.5, 0, 0, "a"]]  # fmt: skip
    assert cursor(inside) == first
    turned = [f"{first[:at]}{'A' if first[at] != 'A' else 'B'}{first[at + 1 :]}" for at in range(len(first) - 1)]
    broken = [
        *("x", "....", "c.", "FIRST", "first ", first.removeprefix("c."), f"c.{first}", first[:-4], first + "A"),
        *("é" * 3, "A" * 9_000, cursor([]), cursor({}), cursor(None), *turned),
        *(cursor({**inside, "after": place}) for place in places),
        cursor({**inside, "given": 5}), cursor({**inside, "list": "holds"}), cursor({**inside, "mark": "0" * 32}),
    ]  # fmt: skip
    asked = [("/v1/accounts", {"cursor": one}) for one in broken]
    asked += [
        ("/v1/accounts", {"cursor": first, **more})
        for more in ({"match": "lpp/*"}, {"sort": "used"}, {"as_of": "2025-06-10"})
    ]
    asked += [(path, {"cursor": first}) for path in ("/v1/holds", "/v1/obligations", "/v1/snapshots", f"{LPP}/entries")]
    hold = got(client, "/v1/holds", limit=1)["next"]
    held = read_cursor(hold)
    asked += [
        ("/v1/holds", {"cursor": cursor({**held, "after": place})})
        for place in ([True, 1, "x"], [False, 1, 1], [1, 1, 1])
    ]
    owed = got(client, "/v1/obligations", limit=1)["next"]
    due = read_cursor(owed)
    asked += [("/v1/obligations", {"cursor": cursor({**due, "given": given})}) for given in (None, "x", "2025-13-01")]
    for path, query in asked:
        answer = client.get(path, params=query)
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/cursor-invalid"), (path, query)
