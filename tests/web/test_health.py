"""The health of `tpp serve`, which anybody may ask."""

from web_run import Served


def test_a_server_says_that_it_lives_and_is_ready(web: Served) -> None:
    with web.client() as client:
        live, ready = client.get("/health/live"), client.get("/health/ready")
    assert (live.status_code, ready.status_code) == (200, 200)
    assert live.headers["content-type"] == ready.headers["content-type"] == "application/json"
    assert web.stop() in (0, -15)
