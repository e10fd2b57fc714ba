"""Every example event is read, and fits the published schemas."""

import json

import pytest
from schema_samples import EXAMPLES, message_validator, validator

from schemas.event_types import INCOMING
from schemas.wire.read import Event, parse

CONTRACT = """{"specversion":"1.0","id":"evt-0001","source":"//wms.example","type":"tpp.shipment.requested.v1",
 "subject":"SHP-0001","time":"2025-06-02T09:30:00Z","datacontenttype":"application/json",
 "data":{
  "shipment_id":"SHP-0001",
  "transaction":"export",
  "export_date":"2025-06-05",
  "ship_from":"US","ship_to":"IN",
  "exporter":{"id":"EXP-1","name":"Example Exports Inc","country":"US","headquarters":"US"},
  "ultimate_consignee":{"id":"CON-77","name":"Bharat Compute Pvt Ltd","country":"IN","headquarters":"IN",
     "ultimate_parent":{"id":"CON-70","name":"Bharat Holdings Ltd","headquarters":"IN"}},
  "end_use":"data_center",
  "items":[{"line":1,"part_number":"H100-SXM5-80GB","eccn":"3A090.a","quantity":8,"tpp":15824,
            "performance_density":19.4,"datacenter":true}],
  "authorization":{"kind":"LPP"},
  "certifications":[{"kind":"lpp_consignee_statement","party":"CON-70","date":"2025-05-20","reference":"C-88"}]}}"""


def test_there_is_an_example_of_every_type_that_comes_in() -> None:
    assert EXAMPLES.keys() == INCOMING.keys()


def test_the_request_is_the_one_of_the_contract() -> None:
    assert json.loads(EXAMPLES["tpp.shipment.requested.v1"]) == json.loads(CONTRACT)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_read(name: str) -> None:
    event = parse(EXAMPLES[name])
    assert isinstance(event, Event), event
    assert event.type == name
    assert isinstance(event.data, INCOMING[name].model)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_fits_its_schema_and_its_message(name: str) -> None:
    event = json.loads(EXAMPLES[name])
    validator(name).validate(event)
    message_validator(name).validate(event)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_schema_is_strict(name: str) -> None:
    """A member too many, each required member too few, and null in place of any member do not fit."""
    event = json.loads(EXAMPLES[name])
    changed = [
        event | {"data": event["data"] | {"remark": "x"}},
        event | {"data_base64": "e30="},
        event | {"Trace": "x"},
    ]
    for field, info in INCOMING[name].model.model_fields.items():
        rest = {key: value for key, value in event["data"].items() if key != field}
        changed.append(event | {"data": rest | {field: None}})
        if info.is_required():
            changed.append(event | {"data": rest})
    required = ("specversion", "id", "source", "type", "subject", "time", "data")
    changed += [{key: value for key, value in event.items() if key != attribute} for attribute in required]
    for wrong in changed:
        assert not validator(name).is_valid(wrong)
        assert not message_validator(name).is_valid(wrong)
        assert not isinstance(parse(json.dumps(wrong).encode()), Event)
