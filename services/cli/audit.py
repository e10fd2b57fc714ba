"""The commands of proof: what the ledger's records say can be checked without trusting us."""

import sys
from pathlib import Path

import click

from services.cli.options import complain, format_option, ledger_option, rulebook_option
from services.failure import Failure
from services.resources import book, settings, software, standing, there
from services.visible import visible

_format = format_option("text", "json")


@click.group()
def audit() -> None:
    """Prove that nothing was lost, counted twice or changed.

    \b
    Example:
      tpp audit verify
      tpp audit export SHP-0001 --out pack
    """


@audit.command()
@click.argument("topics", nargs=-1, metavar="[TOPIC]...")
@ledger_option
def intake(topics: tuple[str, ...], ledger: str | None) -> None:
    """Compare the input topics with the ledger: has every message its answer, and only one? Exit 1 where not.

    TOPIC is tpp.shipments or tpp.facts; without one, both.

    \b
    Example:
      tpp audit intake --ledger postgresql://tpp@db/tpp
    """
    from schemas.event_types import INPUTS
    from services.cli.tables import print_json
    from services.stream.intake import intake as compare

    found = compare(settings(), ledger, topics or INPUTS)
    print_json(found)
    sys.exit(1 if found["missing"] or found["doubled"] else 0)


@audit.command()
@ledger_option
def key(ledger: str | None) -> None:
    """Print the public key of checkpoints and packs, and below it earlier ones that the ledger's checkpoints name.

    The private key is made at first need, in the file of TPP_SIGNING_KEY; keep it out of back-ups of the ledger.

    \b
    Example:
      tpp audit key > tpp-ledger.pub
    """
    from ledger.proof.checkpoints import keys
    from services.proof.keys import note_failures, signer

    has_ledger = there(ledger)
    found = [signer(settings()).public]
    if has_ledger:
        with note_failures(), standing(ledger) as store, store.read() as connection:
            found += keys(connection)
    for one in dict.fromkeys(found):
        click.echo(visible(str(one)))


@audit.command()
@click.option("--out", metavar="FILE", help="Where it goes. [default: standard output]")
@ledger_option
def checkpoint(out: str | None, ledger: str | None) -> None:
    """Sign the number of records and the root of their tree, as they are now.

    Give checkpoints away: whoever holds one can tell later whether a record before it was changed.

    \b
    Example:
      tpp audit checkpoint --out 2025-06-30.checkpoint
    """
    from ledger.proof.checkpoints import cover
    from services.files import output
    from services.proof.keys import signer

    with standing(ledger) as store:
        note = cover(store, signer(settings()))
    with output(out) as stream:
        stream.write(note)


@audit.command()
@click.option(
    "--checkpoint", "given", multiple=True, metavar="FILE", help="An older checkpoint, which must be a prefix."
)
@click.option("--key", "keys", multiple=True, metavar="KEY", help="A public key, or a file with some. [default: yours]")
@_format
@rulebook_option
@ledger_option
def verify(given: tuple[str, ...], keys: tuple[str, ...], form: str, rulebook: str | None, ledger: str | None) -> None:
    """Recompute every record, the tree, all balances and limits, snapshots, and what follows from the events.

    Exit 1 where something was changed, removed or added; the first bad record comes first.

    \b
    Example:
      tpp audit verify --checkpoint 2025-03-31.checkpoint --key tpp-ledger.pub
    """
    from services.cli.tables import print_json
    from services.proof.keys import note_failures, public_keys, read_note
    from services.proof.verification import verify as check
    from services.views.proofs import verification

    law = book(rulebook)
    older = [(name, read_note(name)) for name in given]
    with note_failures(), standing(ledger) as store:
        report = check(store, law, software(), lambda recorded: public_keys(keys, settings(), recorded), older)
    found = report.to_json()
    if form == "json":
        print_json(found)
    else:
        click.echo(verification(found))
    sys.exit(1 if report.bad else 0)


@audit.command()
@click.argument("shipment")
@_format
@ledger_option
def prove(shipment: str, form: str, ledger: str | None) -> None:
    """Print the records of a shipment with the proof that each stands in the journal.

    \b
    Example:
      tpp audit prove SHP-0001 --format json
    """
    from services.cli.tables import print_json
    from services.proof.keys import signer
    from services.proof.proofs import prove as proof_of
    from services.views.proofs import proofs

    key = signer(settings())
    with standing(ledger) as store:
        found = proof_of(store, key, shipment).to_json()
    if form == "json":
        print_json(found)
    else:
        click.echo(proofs(found))


@audit.command()
@click.argument("old")
@click.argument("new", required=False)
@click.option("--key", "keys", multiple=True, metavar="KEY", help="A public key, or a file with some.")
@click.option("--format", type=click.Choice(["json"]), default="json", expose_value=False, help="How to print.")
@ledger_option
def consistency(old: str, new: str | None, keys: tuple[str, ...], ledger: str | None) -> None:
    """Prove that one checkpoint is the beginning of another: nothing before it was changed. Exit 1 where it is not.

    OLD and NEW are files; without NEW it is the newest checkpoint.

    \b
    Example:
      tpp audit consistency 2025-03-31.checkpoint
    """
    from ledger.proof.checkpoints import cover
    from services.cli.tables import print_json
    from services.proof.keys import note_failures, public_keys, read_note, signer
    from services.proof.proofs import consistency as compare

    first = read_note(old)
    with note_failures(), standing(ledger) as store:
        second = read_note(new) if new is not None else cover(store, signer(settings()))
        found = compare(store, first, second, lambda recorded: public_keys(keys, settings(), recorded))
    if found is None:
        complain(f"{old} is not the beginning of {new or 'the newest checkpoint'}")
        sys.exit(1)
    print_json(found.to_json())


@audit.command()
@click.argument("shipments", nargs=-1, metavar="[SHIPMENT]...")
@click.option("--period", metavar="PERIOD", help="Every shipment with an entry booked in it, such as 2025-Q2.")
@click.option("--out", metavar="FOLDER", required=True, help="Where the pack goes; empty, or not there.")
@click.option("--since", metavar="FILE", help="An older checkpoint, with the proof that nothing before it was changed.")
@ledger_option
def export(shipments: tuple[str, ...], period: str | None, out: str, since: str | None, ledger: str | None) -> None:
    """Pack shipments for an examiner: events, decisions, entries, evidence digests, proofs and a verifier.

    The verifier is one file for Python alone: in FOLDER, `python3 -I verify.py KEY`, with the key of `tpp audit key`.

    \b
    Example:
      tpp audit export SHP-0001 SHP-0002 --out pack
      tpp audit export --period 2025-Q2 --since 2025-03-31.checkpoint --out pack
    """
    from schemas import periods
    from services.proof.keys import note_failures, public_keys, signer
    from services.proof.pack import NotTheBeginning
    from services.proof.pack import export as pack

    if bool(shipments) == (period is not None):
        raise click.UsageError("Name shipments, or a --period.")
    try:
        chosen = shipments if period is None else periods.period(period)
    except ValueError as error:
        raise Failure(str(error)) from error
    key = signer(settings())
    try:
        with note_failures(), standing(ledger) as store:
            made = pack(store, key, chosen, since, lambda recorded: public_keys((), settings(), recorded), Path(out))
    except NotTheBeginning:
        complain(f"{since} is not the beginning of the newest checkpoint")
        sys.exit(1)
    click.echo(
        f"{visible(out)}: {made.shipments:,} shipments, {made.records:,} records; "
        f"check it with `tpp audit check-pack {visible(out)} --key KEY`"
    )
