"""The books as a journal for hledger: a transaction for each entry, and assertions of the closing balances."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import quote

from schemas.columns import TABLES, Row

_PARTS = ("pending", "posted", "attested", "credits")
_COMMODITY = "commodity 1000. TPP\n"
_OPENING = "counter:opening"
_PLAIN = re.compile(r"[A-Za-z0-9._-]*").fullmatch
_NOTHING = "    {}:posted  0 TPP\n"


class _Entry(NamedTuple):
    kind: str
    booked: str | None
    record: int
    account: str
    entry: int
    shipment_id: str | None
    pending: int
    posted: int
    attested: int
    credits: int

    @property
    def parts(self) -> tuple[int, ...]:
        """The four changes."""
        return (self.pending, self.posted, self.attested, self.credits)


def journal(
    first_day: str, last_day: str, accounts: Iterable[Row], entries: Callable[[], Iterable[Row]]
) -> Iterator[str]:
    """The journal of a period, in pieces, from rows of the tables `accounts` and `entries`; days are `YYYY-MM-DD`.

    `entries` is called twice: the openings are the closing figures less the entries.
    """
    closings = {account: parts for account, *parts in map(_taker("accounts", ("account", *_PARTS)), accounts)}
    openings = {account: list(parts) for account, parts in closings.items()}
    read = _taker("entries", _Entry._fields)
    for entry in map(_Entry._make, map(read, entries())):
        _add(openings[entry.account], entry.parts, -1)
    yield _COMMODITY + _accounts([_OPENING, *sorted(set(map(_counter, closings)))])
    for account in closings:
        yield _accounts(_names(account))
    for account, parts in openings.items():
        yield _opening(first_day, account, parts)
    yield from map(_transaction, map(_Entry._make, map(read, entries())))
    for account, parts in closings.items():
        yield _closing(last_day, account, parts)


def statement_journal(rows: Iterable[Row]) -> Iterator[str]:
    """The journal of one or more accounts, in pieces, from the rows of their statement, each from opening to closing.

    Opening and closing have the day `booked`, else that of the nearest entry; without any day they are omitted.
    """
    entries = map(_Entry._make, map(_taker("statement", _Entry._fields), rows))
    declared = {_OPENING}
    yield f"{_COMMODITY}account {_OPENING}\n"
    for opening in entries:
        new = [name for name in (_counter(opening.account), *_names(opening.account)) if name not in declared]
        declared.add(_counter(opening.account))
        yield "\n" + _accounts(new)
        yield from _of_account(opening, entries)


def _of_account(opening: _Entry, entries: Iterator[_Entry]) -> Iterator[str]:
    """The transactions of an account, taken from the rows that follow its opening up to its closing."""
    sums = list(opening.parts)
    day = opening.booked
    for number, entry in enumerate(entries):
        day = entry.booked or day
        if number == 0:
            yield _opening(opening.booked or day, opening.account, opening.parts)
        if entry.kind == "closing":
            yield _closing(day, opening.account, sums)
            return
        _add(sums, entry.parts, 1)
        yield _transaction(entry)


def _taker(table: str, names: Sequence[str]) -> Callable[[Row], tuple[Any, ...]]:
    """A function that takes these columns from a row of a table."""
    places = {column.name: place for place, column in enumerate(TABLES[table])}
    return itemgetter(*(places[name] for name in names))


def _add(sums: list[int], parts: Sequence[int], sign: int) -> None:
    for place, part in enumerate(parts):
        sums[place] += sign * part


def _encoded(text: str) -> str:
    """A text in the characters `A-Za-z0-9._-`, all others percent-encoded; `quote` itself leaves the tilde."""
    if _PLAIN(text):
        return text
    return quote(text, safe="").replace("~", "%7E")


@lru_cache(maxsize=4096)
def _name(path: str) -> str:
    return "used:" + ":".join(map(_encoded, path.split("/")))


@lru_cache(maxsize=4096)
def _counter(path: str) -> str:
    return f"counter:{_encoded(path.partition('/')[0])}"


def _names(path: str) -> list[str]:
    return [f"{_name(path)}:{part}" for part in _PARTS]


def _accounts(names: Iterable[str]) -> str:
    return "".join(f"account {name}\n" for name in names)


def _postings(account: str, parts: Sequence[int], counter: str) -> str:
    """The parts that changed, with credits as negative amounts, and the balancing posting."""
    pending, posted, attested, credits_ = parts
    signed = (pending, posted, attested, -credits_)
    name = _name(account)
    lines = [f"    {name}:{part}  {amount} TPP\n" for part, amount in zip(_PARTS, signed, strict=True) if amount]
    if left := -sum(signed):
        lines.append(f"    {counter}  {left} TPP\n")
    return "".join(lines)


def _opening(day: str | None, account: str, parts: Sequence[int]) -> str:
    postings = _postings(account, parts, _OPENING)
    return f"\n{day} * opening\n{postings}" if day and postings else ""


def _transaction(entry: _Entry) -> str:
    about = f"{_encoded(entry.kind)} {_encoded(entry.shipment_id)}" if entry.shipment_id else _encoded(entry.kind)
    postings = _postings(entry.account, entry.parts, _counter(entry.account))
    return (
        f"\n{entry.booked} * {about}  ; record:{entry.record}, entry:{entry.entry}\n"
        f"{postings or _NOTHING.format(_name(entry.account))}"
    )


def _closing(day: str | None, account: str, parts: Sequence[int]) -> str:
    pending, posted, attested, credits_ = parts
    name = _name(account)
    amounts = zip(_PARTS, (pending, posted, attested, -credits_), strict=True)
    lines = "".join(f"    {name}:{part}  0 TPP = {amount} TPP\n" for part, amount in amounts)
    return f"\n{day} * closing\n{lines}" if day else ""
