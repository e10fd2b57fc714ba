"""The options that several commands have, and how a command's failure is shown."""

import sys
from collections.abc import Callable
from typing import Any

import click

from services.failure import Failure, NotFound
from services.printing import open_standard_streams, output_failed
from services.visible import visible

Command = Callable[..., Any]


class Commands(click.Group):
    """A group of commands. A Failure is one sentence on standard error, exit 2, and so is what cannot be printed."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Runs the command line; where not even the sentence can be written, the exit code alone says so."""
        open_standard_streams()
        try:
            return super().main(*args, **extra)
        except OSError:
            sys.exit(_Failed.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the chosen command."""
        from services.telemetry.logs import silence_kafka_python

        silence_kafka_python()
        try:
            return super().invoke(ctx)
        except Failure as error:
            failed = _Failed(visible(str(error)))
            failed.exit_code = 1 if isinstance(error, NotFound) else _Failed.exit_code
            raise failed from error
        except OSError as error:
            raise _failed(error) from error
        except click.ClickException as error:
            error.message = visible(error.message, keep="\n")
            raise

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Reads the options before the name of a command."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except OSError as error:
            raise _failed(error) from error
        except click.ClickException as error:
            error.message = visible(error.message, keep="\n")
            raise


class _Failed(click.ClickException):
    exit_code = 2


def _failed(error: OSError) -> _Failed:
    """What to say of an error that no command expects: of standard output, which names no file, or of a file."""
    if error.filename is None:
        return _Failed(str(output_failed(error)))
    return _Failed(visible(f"{error.filename}: {error.strerror}"))


def tell(sentence: str) -> None:
    """Prints a sentence that is not an error to standard error."""
    click.echo(visible(sentence), err=True)


def complain(sentence: str) -> None:
    """Prints an error to standard error, like a failure."""
    click.echo(f"Error: {visible(sentence)}", err=True)


def force_option(command: Command) -> Command:
    """The option `--force` of a command that writes a file."""
    text = "Replace a file that is not an output of this command."
    return click.option("--force", is_flag=True, help=text)(command)


def ledger_option(command: Command) -> Command:
    """The option `--ledger` of a command."""
    text = "The ledger's database URL, or :memory:. [default: TPP_LEDGER_URL, else sqlite:///tpp-ledger.db]"
    return click.option("--ledger", metavar="URL", help=text)(command)


def moment_options(command: Command) -> Command:
    """The options `--as-of` and `--known-at` of a command."""
    happened = "Only events up to this RFC 3339 time, or to the end of this UTC date."
    learned = "Only records up to this time, date, record:N or snapshot:ID."
    as_of = click.option("--as-of", metavar="TIME", help=happened)
    return as_of(click.option("--known-at", metavar="TIME", help=learned)(command))


def rulebook_option(command: Command) -> Command:
    """The option `--rulebook` of a command."""
    return click.option("--rulebook", metavar="NAME", help="The rulebook. [default: TPP_RULEBOOK, else ai-diffusion]")(
        command
    )


def excel_option(command: Command) -> Command:
    """The option `--excel` of a command that writes CSV."""
    text = "For csv: put an apostrophe before texts that begin with = + - @ or a tab, which Excel takes for formulas."
    return click.option("--excel", is_flag=True, callback=_of_csv, help=text)(command)


def _of_csv(ctx: click.Context, _: click.Parameter, chosen: bool) -> bool:
    """Refuses `--excel` with another format than csv; `--format` is eager, so it is read before."""
    if chosen and ctx.params.get("form") != "csv":
        raise click.UsageError("--excel needs --format csv.")
    return chosen


def format_option(*forms: str, text: str = "Output format.") -> Callable[[Command], Command]:
    """The option `--format` of a command; the first of the forms is its default."""
    return click.option(
        "--format", "form", type=click.Choice(forms), default=forms[0], is_eager=True, show_default=True, help=text
    )


def limit_option(command: Command) -> Command:
    """The option `--limit` of a command that lists."""
    text = "List at most this many, the first ones. [default: all]"
    return click.option("--limit", type=click.IntRange(min=1), metavar="N", help=text)(command)
