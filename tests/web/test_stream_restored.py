"""A ledger that goes back under a running server: its streams end, and begin anew with what the ledger has then."""

import subprocess
from pathlib import Path

from reading_run import request, screen
from stream_reader import Sent, published, read
from web_run import TPP, Served


def tpp(folder: Path, *words: str) -> None:
    """Runs `tpp`, which must end well."""
    done = subprocess.run([TPP, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_streams_end_where_an_older_back_up_is_restored(web: Served, tmp_path: Path) -> None:
    """Two that are at the end, whichever way they came there; others have written as many records since, or more."""
    token = web.token("monitor")
    screen(web.ledger, [request("SHP-1")])
    tpp(tmp_path, "backup", "kept", "--ledger", web.ledger)
    kept = len(published(web.ledger))
    for number, lost in enumerate((1, 2)):
        screen(web.ledger, [request(f"LOST-{number}-{n}") for n in range(lost)])
        before = published(web.ledger)
        with web.client(token) as client, web.client(token) as other:
            one, two = read(client, after="0"), read(other, {"Last-Event-ID": str(kept)})
            assert [next(one).data for _ in before] == before
            assert [next(two).data for _ in before[kept:]] == before[kept:]
            tpp(tmp_path, "restore", "kept", "--force", "--ledger", web.ledger)
            screen(web.ledger, [request(f"NEW-{number}-{n}") for n in range(2)])
            rest: list[Sent] = [*one, *two]
            assert [one.data for one in rest if one.data not in published(web.ledger)] == []
            assert client.get("/v1/stream", params={"after": kept + 99}).status_code == 400
            again, now = read(client, after=str(kept)), published(web.ledger)
            assert [next(again).data for _ in now[kept:]] == now[kept:]
            again.close()
    assert sum("its streams end" in line for line in web.lines) == 2, "".join(web.lines)[-6000:]
