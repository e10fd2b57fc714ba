"""The OpenAPI document, as `schemas.generate` wrote it."""

from functools import cache
from importlib.resources import files

from litestar import Response, get


@cache
def document() -> bytes:
    """The OpenAPI 3.1.0 document of the HTTP interface, in JSON."""
    return files("schemas").joinpath("openapi.json").read_bytes()


@get("/openapi.json")
async def openapi() -> Response[bytes]:
    """The document, without a token."""
    return Response(document(), media_type="application/json")


ROUTES = (openapi,)
