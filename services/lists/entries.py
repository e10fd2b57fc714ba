"""A row of a list's file as an entry."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from hashlib import sha256
from typing import Any, NamedTuple, NoReturn

from rulebook.parties.entries import ListEntry, ListKind
from schemas.times import parse_day
from services.lists.columns import Columns
from services.lists.countries import country_of, read_countries
from services.lists.kinds import kind_of
from services.lists.rows import ListError, Row

LONGEST_ID, LONGEST_NAME = 200, 2_000
_LEI = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{18}[0-9]{2}(?![0-9A-Z])", re.ASCII)
_EXPIRES = re.compile(r"(?:^|;)\s*Expires:([^;|]*)")
_PROGRAM = re.compile(r"(?:^|;)\s*Programs?:([^;|]*)")
_POLICY = re.compile(
    r"(.+?[.)])\s+((?:Presumption of (?:denial|approval)|Policy of denial|Case[- ]by[- ]case)\b.*)", re.IGNORECASE
)
"""A licence requirement and the review policy after it, where both are sentences of their own."""
_JOINED_BY_AND = ";"
"""Where names are joined as in a sentence, the last one has an "and" before it."""
_SIGN = re.compile(r"\(([A-Z][A-Z-]*)(?: List)?\)")
_DRAWN = re.compile(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", re.ASCII)
"""A random identifier (RFC 9562, version 4), which the Consolidated Screening List draws anew for each entry of the
Military End-User List whenever that list is read."""
_ADDRESS = ("address", "city", "state", "postal_code", "country")


class Found(NamedTuple):
    """An entry, its row's line, the countries that were not read, and the sign of its list, such as EL, if any."""

    entry: ListEntry
    line: int
    unread: tuple[str, ...]
    sign: str | None


class EntryReader:
    """Reads the rows of a file, whose name stands in errors, by its columns."""

    def __init__(self, name: str, columns: Columns) -> None:
        self._name = name
        self._columns = columns

    def read(self, row: Row) -> Found:
        """The entry of a row; raises ListError if it cannot be one."""
        cells = _Cells(self._name, self._columns, row)
        name = cells.text("name")
        if not name:
            cells.refuse("the entry has no name")
        aliases = tuple(one for one in cells.several("aliases") if one != name)
        longest = max(map(len, (name, *aliases)))
        if longest > LONGEST_NAME:
            cells.refuse(f"a name of {longest:,} characters; at most {LONGEST_NAME:,} are allowed")
        source, notes = cells.text("list"), cells.text("notes")
        programs = cells.programs() or _programs(notes)
        kind = self._kind(source, programs)
        codes, unread = cells.countries()
        requirement, policy = cells.text("license_requirement"), cells.text("license_policy")
        if kind == ListKind.ENTITY and self._columns.layout == "tpp" and not requirement:
            requirement, policy = _requirement(notes)
            notes = ""
        addresses, own = cells.addresses(), cells.id()
        if kind == ListKind.MEU and _DRAWN.fullmatch(own):
            own = f"MEU/{sha256(chr(10).join((name, *addresses)).encode()).hexdigest()[:16]}"
        entry = ListEntry(
            id=own,
            name=name,
            source=source,
            kind=kind,
            aliases=aliases,
            countries=tuple(sorted(codes)),
            addresses=addresses,
            leis=tuple(sorted({one for text in cells.flat("lei") for one in _LEI.findall(text) if _is_lei(one)})),
            programs=programs,
            effective=cells.day("effective_date"),
            expires=cells.day("expires") or (cells.expires(notes) if kind == ListKind.DENIED else None),
            requirement=requirement,
            policy=policy,
            published=cells.text("federal_register"),
            notes=notes,
        )
        sign = _SIGN.search(source) if self._columns.layout == "csl" else None
        return Found(entry, row.line, unread, sign[1] if sign else None)

    def _kind(self, source: str, programs: Iterable[str]) -> ListKind:
        """The kind; of OpenSanctions, whose rows have several lists and their measures, by each of them."""
        if self._columns.layout != "opensanctions":
            return kind_of([source], programs)
        return kind_of([*source.split(";"), *programs], programs)


class _Cells:
    """The cells of a row by field."""

    def __init__(self, name: str, columns: Columns, row: Row) -> None:
        self._name, self._columns, self._row = name, columns, row

    def refuse(self, problem: str) -> NoReturn:
        """Raises ListError for this row."""
        raise ListError(self._name, problem, self._row.line)

    def _value(self, field: str) -> Any:
        column = self._columns.by_field.get(field)
        return None if column is None else self._row.cells.get(column)

    def _clean(self, field: str, value: Any) -> str:
        """A text or a whole number as a text with single blanks; refuses another value, and control characters."""
        if value is None:
            return ""
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            self.refuse(f"{self._columns.by_field[field]}: a text is wanted, not {type(value).__name__}")
        text = " ".join(str(value).split())
        odd = next((one for one in text if unicodedata.category(one) in ("Cc", "Cs")), None)
        if odd is not None:
            self.refuse(f"{self._columns.by_field[field]}: the character U+{ord(odd):04X} is not allowed")
        return text

    def text(self, field: str) -> str:
        """The text of a field, empty where there is none."""
        return self._clean(field, self._value(field))

    def id(self) -> str:
        """The entry's id: its own, else `list/entry`."""
        fields = ["id"] if "id" in self._columns.by_field else ["list", "entry"]
        parts = [(one, self.text(one)) for one in fields if one in self._columns.by_field]
        for field, text in parts:
            if not text:
                self.refuse(f"the entry has no {self._columns.by_field[field]}")
        found = "/".join(text for _, text in parts)
        if len(found) > LONGEST_ID:
            self.refuse(f"the id has {len(found):,} characters; at most {LONGEST_ID} are allowed")
        return found

    def several(self, field: str, sign: str = "") -> tuple[str, ...]:
        """The texts of a field, each once, in their order: those of a JSON list, else what its sign separates."""
        value = self._value(field)
        if not isinstance(value, list):
            value = self._clean(field, value).split(sign or getattr(self._columns.joined, field))
        found = [self._clean(field, one) for one in value]
        if self._columns.joined.aliases == _JOINED_BY_AND or field == "address":
            found = [one.removeprefix("and ").strip() for one in found]
        return tuple(dict.fromkeys(filter(None, found)))

    def flat(self, field: str) -> list[str]:
        """Every text of a field, also of objects in a JSON list."""
        value = self._value(field)
        items = value if isinstance(value, list) else [value]
        return [str(one) for item in items for one in (item.values() if isinstance(item, dict) else [item])]

    def programs(self) -> tuple[str, ...]:
        """The sanctions programs, without the brackets in which lists write them."""
        found = (one for text in self.several("programs") for one in re.split(r"[\[\]]", text))
        return tuple(dict.fromkeys(filter(None, map(str.strip, found))))

    def _objects(self) -> list[Mapping[str, Any]]:
        """The addresses that are objects, as in JSON."""
        value = self._value("address")
        return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []

    def addresses(self) -> tuple[str, ...]:
        """The addresses, each as a line of text."""
        objects = self._objects()
        if not objects:
            return self.several("address")
        lines = (
            ", ".join(filter(None, (self._clean("address", one.get(part)) for part in _ADDRESS))) for one in objects
        )
        return tuple(dict.fromkeys(filter(None, lines)))

    def countries(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """The codes of the entry's countries, and what could not be read; of CSL also those that end its addresses."""
        texts = list(self.several("country", ";"))
        texts += [self._clean("address", one.get("country")) for one in self._objects()]
        ends = []
        if self._columns.layout == "csl" and not self._columns.is_json:
            ends = [one.rpartition(",")[2].strip() for one in self.several("address")]
        texts += [one for one in ends if country_of(one) or re.fullmatch("[A-Z]{2,3}", one)]
        read = [read_countries(one) for one in dict.fromkeys(filter(None, texts))]
        codes = frozenset(code for found, _ in read for code in found)
        return codes, tuple(dict.fromkeys(one for _, missed in read for one in missed))

    def day(self, field: str) -> date | None:
        """The date of a field."""
        return self._day(self._columns.by_field.get(field, field), self.text(field))

    def expires(self, notes: str) -> date | None:
        """The last day of a denial, which stands in its notes."""
        found = _EXPIRES.search(notes)
        return None if found is None else self._day("Expires:", found[1].strip())

    def _day(self, where: str, text: str) -> date | None:
        if not text:
            return None
        try:
            return parse_day(text[:10] if text[10:11] == "T" else text)
        except ValueError:
            self.refuse(f"{where}: {text[:40]!r} is not a date such as 2026-07-09")


def _requirement(notes: str) -> tuple[str, str]:
    """The licence requirement and the review policy in an entry's notes; all is requirement unless it is certain.

    >>> _requirement("For all items subject to the EAR. (See § 744.11 of the EAR) Presumption of denial.")
    ('For all items subject to the EAR. (See § 744.11 of the EAR)', 'Presumption of denial.')
    """
    found = _POLICY.fullmatch(notes)
    return (found[1], found[2]) if found else (notes, "")


def _programs(notes: str) -> tuple[str, ...]:
    """The sanctions programs that an entry's notes name."""
    named = (one.strip() for text in _PROGRAM.findall(notes) for one in text.split(","))
    return tuple(dict.fromkeys(filter(None, named)))


def _is_lei(text: str) -> bool:
    """Whether the check digits of a legal entity identifier are right (ISO 17442, ISO 7064 MOD 97-10)."""
    return int("".join(str(int(one, 36)) for one in text)) % 97 == 1
