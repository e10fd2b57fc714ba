"""`tpp serve` with TPP_LOG_FORMAT=json: every line that it writes is a JSON object, a failure with its traceback too."""

import json
import os
import subprocess
from pathlib import Path

import httpx
from brokers import quiet_port
from waiting import PATIENCE, wait_until
from web_run import TPP

from ledger.database.store import Store
from services.resources import wall_clock
from services.web.tokens import new_token

EVENT = (Path(__file__).parents[2] / "examples" / "quickstart.jsonl").read_bytes().splitlines()[0]


def test_every_line_is_a_json_object(tmp_path: Path) -> None:
    ledger, address = f"sqlite:///{tmp_path}/l.db", f"127.0.0.1:{quiet_port()}"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [TPP, "serve", "--listen", address, "--ledger", ledger],
            stderr=log, env=plain | {"TPP_LOG_FORMAT": "json"},
        ) as process,
    ):  # fmt: skip
        said = (tmp_path / "log").read_text
        try:
            wait_until(lambda: "no token exists yet" in said() or process.poll() is not None, said)
            store = Store(ledger)
            token = new_token(store, "admin", "boss", ("//wms.example",), None, wall_clock())
            with store.engine.connect() as connection, connection.begin():
                connection.exec_driver_sql("ALTER TABLE fact RENAME TO lost")
            store.close()
            with httpx.Client(base_url=f"http://{address}", timeout=PATIENCE) as client:
                assert client.get("/v1/holds").status_code == 401
                headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents+json"}
                assert client.post("/v1/events", content=EVENT, headers=headers).status_code >= 500
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    lines = [json.loads(line) for line in said().splitlines()]
    assert lines[0]["message"] == f"listening on http://{address}"
    assert "/link/" in lines[1]["message"]
    assert [one["message"] for one in lines if "token-missing" in one["message"]]
    assert [one for one in lines if one["level"] in ("error", "critical")]
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(one) for one in lines))
    assert token not in said()
