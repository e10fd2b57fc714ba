"""What the book says on a day: its status, readings, figures, lists, authorizations, paragraphs, codes."""

from datetime import date
from typing import Any

from rulebook import Book
from schemas.codes import ReasonCode
from services.views.memo import law_in_words


def law(book: Book, day: date) -> dict[str, Any]:
    """The book on a day; figures, lists and paragraphs are in the order of the book."""
    said = book.text.on(day)
    return {
        "said": said,
        "stands": law_in_words(book.status),
        "rulebook": book.name,
        "digest": book.digest,
        "first": book.text.first_day,
        "before": day < book.text.first_day,
        "chosen": [one for one in said.readings if one.on],
        "codes": [_code(code) for code in ReasonCode],
    }


def _code(code: ReasonCode) -> dict[str, str]:
    """A code with its sentences, without the marks of the documentation around names."""
    return {"code": str(code), "meaning": code.meaning.replace("`", ""), "remedy": code.remedy.replace("`", "")}
