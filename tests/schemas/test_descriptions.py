"""Every member of every object on the wire is described."""

import json
from pathlib import Path
from typing import Any

import pytest
from schema_samples import ROOT

from schemas.codes import Code, ReasonCode, RejectionCode
from schemas.event_types import INCOMING, OUTGOING
from schemas.generate.descriptions import descriptions, members
from schemas.generate.pages import parts
from schemas.models.parts import Party


def _bare(node: Any) -> list[str]:
    """The properties of a schema, at any depth, that have no description."""
    if isinstance(node, list):
        return [name for part in node for name in _bare(part)]
    if not isinstance(node, dict):
        return []
    found = [name for name, one in node.get("properties", {}).items() if isinstance(one, dict) and not _said(one)]
    return found + [name for part in node.values() for name in _bare(part)]


def _said(schema: dict[str, Any]) -> bool:
    """Whether a property is described; one in a condition on others only says what it must be."""
    return schema.keys() <= {"const", "enum", "pattern", "properties", "required"} or schema.get(
        "description", ""
    ).endswith(".")


@pytest.mark.parametrize("path", sorted((ROOT / "schemas/json").glob("*.json")), ids=lambda path: path.name)
def test_no_member_of_a_published_schema_lacks_a_description(path: Path) -> None:
    assert _bare(json.loads(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("name", parts())
def test_a_model_describes_each_of_its_members_in_one_sentence(name: str) -> None:
    model, _ = parts()[name]
    said = descriptions(model)
    assert said.keys() == set(members(model))
    for text in said.values():
        assert text[0].isupper()
        assert text.endswith(".")
        assert ". " not in text.replace("No. ", "")


def test_an_optional_member_of_what_comes_in_says_what_holds_without_it() -> None:
    exceptions = {("RecheckRequested", None), ("VeuAuthorized", "country"), ("VeuRevoked", "country")}
    for name, (model, incoming) in parts().items():
        for member, text in descriptions(model).items() if incoming else ():
            field = model.model_fields[member]
            if not field.is_required() and not exceptions & {(name, None), (name, member)} and name != "ObligationMet":
                assert "omitted" in text or "default" in text, (name, member)


def test_a_model_without_one_of_its_lines_is_found() -> None:
    class Other(Party):
        """Another party.

        name: Its name.
        """

        more: int

    assert members(Other)[-1] == "more"
    assert descriptions(Other).keys() == set(members(Party))
    assert _bare({"properties": {"more": {"type": "integer"}}}) == ["more"]


@pytest.mark.parametrize("code", [*ReasonCode, *RejectionCode])
def test_a_code_says_what_it_means_and_what_to_do(code: Code) -> None:
    for sentence in (code.meaning, code.remedy):
        assert sentence[0].isupper() or sentence[0] == "`"
        assert sentence.endswith(".")
        assert "|" not in sentence


def test_every_type_has_a_model_of_its_own_wing() -> None:
    assert not INCOMING.keys() & OUTGOING.keys()
