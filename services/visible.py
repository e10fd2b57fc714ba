"""Text for people: characters that control a terminal, hide or reorder text are shown as escapes."""

import re

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
