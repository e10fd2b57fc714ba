"""`tpp policy`: the rules of the house."""

from dataclasses import asdict

import click

from schemas.kinds import Policy
from services.cli.answering import decide
from services.cli.terminal.options import Commands, format_option, ledger_option, rulebook_option
from services.resources import reading, wall_clock


@click.group(cls=Commands)
def policy() -> None:
    """Set and list the policies of the house."""


@policy.command("set")
@click.argument("name", type=click.Choice([str(one) for one in Policy]))
@click.argument("value", type=click.Choice(["on", "off"]))
@click.option("--by", required=True, metavar="NAME", help="Who sets it.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the record.")
@rulebook_option
@ledger_option
def set_policy(name: str, value: str, by: str, reason: str, rulebook: str | None, ledger: str | None) -> None:
    """Turn a policy on or off from now on.

    Writes the answer, like screen.

    \b
    Example:
      tpp policy set four_eyes on --by admin-1 --reason "Reviews need two persons"
    """
    from services.printing import done, print_bytes
    from services.views.requests import policy_event

    event = policy_event(name, value == "on", by, reason, wall_clock())
    texts = decide(event, f"policy {name}", ledger, rulebook)
    with done(f"the answer about {name} is recorded"):
        print_bytes("".join(f"{text}\n" for text in texts).encode())


@policy.command("list")
@format_option("table", "json", "csv")
@ledger_option
def list_policies(form: str, ledger: str | None) -> None:
    """List the policies and whether each is on.

    \b
    Example:
      tpp policy list --format json
    """
    from ledger.queries.policies import policies
    from services.cli.terminal import tables
    from services.views.moments import shown

    with reading(ledger) as connection:
        found = [{**asdict(one), "happened": one.happened and shown(one.happened)} for one in policies(connection)]
    rows = found if form == "json" else [{**one, "value": "on" if one["value"] else "off"} for one in found]
    tables.write(rows, tables.POLICIES, form, "there is no policy")
