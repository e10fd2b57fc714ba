"""The server with small limits, and with routes that read bodies, hang, fail and stream; run as a program."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator

from anyio import to_thread
from litestar import Request, Response, get, post
from litestar.response import Stream

from ledger.database.store import LedgerCorrupt, knock
from services.resources import settings
from services.telemetry.logs import log_to_stderr
from services.web import app
from services.web.access import Role, roles
from services.web.connection.parser import Limits
from services.web.reading.accounts import ROUTES as ACCOUNTS
from services.web.server import Tls, run
from services.web.state import web_of


async def _read(request: Request) -> Response[dict[str, int]]:
    size = 0
    async for part in request.stream():
        size += len(part)
    return Response({"size": size}, status_code=200)


@post("/test/body")
async def body(request: Request) -> Response[dict[str, int]]:
    return await _read(request)


@post("/test/guarded", **roles({Role.ADMIN}))
async def guarded(request: Request) -> Response[dict[str, int]]:
    return await _read(request)


@post("/test/late")
async def late(request: Request) -> Response[dict[str, int]]:
    await asyncio.sleep(float(request.query_params["seconds"]))
    return await _read(request)


@get("/test/fails")
async def fails() -> None:
    raise ZeroDivisionError("the test asks for it")


@get("/test/damaged")
async def damaged() -> None:
    raise LedgerCorrupt("the test asks for it")


@get("/test/ledger")
async def ledger(request: Request) -> str:
    await to_thread.run_sync(knock, web_of(request).store)
    return "read"


@get("/test/large")
async def large(size: int) -> Response[bytes]:
    return Response(b"x" * size, media_type="application/octet-stream")


@get("/test/stream")
async def stream(request: Request) -> Stream:
    stopping = web_of(request).stopping

    async def lines() -> AsyncIterator[bytes]:
        yield b": begun\n\n"
        await stopping.wait()
        yield b": ended\n\n"

    return Stream(lines(), media_type="text/event-stream")


@get("/test/endless")
async def endless() -> Stream:
    async def lines() -> AsyncIterator[bytes]:
        while True:
            yield b"data: " + b"x" * 10_000 + b"\n\n"
            await asyncio.sleep(0)

    return Stream(lines(), media_type="text/event-stream")


@get("/test/broken-stream")
async def broken_stream() -> Stream:
    async def lines() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        raise ZeroDivisionError("in the stream")

    return Stream(lines(), media_type="text/event-stream")


@get("/test/hangs")
async def hangs() -> str:
    print("hanging", file=sys.stderr, flush=True)
    await to_thread.run_sync(time.sleep, 3_600)
    return "never"


@get("/test/waits")
async def waits(request: Request) -> str:
    print("waiting", file=sys.stderr, flush=True)
    await web_of(request).stopping.wait()
    await asyncio.sleep(0.3)
    return "answered"


@get(["/test/segment", "/test/segment/{name:str}"])
async def segment(request: Request) -> str:
    return str(request.path_params.get("name", ""))


@get("/v1/accounts/{path:path}")
async def account(request: Request) -> dict[str, str]:
    return {
        "path": request.path_params["path"],
        "raw": request.scope["raw_path"].decode(),
        "scope": request.scope["path"],
    }


if __name__ == "__main__":
    words = argparse.ArgumentParser()
    words.add_argument("--listen")
    words.add_argument("--ledger")
    words.add_argument("--tls-cert")
    words.add_argument("--tls-key")
    words.add_argument("--limits", type=json.loads, default={})
    given = words.parse_args()
    made = (
        body, guarded, late, fails, damaged, ledger, large, stream, endless, broken_stream, hangs, waits, segment, account
    )  # fmt: skip
    app.ROUTES = (*(part for part in app.ROUTES if part is not ACCOUNTS), made)
    log_to_stderr()
    tls = Tls(given.tls_cert, given.tls_key) if given.tls_cert else None
    sys.exit(run(settings(), given.ledger, None, given.listen, tls, Limits(**given.limits)))
