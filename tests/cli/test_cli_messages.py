"""Messages and help: one line each, in number and in words that fit."""

from pathlib import Path

import click
import pytest

from schemas.wire.errors import suggestion
from services.cli.commands import main
from services.failure import Failure
from services.files import check_readable
from services.resources import settings
from services.views.summary import Summary

SHORT_HELP = 50


def commands(group: click.Group) -> list[click.Command]:
    found = []
    for command in group.commands.values():
        found += [command, *(commands(command) if isinstance(command, click.Group) else ())]
    return found


@pytest.mark.parametrize("command", commands(main), ids=lambda command: str(command.name))
def test_the_summary_of_a_command_fits_its_line(command: click.Command) -> None:
    assert len(command.get_short_help_str(200)) < SHORT_HELP


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    for name, why in ((tmp_path / "none", "does not exist"), (tmp_path, "is a directory")):
        with pytest.raises(Failure) as refused:
            check_readable([str(name)])
        assert str(refused.value) == f"{name} {why}"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("TPP_SWITCHES", "x", "TPP_SWITCHES: 'x' is not NAME=true or NAME=false"),
        (
            "TPP_KAFKA_SECURITY_PROTOCOL",
            "TLS",
            "TPP_KAFKA_SECURITY_PROTOCOL: must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, not 'TLS'",
        ),
    ],
)
def test_a_wrong_setting_is_named_without_the_words_of_a_library(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Failure) as refused:
        settings()
    assert str(refused.value) == message


def test_the_summary_agrees_in_number_and_does_not_depend_on_the_order_of_reasons() -> None:
    summary = Summary()
    reasons = "".join(f'{{"code":"{code}","citation":""}}' for code in ("red_flag", "authorization.none"))
    summary.add([f'{{"type":"tpp.shipment.held.v1","reasons":[{reasons}]}}', '{"type":"tpp.quota.alert.v1"}'])
    assert list(summary.lines()) == [
        "1 event: 0 approved, 1 held, 0 rejected",
        "  held with authorization.none: 1",
        "  held with red_flag: 1",
        "  followed by: 1 quota alert",
    ]


def test_only_a_name_that_is_near_is_suggested() -> None:
    names = ["part_number", "quantity", "id", "line"]
    assert suggestion("po_number", names) == ""
    assert suggestion("by", names) == ""
    assert suggestion("quantitiy", names) == "; did you mean quantity?"
    assert (
        suggestion("tpp.shipment.request.v1", ["tpp.shipment.requested.v1"])
        == "; did you mean tpp.shipment.requested.v1?"
    )
