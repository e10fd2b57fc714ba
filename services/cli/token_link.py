"""`tpp token link`: a link that signs a person in to the page, once."""

import click

from services.cli.terminal.options import ledger_option, tell

_ROLES = click.Choice(("monitor", "reviewer", "finance", "admin"))


@click.command()
@click.option("--role", required=True, type=_ROLES, help="What the person may do.")
@click.option("--name", required=True, metavar="NAME", help="The person who signs in.")
@ledger_option
def link(role: str, name: str, ledger: str | None) -> None:
    """Make a link that signs a person in, once.

    It is valid for 15 minutes. Its page has one button, which uses it up; to fetch the page does not. It begins with
    TPP_PUBLIC_URL, or with the address of TPP_LISTEN. A ledger that does not exist is created.

    \b
    Example:
      tpp token link --role reviewer --name r.osei
    """
    from services.failure import Failure
    from services.printing import done, print_text
    from services.resources import opened, settings, wall_clock
    from services.web.access import Role
    from services.web.pages.sessions import base_address, new_link
    from services.web.tokens import is_name

    if not is_name(name):
        raise Failure(f"{name!r} is not a name; use 1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit")
    with opened(ledger) as store:
        made = new_link(store, Role(role), name, base_address(settings()), wall_clock())
    with done("a link was made that nobody has seen; it ends in 15 minutes"):
        print_text(made)
    tell(f"valid for 15 minutes, once; it signs in {name} as {role}")
