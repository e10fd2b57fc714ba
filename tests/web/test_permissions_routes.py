"""Each role on each route of the running program, as `roles.toml` has it; a route that it does not name fails."""

import re
import tomllib
from pathlib import Path

import httpx
from web_inside import inside
from web_run import Served

from services.web.access import Role

TABLE = tomllib.loads(Path(__file__).with_name("roles.toml").read_text("utf-8"))
OF_ADDRESS = "GET /v1/obligations.ics"
"""The one route that takes its token in the address."""
PAGES = ("/console", "/link", "/sign-")
NAMED = {"accounts": "lpp/CON-1/2025", "shipments": "SHP-1"}


def routes() -> set[str]:
    """The application's routes for programs, with {} for what is named in the address; `test_page_routes` has others."""
    with inside(":memory:", ()) as running:
        return {
            f"{method} {re.sub('{[^}]*}', '{}', route.path)}"
            for route in running.app.routes
            for method in getattr(route, "methods", ())
            if method not in ("OPTIONS", "HEAD") and not route.path.startswith(PAGES)
        }


def asked(client: httpx.Client, route: str, token: str | None) -> int:
    """The status of a route's answer to a token; a body that does not end is not read."""
    method, path = route.split()
    for family, name in NAMED.items():
        path = path.replace(f"/v1/{family}/{{}}", f"/v1/{family}/{name}")
    given = {"token": token} if token and route == OF_ADDRESS else {}
    headers = {"Authorization": f"Bearer {token}"} if token and route != OF_ADDRESS else {}
    body = {"content": b"[]", "headers": headers | {"Content-Type": "application/cloudevents-batch+json"}}
    more = body if method == "POST" else {"headers": headers}
    with client.stream(method, path, params=given, **more) as response:
        return response.status_code


def test_every_route_is_in_the_table() -> None:
    assert routes() <= {*TABLE["routes"], *TABLE["open"]["routes"]}


def test_each_role_opens_the_routes_that_the_table_gives_it_and_no_other(web: Served) -> None:
    tokens = {str(role): web.token(role, f"{role}.one", "//erp.example/*") for role in Role}
    with web.client() as client:
        for route in sorted(routes()):
            if route in TABLE["open"]["routes"]:
                assert asked(client, route, None) == 200, route
                continue
            assert asked(client, route, None) == 401, route
            for role, token in tokens.items():
                status = asked(client, route, token)
                if role in TABLE["routes"][route]:
                    assert status < 500 and status not in (401, 403, 405, 429), (route, role, status)
                else:
                    assert status == 403, (route, role, status)
