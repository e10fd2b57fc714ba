"""The calendar of obligations, as a program that subscribes to it reads it."""

from datetime import date

from icalendar import Calendar
from reading_run import listed, screen, something_of_everything, tick, writer
from web_run import served

ICS = "/v1/obligations.ics"


def test_the_calendar_has_every_open_obligation_for_its_own_role_alone(ledger_url: str) -> None:
    screen(ledger_url, something_of_everything())
    with served(ledger_url, env={"TPP_PUBLIC_URL": "https://tpp.example/"}) as web, web.client() as nobody:
        token = web.token("calendar", "desk")
        answer = nobody.get(ICS, params={"token": token})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
        assert nobody.get(ICS, params={"token": token}).content == answer.content
        owed = listed(ledger_url, "obligations")
        assert {one["overdue"] for one in owed} == {False, True}
        calendar = Calendar.from_ical(answer.content)
        assert calendar["version"] == "2.0" and calendar["prodid"] and calendar["x-wr-calname"] == "TPP obligations"
        assert all(len(line.encode()) <= 75 for line in answer.text.split("\r\n"))
        found = calendar.walk("VEVENT")
        assert [one["dtstart"].dt for one in found] == [date.fromisoformat(one["due"]) for one in owed]
        assert len({one["uid"] for one in found}) == len(found)
        for event, one in zip(found, owed, strict=True):
            assert one["about"] in event["summary"]
            assert event["summary"].startswith("Overdue: ") == bool(one["overdue"])
            assert one["citation"] in event["description"] and one["to"] in event["description"]
            assert (event["url"], event["status"]) == ("https://tpp.example/console/obligations", "CONFIRMED")
        uids = {one["uid"]: one["dtstamp"].dt for one in found}
        with writer(ledger_url) as write:
            write([tick("2025-07-20")])
        later = Calendar.from_ical(nobody.get(ICS, params={"token": token}).content).walk("VEVENT")
        assert {one["uid"]: one["dtstamp"].dt for one in later} == uids
        assert sum(one["summary"].startswith("Overdue: ") for one in later) > sum(bool(one["overdue"]) for one in owed)

        statuses = {
            role: nobody.get(ICS, params={"token": web.token(role, "x")}).status_code for role in ("admin", "monitor")
        }
        assert statuses == {"admin": 403, "monitor": 403}
        for query in (
            "",
            "?token=",
            "?token=x",
            f"?token={token}x",
            "?token=%00",
            "?token=%ff",
            f"?token={token}&token={token}x&a=1",
        ):
            refused = nobody.get(ICS + query)
            assert refused.status_code == (400 if "&" in query else 401), query
            assert token not in refused.text
        with web.client(token) as desk:
            assert desk.get(ICS).status_code == 401
            assert desk.get("/v1/obligations").status_code == 403
            assert desk.get("/v1/obligations", params={"token": token}).status_code == 403
        assert nobody.get("/v1/obligations", params={"token": web.token("admin", "x")}).status_code == 401
        assert nobody.get(f"{ICS}?token={token}&state=all").status_code == 400
        web.stop()
        assert token.split("_")[2] not in "".join(web.lines)
