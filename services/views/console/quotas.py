"""The page of quotas."""

from typing import Any

from ledger.database.store import Connection
from ledger.queries.account_list import AccountOrder
from services.views.accounts import balance_list
from services.views.console.bar import bar

PAGE = 50


def quotas(connection: Connection) -> dict[str, Any]:
    """Accounts, with the most used for their limit first."""
    rows = balance_list(connection, order=AccountOrder.USED, limit=PAGE)
    for row in rows:
        row["bar"] = bar(
            limit=row["limit"], posted=row["posted"], pending=row["pending"], attested=row["attested"],
            credits=row["credits"],
        )  # fmt: skip
    return {"rows": rows}
