"""`tpp serve`: the HTTP interface."""

import sys

import click

from services.cli.terminal.options import ledger_option, rulebook_option
from services.resources import settings


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Where to listen. [default: TPP_LISTEN, else 127.0.0.1:8080]")
@rulebook_option
@ledger_option
def serve(listen: str | None, rulebook: str | None, ledger: str | None) -> None:
    """Serve the HTTP interface until stopped.

    Decides the events that come over HTTP, and reads the ledger for who asks. It needs no broker.

    \b
    Example:
      tpp serve --listen 127.0.0.1:8080
    """
    from services.telemetry.logs import log_to_stderr
    from services.web.server import run

    log_to_stderr()
    sys.exit(run(settings(), ledger, rulebook, listen))
