"""Lines of text that fit a page."""

import textwrap

WIDTH = 100


def wrapped(text: str, first: str = "  ", rest: str | None = None) -> list[str]:
    """A text as lines of at most WIDTH characters; the first and the others are indented by `first` and `rest`."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=first if rest is None else rest, break_long_words=False
    )
