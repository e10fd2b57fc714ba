"""Keeping a ledger: `tpp backup`, `tpp restore`, and `tpp retention`, until when its records must be kept."""

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import click

from services.cli.audit import verify
from services.cli.terminal.options import excel_option, format_option, ledger_option, rulebook_option, tell
from services.resources import backed_up, reading, restored

_file = click.argument("file", type=click.Path(path_type=Path))


@click.command()
@_file
@ledger_option
def backup(file: Path, ledger: str | None) -> None:
    """Write a back-up of the ledger to a new file.

    It is of one moment, and nobody who writes to the ledger waits for it. Of SQLite it is a database, of PostgreSQL
    an archive of pg_dump, which must be installed. Only you may read the file; it has its name once it is complete.
    Sign a checkpoint before it, which restore compares with the records.

    \b
    Example:
      tpp audit checkpoint --out 2025-06-30.checkpoint
      tpp backup 2025-06-30.backup
    """
    from services.printing import done, print_text

    backed_up(ledger, file)
    with done(f"the back-up {file} is complete"):
        print_text(f"{file}: {file.stat().st_size:,} bytes")


@click.command()
@_file
@click.option(
    "--checkpoint", "given", multiple=True, metavar="FILE", help="A checkpoint that must be a prefix; may be repeated."
)
@click.option("--force", is_flag=True, help="Replace a ledger that has records.")
@rulebook_option
@ledger_option
@click.pass_context
def restore(
    context: click.Context, file: Path, given: tuple[str, ...], force: bool, rulebook: str | None, ledger: str | None
) -> None:
    """Restore a back-up and verify it.

    It is verified like audit verify. Restores into a ledger that does not exist or has no records. Stop every part
    before: one that runs ends at its next batch, and must be started again. Exits with 1 if the restored ledger is
    not what was recorded.

    Everybody is signed out, and one-time links end. Tokens that were revoked since the back-up are valid again;
    standard error lists the tokens.

    \b
    Example:
      tpp restore 2025-06-30.backup --ledger sqlite:///restored.db --checkpoint 2025-06-30.checkpoint
    """
    from services.proof.keys import note_failures, read_note

    with note_failures():
        for name in given:
            read_note(name)
    restored(ledger, file, force=force)
    _tell_tokens(ledger)
    tell(f"{file} is restored; verifying it")
    context.invoke(verify, given=given, keys=(), form="text", rulebook=rulebook, ledger=ledger)


def _tell_tokens(ledger: str | None) -> None:
    """Lists the tokens of a restored ledger: those that were revoked after its back-up are valid again."""
    from ledger.doors.tokens import list_tokens
    from schemas.times import instant_text

    with reading(ledger) as connection:
        found = list_tokens(connection)
    if not found:
        return
    tell(
        "its tokens are those of the back-up, and one that was revoked since is valid again; "
        "revoke by `tpp token revoke ID` what must open nothing:"
    )
    for one in found:
        dates = (("created", one.created), ("expires", one.expires), ("revoked", one.revoked))
        told = ", ".join(f"{what} {instant_text(when)}" for what, when in dates if when is not None)
        tell(f"  {one.id}  {one.role}  {one.name}, {told}")


@click.command()
@click.option("--on", metavar="DATE", help="The day to ask about. [default: today, in UTC]")
@format_option("table", "json", "csv")
@excel_option
@ledger_option
def retention(on: str | None, form: str, excel: bool, ledger: str | None) -> None:
    """List until when records must be kept.

    15 CFR 762.6: five years from the last export or return that the ledger knows, or from the day on which a shipment
    was cancelled, denied or lapsed; one that may still leave has no end. Deletes nothing. Exits with 1 while anything
    must be kept: a journal is one chain, and can only go as a whole.

    \b
    Example:
      tpp retention --on 2031-01-01 --format csv
    """
    from ledger.queries.retention import retention as rows_of
    from services.cli.terminal import tables
    from services.views.moments import day

    today = day("--on", on) or datetime.now(UTC).date()
    with reading(ledger) as connection:
        found = list(rows_of(connection))
    rows = [
        {
            "shipment_id": one.shipment_id,
            "state": one.state or "unknown",
            "last": one.last and one.last.isoformat(),
            "keep_until": one.keep_until and one.keep_until.isoformat(),
        }
        for one in found
    ]
    tables.write(rows, tables.RETENTION, form, "no shipment exists", excel=excel)
    end = max((one.keep_until or date.max for one in found), default=date.min)
    term = "as long as a shipment may still leave" if end == date.max else f"until {end}"
    tell(f"the ledger must be kept {term}" if today <= end else "nothing must be kept any longer")
    sys.exit(1 if today <= end else 0)
