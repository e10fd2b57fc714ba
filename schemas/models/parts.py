"""What the data of incoming events are made of: parties, facilities, items, certifications (contract, section 2).

A line `member: …` of a docstring is the member's description in the published schema.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas import accounts
from schemas.models.values import (
    IDENTIFIER,
    TECHNOLOGY,
    TPP_MAX,
    Country,
    Day,
    Eccn,
    Identifier,
    Lei,
    Number,
    NumberOrText,
    Quantity,
    Sha256,
    Text,
    Tpp,
    country_codes,
)

AuthorizationKind = Literal["NLR", "ACA", "AIA", "ACM", "VEU", "LPP", "NAC", "LICENSE", "LVS", "GBS"]
CertificationKind = Literal[
    "aia_consignee_certification",
    "authorized_ic_designer",
    "lpp_consignee_statement",
    "nac_notification",
    "facility_security",
]
ProhibitedUse = Literal[
    "military",
    "military_intelligence",
    "nuclear",
    "missile",
    "chemical_biological",
    "supercomputer_d5",
    "advanced_node_ic_d5",
    "entity_list",
    "mass_surveillance",
]
MAX_ENTRIES = 20_000
"""The most entries of a list: more lines than 1 MiB can have, and few enough to tell what is wrong with each."""
AListOf = Field(strict=False, max_length=MAX_ENTRIES)
"""Marks a tuple that is a list on the wire; its entries stay strict."""
LineNumber = Annotated[int, Field(ge=1, le=TPP_MAX)]


class Model(BaseModel):
    """A strict, frozen object of the wire: an unknown member is an error, and no value is converted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _one_or_more(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,)


def _account(path: str) -> str:
    account = accounts.read(path)
    if account is None:
        raise PydanticCustomError(
            "account.invalid", "must be the path of an account that holds entries, such as lpp/CON-70/2025"
        )
    place = account.country or (account.part if len(account.part) == 2 else "")
    if place and place not in country_codes():
        raise PydanticCustomError(
            "country.unknown", "must name an assigned ISO 3166-1 alpha-2 code, not {code}", {"code": place}
        )
    return path


def _creditable(path: str) -> str:
    account = accounts.read(_account(path))
    if account is None or account.family not in accounts.CREDITABLE:
        raise PydanticCustomError(
            "account.not_creditable",
            "attrition is credited on country, nveu and uveu accounts only (748.15(a)(2)(iii)(B))",
        )
    return path


def _account_schema(*families: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": accounts.pattern(*families)})


AccountPath = Annotated[str, AfterValidator(_account), _account_schema(*accounts.FAMILIES)]
CreditableAccount = Annotated[str, AfterValidator(_creditable), _account_schema(*accounts.CREDITABLE)]

_FRACTION = r"^(?:0\.(?!0+$)[0-9]{1,6}|1(?:\.0{1,6})?)$"


def _threshold(value: Any) -> str | int:
    if isinstance(value, str) and re.fullmatch(_FRACTION[1:-1], value):
        return value
    if type(value) is int and value > TPP_MAX:
        raise PydanticCustomError("amount.overflow", "must be {most} (2^53−1) or less", {"most": f"{TPP_MAX:,}"})
    if type(value) is int and value >= 1:
        return value
    raise PydanticCustomError(
        "threshold.invalid", 'must be a fraction such as "0.9", over 0 and up to 1, or 1 TPP or more'
    )


Threshold = Annotated[
    str | int,
    BeforeValidator(_threshold),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": _FRACTION}, {"type": "integer", "minimum": 1, "maximum": TPP_MAX}]}
    ),
]


def _true(value: Any) -> Any:
    if value is not True:
        raise PydanticCustomError("value.unknown", "must be true, or left out")
    return value


JustTrue = Annotated[Literal[True], BeforeValidator(_true)]


class Parent(Model):
    """The ultimate parent of a party.

    headquarters: Country of the headquarters.
    lei: Legal Entity Identifier (ISO 17442).
    """

    id: Identifier
    name: Text
    headquarters: Country
    lei: Lei | None = None


class Party(Model):
    """A party to a shipment; without `ultimate_parent` it is its own parent.

    id: The party's identifier, the same in every event.
    country: Where the party is.
    headquarters: Country of the headquarters.
    lei: Legal Entity Identifier (ISO 17442).
    private_sector: Whether the party is of the private sector.
    """

    id: Identifier
    name: Text
    country: Country
    headquarters: Country
    address: str | None = None
    lei: Lei | None = None
    private_sector: bool | None = None
    ultimate_parent: Parent | None = None

    @property
    def owner(self) -> str:
        """The identifier of the ultimate parent, else the party's own (740.29(h)(1))."""
        return self.ultimate_parent.id if self.ultimate_parent else self.id

    @property
    def parent_headquarters(self) -> str:
        """The country of the ultimate parent's headquarters, else of the party's own."""
        return self.ultimate_parent.headquarters if self.ultimate_parent else self.headquarters


_Several = Annotated[list[Party], Field(min_length=1, max_length=MAX_ENTRIES)]
Parties = Annotated[
    tuple[Party, ...],
    Field(min_length=1, max_length=MAX_ENTRIES),
    BeforeValidator(_one_or_more, json_schema_input_type=Party | _Several),
]


class Facility(Model):
    """Where items will be installed or stored."""

    id: Identifier
    address: str
    country: Country


class ListedFacility(Facility):
    """A facility of a validated end-user.

    valid_from: The first day on which it may receive.
    """

    valid_from: Day


class RedFlag(Model):
    """A red flag that the publisher saw.

    number: Its number in Supplement No. 3 to part 732.
    """

    number: LineNumber
    note: str


class Authorization(Model):
    """What the publisher claims.

    reference: A licence's number.
    apply_to: The election of 740.29(a): count against the operator's ultimate parent.
    """

    kind: AuthorizationKind
    reference: Text | None = None
    apply_to: Literal["operator"] | None = None


class Certification(Model):
    """A statement, certification or notification; also `tpp.certification.received.v1`.

    party: The identifier of the party that gave it; of `authorized_ic_designer` the name of the designer.
    valid_until: The last day on which it counts.
    sha256: Digest of the evidence file, in hexadecimal.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"kind": {"const": "authorized_ic_designer"}}},
            "else": {"properties": {"party": {"pattern": IDENTIFIER}}},
        }
    )

    kind: CertificationKind
    party: Text
    date: Day
    valid_until: Day | None = None
    reference: Text
    sha256: Sha256 | None = None

    @property
    def of_designer(self) -> bool:
        """Whether `party` is the name of a designer, and no identifier."""
        return self.kind == "authorized_ic_designer"


class Item(Model):
    """One line of a shipment.

    line: The line's number, once in the shipment.
    eccn: ECCN with its sub-paragraph.
    quantity: Units.
    tpp: Total processing performance of one unit; of an assembly the sum over its controlled circuits.
    performance_density: Of one circuit.
    circuits: How many controlled circuits one unit has.
    datacenter: Whether it is designed or marketed for data centres.
    designer: Designer of the circuit; else the catalogue's.
    memory_bandwidth_gbps: Memory bandwidth in GB/s.
    value_usd: Value in US dollars.
    training_operations: Operations used in training the model (4E091).
    published: Whether the model's weights are published.
    subject_basis: Why the item is subject to the EAR (734.3, 734.9).
    technology_for: The ECCN of what software or technology is for in the end: a commodity, or software of a .z.
    """

    model_config = ConfigDict(
        json_schema_extra={"dependentSchemas": {"technology_for": {"properties": {"eccn": {"pattern": TECHNOLOGY}}}}}
    )

    line: LineNumber
    part_number: Text
    eccn: Eccn
    quantity: Quantity
    tpp: Tpp
    performance_density: Number | None = None
    circuits: Quantity | None = None
    datacenter: bool | None = None
    designer: Text | None = None
    memory_bandwidth_gbps: Number | None = None
    value_usd: NumberOrText | None = None
    training_operations: NumberOrText | None = None
    published: bool | None = None
    subject_basis: Literal["us_origin", "us_content", "foreign_direct_product", "not_subject"] = "us_origin"
    technology_for: Eccn | None = None
