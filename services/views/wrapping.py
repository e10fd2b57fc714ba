"""Words and lines of text for people."""

import textwrap

from services.visible import visible

WIDTH = 100
SCREEN = 80
"""The width of a terminal's screen, for what is to be read on one."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun; the plural adds an s unless it is given.

    >>> counted(1, "record"), counted(1_200, "entry", "entries")
    ('1 record', '1,200 entries')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def wrapped(text: str, first: str = "  ", rest: str | None = None, width: int = WIDTH) -> list[str]:
    """A text, made visible, as lines of at most `width` characters, indented by `first` and then `rest`.

    A longer word stands whole, unless the lines are to fit a SCREEN.
    """
    return textwrap.wrap(
        visible(text, keep="\n\t"),
        width,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=width <= SCREEN,
    )
