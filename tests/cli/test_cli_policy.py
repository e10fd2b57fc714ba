"""The house's policies from the command line: set by an event, and listed."""

import csv
import io
import json

from cli_events import answers, event, kinds, lines, request
from cli_run import Tpp


def test_policies_are_listed_set_and_stand_in_decisions(tpp: Tpp) -> None:
    tpp("screen", "-", stdin=lines(request("A")))
    before = json.loads(tpp("policy", "list", "--format", "json").stdout)
    assert {one["name"]: one["value"] for one in before} == {"auto_recheck": True, "four_eyes": False}
    assert {one["record"] for one in before} == {None}
    done = tpp("policy", "set", "four_eyes", "on", "--by", "a.one", "--reason", "two persons")
    assert (done.returncode, kinds(done.stdout)) == (0, ["recorded"])
    assert answers(done.stdout)[0]["subject"] == "four_eyes"
    rows = {
        row["name"]: row
        for row in csv.DictReader(io.StringIO(tpp("policy", "list", "--format", "csv").stdout.decode()))
    }
    assert (rows["four_eyes"]["value"], rows["four_eyes"]["by"], rows["four_eyes"]["record"]) == ("on", "a.one", "2")
    (first,) = answers(tpp("screen", "-", stdin=lines(request("A"))).stdout)
    (second, *_) = answers(tpp("screen", "-", stdin=lines(request("B"))).stdout)
    assert first["data"]["basis"]["policies"] == {}
    assert second["data"]["basis"]["policies"] == {"four_eyes": True}
    made = {"account": "lpp/CON-1/2025", "amount": 1}
    refused = answers(tpp("screen", "-", stdin=lines(event("adj", "adjustment.made", made))).stdout)
    assert refused[0]["data"]["reasons"][0]["code"] == "four_eyes"
    assert json.loads(tpp("audit", "verify", "--format", "json").stdout)["bad"] == []


def test_a_policy_that_there_is_not_is_wrong_usage(tpp: Tpp) -> None:
    assert tpp("policy", "set", "six_eyes", "on", "--by", "a", "--reason", "r").returncode == 2
    assert tpp("policy", "set", "four_eyes", "on", "--by", "a").returncode == 2
    unknown = event("p", "policy.set", {"name": "six_eyes", "value": True})
    assert kinds(tpp("screen", "-", stdin=lines(unknown)).stdout) == ["rejected"]
