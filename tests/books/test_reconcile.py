"""A statement of another system against the ledger: what the ledger has, planted faults, and how lines are paired."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from books_statement import as_csv, compared, ledger_lines, plant, screen
from databases import Databases
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from ledger.database.store import Store
from ledger.queries.reconcile import Line, Result, on_accounts, reconcile

GOOD = Line("SHP-1", "lpp/CON-1/2025", "2025-06-05", 126_656)


def numbered(lines: Sequence[Line]) -> dict[int, Line]:
    return dict(enumerate(lines, 1))


# --- the ledger's side ------------------------------------------------------------------------------------------------


def test_the_ledgers_lines_are_the_sums_of_entries_and_faults_against_them_are_found(
    databases: Databases, tmp_path: Path
) -> None:
    url = databases.ledger()
    screen(url)
    check_lines(url)
    check_faults(url, tmp_path / "statement.csv")
    databases.drop(url)


def check_lines(url: str) -> None:
    """The ledger's side against its entries, summed one by one."""
    found = ledger_lines(url)
    sums: Counter[tuple[str, str]] = Counter()
    dates = {}
    store = Store(url)
    with store.read() as connection:
        for shipment, path, *parts, day in connection.execute(
            text(
                "SELECT e.shipment_id, a.path, e.pending, e.posted, e.credits, s.export_date FROM entry e "
                "JOIN account a ON a.id = e.account JOIN shipment s ON s.id = e.shipment_id"
            )
        ):
            sums[shipment, path] += parts[0] + parts[1] - parts[2]
            dates[shipment] = day
    store.close()
    assert found == sorted(Line(*key, dates[key[0]], amount) for key, amount in sums.items() if amount)
    assert len(found) > 250
    assert 0 in sums.values()
    assert all(type(line.amount) is int for line in found)
    assert ledger_lines(url, "lpp/*") == [line for line in found if line.account.startswith("lpp/")] != found
    assert ledger_lines(url, "*/2025") == [line for line in found if line.account.endswith("/2025")]
    assert ledger_lines(url, "nothing") == []


# --- planted faults ---------------------------------------------------------------------------------------------------


def check_faults(url: str, file: Path) -> None:
    """Each planted fault is found and classed, and nothing else."""
    lines = ledger_lines(url)
    for seed in range(5):
        statement, expected = plant(lines, seed)
        file.write_bytes(as_csv(statement))
        assert compared(url, file) == expected
        assert {len(one["fields"]) for one in expected["different"]} == {1}
    file.write_bytes(as_csv(lines))
    same = compared(url, file)
    assert (same["matched"], same["missing_here"], same["missing_there"], same["different"]) == (len(lines), [], [], [])


# --- pairing ----------------------------------------------------------------------------------------------------------

SHIPMENTS = st.sampled_from(["S-1", "S-2", "s-1 ", "S-3", ""])
ACCOUNTS = st.sampled_from(["lpp/A/2025", "lpp/B/2025", "nveu/A/IN", "country/IN/2025-2027"])
DATES = st.sampled_from(["2025-01-31", "2025-02-01", "2025-12-31"])
AMOUNTS = st.sampled_from([-5, 1, 2, 100, 2**53 - 1])
LINES = st.builds(Line, SHIPMENTS, ACCOUNTS, DATES, AMOUNTS)
STATEMENTS = st.lists(LINES, max_size=12)
LEDGERS = st.lists(LINES, max_size=10, unique_by=lambda line: line[:2])


def matched_lines(lines: Sequence[Line], missing: Sequence[Line], different: Sequence[Line]) -> Counter[Line]:
    rest = Counter(lines)
    rest.subtract(missing)
    rest.subtract(different)
    assert min(rest.values(), default=0) >= 0
    return +rest


@given(STATEMENTS, st.lists(LINES, max_size=10))
def test_every_line_of_both_sides_is_in_one_place_and_the_totals_add_up(there: list[Line], here: list[Line]) -> None:
    found = reconcile(numbered(there), here)
    unlike = found.different
    ours = matched_lines(here, found.missing_there, [one.here for one in unlike])
    theirs = matched_lines(there, [one.line for one in found.missing_here], [one.there for one in unlike])
    assert ours == theirs
    assert ours.total() == found.matched
    rows = [one.row for one in found.missing_here] + [one.row for one in unlike]
    assert len(set(rows)) == len(rows)
    assert all(there[one.row - 1] == one.line for one in found.missing_here)
    assert all(there[one.row - 1] == one.there and one.fields for one in unlike)
    assert found.here == sum(line.amount for line in here)
    assert found.there == sum(line.amount for line in there)
    gaps = sum(one.line.amount for one in found.missing_here) - sum(line.amount for line in found.missing_there)
    assert found.difference == gaps + sum(one.difference for one in unlike)
    assert found.agrees == (Counter(there) == Counter(here))


@given(STATEMENTS, LEDGERS, st.randoms(use_true_random=False))
def test_no_pair_is_left_and_the_order_of_the_ledger_does_not_matter(
    there: list[Line], here: list[Line], chance: random.Random
) -> None:
    found = reconcile(numbered(there), here)
    unknown = [one.line for one in found.missing_here]
    assert not {line.shipment_id for line in unknown} & {line.shipment_id for line in found.missing_there}
    assert not {line[1:] for line in unknown} & {line[1:] for line in found.missing_there}
    for one in found.missing_here:
        twin = there.index(one.line) + 1
        assert one.duplicate_of == (None if twin == one.row else twin)
    shuffled = here[:]
    chance.shuffle(shuffled)
    assert reconcile(numbered(there), shuffled) == found
    assert reconcile(numbered(here), shuffled) == Result(len(here), [], [], [], found.here, found.here)


@given(STATEMENTS, LEDGERS, DATES, DATES)
def test_a_range_of_dates_tells_a_part_of_what_the_whole_tells(
    there: list[Line], here: list[Line], first: str, last: str
) -> None:
    whole, part = reconcile(numbered(there), here), reconcile(numbered(there), here, first, last)

    def within(*lines: Line) -> bool:
        return any(first <= line.date <= last for line in lines)

    assert part.missing_here == [one for one in whole.missing_here if within(one.line)]
    assert part.missing_there == [line for line in whole.missing_there if within(line)]
    assert part.different == [one for one in whole.different if within(one.here, one.there)]
    inside = matched_lines(
        [line for line in here if within(line)],
        [line for line in part.missing_there if within(line)],
        [one.here for one in part.different if within(one.here)],
    )
    assert part.matched == inside.total()


def pairs(there: list[Line], here: list[Line]) -> list[tuple[int, Line, list[str]]]:
    return [(one.row, one.here, one.fields) for one in reconcile(numbered(there), here).different]


def test_an_equal_line_is_taken_before_an_unequal_one_of_the_same_shipment() -> None:
    wrong = GOOD._replace(amount=1)
    found = reconcile(numbered([wrong, GOOD, GOOD]), [GOOD])
    assert (found.matched, found.different) == (1, [])
    assert [(one.row, one.duplicate_of) for one in found.missing_here] == [(1, None), (3, 2)]


def test_the_likest_line_of_a_shipment_is_taken() -> None:
    license, country = GOOD._replace(account="license/L-1"), GOOD._replace(account="country/IN/2025-2027")
    elsewhere = GOOD._replace(account="license/L-2")
    assert pairs([elsewhere], [country, license]) == [(1, license, ["account"])]
    near, far = GOOD._replace(amount=126_650), GOOD._replace(amount=1)
    assert pairs([far, near], [GOOD]) == [(2, GOOD, ["amount"])]
    late, later = GOOD._replace(date="2025-06-07"), GOOD._replace(date="2025-06-09")
    assert pairs([later, late], [GOOD]) == [(2, GOOD, ["date"])]
    assert pairs([near, later], [GOOD]) == [(2, GOOD, ["date"])]
    both = [near._replace(account="lpp/CON-2/2025"), GOOD._replace(account="lpp/CON-3/2025")]
    assert pairs(both, [GOOD]) == [(2, GOOD, ["account"])]


def test_another_spelling_of_the_id_finds_its_own_line_and_a_doubled_line_takes_it_from_none() -> None:
    two, three = GOOD._replace(shipment_id="SHP-2"), GOOD._replace(shipment_id="SHP-3")
    there = [GOOD, GOOD, GOOD._replace(shipment_id="shp 3"), GOOD._replace(shipment_id="Shp-2 ")]
    assert pairs(there, [three, GOOD, two]) == [(3, three, ["shipment_id"]), (4, two, ["shipment_id"])]
    assert pairs([GOOD, GOOD, GOOD._replace(shipment_id="X")], [GOOD, two]) == [(3, two, ["shipment_id"])]


def test_a_line_that_was_moved_over_the_edge_of_the_range_differs_in_its_date() -> None:
    late = numbered([GOOD._replace(date="2025-07-01")])
    for first, last in (("2025-06-01", "2025-06-30"), ("2025-07-01", None), (None, "2025-06-30")):
        found = reconcile(late, [GOOD], first, last)
        assert [one.fields for one in found.different] == [["date"]]
        assert (found.missing_here, found.missing_there) == ([], [])
    assert reconcile(late, [GOOD], "2025-08-01") == Result(0, [], [], [], 0, 0)


def test_accounts_filter_both_sides_and_rows_keep_their_numbers() -> None:
    there = numbered([GOOD._replace(account="nveu/A/IN"), GOOD])
    assert on_accounts(there, "lpp/*") == {2: GOOD}
    assert on_accounts(there, "*") == there
