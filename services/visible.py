"""What people read: characters that drive a terminal, hide or turn text around are shown as escapes."""

import re
import sys
from typing import IO, cast

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Control characters, invisible format characters, bidirectional controls, line separators, lone surrogates, tags."""


def visible(text: str, keep: str = "") -> str:
    r"""The text with escapes for what would not be seen as itself, apart from the characters of `keep`.

    >>> print(visible("held\x1b[2J\u202edetail\n"))
    held\x1b[2J\u202edetail\x0a
    """
    if text.isprintable():
        return text
    return _HIDDEN.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class _Terminal:
    """A terminal that shows what is written as `visible` gives it, line by line."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        """Writes text in UTF-8, whole characters at a time."""
        self._stream.write(visible(data.decode(errors="backslashreplace"), keep="\n").encode())
        return len(data)

    def writelines(self, lines: "list[bytes]") -> None:
        """Writes some, one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Shows what was written."""
        self._stream.flush()


def print_bytes(data: bytes) -> None:
    """Writes to `standard_output` what is complete."""
    stream = standard_output()
    stream.write(data)
    stream.flush()


def standard_output() -> IO[bytes]:
    """Standard output for what programs read: as it stands in a file or a pipe, visible on a terminal."""
    stream = sys.stdout.buffer
    return cast("IO[bytes]", _Terminal(stream)) if sys.stdout.isatty() else stream
