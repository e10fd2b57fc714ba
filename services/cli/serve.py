"""`tpp serve`: the HTTP interface."""

import sys

import click

from services.cli.terminal.options import ledger_option, rulebook_option
from services.resources import settings


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Where to listen. [default: TPP_LISTEN, else 127.0.0.1:8080]")
@click.option("--tls-cert", metavar="FILE", help="The certificate for HTTPS, with its chain, in PEM.")
@click.option("--tls-key", metavar="FILE", help="The key of the certificate, in PEM and without a password.")
@rulebook_option
@ledger_option
def serve(
    listen: str | None, tls_cert: str | None, tls_key: str | None, rulebook: str | None, ledger: str | None
) -> None:
    """Serve the HTTP interface until stopped.

    Decides the events that come over HTTP, and reads the ledger for who asks. It needs no broker.

    An address that other machines can reach needs a certificate, or TPP_INSECURE=1 if a proxy in front does TLS.
    TPP_HOSTS names the hosts by which it may be called. Port 0 is any free port.

    \b
    Examples:
      tpp serve
      tpp serve --listen 127.0.0.1:9000
      TPP_HOSTS=quota.example tpp serve --listen 0.0.0.0:8443 --tls-cert quota.pem --tls-key quota.key
    """
    from services.telemetry.logs import log_to_stderr
    from services.web.server import Tls, run

    if (tls_cert is None) != (tls_key is None):
        given, missing = ("--tls-cert", "--tls-key") if tls_key is None else ("--tls-key", "--tls-cert")
        raise click.UsageError(f"{given} needs {missing} too")
    tls = None if tls_cert is None or tls_key is None else Tls(tls_cert, tls_key)
    log_to_stderr()
    sys.exit(run(settings(), ledger, rulebook, listen, tls))
