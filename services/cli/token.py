"""`tpp token`: who may use the HTTP interface."""

import click

from services.cli.terminal.options import Commands, ledger_option
from services.cli.token_link import link

_ROLES = ("publisher", "monitor", "reviewer", "finance", "admin", "calendar")


@click.group(cls=Commands)
def token() -> None:
    """Make, list and revoke tokens of the HTTP interface."""


token.add_command(link)


@token.command()
@click.option("--role", required=True, type=click.Choice(_ROLES))
@click.option("--name", required=True, metavar="NAME", help="The person or the system that acts.")
@click.option("--source", "sources", multiple=True, metavar="PATTERN", help="A source that it may send with; repeat.")
@ledger_option
def create(role: str, name: str, sources: tuple[str, ...], ledger: str | None) -> None:
    """Make a token, and print it once.

    \b
    Example:
      tpp token create --role publisher --name erp --source '//erp.example/*'
    """
    from services.printing import print_text
    from services.resources import opened, wall_clock
    from services.web.tokens import new_token

    with opened(ledger) as store:
        print_text(new_token(store, role, name, sources, None, wall_clock()))
