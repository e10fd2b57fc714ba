"""Runs `tpp` in copies of a process that has loaded its modules: loading them takes longer than most tests do.

    python tests/forked.py NUMBER

serves the listening socket of this number until its standard input ends. `forked_client.py` is the other side.
"""

import gc
import io
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import services

FILES = 4
"""What the client hands over: standard input, output and error, and its folder."""


class Copy(Exception):
    """Raised in the copy, so that nothing of the loop is left in it; tells the words of its command line."""


class Forks:
    """The clients that wait, each for a copy to end."""

    def __init__(self, listening: socket.socket) -> None:
        self.listening = listening
        self.waiting: dict[int, socket.socket] = {}
        """The connection of the client by the process that runs for it."""
        self.ended, end = socket.socketpair()
        for one in (self.ended, end):
            one.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(end.fileno(), warn_on_full_buffer=False)
        self._end = end

    def serve(self) -> None:
        """Answers clients until standard input ends."""
        while True:
            ready, _, _ = select.select([0, self.listening, self.ended, *self.waiting.values()], [], [])
            if 0 in ready:
                return
            if self.ended in ready:
                self.ended.recv(1_000)
            self.tell()
            for pid, client in list(self.waiting.items()):
                if client in ready:
                    self.client_says(pid, client)
            if self.listening in ready:
                self.fork(self.listening.accept()[0])

    def tell(self) -> None:
        """Tells the clients of all copies that have ended how they ended."""
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                client = self.waiting.pop(found[0])
                with suppress(OSError):
                    client.sendall(b"%d\n" % os.waitstatus_to_exitcode(found[1]))
                client.close()

    def client_says(self, pid: int, client: socket.socket) -> None:
        """Sends the signals on that a client got; one that is gone was killed, and so is its copy."""
        for number in client.recv(100) or [signal.SIGKILL]:
            os.kill(pid, number)

    def fork(self, client: socket.socket) -> None:
        """Makes a copy for a client, but for one that was ended before it had asked. Raises Copy in the copy."""
        text, files, _, _ = socket.recv_fds(client, 1 << 20, FILES)
        while not text.endswith(b"\n") and (more := client.recv(1 << 20)):
            text += more
        pid = os.fork() if text.endswith(b"\n") else None
        if pid != 0:
            for one in files:
                os.close(one)
            if pid is None:
                client.close()
            else:
                self.waiting[pid] = client
            return
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for one in (self.listening, self.ended, self._end, client, *self.waiting.values()):
            one.close()
        asked = json.loads(text)
        become(asked, files)
        raise Copy(asked["words"])


def become(asked: dict[str, Any], files: list[int]) -> None:
    """Takes over the files, the folder, the environment and the mask of a client."""
    os.fchdir(files[3])
    for number, one in enumerate(files[:3]):
        os.dup2(one, number)
    for one in files:
        os.close(one)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.umask(asked["mask"])
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        setattr(sys, name, standard(number, getattr(sys, name)))


def standard(number: int, was: io.TextIOWrapper) -> io.TextIOWrapper:
    """A standard file as Python opens it: in the encoding that was loaded, or that PYTHONIOENCODING tells."""
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    unbuffered = number > 0 and bool(os.environ.get("PYTHONUNBUFFERED"))
    raw = io.FileIO(number, "w" if number else "r")
    binary = raw if unbuffered else io.BufferedWriter(raw) if number else io.BufferedReader(raw)
    return io.TextIOWrapper(
        binary,  # type: ignore[arg-type]
        encoding=encoding or was.encoding,
        errors=was.errors if number == 2 or not encoding else errors or "strict",
        line_buffering=number == 2 or os.isatty(number),
        write_through=unbuffered,
    )


def main() -> None:
    """Loads the modules, and serves."""
    for found in walk_packages(services.__path__, "services."):
        if not found.name.endswith("__main__"):
            import_module(found.name)
    gc.freeze()
    try:
        Forks(socket.socket(fileno=int(sys.argv[1]))).serve()
    except Copy as copy:
        sys.argv = [str(Path(sys.executable).with_name("tpp")), *copy.args[0]]
    else:
        return
    import_module("services.cli.commands").main()


if __name__ == "__main__":
    main()
