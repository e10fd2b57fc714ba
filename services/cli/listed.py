"""`tpp lists`: restricted-party lists."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import click

from services.cli.terminal.options import (
    Commands,
    complain,
    force_option,
    format_option,
    ledger_option,
    rulebook_option,
    tell,
)
from services.failure import Failure, NotFound
from services.resources import engine, reading, standing, wall_clock
from services.visible import visible

if TYPE_CHECKING:
    from services.lists.reading import ReadList

_NAME = "1 to 64 of A-Z a-z 0-9 . _ : -, the first a letter or digit"
_NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
_THRESHOLD = re.compile(r"0\.[5-9][0-9]?|1(?:\.00?)?", re.ASCII)
_OLDEST = 36_500
_EXAMPLES = 3
_SEARCH_BYTES = 16 << 20
"""The most bytes of a file of names, unpacked."""
_WANTED = "a list is CSV or JSON, plain or compressed with gzip"


@click.group(cls=Commands)
def lists() -> None:
    """Load and search restricted-party lists."""


def _named(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _NAMED.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not {_NAME}", param=parameter)
    return value


def _decimal(_context: click.Context, parameter: click.Parameter, value: str) -> str:
    """The threshold with two digits, so that 0.9 and 0.90 are one."""
    if not _THRESHOLD.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is not a decimal from 0.50 to 1.00 with at most two digits", param=parameter
        )
    whole, _, part = value.partition(".")
    return f"{whole}.{part.ljust(2, '0')}"


def _columns(_context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """The columns by field of --map."""
    from services.lists.layouts import FIELDS

    found: dict[str, str] = {}
    for word in value:
        field, _, column = word.partition("=")
        if field not in FIELDS or not column.strip():
            raise click.BadParameter(f"use FIELD=COLUMN, where FIELD is one of {', '.join(FIELDS)}", param=parameter)
        if field in found:
            raise click.BadParameter(f"{field} is mapped twice", param=parameter)
        found[field] = " ".join(column.split())
    return found


@lists.command()
@click.argument("file")
@click.option("--name", required=True, metavar="NAME", callback=_named, help=f"The list's name: {_NAME}.")
@click.option("--version", required=True, metavar="VERSION", callback=_named, help="Its version, written alike.")
@click.option(
    "--format", "layout", type=click.Choice(["tpp", "csl", "opensanctions"]),
    help="Layout of the file. [default: told from the content]",
)  # fmt: skip
@click.option(
    "--map", "columns", metavar="FIELD=COLUMN", multiple=True, callback=_columns,
    help="The file's name for a column; repeat for each column.",
)  # fmt: skip
@click.option(
    "--threshold", metavar="SCORE", default="0.85", show_default=True, callback=_decimal,
    help="The score from which a party resembles an entry, 0.50 to 1.00.",
)  # fmt: skip
@click.option("--max-age", metavar="DAYS", type=click.IntRange(1, _OLDEST), help="Days after which it is out of date.")
@click.option("--force", is_flag=True, help="Load a list that lost more than 10 % of its entries.")
@click.option("--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="Sentences, or a JSON object.")  # fmt: skip
@rulebook_option
@ledger_option
def load(
    file: str, name: str, version: str, layout: str | None, columns: dict[str, str], threshold: str,
    max_age: int | None, force: bool, form: str, rulebook: str | None, ledger: str | None,
) -> None:  # fmt: skip
    """Load a version of a list.

    From then on it is in force in the place of the version before it, and what has not left is screened again. Loading
    the same version again changes nothing.

    FILE is the CSV of examples/us-restricted-parties.csv.gz (tpp), the Consolidated Screening List (csl, CSV or JSON),
    targets.simple.csv of OpenSanctions, or another CSV or JSON with --map. It may be compressed (.gz); - is standard
    input. If a row cannot be read, nothing is loaded.

    Exits with 1 if the version was loaded with other content or options, is no longer in force, or lost more than 10 %
    of the entries of the one before.

    \b
    Example:
      tpp lists load examples/us-restricted-parties.csv.gz --name us --version 2026-07-09
      tpp lists load house.csv --name house --version 7 --map entry=Nr --map name=Company --threshold 0.9
    """
    from rulebook.parties.entries import content_of, digest_of
    from services.cli.terminal import tables
    from services.engine.commands.list_load import load_list
    from services.files import read_whole, unpacked
    from services.lists.loading import comparison, loaded_json, loaded_text
    from services.lists.reading import MOST_BYTES, read_list
    from services.printing import done, print_text

    packed = read_whole(file, MOST_BYTES)
    shown = "standard input" if file == "-" else file
    found = read_list(shown, unpacked(file, packed, MOST_BYTES, _WANTED), layout=layout, columns=columns)
    _tell_unread(found)
    content = content_of(found.entries)
    wanted: dict[str, Any] = {
        "name": name, "version": version, "sha256": digest_of(content), "file_sha256": sha256(packed).hexdigest(),
        "entries": len(found.entries), "threshold": threshold,
    }  # fmt: skip
    if max_age is not None:
        wanted["max_age_days"] = max_age
    now = wall_clock()
    with _refusals(), engine(ledger, rulebook) as runs:
        at, compare = datetime.fromtimestamp(now // 1_000_000, UTC), comparison(found.entries, force=force)
        made = load_list(runs.ledger, runs, wanted, content, at, now, compare)
    with done(f"the list {name} {version} is in force"):
        if form == "json":
            tables.print_json(loaded_json(made))
        else:
            print_text(loaded_text(made))


@contextmanager
def _refusals() -> Iterator[None]:
    """Prints why a list is not loaded as one sentence on standard error, and exits with 1."""
    from services.engine.commands.list_load import NotLoaded

    try:
        yield
    except NotLoaded as error:
        complain(str(error))
        sys.exit(1)


def _tell_unread(found: "ReadList") -> None:
    """Says on standard error which countries were not read, with an example of each of the first."""
    by_text: dict[str, list[int]] = {}
    for line, text in found.unread:
        by_text.setdefault(text, []).append(line)
    if not by_text:
        return
    common = sorted(by_text.items(), key=lambda one: (-len(one[1]), one[0]))
    shown = [
        f"{text!r} (line {lines[0]:,}{f' and {len(lines) - 1:,} more' if lines[1:] else ''})"
        for text, lines in common[:_EXAMPLES]
    ]
    more = f", and {len(common) - _EXAMPLES:,} other texts" if len(common) > _EXAMPLES else ""
    what = "1 country was not read and counts" if len(found.unread) == 1 else (
        f"{len(found.unread):,} countries were not read and count"
    )  # fmt: skip
    tell(f"{what} as not known: {', '.join(shown)}{more}")


@lists.command()
@format_option("table", "json")
@ledger_option
def status(form: str, ledger: str | None) -> None:
    """List the lists in force.

    Their age in days is that on the day of the ledger's last tick.

    \b
    Example:
      tpp lists status --format json
    """
    from services.cli.terminal import tables
    from services.lists.searching import status as status_of

    with reading(ledger) as connection:
        found = status_of(connection)
    rows = (
        found
        if form == "json"
        else [{**one, "stale": "yes" if one["stale"] else "no", "content": one["digest"]} for one in found]
    )
    tables.write(rows, tables.LISTED, form, "no list is loaded; tpp lists load FILE loads one")


def _country(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from services.lists.countries import country_of

    if value is not None and (len(value) != 2 or country_of(value) != value.upper()):
        raise click.BadParameter(f"{value!r} is not an ISO 3166-1 alpha-2 code such as CN", param=parameter)
    return value and value.upper()


def _lei(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from schemas.models.values import LEI

    if value is not None and not re.fullmatch(LEI, value.upper()):
        raise click.BadParameter(f"{value!r} is not a Legal Entity Identifier (ISO 17442)", param=parameter)
    return value and value.upper()


@lists.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--file", metavar="FILE", help="File with a name in each line; - is standard input.")
@click.option("--country", metavar="COUNTRY", callback=_country, help="Country of the parties, as alpha-2 code.")
@click.option("--address", metavar="TEXT", help="Address of the parties.")
@click.option("--lei", metavar="LEI", callback=_lei, help="Legal Entity Identifier of the parties.")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=10, show_default=True, metavar="N", help="Entries for each name."
)
@format_option("table", "json")
@ledger_option
def search(
    names: tuple[str, ...], file: str | None, country: str | None, address: str | None, lei: str | None, limit: int,
    form: str, ledger: str | None,
) -> None:  # fmt: skip
    """List the entries that names resemble.

    Searches every list in force, and writes nothing. The entries are listed best first, from a score of 0.50 on; one at
    or above the list's threshold is a hit. Exits with 1 if no list is loaded.

    \b
    Example:
      tpp lists search 'Zhipu AI' --country CN
      tpp lists search --file customers.txt --limit 3 --format json
    """
    from ledger.queries.names.lists import lists_in_force
    from rulebook.parties.matching import Asked
    from services.cli.terminal import tables
    from services.engine.indexes import Indexes
    from services.lists.searching import Search
    from services.printing import print_text

    asked = [Asked(one, country, address, lei) for one in _names(names, file)]
    with standing(ledger) as store:
        with store.read() as connection:
            loaded = lists_in_force(connection)
        if not loaded:
            raise NotFound("no list is loaded; tpp lists load FILE loads one")
        found = Search(loaded, Indexes(store))
        answers = [found.resembling(one, limit) for one in asked]
    if form == "json":
        tables.print_json(answers)
        return
    with_matches = [(visible(one["name"]), _rows(one), tables.MATCHES) for one in answers if one["matches"]]
    if with_matches:
        tables.write_parts(with_matches)
    without = [visible(f"No entry resembles {one['name']}.") for one in answers if not one["matches"]]
    if without:
        print_text("\n".join(["", *without] if with_matches else without))


def _pair(one: Mapping[str, str]) -> str:
    """A word that was asked and the listed one beside it; a word that has none beside it stands with a dash."""
    return f"{one['asked'] or '–'} = {one['listed'] or '–'} {one['score']}"


def _rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The matches of a name as rows of a table."""
    return [
        {
            **one,
            "hit": "yes" if one["hit"] else "no",
            "matched_alias": "" if one["matched_alias"] == one["listed_name"] else one["matched_alias"],
            "words": ", ".join(map(_pair, one["explanation"])),
        }
        for one in answer["matches"]
    ]


def _names(names: Sequence[str], file: str | None) -> list[str]:
    """The names that are looked up: those given, then the lines of a file that are not blank."""
    from schemas.models.values import TEXT_MOST
    from services.files import read_whole, unpacked

    placed = [(name, f"NAME {number}") for number, name in enumerate(names, 1)]
    if file is not None:
        content = unpacked(file, read_whole(file, _SEARCH_BYTES), _SEARCH_BYTES, "a file of names is text")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise Failure(f"{file}, line {line:,}: not UTF-8") from error
        placed += [(name, f"{file}, line {number:,}") for number, name in enumerate(text.split("\n"), 1)]
    found = [(" ".join(name.split()), place) for name, place in placed]
    for name, place in found:
        if len(name) > TEXT_MOST:
            raise Failure(f"{place}: a name of {len(name):,} characters; at most {TEXT_MOST} are allowed")
    wanted = [name for name, _ in found if name]
    if not wanted:
        raise click.UsageError("Name a party, or give --file with a name in each line.")
    return wanted


@lists.command()
@click.argument("name")
@click.option("--version", metavar="VERSION", help="Of which version. [default: the one in force]")
@click.option("--out", metavar="FILE", required=True, help="Write to this file; - is standard output.")
@force_option
@ledger_option
def export(name: str, version: str | None, out: str, force: bool, ledger: str | None) -> None:
    """Write the content of a list.

    Its SHA-256 is the digest that decisions name: one entry a line, as JSON, in the order of the entries' ids. Any
    version that was loaded can be written.

    \b
    Example:
      tpp lists export us --version 2026-07-09 --out us.jsonl
    """
    from ledger.queries.names.lists import all_loads
    from ledger.registers.names.lists import content
    from rulebook.parties.entries import digest_of
    from services.cli.terminal.output import LIST_CONTENT, output

    destination = output(out, LIST_CONTENT, ledger=ledger, force=force)
    with standing(ledger) as store:
        with store.read() as connection:
            found = [one for one in all_loads(connection) if one.data.name == name]
        chosen = [one for one in found if version in (None, one.data.version)]
        if not chosen:
            named = f"{name} {version}" if found else name
            raise NotFound(f"the list {named} was not loaded; `tpp lists status` lists those in force")
        text = content(store, chosen[-1].data.sha256)
    if digest_of(text) != chosen[-1].data.sha256:
        raise Failure(f"the ledger is damaged: the content kept for the list {chosen[-1].data.sha256} is another")
    with destination as stream:
        stream.write(text)
    if out != "-":
        tell(f"{out}: {name} {chosen[-1].data.version}, {chosen[-1].digest}")
