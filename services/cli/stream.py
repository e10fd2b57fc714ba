"""The commands of the stream: the parts that run, the topics, what goes in and what comes out."""

import sys

import click

from services.cli.options import ledger_option, rulebook_option
from services.resources import settings


@click.command()
@rulebook_option
@ledger_option
@click.option("--partitions", type=click.IntRange(min=1), default=4, show_default=True, help="Of topics that are made.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="How many workers share them."
)
@click.option(
    "--folder",
    metavar="FOLDER",
    default="tpp-data",
    show_default=True,
    help="Where a broker of its own keeps its data.",
)
def up(rulebook: str | None, ledger: str | None, partitions: int, workers: int, folder: str) -> None:
    """Run the whole system on this machine until Ctrl-C: broker, ledger, worker, relay, clock.

    Where TPP_BROKER is not set, Apache Kafka is started on 127.0.0.1, on port 9092 where that is free (it needs Java 17
    or newer; Maven fetches its jars once). A part that ends is started again. Started again later, the system goes on
    where it stopped.

    \b
    Example:
      tpp up
      TPP_BROKER=127.0.0.1:9092 tpp publish examples/quickstart.jsonl
    """
    from services.stream.up import run

    sys.exit(run(settings(), ledger, rulebook, partitions=partitions, workers=workers, folder=folder))


@click.command()
@rulebook_option
@ledger_option
def worker(rulebook: str | None, ledger: str | None) -> None:
    """Decide what arrives on tpp.shipments and tpp.facts, until SIGTERM.

    Any number of workers share the partitions. Offsets are committed after the ledger's transaction, so that what was
    not decided is delivered again. A failure of the database ends the worker: let something start it again.

    \b
    Example:
      TPP_BROKER=kafka:9092 tpp worker --ledger postgresql://tpp@db/tpp
    """
    from services.stream.worker import run
    from services.telemetry.logs import log_to_stderr

    log_to_stderr()
    sys.exit(run(settings(), ledger, rulebook))


@click.command()
@ledger_option
def relay(ledger: str | None) -> None:
    """Publish what the ledger gives out, in order, until SIGTERM.

    One relay works at a time; others stand by.

    \b
    Example:
      TPP_BROKER=kafka:9092 tpp relay --ledger postgresql://tpp@db/tpp
    """
    from services.stream.relay import run
    from services.telemetry.logs import log_to_stderr

    log_to_stderr()
    sys.exit(run(settings(), ledger))


@click.command()
@rulebook_option
@ledger_option
def clock(rulebook: str | None, ledger: str | None) -> None:
    """Tick once a minute, until SIGTERM; obligations fall due and debits lapse by it.

    It needs no broker: it writes its ticks into the ledger itself. It gives none where the machine's time is more than
    31 days past the ledger's last record. It also gives new records their leaves in the tree that `tpp audit` proves
    by. One clock works at a time; others stand by.

    \b
    Example:
      tpp clock --ledger postgresql://tpp@db/tpp
    """
    from services.stream.clock import run
    from services.telemetry.logs import log_to_stderr

    log_to_stderr()
    sys.exit(run(settings(), ledger, rulebook))


@click.group()
def topics() -> None:
    """Look after the topics.

    \b
    Example:
      tpp topics create --partitions 12 --replication 3
    """


@topics.command()
@click.option("--partitions", type=click.IntRange(min=1), default=4, show_default=True, help="Of each topic made.")
@click.option("--replication", type=click.IntRange(min=1), help="Copies of each. [default: the broker's own]")
def create(partitions: int, replication: int | None) -> None:
    """Make the topics that are not there; those that are stay as they are.

    \b
    Example:
      TPP_BROKER=kafka:9092 tpp topics create --partitions 12 --replication 3
    """
    from schemas.event_types import TOPICS
    from services.kafka.access import address, client_options
    from services.kafka.topics import BROKERS_OWN, create_topics

    chosen = settings()
    made = create_topics(
        address(chosen), partitions, BROKERS_OWN if replication is None else replication, client_options(chosen)
    )
    for name in TOPICS:
        click.echo(f"{name}: {'made' if name in made else 'was there'}")


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--facts-first",
    is_flag=True,
    help="The facts of all files go first, and shipments only once the workers have taken them.",
)
def publish(files: tuple[str, ...], facts_first: bool) -> None:
    """Send event files to the topics, each line as it stands.

    FILE is JSONL, may end in .gz, and - is standard input. Shipment, review and recheck events go to tpp.shipments,
    facts and ticks to tpp.facts; a line that cannot be read goes to tpp.shipments, where the worker rejects it. Exit 0
    once the broker acknowledged every line, else 1. A file may be published again: an event that arrives twice counts
    once.

    \b
    Example:
      tpp publish monday.jsonl tuesday.jsonl.gz
    """
    from services.stream.publish import run

    sys.exit(run(settings(), files, facts_first=facts_first))


@click.command()
@click.argument("topics", nargs=-1, metavar="[TOPIC]...")
@click.option("--account", metavar="PATTERN", help="Only what is about these accounts; a * stands for any text.")
@click.option("--from-start", is_flag=True, help="Begin with the oldest event. [default: what comes from now on]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["line", "jsonl"]),
    default="line",
    show_default=True,
    help="Readable lines, or the events as they were published.",
)
@click.option("--group", metavar="NAME", help="Go on where the last watch of this name ended.")
@click.option("--max", "most", type=click.IntRange(min=1), metavar="N", help="End after N events.")
@click.option("--idle", type=click.FloatRange(min=0), metavar="SECONDS", help="End when nothing came for so long.")
def watch(
    topics: tuple[str, ...],
    account: str | None,
    from_start: bool,
    form: str,
    group: str | None,
    most: int | None,
    idle: float | None,
) -> None:
    """Follow what comes out, until Ctrl-C.

    TOPIC is any topic; without one, decisions and alerts. A new --group begins now, or with --from-start at the oldest.

    \b
    Example:
      tpp watch --account 'lpp/*'
      tpp watch tpp.decisions --from-start --format jsonl --idle 2 > decisions.jsonl
    """
    from services.stream.watch import DEFAULT_TOPICS, Wanted, run

    wanted = Wanted(topics or DEFAULT_TOPICS, account, from_start, form, group, most, idle)
    sys.exit(run(settings(), wanted))


COMMANDS: tuple[click.Command, ...] = (up, worker, relay, clock, topics, publish, watch)
