"""A memo as a page: one file that asks for nothing from elsewhere, with every text visible and escaped."""

from collections.abc import Sequence
from itertools import groupby

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined

from services.views.memo import Memo
from services.views.trace import Section
from services.visible import visible


def templates(loader: BaseLoader) -> Environment:
    """Templates of which every text is escaped, and of what would not be visible the escape is shown."""
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )


def page(memo: Memo, sections: Sequence[Section]) -> str:
    """The memo as HTML, followed by the trace, if any is given."""
    environment = templates(PackageLoader("services.views", "."))
    grouped = [
        (section.heading, [(kind, list(says)) for kind, says in groupby(section.says, lambda said: said.kind)])
        for section in sections
    ]
    return environment.get_template("memo.html").render(memo=memo, sections=grouped)
