"""The commands of the stream: the parts that run, the topics, and how to publish and watch events."""

import sys
from typing import TYPE_CHECKING

import click

from services.cli.terminal.options import ledger_option, rulebook_option
from services.printing import print_text
from services.resources import settings

if TYPE_CHECKING:
    from services.settings import Settings


@click.command()
@rulebook_option
@ledger_option
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Partitions of topics that are created.",
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Number of workers.")
@click.option(
    "--folder",
    metavar="FOLDER",
    default="tpp-data",
    show_default=True,
    help="Data folder of the broker that this command starts.",
)
@click.option("--no-broker", is_flag=True, help="Start only serve, clock and notify, which need no broker.")
@click.pass_context
def up(
    context: click.Context,
    rulebook: str | None,
    ledger: str | None,
    partitions: int,
    workers: int,
    folder: str,
    no_broker: bool,
) -> None:
    """Run the whole system on this machine.

    Starts the broker, the worker, the relay, the clock and the HTTP interface, until Ctrl-C, and `tpp notify` too if
    TPP_NOTIFY is set. With --no-broker it needs nothing but Python.

    The HTTP interface listens where TPP_LISTEN says, or on another port if that one is taken. If TPP_BROKER is not set,
    Apache Kafka is started on 127.0.0.1, on port 9092 if it is free (this needs Java 17 or newer; Maven downloads the
    jars once). A part that ends is restarted. The next start resumes where this one stopped.

    \b
    Example:
      tpp up
      TPP_BROKER=127.0.0.1:9092 tpp publish examples/quickstart.jsonl
      tpp up --no-broker
    """
    from services.stream.up import run

    for name in ("partitions", "workers", "folder"):
        if no_broker and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"Give --no-broker or --{name}, not both.")
    chosen = settings()
    _check_parts(chosen, no_broker=no_broker)
    sys.exit(run(chosen, ledger, rulebook, partitions=partitions, workers=workers, folder=folder, no_broker=no_broker))


def _check_parts(chosen: "Settings", *, no_broker: bool) -> None:
    """Raises Failure if a part of the system would end at once because of its settings, again and again."""
    from services.kafka.sources import topic_sources
    from services.notify.receivers import read_receivers
    from services.web.server import check_settings

    if not no_broker:
        topic_sources(chosen.sources)
    if chosen.notify:
        read_receivers(chosen.notify)
    check_settings(chosen)


@click.command()
@rulebook_option
@ledger_option
def worker(rulebook: str | None, ledger: str | None) -> None:
    """Decide incoming events until stopped.

    Reads tpp.shipments and tpp.facts.

    Any number of workers share the partitions. Offsets are committed after the ledger's transaction, so undecided
    messages are delivered again. The worker ends when the database fails; run it under a supervisor that restarts it.

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
@click.option(
    "--give-up",
    type=click.IntRange(min=1),
    metavar="SEQUENCE",
    help="Go on although the ledger has lost events that were published, up to this sequence number.",
)
def relay(ledger: str | None, give_up: int | None) -> None:
    """Publish the ledger's answers until stopped.

    Answers are published in order. If the topics have answers that the ledger does not have, because it was restored or
    has lost its end, the relay ends with exit code 2 and says which.

    One relay is active at a time; others stand by.

    \b
    Example:
      TPP_BROKER=kafka:9092 tpp relay --ledger postgresql://tpp@db/tpp
    """
    from services.stream.relay import run
    from services.telemetry.logs import log_to_stderr

    log_to_stderr()
    sys.exit(run(settings(), ledger, give_up))


@click.command()
@rulebook_option
@ledger_option
def clock(rulebook: str | None, ledger: str | None) -> None:
    """Tick every minute until stopped.

    On a tick, obligations fall due and unused debits lapse.

    The clock needs no broker: it writes its ticks into the ledger itself. It gives none if the machine's time is more
    than 31 days past the ledger's last record. It also hashes new records into the tree that `tpp audit` uses. One
    clock is active at a time; others stand by.

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
    """Manage the topics.

    \b
    Example:
      tpp topics create --partitions 12 --replication 3
    """


@topics.command()
@click.option(
    "--partitions", type=click.IntRange(min=1), default=4, show_default=True, help="Partitions of each new topic."
)
@click.option(
    "--replication", type=click.IntRange(min=1), help="Replicas of each new topic. [default: the broker's setting]"
)
def create(partitions: int, replication: int | None) -> None:
    """Create missing topics.

    Existing topics are left unchanged.

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
    print_text("\n".join(f"{name}: {'created' if name in made else 'exists'}" for name in TOPICS))


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--facts-first",
    is_flag=True,
    help="Send all facts first, and shipments only after the workers have decided the facts.",
)
@click.option("--as-it-stands", is_flag=True, help="Do not wait for the workers between facts and shipments.")
def publish(files: tuple[str, ...], facts_first: bool, as_it_stands: bool) -> None:
    """Send event files to the input topics, in order.

    FILE is JSONL, optionally compressed (.gz); - is standard input. Lines are sent unchanged. Shipment, review and
    recheck events go to tpp.shipments, facts and ticks to tpp.facts. A line that cannot be read goes to tpp.shipments,
    where the worker rejects it.

    Two topics have no common order. Between facts and shipments, and back, the command therefore waits until the
    workers have decided what it sent, and says how long it waited. Lines of standard input do not wait.

    Exits with 0 if the broker acknowledged every line, and with 1 if it did not, or if the workers made no progress for
    60 seconds. You may publish a file again: an event that arrives twice counts once.

    \b
    Example:
      tpp publish monday.jsonl tuesday.jsonl.gz
    """
    from services.stream.publish import run

    if facts_first and as_it_stands:
        raise click.UsageError("Give --facts-first or --as-it-stands, not both.")
    sys.exit(run(settings(), files, facts_first=facts_first, as_it_stands=as_it_stands))


@click.command()
@click.argument("topics", nargs=-1, metavar="[TOPIC]...")
@click.option("--account", metavar="PATTERN", help="Only events about these accounts; * matches any text.")
@click.option("--from-start", is_flag=True, help="Begin with the oldest event. [default: new events]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["line", "jsonl"]),
    default="line",
    show_default=True,
    help="Readable lines, or the published events as JSON lines.",
)
@click.option("--ticks", is_flag=True, help="Of line: show the ticks of the clock too.")
@click.option("--group", metavar="NAME", help="Resume where the last watch with this group name ended.")
@click.option("--max", "most", type=click.IntRange(min=1), metavar="N", help="Stop after N events.")
@click.option(
    "--idle", type=click.FloatRange(min=0), metavar="SECONDS", help="Stop after this many seconds without an event."
)
def watch(
    topics: tuple[str, ...],
    account: str | None,
    from_start: bool,
    form: str,
    ticks: bool,
    group: str | None,
    most: int | None,
    idle: float | None,
) -> None:
    """Follow decisions and alerts until Ctrl-C.

    TOPIC is any topic. [default: decisions, alerts and rejections] Lines are coloured on a terminal, unless NO_COLOR is
    set or TERM is dumb. A new --group starts with new events; with --from-start, with the oldest.

    \b
    Example:
      tpp watch --account 'lpp/*'
      tpp watch tpp.decisions --from-start --format jsonl --idle 2 > decisions.jsonl
    """
    from services.stream.watch import DEFAULT_TOPICS, Wanted, run

    wanted = Wanted(topics or DEFAULT_TOPICS, account, from_start, form, group, most, idle, ticks)
    sys.exit(run(settings(), wanted))


COMMANDS: tuple[click.Command, ...] = (up, worker, relay, clock, topics, publish, watch)
