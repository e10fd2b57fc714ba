"""What the pages load: our style sheet and scripts, and uPlot out of the package that brings it."""

import base64
from functools import cache
from hashlib import sha384
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from services.web.pages.sessions import page_route
from services.web.problems import Kind, Problem

UPLOT = ("uplot.iife.min.js", "uplot.min.css")
"""The files of uPlot 1.6.31, as the package youplot has them."""

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@cache
def asset(name: str) -> bytes | None:
    """The bytes of a file that pages load; None if there is none of that name."""
    if name in UPLOT:
        return (_vendor() / name).read_bytes()
    found = files("services.views.console") / "assets" / name
    return found.read_bytes() if name.partition(".")[2] in _TYPES and found.is_file() else None


@cache
def integrity(name: str) -> str:
    """The SHA-384 of a file, as the attribute `integrity` of what loads it has it (W3C Subresource Integrity)."""
    content = asset(name)
    if content is None:
        raise KeyError(name)
    return f"sha384-{base64.b64encode(sha384(content).digest()).decode()}"


def _vendor() -> Path:
    """The folder of uPlot; the package around it is not imported."""
    found = find_spec("youplot")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("youplot is not installed")
    return Path(found.origin).parent / "vendor"


@get("/console/assets/{name:str}", **page_route())
async def show_asset(name: FromPath[str]) -> Response[bytes]:
    """A file that pages load. None of them says anything of the ledger, so it is open to all."""
    content = asset(name)
    if content is None:
        raise Problem(Kind.NOT_FOUND, f"There is no route /console/assets/{name}.")
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]])


ROUTES: tuple[Any, ...] = (show_asset,)
