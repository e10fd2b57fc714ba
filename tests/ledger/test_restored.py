"""A process that has written to a ledger ends where the ledger was restored, or has lost what was written."""

import pytest
from ledger_checks import JOURNAL, opened, rows
from ledger_events import Line, engine, records
from sqlalchemy import text

from ledger.database.store import LedgerError, Store

LOST = r"was restored or has lost records since this process wrote record 3 \(it now ends at record {}\)"


def written(store: Store, *statements: str) -> None:
    """Runs statements as an insider does, or a fail-over."""
    with store.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def lose(store: Store, last: int) -> None:
    """Takes the journal back to a record."""
    guard = (
        "ALTER TABLE journal DISABLE TRIGGER ALL; ALTER TABLE entry DISABLE TRIGGER ALL"
        if store.postgresql
        else "DROP TRIGGER journal_no_delete; DROP TRIGGER entry_no_delete"
    )
    written(
        store,
        *guard.split("; "),
        f"DELETE FROM entry WHERE n > {last}",
        f"DELETE FROM journal WHERE n > {last}",
        f"UPDATE head SET n = {last}",
    )


def test_a_ledger_of_another_restore_is_noticed_at_the_next_batch(ledger_url: str) -> None:
    line = Line()
    raws = [line.requested(f"SHP-{n}", "CON-20", 1, "LPP") for n in range(5)]
    with opened(ledger_url) as store:
        runs, fresh = engine(store), engine(store)
        runs.run(records(raws[:3]))
        written(store, "UPDATE head SET epoch = 7")
        for _ in range(2):
            with pytest.raises(LedgerError, match=LOST.format(3)):
                runs.run(records(raws[3:], 4))
        assert len(rows(store, JOURNAL)) == 3
        fresh.run(records(raws[3:], 4))


@pytest.mark.parametrize("others", [0, 1, 2])
def test_a_lost_end_is_noticed_however_many_records_others_have_written_since(ledger_url: str, others: int) -> None:
    line, other = Line(), Line("//other.example")
    raws = [line.requested(f"SHP-{n}", "CON-20", 1, "LPP") for n in range(5)]
    with opened(ledger_url) as store:
        runs = engine(store)
        runs.run(records(raws[:3]))
        lose(store, 1)
        if others:
            more = [other.requested(f"OTHER-{n}", "CON-22", 1, "LPP") for n in range(others)]
            written(store, "DELETE FROM shipment")
            written(store, "UPDATE account SET entries = 1, pending = 15832")
            written(store, "UPDATE head SET sequence = 1")
            engine(store).run(records(more, 1, "other.jsonl"))
        with pytest.raises(LedgerError, match=LOST.format(1 + others)):
            runs.run(records(raws[3:], 4))


def test_what_others_write_is_no_loss(ledger_url: str) -> None:
    lines = [Line("//one.example"), Line("//two.example")]
    with opened(ledger_url) as store:
        engines = [engine(store), engine(store)]
        for n in range(6):
            at = n % 2
            raw = lines[at].requested(f"SHP-{n}", "CON-20", 1, "LPP")
            engines[at].run(records([raw], n))
        assert len(rows(store, JOURNAL)) == 6
