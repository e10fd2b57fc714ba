"""Answers to what waits for a person: `tpp review` a hold, `tpp met` an obligation."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from services.cli.terminal.options import format_option, ledger_option, rulebook_option
from services.failure import Failure
from services.resources import engine, reading, wall_clock

_PROPOSALS = {"propose-release": "release", "propose-deny": "deny", "withdraw": "withdraw"}
_OPTIONS = {
    "shipment_id": "SHIPMENT",
    "party": "SHIPMENT|PARTY",
    "kind": "KIND",
    "reviewer": "--reviewer",
    "second_reviewer": "--second",
    "authorization": "--authorization",
    "reason": "--reason",
    "due": "--due",
    "date": "--date",
    "by": "--by",
    "reference": "--reference",
}
"""What on the command line gives a member of an event's data."""

_format = format_option("text", "json", text="A sentence, or the answers as screen writes them.")


def decide(event: bytes, name: str, ledger: str | None, rulebook: str | None) -> Sequence[str]:
    """The answers to an event that a command made; `name` tells it from others in the ledger.

    Raises Failure, with nothing recorded, if what the command was given cannot be an event.
    """
    from schemas.wire.read import Door, Rejection, parse
    from services.engine.message import Message

    found = parse(event, Door.OWN)
    if isinstance(found, Rejection):
        raise Failure("; ".join(f"{_given(one.pointer)} {one.message}" for one in found.errors))
    with engine(ledger, rulebook) as runs:
        (texts,) = runs.run([Message(event, {"request": name}, own=True)])
    return texts


def _given(pointer: str) -> str:
    """What on the command line a pointer into an event means; of the subject, what it is about."""
    name = pointer.removeprefix("/data/").split("/")[0]
    return _OPTIONS.get(name, "SHIPMENT" if pointer == "/subject" else pointer)


def _tell(event: bytes, texts: Sequence[str], form: str) -> None:
    """Prints the answers and ends the command: exit 1 if what was asked for was not done."""
    from services.printing import done, print_bytes, print_text
    from services.views.answers import answer_text
    from services.views.answers import done as was_done

    with done("the answer is recorded"):
        if form == "json":
            print_bytes("".join(f"{text}\n" for text in texts).encode())
        else:
            print_text(answer_text(event, texts))
    sys.exit(0 if was_done(texts) else 1)


@click.command()
@click.argument("shipment")
@click.argument("action", type=click.Choice(["release", "deny", *_PROPOSALS]))
@click.option("--reviewer", required=True, metavar="NAME", help="Who decides or proposes.")
@click.option("--second", metavar="NAME", help="Of release and deny: who confirms it, another person.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the record.")
@click.option(
    "--authorization",
    metavar="KIND[:REFERENCE]",
    help="Of release and propose-release: the authorization to try in the place of the claimed one.",
)
@_format
@rulebook_option
@ledger_option
def review(
    shipment: str,
    action: str,
    reviewer: str,
    second: str | None,
    reason: str,
    authorization: str | None,
    form: str,
    rulebook: str | None,
    ledger: str | None,
) -> None:
    """Decide a hold, or propose a decision.

    release screens the shipment again without the reasons that a reviewer may set aside; deny ends it.
    propose-release and propose-deny record what a first person proposes to a second one, and withdraw takes back what
    was proposed on this hold. The same command on the same hold counts once. Exits with 1 if the shipment stays held,
    or if the review is refused.

    \b
    Example:
      tpp review SHP-0003 propose-release --reviewer a.one --reason "The class is that of the datasheet"
      tpp review SHP-0003 release --reviewer a.one --second b.two --reason "Datasheet compared"
    """
    from services.views.requests import review_event

    proposes = action in _PROPOSALS
    if second is not None and proposes:
        raise click.UsageError("--second goes with release and deny.")
    if authorization is not None and not action.endswith("release"):
        raise click.UsageError("--authorization goes with release and propose-release.")
    asked: dict[str, Any] = {
        "shipment_id": shipment,
        "action": _PROPOSALS.get(action, action),
        "reviewer": reviewer,
        "reason": reason,
    }
    if second is not None:
        asked["second_reviewer"] = second
    if authorization is not None:
        kind, colon, reference = authorization.partition(":")
        asked["authorization"] = {"kind": kind} | ({"reference": reference} if colon else {})
    with reading(ledger) as connection:
        event = review_event(connection, asked, wall_clock(), proposes=proposes)
    texts = decide(event, f"review {shipment} {action}", ledger, rulebook)
    _tell(event, texts, form)


@click.command()
@click.argument("kind")
@click.argument("about", metavar="SHIPMENT|PARTY")
@click.option("--due", required=True, metavar="DATE", help="The day on which it was due.")
@click.option("--by", required=True, metavar="NAME", help="Who sent it.")
@click.option("--reference", required=True, metavar="TEXT", help="The number or name under which the proof is on file.")
@click.option("--date", "sent", metavar="DATE", help="The day on which it was sent. [default: today, in UTC]")
@_format
@rulebook_option
@ledger_option
def met(
    kind: str,
    about: str,
    due: str,
    by: str,
    reference: str,
    sent: str | None,
    form: str,
    rulebook: str | None,
    ledger: str | None,
) -> None:
    """Record that an obligation was met.

    KIND and --due are those that tpp obligations lists. The same command counts once. Exits with 1 if there is no such
    obligation.

    \b
    Example:
      tpp met left_without_approval SHP-0001 --due 2025-07-02 --by c.three --reference BIS-2025-118
    """
    from services.views.moments import required_day
    from services.views.requests import met_event

    last = required_day("--due", due)
    sent_on = datetime.now(UTC).date() if sent is None else required_day("--date", sent)
    asked = {"kind": kind, "due": last.isoformat(), "date": sent_on.isoformat(), "by": by, "reference": reference}
    with reading(ledger) as connection:
        event = met_event(connection, about, asked, last, wall_clock())
    texts = decide(event, f"met {kind} {about}", ledger, rulebook)
    _tell(event, texts, form)
