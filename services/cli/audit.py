"""The commands of proof: they let others check the ledger's records without trusting the operator."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.cli.terminal.options import complain, force_option, format_option, ledger_option, rulebook_option, tell
from services.failure import Failure
from services.printing import done, print_text
from services.resources import book, settings, software, standing, there
from services.visible import visible

if TYPE_CHECKING:
    from ledger.proof.notes import PublicKey

_format = format_option("text", "json")


@click.group()
def audit() -> None:
    """Prove that nothing was lost, doubled or changed.

    \b
    Example:
      tpp audit verify
      tpp audit export SHP-0001 --out pack
    """


@audit.command()
@click.argument("topics", nargs=-1, metavar="[TOPIC]...")
@ledger_option
def intake(topics: tuple[str, ...], ledger: str | None) -> None:
    """Check that every message has exactly one answer.

    Compares the input topics with the ledger. Exits with 1 if an answer is missing or doubled, or if a key stands in
    several partitions, so that its messages have no order; the shipments that were decided in a wrong order are named.

    TOPIC is tpp.shipments or tpp.facts. [default: both]

    \b
    Example:
      tpp audit intake --ledger postgresql://tpp@db/tpp
    """
    from schemas.event_types import INPUTS
    from services.cli.terminal.tables import print_json
    from services.stream.intake import intake as compare

    found = compare(settings(), ledger, topics or INPUTS)
    print_json(found)
    sys.exit(1 if found["missing"] or found["doubled"] or found["split_keys"] else 0)


@audit.command()
@click.option("--new", is_flag=True, help="Create the key; the file must not exist.")
@_format
@ledger_option
def key(new: bool, form: str, ledger: str | None) -> None:
    """Print the public key of checkpoints and packs.

    Earlier keys that the ledger's checkpoints name follow it, one per line. As JSON, each is printed with the numbers
    of records of the first and the last checkpoint that it signed.

    The private key is in the file TPP_SIGNING_KEY, which nobody else may read. It is created when first needed, if the
    ledger has no signature yet, or with --new. Do not store it with backups of the ledger.

    \b
    Example:
      tpp audit key > tpp-ledger.pub
    """
    from ledger.proof.checkpoints import signers
    from services.cli.terminal.tables import print_json
    from services.proof.keys import new_key, note_failures, signer

    if new:
        made = new_key(settings()).public
        tell(f"created the signing key {made.short} in {settings().signing_key}")
        found: list[tuple[PublicKey, int | None, int | None]] = [(made, None, None)]
    elif not there(ledger):
        found = [(signer(settings(), None, tell).public, None, None)]
    else:
        with note_failures(), standing(ledger) as store:
            own = signer(settings(), store, tell).public
            with store.read() as connection:
                terms = {one.key: (one.first, one.last) for one in signers(connection)}
        found = [(one, *terms.get(one, (None, None))) for one in dict.fromkeys((own, *terms))]
    if form == "json":
        print_json([{"key": str(one), "first": first, "last": last} for one, first, last in found])
    else:
        for one, _, _ in found:
            print_text(visible(str(one)))


@audit.command()
@click.option("--out", metavar="FILE", help="Write the checkpoint to this file. [default: standard output]")
@click.option("--rotate", is_flag=True, help="Change to the key of TPP_SIGNING_KEY, created if it does not exist.")
@force_option
@ledger_option
def checkpoint(out: str | None, rotate: bool, force: bool, ledger: str | None) -> None:
    """Sign the present state of the journal.

    A checkpoint is the signed number of records and the root of their tree. Give checkpoints to others: whoever has one
    can later detect whether an earlier record was changed.

    With --rotate, another key signs from this checkpoint on. Earlier checkpoints stay valid with the key that signed
    them; a key that was replaced does not sign again.

    \b
    Example:
      tpp audit checkpoint --out 2025-06-30.checkpoint
    """
    from ledger.proof.checkpoints import cover
    from services.cli.terminal.output import CHECKPOINT, output
    from services.proof.keys import note_failures, signer

    destination = output(out, CHECKPOINT, ledger=ledger, force=force)
    with note_failures(), standing(ledger) as store:
        note = cover(store, signer(settings(), store, tell, rotate=rotate), rotate=rotate)
    with done("the checkpoint is signed and kept in the ledger"), destination as stream:
        stream.write(note)


@audit.command()
@click.option(
    "--checkpoint",
    "given",
    multiple=True,
    metavar="FILE",
    help="An older checkpoint of this ledger to check; may be repeated.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="A public key, or a file of public keys. [default: this ledger's]",
)
@_format
@rulebook_option
@ledger_option
def verify(given: tuple[str, ...], keys: tuple[str, ...], form: str, rulebook: str | None, ledger: str | None) -> None:
    """Verify every record, balance, limit and snapshot.

    Recomputes the tree and decides every event again.

    Exits with 1 if anything was changed, removed or added; the first bad record is listed first.

    \b
    Example:
      tpp audit verify --checkpoint 2025-03-31.checkpoint --key tpp-ledger.pub
    """
    from services.cli.terminal.tables import print_json
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
        print_text(verification(found))
    sys.exit(1 if report.bad else 0)


@audit.command()
@click.argument("shipment")
@_format
@ledger_option
def prove(shipment: str, form: str, ledger: str | None) -> None:
    """Prove that the journal has a shipment's records.

    \b
    Example:
      tpp audit prove SHP-0001 --format json
    """
    from services.cli.terminal.tables import empty_list, print_json
    from services.proof.keys import note_failures, signer
    from services.proof.proofs import prove as proof_of
    from services.views.proofs import proofs

    with note_failures(), empty_list(form), standing(ledger) as store:
        found = proof_of(store, lambda: signer(settings(), store, tell), shipment).to_json()
    if form == "json":
        print_json(found)
    else:
        print_text(proofs(found))


@audit.command()
@click.argument("old")
@click.argument("new", required=False)
@click.option("--key", "keys", multiple=True, metavar="KEY", help="A public key, or a file of public keys.")
@click.option("--format", type=click.Choice(["json"]), default="json", expose_value=False, help="Output format.")
@ledger_option
def consistency(old: str, new: str | None, keys: tuple[str, ...], ledger: str | None) -> None:
    """Prove that one checkpoint extends another.

    Nothing before the older checkpoint was changed. Exits with 1 if NEW does not extend OLD.

    OLD and NEW are files. Without NEW, a checkpoint is signed now and compared.

    \b
    Example:
      tpp audit consistency 2025-03-31.checkpoint
    """
    from ledger.proof.checkpoints import cover
    from services.cli.terminal.tables import print_json
    from services.proof.keys import note_failures, public_keys, read_note, signer
    from services.proof.proofs import consistency as compare

    first = read_note(old)
    with note_failures(), standing(ledger) as store:
        second = read_note(new) if new is not None else cover(store, signer(settings(), store, tell))
        found = compare(store, first, second, lambda recorded: public_keys(keys, settings(), recorded))
    if found is None:
        complain(f"{old} is not a prefix of {new or 'the newest checkpoint'}")
        sys.exit(1)
    print_json(found.to_json())


@audit.command()
@click.argument("shipments", nargs=-1, metavar="[SHIPMENT]...")
@click.option("--period", metavar="PERIOD", help="Every shipment with an entry booked in this period, such as 2025-Q2.")
@click.option("--out", metavar="FOLDER", required=True, help="Folder for the pack; must be empty or not exist.")
@click.option("--since", metavar="FILE", help="Include the proof that this older checkpoint is a prefix.")
@ledger_option
def export(shipments: tuple[str, ...], period: str | None, out: str, since: str | None, ledger: str | None) -> None:
    """Write a pack of shipments for an examiner.

    A pack has the events, decisions, entries, evidence digests and proofs. `tpp audit check-pack` verifies it; so does
    the single file that `tpp audit verifier` writes, which needs only Python.

    \b
    Example:
      tpp audit export SHP-0001 SHP-0002 --out pack
      tpp audit export --period 2025-Q2 --since 2025-03-31.checkpoint --out pack
    """
    from schemas import periods
    from services.proof.keys import note_failures, public_keys, signer
    from services.proof.pack import NotAPrefix
    from services.proof.pack import export as write_pack
    from services.views.wrapping import counted

    if bool(shipments) == (period is not None):
        raise click.UsageError("Name shipments, or give --period.")
    try:
        chosen = shipments if period is None else periods.period(period)
    except ValueError as error:
        raise Failure(str(error)) from error

    def known(recorded: Sequence["PublicKey"]) -> list["PublicKey"]:
        return public_keys((), settings(), recorded)

    try:
        with note_failures(), standing(ledger) as store:
            made = write_pack(store, signer(settings(), store, tell), chosen, since, known, Path(out))
    except NotAPrefix:
        complain(f"{since} is not a prefix of the newest checkpoint")
        sys.exit(1)
    counts = f"{counted(made.shipments, 'shipment')}, {counted(made.records, 'record')}"
    with done(f"wrote {visible(out)}"):
        print_text(f"wrote {visible(out)}: {counts}; verify it with `tpp audit check-pack FOLDER --key KEY`")


@audit.command("check-pack")
@click.argument("folder")
@click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    metavar="KEY",
    help="The ledger's public key, or a file of public keys; not from the pack.",
)
@_format
def check_pack(folder: str, keys: tuple[str, ...], form: str) -> None:
    """Verify a pack that `tpp audit export` wrote.

    Checks the signatures, the size and digest of each file, the proof of each record, its event and answers, that no
    record of a shipment is missing, and the documents in evidence/. No program of FOLDER is run, and no file outside of
    it is read. Packs of earlier versions are taken.

    Exits with 1 if the pack is not valid; the file that is wrong is named.

    \b
    Example:
      tpp audit check-pack pack --key tpp-ledger.pub
    """
    from services.cli.terminal.tables import print_json
    from services.proof.check import check
    from services.proof.keys import public_keys
    from services.views.proofs import pack

    found = check(Path(folder), public_keys(keys, settings(), ()))
    if form == "json":
        print_json(found.to_json())
    else:
        print_text(pack(found.to_json()))
    sys.exit(0 if found.ok else 1)


@audit.command()
@click.option("--out", metavar="FILE", help="Write the verifier to this file.")
@force_option
def verifier(out: str | None, force: bool) -> None:
    """Print the SHA-256 of the verifier of packs.

    The changelog of a release names it too. With --out, writes the verifier, a single file that needs only Python:
    `python3 -I verify.py KEY FOLDER`.

    \b
    Example:
      tpp audit verifier --out verify.py
    """
    from services.cli.terminal.output import VERIFIER as BEGINS
    from services.cli.terminal.output import output
    from services.proof.check import verifier_digest
    from services.proof.pack import VERIFIER

    if out is not None:
        with output(out, BEGINS, force=force) as stream:
            stream.write(VERIFIER.read_bytes())
    if out != "-":
        print_text(f"{verifier_digest()}  {visible(out or 'verify.py')}")
