"""A `tpp` that a loaded process runs in its place: it hands over what it was started with, and ends as its copy ends."""

import json
import os
import signal
import socket
import sys

ITS_OWN = ("PYTHON", "LANG", "LC_", "TZ", "OTEL_")
"""How the environment begins that a program reads while it loads."""
COPIED = ("PYTHONIOENCODING", "PYTHONUNBUFFERED")
"""What a copy heeds by itself."""
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT)


def run(path: str, program: str, loaded: dict[str, str]) -> None:
    """Runs the words of this process in a copy of the one that listens at a path, whose environment was `loaded`.

    Where a copy would differ (a closed standard file, another language), the program itself runs.
    """
    if of_its_own(os.environ) != loaded or any(map(closed, range(3))):
        os.execv(program, [program, *sys.argv[1:]])
    mask = os.umask(0)
    asked = {"words": sys.argv[1:], "environment": dict(os.environ), "mask": mask}
    server = socket.socket(socket.AF_UNIX)
    server.connect(path)
    folder = os.open(".", os.O_RDONLY)
    text = json.dumps(asked).encode() + b"\n"
    sent = socket.send_fds(server, [text], [0, 1, 2, folder])
    server.sendall(text[sent:])
    for number in PASSED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda got, _: server.sendall(bytes([got])))
    for number in (0, 1, 2):
        os.close(number)
    code = int(server.recv(100))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def of_its_own(environment: "os._Environ[str]") -> dict[str, str]:
    """What a program reads of the environment while it loads."""
    return {name: value for name, value in environment.items() if name.startswith(ITS_OWN) and name not in COPIED}


def closed(number: int) -> bool:
    """Whether a standard file is closed."""
    try:
        os.fstat(number)
    except OSError:
        return True
    return False
