"""Lines of text that fit a page."""

import textwrap

from services.visible import visible

WIDTH = 100


def wrapped(text: str, first: str = "  ", rest: str | None = None) -> list[str]:
    """A text, visible, as lines of at most WIDTH characters; `first` and `rest` indent the first and the others."""
    return textwrap.wrap(
        visible(text, keep="\n\t"),
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
    )
