"""Verifies the contents of restricted-party lists against their digests, and that each that was loaded is there."""

from hashlib import sha256

import orjson
from sqlalchemy import Connection, select

from ledger.database import tables
from ledger.registers.names.lists import unpacked
from schemas.event_types import LEDGER_SOURCE, LIST_LOADED
from services.proof.report import VerificationReport


def check_lists(connection: Connection, found: VerificationReport) -> None:
    """Computes the digest of each content anew, and looks for the content that each load names.

    A content that no load names is none the worse for it: a load that was cut off before its record leaves it.
    """
    j, table = tables.journal, tables.list_content
    loads = select(j.c.n, j.c.event).where(j.c.type == LIST_LOADED, j.c.source != LEDGER_SOURCE).order_by(j.c.n)
    named: dict[str, int] = {}
    for n, event in connection.execute(loads):
        named.setdefault(orjson.loads(event)["data"]["sha256"], n)
    kept = connection.execute(select(table.c.sha256).order_by(table.c.sha256)).scalars().all()
    for digest in kept:
        packed = connection.execute(select(table.c.content).where(table.c.sha256 == digest)).scalar_one()
        try:
            content = unpacked(bytes(packed))
        except ValueError as error:
            found.add(table.name, digest, named.get(digest), f"the content is damaged: {error}")
            continue
        if sha256(content).hexdigest() != digest:
            found.add(table.name, digest, named.get(digest), "the content has another digest")
    for digest, n in named.items():
        if digest not in kept:
            found.add(table.name, digest, n, "the content of the list is missing")
