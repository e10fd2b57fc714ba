"""`tpp lists` from the command line, on both databases: what is loaded, what is refused, and what is found."""

import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_events import answers, event, kinds, lines, request
from cli_run import Done, Tpp

from rulebook.parties.entries import entries_of

HEAD = "list,entry,name,aliases,country,address,status,effective_date,federal_register,notes\n"
ROW = "bis-entity-list,{},{},{},{},,,,,For all items subject to the EAR. (See § 744.11 of the EAR)\n"
NAMES = ("Alpha Lantern Electronics", "Borealis Turbine Works", "Cobalt Aero Institute", "Delta Routing Systems",
         "Echo Freight Forwarding", "Foxglove Optics Group", "Granite Shipping", "Harvest Credit Bank",
         "Ironwood Logging", "Juniper Rocketry Academy")  # fmt: skip
Lists = Callable[..., Done]


def listed(*names: str, country: str = "China") -> str:
    """A list of these names, numbered from 1."""
    return HEAD + "".join(ROW.format(n, name, f"{name} Holding", country) for n, name in enumerate(names, 1))


@pytest.fixture
def lists(tpp: Tpp, ledger_url: str) -> Lists:
    """Runs `tpp lists` on a new ledger of either kind of database."""

    def run(*words: str, stdin: bytes = b"") -> Done:
        return tpp("lists", *words, "--ledger", ledger_url, stdin=stdin)

    return run


def loads(lists: Lists, folder: Path, text: str, version: str, *words: str, name: str = "house") -> Done:
    """Loads a text as a version of a list."""
    (folder / "list.csv").write_text(text)
    return lists("load", "list.csv", "--name", name, "--version", version, *words)


def told(done: Done) -> Any:
    """The JSON that a command printed, which succeeded."""
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def records(tpp: Tpp, url: str) -> int:
    """How many records the journal has."""
    found: int = told(tpp("audit", "verify", "--ledger", url, "--format", "json"))["records"]
    return found


def test_a_list_is_loaded_listed_searched_and_exported(lists: Lists, tpp: Tpp, ledger_url: str, tmp_path: Path) -> None:
    made = told(loads(lists, tmp_path, listed(*NAMES), "1", "--max-age", "30", "--output", "json"))
    content = tmp_path / "out.jsonl"
    assert lists("export", "house", "--out", "out.jsonl").returncode == 0
    digest = hashlib.sha256(content.read_bytes()).hexdigest()
    assert made == {
        "name": "house", "version": "1", "sha256": digest, "entries": 10, "added": 10, "removed": 0, "changed": 0,
        "held": 0, "recheck": 0, "alerts": 0,
    }  # fmt: skip
    assert [one.name for one in entries_of(content.read_bytes())][:2] == [NAMES[0], NAMES[9]], "sorted by id"
    (row,) = told(lists("status", "--format", "json"))
    assert row.pop("loaded").endswith("Z")
    assert row == {
        "name": "house", "version": "1", "entries": 10, "digest": f"sha256:{digest}", "age_days": None,
        "threshold": "0.85", "stale": False,
    }  # fmt: skip
    (answer,) = told(lists("search", "Granite Shipping Holding", "--country", "cn", "--format", "json"))
    best = answer["matches"][0]
    assert answer["name"] == "Granite Shipping Holding"
    assert (best["list"], best["version"], best["entry"]) == ("house", "1", "bis-entity-list/7")
    assert (best["listed_name"], best["matched_alias"]) == ("Granite Shipping", "Granite Shipping Holding")
    assert (best["score"], best["threshold"], best["hit"]) == ("1.00", "0.85", True)
    assert best["explanation"] and {*best["explanation"][0]} == {"asked", "listed", "score"}
    assert records(tpp, ledger_url) == 3, "the load, what it rescreened, and the end of it"


def test_a_decision_names_the_list_and_its_digest(lists: Lists, tpp: Tpp, ledger_url: str, tmp_path: Path) -> None:
    made = told(loads(lists, tmp_path, listed(*NAMES), "1", "--output", "json"))
    first, *_ = answers(tpp("screen", "-", "--ledger", ledger_url, stdin=lines(request("S-1"))).stdout)
    expected = [{"name": "house", "version": "1", "digest": f"sha256:{made['sha256']}"}]
    assert first["data"]["basis"]["lists"] == expected


def test_the_same_load_again_moves_nothing(lists: Lists, tpp: Tpp, ledger_url: str, tmp_path: Path) -> None:
    words = ("1", "--threshold", "0.9", "--max-age", "7", "--output", "json")
    first = told(loads(lists, tmp_path, listed(*NAMES), *words))
    before = records(tpp, ledger_url)
    assert told(loads(lists, tmp_path, listed(*NAMES), "1", "--threshold", "0.90", *words[3:])) == first
    packed = tmp_path / "again.csv.gz"
    packed.write_bytes(gzip.compress(listed(*NAMES).replace("\n", "\r\n").encode()))
    assert told(lists("load", "again.csv.gz", "--name", "house", "--version", *words)) == first
    assert records(tpp, ledger_url) == before
    (row,) = told(lists("status", "--format", "json"))
    assert row["threshold"] == "0.90"


@pytest.mark.parametrize(
    ("names", "words", "says"),
    [
        (NAMES[:9], ("1",), "was loaded with other content"),
        (NAMES, ("1", "--threshold", "0.86"), "was loaded with another threshold"),
        (NAMES, ("1", "--max-age", "5"), "was loaded with another maximum age"),
    ],
)
def test_something_else_under_a_version_is_refused(
    lists: Lists, tpp: Tpp, ledger_url: str, tmp_path: Path, names: tuple[str, ...], words: tuple[str, ...], says: str
) -> None:
    assert loads(lists, tmp_path, listed(*NAMES), "1").returncode == 0
    before = records(tpp, ledger_url)
    done = loads(lists, tmp_path, listed(*names), *words)
    assert (done.returncode, done.stdout) == (1, b"")
    assert says in done.stderr.decode()
    assert records(tpp, ledger_url) == before


def test_a_version_that_is_no_longer_in_force_is_refused(lists: Lists, tmp_path: Path) -> None:
    for version, names in (("1", NAMES), ("2", (*NAMES, "Kestrel Mining"))):
        assert loads(lists, tmp_path, listed(*names), version).returncode == 0
    done = loads(lists, tmp_path, listed(*NAMES), "1")
    assert (done.returncode, b"no longer in force" in done.stderr) == (1, True)
    assert told(loads(lists, tmp_path, listed(*NAMES), "3", "--output", "json"))["removed"] == 1
    assert [one["version"] for one in told(lists("status", "--format", "json"))] == ["3"]
    assert lists("export", "house", "--version", "2", "--out", "two.jsonl").returncode == 0
    assert len((tmp_path / "two.jsonl").read_bytes().splitlines()) == 11


def test_what_a_version_changes_is_counted(lists: Lists, tmp_path: Path) -> None:
    assert loads(lists, tmp_path, listed(*NAMES), "1").returncode == 0
    changed = listed("Alpha Lantern Works", *NAMES[1:9]) + ROW.format(11, "Kestrel Mining", "", "China")
    made = told(loads(lists, tmp_path, changed, "2", "--output", "json"))
    assert (made["entries"], made["added"], made["removed"], made["changed"]) == (10, 1, 1, 1)


@pytest.mark.parametrize(("left", "code"), [(9, 0), (8, 1)])
def test_a_list_may_lose_a_tenth_and_no_more(
    lists: Lists, tpp: Tpp, ledger_url: str, tmp_path: Path, left: int, code: int
) -> None:
    assert loads(lists, tmp_path, listed(*NAMES), "1").returncode == 0
    before = records(tpp, ledger_url)
    done = loads(lists, tmp_path, listed(*NAMES[:left]), "2")
    assert done.returncode == code
    if code:
        assert b"8 entries, and 10 before: more than 10 % fewer" in done.stderr
        assert records(tpp, ledger_url) == before
        assert loads(lists, tmp_path, listed(*NAMES[:left]), "2", "--force").returncode == 0


def test_an_unreadable_row_loads_nothing(lists: Lists, tpp: Tpp, ledger_url: str, tmp_path: Path) -> None:
    done = loads(lists, tmp_path, listed(*NAMES) + ROW.format(3, "Again", "", "China"), "1")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "list.csv, line 12: the id 'bis-entity-list/3' stands in line 4 already" in done.stderr.decode()
    assert told(lists("status", "--format", "json")) == []
    assert records(tpp, ledger_url) == 0


def test_a_bomb_and_a_broken_file_load_nothing(lists: Lists, tmp_path: Path) -> None:
    bomb = gzip.compress(listed(*NAMES).encode() + b"\n" * (200 << 20), 9)
    for content, says in (
        (bomb, "has more than 134,217,728 bytes when it is unpacked"),
        (gzip.compress(listed(*NAMES).encode())[:-20], "the gzip data is cut off"),
        (b"PK\x03\x04" + b"x" * 100, "a list is CSV or JSON"),
        (b"", "is empty"),
    ):
        (tmp_path / "list.csv").write_bytes(content)
        done = lists("load", "list.csv", "--name", "house", "--version", "1")
        assert (done.returncode, done.stdout, says in done.stderr.decode()) == (2, b"", True), done.stderr
    assert lists("load", "none.csv", "--name", "house", "--version", "1").returncode == 2


def test_countries_that_are_not_read_are_told(lists: Lists, tmp_path: Path) -> None:
    done = loads(lists, tmp_path, listed(*NAMES[:3], country="Atlantis"), "1")
    assert done.returncode == 0
    assert done.stderr.decode() == "3 countries were not read and count as not known: 'Atlantis' (line 2 and 2 more)\n"


def test_a_list_may_come_from_standard_input(lists: Lists, tmp_path: Path) -> None:
    words = ("load", "-", "--name", "house", "--version", "1", "--output", "json")
    assert told(lists(*words, stdin=gzip.compress(listed(*NAMES).encode())))["entries"] == 10
    done = lists(*words, stdin=b"list,entry,name\nl,1,\n")
    assert (done.returncode, done.stderr) == (2, b"Error: standard input, line 2: the entry has no name\n")
    loads(lists, tmp_path, listed(*NAMES), "1")
    found = told(lists("search", "--file", "-", "--format", "json", stdin=b"Granite Shipping\n"))
    assert found[0]["matches"][0]["entry"] == "bis-entity-list/7"


def test_text_says_what_was_done(lists: Lists, tmp_path: Path) -> None:
    first = loads(lists, tmp_path, listed(*NAMES), "1").stdout.decode()
    assert "The list house 1 is in force: 10 entries, 10 added, 0 removed, 0 changed." in first
    again = loads(lists, tmp_path, listed(*NAMES), "1").stdout.decode()
    assert again == "The list house 1 was in force already; nothing changed.\n"


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--name", "a/b", "1 to 64 of A-Z a-z 0-9"),
        ("--name", "x" * 65, "1 to 64 of A-Z a-z 0-9"),
        ("--name", "", "1 to 64 of A-Z a-z 0-9"),
        ("--version", "2026 07", "1 to 64 of A-Z a-z 0-9"),
        ("--threshold", "0.49", "a decimal from 0.50 to 1.00"),
        ("--threshold", "1.01", "a decimal from 0.50 to 1.00"),
        ("--threshold", "0.855", "a decimal from 0.50 to 1.00"),
        ("--threshold", ".9", "a decimal from 0.50 to 1.00"),
        ("--max-age", "0", "--max-age"),
        ("--map", "firm=Name", "FIELD is one of id, list, entry, name"),
        ("--map", "name=", "FIELD is one of"),
        ("--map", "name=Firma", "has no column 'Firma' for name"),
        ("--format", "csl", "has no column '_id'"),
        ("--format", "xml", "xml"),
    ],
)
def test_wrong_options_are_told(lists: Lists, tmp_path: Path, option: str, value: str, says: str) -> None:
    done = loads(lists, tmp_path, listed(*NAMES), "1", option, value)
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in " ".join(done.stderr.decode().split())


def test_the_least_and_the_greatest_threshold_are_taken(lists: Lists, tmp_path: Path) -> None:
    for version, given, shown in (("1", "0.5", "0.50"), ("2", "1", "1.00"), ("3", "1.0", "1.00")):
        assert loads(lists, tmp_path, listed(*NAMES), version, "--threshold", given).returncode == 0
        assert told(lists("status", "--format", "json"))[0]["threshold"] == shown


def test_all_lists_in_force_are_searched_by_each_name_of_a_file(lists: Lists, tmp_path: Path) -> None:
    assert loads(lists, tmp_path, listed(*NAMES), "1").returncode == 0
    assert loads(lists, tmp_path, listed("Granite Shipping"), "7", name="second").returncode == 0
    (tmp_path / "names.txt").write_bytes("\ufeffGranite Shipping\r\n\n  \nQuxquux Zyzzyva\n".encode())
    found = told(lists("search", "Harvest Credit Bank", "--file", "names.txt", "--format", "json"))
    assert [one["name"] for one in found] == ["Harvest Credit Bank", "Granite Shipping", "Quxquux Zyzzyva"]
    assert [(one["list"], one["score"]) for one in found[1]["matches"]][:2] == [("house", "1.00"), ("second", "1.00")]
    assert found[2]["matches"] == []
    scores = [one["score"] for one in found[1]["matches"]]
    assert scores == sorted(scores, reverse=True) and min(scores) >= "0.50"
    (near,) = told(lists("search", "Granite Shippping", "--format", "json"))
    assert [one["hit"] for one in near["matches"]] == [one["score"] >= "0.85" for one in near["matches"]]
    assert loads(lists, tmp_path, listed("Granite Shipping"), "8", "--threshold", "1", name="second").returncode == 0
    (strict,) = told(lists("search", "Granite Shippping", "--format", "json"))
    hits = {one["list"]: one["hit"] for one in strict["matches"] if one["listed_name"] == "Granite Shipping"}
    assert hits == {"house": True, "second": False}
    (abroad,) = told(lists("search", "Granite Shipping", "--country", "FR", "--format", "json"))
    found = [(one["score"], one["hit"]) for one in abroad["matches"] if one["list"] == "second"]
    assert found[:1] == [("1.00", True)], "a name of its own stays at the list's threshold, as in a hold"
    (one,) = told(lists("search", "Granite Shipping", "--limit", "1", "--format", "json"))
    assert len(one["matches"]) == 1
    text = lists("search", "Granite Shipping", "Quxquux Zyzzyva").stdout.decode()
    assert "No entry resembles Quxquux Zyzzyva." in text and "bis-entity-list/7" in text


def test_a_search_that_cannot_be_made_is_told(lists: Lists, tmp_path: Path) -> None:
    none = lists("search", "Granite Shipping")
    assert (none.returncode, b"no list is loaded" in none.stderr) == (1, True)
    assert loads(lists, tmp_path, listed(*NAMES), "1").returncode == 0
    (tmp_path / "long.txt").write_text("Alpha\n" + "A" * 513 + "\n")
    (tmp_path / "bad.txt").write_bytes(b"Alpha\n\xff\n")
    (tmp_path / "blank.txt").write_text("\n \n")
    for words, says in (
        (("--file", "long.txt"), "long.txt, line 2: a name of 513 characters; at most 512"),
        (("--file", "bad.txt"), "bad.txt, line 2: not UTF-8"),
        (("--file", "blank.txt"), "Name a party"),
        ((), "Name a party"),
        (("Alpha", "--country", "XK"), "'XK' is not an ISO 3166-1 alpha-2 code"),
        (("Alpha", "--country", "China"), "'China' is not an ISO 3166-1 alpha-2 code"),
        (("Alpha", "--lei", "300300TEST00ZHIPU01"), "'300300TEST00ZHIPU01' is not a Legal Entity Identifier"),
        (("Alpha", "--limit", "0"), "--limit"),
    ):
        done = lists("search", *words)
        assert (done.returncode, says in " ".join(done.stderr.decode().split())) == (2, True), done.stderr


def test_an_export_of_what_was_not_loaded_is_told(lists: Lists, tmp_path: Path) -> None:
    assert loads(lists, tmp_path, listed(*NAMES), "1").returncode == 0
    for words in (("us",), ("house", "--version", "2")):
        done = lists("export", *words, "--out", "x.jsonl")
        assert (done.returncode, b"was not loaded" in done.stderr) == (1, True)
    assert not (tmp_path / "x.jsonl").exists()
    assert lists("export", "house").returncode == 2, "where to is not said"
    (tmp_path / "mine.txt").write_text("mine\n")
    assert lists("export", "house", "--out", "mine.txt").returncode == 2
    assert lists("export", "house", "--out", "mine.txt", "--force").returncode == 0
    assert lists("export", "house", "--out", "mine.txt").returncode == 0, "an output of this command"
    assert lists("export", "house", "--out", "-").stdout == (tmp_path / "mine.txt").read_bytes()


def test_age_is_that_of_the_last_tick(lists: Lists, tpp: Tpp, ledger_url: str, tmp_path: Path) -> None:
    assert loads(lists, tmp_path, listed(*NAMES), "1", "--max-age", "10").returncode == 0
    loaded = told(lists("status", "--format", "json"))[0]["loaded"]
    day = date.fromisoformat(loaded[:10])
    for days, stale in ((10, False), (11, True)):
        ticked = f"{day + timedelta(days=days)}T00:00:00Z"
        tick = event(f"tick-{days}", "clock.ticked", {"now": ticked}, ticked)
        assert tpp("screen", "-", "--ledger", ledger_url, stdin=lines(tick)).returncode == 0
        (row,) = told(lists("status", "--format", "json"))
        assert (row["age_days"], row["stale"]) == (days, stale)


def test_a_load_from_elsewhere_is_an_unknown_type(lists: Lists, tpp: Tpp, ledger_url: str, tmp_path: Path) -> None:
    assert loads(lists, tmp_path, listed(*NAMES), "1").returncode == 0
    data = {"name": "house", "version": "2", "sha256": "0" * 64, "file_sha256": "0" * 64, "entries": 0, "added": 0,
            "removed": 10, "changed": 0, "threshold": "0.85"}  # fmt: skip
    done = tpp("screen", "-", "--ledger", ledger_url, stdin=lines(event("forged", "list.loaded", data)))
    assert kinds(done.stdout) == ["rejected"]
    assert [one["version"] for one in told(lists("status", "--format", "json"))] == ["1"]
