"""How many notices were set aside, by receiver."""

from sqlalchemy import Connection, func, select

from ledger.database.door_tables import notice, receiver


def set_aside(connection: Connection) -> dict[str, int]:
    """How many events each receiver has not taken, given up or tried again later, by its name; 0 where it took all."""
    found = {str(name): 0 for name in connection.execute(select(receiver.c.name)).scalars()}
    counted = select(notice.c.receiver, func.count().label("notices")).group_by(notice.c.receiver)
    return found | {row.receiver: int(row.notices) for row in connection.execute(counted)}
