"""The OpenAPI document, as `schemas.generate` wrote it."""

from functools import cache
from importlib.resources import files
from typing import Any

from litestar import Request, Response, get

from services.web.reading.queries import read_query


@cache
def document() -> bytes:
    """The OpenAPI 3.1.0 document of the HTTP interface, in JSON."""
    return files("schemas").joinpath("openapi.json").read_bytes()


@get("/openapi.json")
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The document, without a token."""
    read_query(request, ()).check()
    return Response(document(), media_type="application/json")


ROUTES = (openapi,)
