"""What is tested once is debited as it was tested, or not at all."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date

import pytest
from ledger_checks import ACCOUNTS, opened, rows

from ledger.database.store import LedgerCorrupt, Store
from ledger.journal import Journal, Ledger
from schemas.plan import Debit, Option, Share

DAY = date(2025, 6, 16)
NOW = 1_748_856_600_000_000
PART, WHOLE, FREE = "uveu/CON-1/PL", "uveu/CON-1/total", "lpp/CON-2/2025"
OF_SHARE = Option("VEU", (), debits=(Debit(PART, 60, Share(50, WHOLE), ""), Debit(WHOLE, 60, None, "")))
UNLIMITED = Option("NAC", (), debits=(Debit(FREE, 10, None, ""),))


@contextmanager
def recording(store: Store) -> Iterator[Journal]:
    """The ledger in a transaction, in its first record."""
    with Ledger(store).begin(NOW) as journal:
        journal.transaction.open_record(DAY)
        yield journal


def test_a_tested_option_is_debited_with_the_limits_that_were_tested(ledger_url: str) -> None:
    with opened(ledger_url) as store, recording(store) as journal:
        journal.reserve(WHOLE, 200, "S-0", None, None)
        tested = journal.options.test(OF_SHARE, DAY)
        assert tested.shorts == []
        entries = journal.take(tested, "S-1", {PART: Share(50, WHOLE), WHOLE: 1_000})
    assert [(one.account, one.balance, one.limit, one.known) for one in entries] == [
        (PART, 60, 130, 130),
        (WHOLE, 260, None, 1_000),
    ]


@pytest.mark.parametrize("moved", [PART, WHOLE])
def test_nothing_is_debited_once_a_balance_has_moved_since_it_was_tested(ledger_url: str, moved: str) -> None:
    with opened(ledger_url) as store:
        with pytest.raises(LedgerCorrupt, match="do not fit"), recording(store) as journal:
            journal.reserve(WHOLE, 200, "S-0", None, None)
            tested = journal.options.test(OF_SHARE, DAY)
            journal.reserve(moved, 1, "S-2", None, None)
            journal.take(tested, "S-1", {})
        assert rows(store, ACCOUNTS) == []


def test_nothing_is_debited_in_a_later_record_than_it_was_tested_in() -> None:
    with closing(Store(":memory:")) as store:
        store.open()
        with pytest.raises(LedgerCorrupt, match="do not fit"), recording(store) as journal:
            tested = journal.options.test(UNLIMITED, DAY)
            journal.transaction.open_record(DAY)
            journal.take(tested, "S-1", {})


def test_what_does_not_fit_is_not_debited() -> None:
    with closing(Store(":memory:")) as store:
        store.open()
        with pytest.raises(LedgerCorrupt, match="do not fit"), recording(store) as journal:
            tested = journal.options.test(OF_SHARE, DAY)
            assert [short.debit.account for short in tested.shorts] == [PART]
            journal.take(tested, "S-1", {})


def test_more_does_not_leave_a_facility_once_less_may_be_removed() -> None:
    option = Option("ACM", (), debits=(Debit("facility/FAC-1", -50, None, "", floor=True),))
    with closing(Store(":memory:")) as store:
        store.open()
        with pytest.raises(LedgerCorrupt, match="do not fit"), recording(store) as journal:
            journal.post_directly("facility/FAC-1", 80, "S-0", None, None)
            tested = journal.options.test(option, DAY)
            assert tested.shorts == []
            journal.reserve("facility/FAC-1", -40, "S-2", None, None)
            journal.reserve("facility/FAC-1", 40, "S-3", None, None)
            assert journal.options.balances(option.debits) == tested.balances
            journal.take(tested, "S-1", {})
