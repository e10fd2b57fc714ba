"""The work list: held shipments and their reasons."""

from typing import Any

from ledger.database.store import Connection
from ledger.queries.work_list import holds
from services.views.moments import shown


def work_list(connection: Connection) -> list[dict[str, Any]]:
    """Held shipments, oldest first, with the reasons of their present holds; before them those that left unapproved."""
    return [{**hold, "happened": shown(hold["happened"])} for hold in holds(connection)]


def in_cells(hold: dict[str, Any]) -> dict[str, Any]:
    """A hold with its codes and its reasons each as one text, which says first that it left without an approval."""
    left, state = hold["left_without_approval"], hold["state"].replace("_", " ")
    messages = [f"LEFT WITHOUT APPROVAL on {left}; now {state}."] if left else []
    messages += [reason["message"] for reason in hold["reasons"]]
    return {**hold, "codes": " ".join(hold["codes"]), "reasons": " ".join(messages)}
