"""Message header names that are not UTF-8: the clients refuse to read on, and would stay at such a message for ever."""

from typing import Any, SupportsIndex


class _Names(bytearray):
    """Bytes of records whose text is read with a backslash and a number for each byte that is not UTF-8."""

    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        part = super().__getitem__(at)
        return _Names(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        """The text of a name."""
        return super().decode(encoding, errors)


class PatientBatch:
    """A mix-in for the record batch that either client has in Python: it reads on where a name is not UTF-8."""

    _buffer: bytearray

    def __next__(self) -> Any:
        try:
            return super().__next__()  # type: ignore[misc]
        except Exception as error:
            if isinstance(self._buffer, _Names) or not isinstance(error.__cause__ or error.__context__, UnicodeError):
                raise
        self._buffer = _Names(self._buffer)
        return super().__next__()  # type: ignore[misc]
