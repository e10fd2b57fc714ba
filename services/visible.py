"""Text for people: characters that control a terminal, hide or reorder text are shown as escapes."""

import re
import sys
from typing import IO, cast

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Control characters, invisible format characters, bidirectional controls, line separators, lone surrogates, tags."""


def visible(text: str, keep: str = "") -> str:
    r"""The text with escapes for characters that would not be visible, except those of `keep`.

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
    """A terminal to which text is written through `visible`, line by line."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        """Writes text in UTF-8, whole characters at a time."""
        self._stream.write(visible(data.decode(errors="backslashreplace"), keep="\n").encode())
        return len(data)

    def writelines(self, lines: "list[bytes]") -> None:
        """Writes several, in order."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flushes the stream."""
        self._stream.flush()


def print_bytes(data: bytes) -> None:
    """Writes to `standard_output` and flushes it."""
    stream = standard_output()
    stream.write(data)
    stream.flush()


def standard_output() -> IO[bytes]:
    """Standard output for programs: unchanged in a file or a pipe, made visible on a terminal."""
    stream = sys.stdout.buffer
    return cast("IO[bytes]", _Terminal(stream)) if sys.stdout.isatty() else stream
