"""`tpp token`: who may use the HTTP interface."""

from typing import Any

import click

from services.cli.terminal.options import Commands, format_option, ledger_option
from services.cli.token_link import link
from services.failure import Failure, NotFound

_ROLES = ("publisher", "monitor", "reviewer", "finance", "admin", "calendar")
_NAME = "1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or digit"


@click.group(cls=Commands)
def token() -> None:
    """Manage tokens of the HTTP interface."""


token.add_command(link)


@token.command()
@click.option("--role", required=True, type=click.Choice(_ROLES), help="What it may do.")
@click.option("--name", required=True, metavar="NAME", help="The person or the system that acts.")
@click.option("--source", "sources", multiple=True, metavar="PATTERN", help="A source that it may send with; repeat.")
@click.option("--expires", metavar="TIME", help="To the end of this UTC date, or to this RFC 3339 time.")
@ledger_option
def create(role: str, name: str, sources: tuple[str, ...], expires: str | None, ledger: str | None) -> None:
    """Make a token, and print it once.

    The ledger keeps its SHA-256 alone: a token that is lost cannot be shown again. In PATTERN, * stands for any text.
    All tokens of one NAME are one person. A ledger that does not exist is created.

    \b
    Example:
      tpp token create --role publisher --name erp --source '//erp.example/*'
      tpp token create --role reviewer --name a.one --expires 2025-12-31
    """
    from services.printing import done, print_text
    from services.resources import opened, wall_clock
    from services.web.tokens import id_in, new_token

    now = wall_clock()
    _check(role, name, sources)
    ends = _end(expires, now)
    with opened(ledger) as store:
        made = new_token(store, role, name, tuple(dict.fromkeys(sources)), ends, now)
    with done(f"the token {id_in(made)} is made and nobody has seen it: revoke it"):
        print_text(made)


@token.command("list")
@format_option("table", "json")
@ledger_option
def list_tokens(form: str, ledger: str | None) -> None:
    """List the tokens, the oldest first.

    Revoked and expired tokens are listed too. When a token was last used is noted to the hour.

    \b
    Example:
      tpp token list --format json
    """
    from dataclasses import asdict

    from ledger.doors.tokens import list_tokens as every_token
    from services.cli.terminal import tables
    from services.resources import reading
    from services.views.moments import shown

    with reading(ledger) as connection:
        found: list[dict[str, Any]] = [asdict(one) for one in every_token(connection)]
    for one in found:
        if form == "table":
            one["sources"] = " ".join(one["sources"]) or None
        for name in ("created", "expires", "revoked", "last_used"):
            if one[name] is not None:
                one[name] = shown(one[name] if form == "json" else one[name] // 1_000_000 * 1_000_000)
    tables.write(found, tables.TOKENS, form, "no token exists")


@token.command()
@click.argument("id")
@ledger_option
def revoke(id: str, ledger: str | None) -> None:
    """Revoke a token for good, within a second.

    ID is the one that tpp token list shows. Exits with 1 if the token does not exist.

    \b
    Example:
      tpp token revoke 4fQ0Zb7sXk2M
    """
    from ledger.doors.tokens import revoke_token
    from services.printing import done, print_text
    from services.resources import standing, wall_clock
    from services.web.tokens import id_in

    if (meant := id_in(id)) is not None:
        raise Failure(f"this is a whole token, which is a secret; name it by its id, {meant}")
    with standing(ledger) as store:
        if not revoke_token(store, id, wall_clock()):
            raise NotFound(f"token {id!r} does not exist; `tpp token list` lists the tokens")
    with done(f"the token {id} is revoked"):
        print_text(f"The token {id} is revoked.")


def _check(role: str, name: str, sources: tuple[str, ...]) -> None:
    """Raises Failure for a name or a source that no token may have."""
    from services.web.tokens import is_name, is_pattern

    if not is_name(name):
        raise Failure(f"--name: {name!r} is not a name: {_NAME}")
    for source in sources:
        if not is_pattern(source):
            raise Failure(f"--source: {source!r} is not a URI-reference such as //erp.example or '//erp.example/*'")
    if role == "publisher" and not sources:
        raise Failure("a publisher needs at least one --source, such as --source //erp.example")


def _end(expires: str | None, now: int) -> int | None:
    """The instant from which a token opens nothing, in microseconds since 1970 (UTC); None without one."""
    from services.views.moments import instant

    end = instant(expires)
    if end is not None and end <= now:
        raise Failure(f"--expires: {expires} is past")
    return end
