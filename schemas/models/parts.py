"""The parts of incoming events: parties, facilities, items, certifications (docs/contract/events-in.md).

A line `member: …` of a docstring is the member's description in the published schema.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from schemas.models.values import (
    IDENTIFIER,
    TECHNOLOGY,
    TPP_MAX,
    Address,
    Country,
    Day,
    Eccn,
    Identifier,
    Lei,
    Note,
    Number,
    NumberOrText,
    Quantity,
    Sha256,
    Text,
    Tpp,
)

AuthorizationKind = Literal["NLR", "ACA", "AIA", "ACM", "VEU", "LPP", "NAC", "LICENSE", "LVS", "GBS"]
ReviewKind = Literal[AuthorizationKind, "SAVING", "NOT_YET_REQUIRED"]
"""What a review may name: an authorization, or what lets goods go as before the rule (90 FR 4544, DATES)."""
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
MAX_ENTRIES = 1_000
"""The most entries of a list that has no bound of its own."""
MAX_PARTIES, MAX_CERTIFICATIONS, MAX_RED_FLAGS, MAX_USES, MAX_THRESHOLDS = 50, 200, 50, 50, 20
MAX_OWNERS, MAX_OWNERS_IN_ALL = 100, 1_000
"""The most owners that a party states, and all parties of a shipment together."""
MAX_NAMED = 1_000
"""The most items, parties or part numbers that a licence, an authorization or a notification names."""


def list_of(most: int, least: int = 0) -> Any:
    """Marks a tuple that is a list on the wire, of at most so many entries; its entries remain strict."""
    return Field(strict=False, max_length=most, min_length=least or None)


LineNumber = Annotated[int, Field(ge=1, le=TPP_MAX)]
Percent = Annotated[int, Field(ge=1, le=100)]


class Model(BaseModel):
    """A strict, frozen object of the wire: an unknown member is an error, and no value is converted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _one_or_more(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,)


def _true(value: Any) -> Any:
    if value is not True:
        raise PydanticCustomError("value.unknown", "must be true or omitted")
    return value


JustTrue = Annotated[Literal[True], BeforeValidator(_true)]


def one_of(*names: str) -> ConfigDict:
    """The configuration of a model of which exactly one of these members is given."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in names]})


class Parent(Model):
    """The ultimate parent of a party.

    id: The parent's identifier, the same in every event.
    name: The parent's name.
    headquarters: The country of the parent's headquarters.
    lei: The parent's Legal Entity Identifier (ISO 17442); unknown if omitted.
    """

    id: Identifier
    name: Text
    headquarters: Country
    lei: Lei | None = None


class Owner(Model):
    """An owner of a party.

    id: The owner's identifier, the same in every event.
    name: The owner's name.
    share: The owner's share in the party in whole percent up to 100, rounded down; unknown if omitted.
    """

    id: Identifier
    name: Text
    share: Percent | None = None


class Party(Model):
    """A party to a shipment.

    id: The party's identifier, the same in every event.
    name: The party's name.
    country: The country in which the party is located.
    headquarters: The country of the party's headquarters.
    address: The party's postal address; unknown if omitted.
    lei: The party's Legal Entity Identifier (ISO 17442); unknown if omitted.
    private_sector: Whether the party, its parents, subsidiaries and sisters are neither owned nor controlled by a
        government other than that of the United States (740.28(d)); if omitted, the word of
        the register counts.
    ultimate_parent: The company at the top of the party's group; if omitted, the party is its own parent.
    owners: The owners of the party, whose shares are 100 % at most together, beside those that the register names; of
        one owner the larger share counts; none if omitted.
    """

    id: Identifier
    name: Text
    country: Country
    headquarters: Country
    address: Address | None = None
    lei: Lei | None = None
    private_sector: bool | None = None
    ultimate_parent: Parent | None = None
    owners: Annotated[tuple[Owner, ...], list_of(MAX_OWNERS)] = ()

    @property
    def owner(self) -> str:
        """The identifier of the ultimate parent, else the party's own (740.29(h)(1))."""
        return self.ultimate_parent.id if self.ultimate_parent else self.id

    @property
    def parent_headquarters(self) -> str:
        """The country of the ultimate parent's headquarters, else of the party's own."""
        return self.ultimate_parent.headquarters if self.ultimate_parent else self.headquarters


_Several = Annotated[list[Party], Field(min_length=1, max_length=MAX_PARTIES)]
Parties = Annotated[
    tuple[Party, ...],
    Field(min_length=1, max_length=MAX_PARTIES),
    BeforeValidator(_one_or_more, json_schema_input_type=Party | _Several),
]


class Facility(Model):
    """A place where items are installed or stored.

    id: The facility's identifier, which is part of its account's path.
    address: The facility's postal address.
    country: The country in which the facility is.
    """

    id: Identifier
    address: Address
    country: Country


class ListedFacility(Facility):
    """A facility of a validated end-user.

    valid_from: The first export date on which the facility may receive.
    """

    valid_from: Day


class RedFlag(Model):
    """A red flag that the publisher saw.

    number: The flag's number in Supplement No. 3 to part 732.
    note: What the publisher saw; it is repeated in the hold.
    """

    number: LineNumber
    note: Note


class Authorization(Model):
    """The authorization under which a shipment is claimed to go.

    kind: The authorization; `LVS` and `GBS` are closed to these items and always hold.
    reference: The licence's number, of `LICENSE`; if omitted, any licence that fits is tried.
    apply_to: The election of 740.29(a), of `LPP`: count against the ultimate parent of the operator; if omitted, the
        shipment counts against the ultimate parent of the ultimate consignee.
    """

    kind: AuthorizationKind
    reference: Text | None = None
    apply_to: Literal["operator"] | None = None


class ReviewedAuthorization(Model):
    """The authorization that a review puts in the place of the claim.

    kind: The authorization; `SAVING` and `NOT_YET_REQUIRED` let goods go as before the rule (90 FR 4544, DATES), on the
        word of two reviewers.
    reference: The licence's number, of `LICENSE`; if omitted, any licence that fits is tried.
    apply_to: The election of 740.29(a), of `LPP`: count against the ultimate parent of the operator; if omitted, the
        shipment counts against the ultimate parent of the ultimate consignee.
    """

    kind: ReviewKind
    reference: Text | None = None
    apply_to: Literal["operator"] | None = None


class NamedItem(Model):
    """An item that a licence or an authorization names; an ECCN names its sub-paragraphs too.

    eccn: The ECCN of the item; if omitted, the part number alone names it.
    part_number: The maker's part number; if omitted, the ECCN alone names it.
    """

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["eccn"]}, {"required": ["part_number"]}]})

    eccn: Eccn | None = None
    part_number: Text | None = None


NamedItems = Annotated[tuple[NamedItem, ...], list_of(MAX_NAMED, least=1)]
NamedParties = Annotated[tuple[Identifier, ...], list_of(MAX_NAMED, least=1)]


class Covered(Model):
    """What a notification of License Exception NAC covers.

    tpp: The TPP of commodities that may be shipped under it, `.b` items included.
    part_numbers: The part numbers of the items that it covers; if omitted, any item.
    """

    tpp: Tpp
    part_numbers: Annotated[tuple[Text, ...], list_of(MAX_NAMED, least=1)] | None = None


class Certification(Model):
    """A statement, certification or notification on file.

    kind: What was certified, stated or notified.
    party: The identifier of the party that gave it; of `authorized_ic_designer` the name of the designer.
    date: The day on which it was given.
    valid_until: The last day on which it counts; if omitted, it does not expire.
    reference: The number or name under which it is on file.
    sha256: The SHA-256 digest of the evidence file; if omitted, no file is recorded.
    covers: What a `nac_notification` covers; if omitted, only the shipment that it travels with.
    facility: The identifier of the facility that a `facility_security` statement speaks of; if omitted, it counts for
        none.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"kind": {"const": "authorized_ic_designer"}}},
            "else": {"properties": {"party": {"pattern": IDENTIFIER}}},
            "allOf": [
                {
                    "if": {"properties": {"kind": {"const": "nac_notification"}}},
                    "then": {
                        "if": {"required": ["covers"]},
                        "then": {"properties": {"reference": {"pattern": IDENTIFIER}}},
                    },
                    "else": {"properties": {"covers": False}},
                },
                {
                    "if": {"properties": {"kind": {"const": "facility_security"}}},
                    "else": {"properties": {"facility": False}},
                },
            ],
        }
    )

    kind: CertificationKind
    party: Text
    date: Day
    valid_until: Day | None = None
    reference: Text
    sha256: Sha256 | None = None
    covers: Covered | None = None
    facility: Identifier | None = None

    @property
    def of_designer(self) -> bool:
        """Whether `party` is the name of a designer, not an identifier."""
        return self.kind == "authorized_ic_designer"


class Item(Model):
    """One line of a shipment.

    line: The line's number, which occurs once in the shipment.
    part_number: The maker's part number, or the name under which the chip catalogue lists it.
    eccn: The declared ECCN, with its sub-paragraph.
    quantity: The number of units.
    tpp: The Total Processing Performance of one unit; of an assembly, the sum over its controlled circuits.
    performance_density: The performance density of one circuit (TPP for each square millimetre of applicable die area);
        unknown if omitted.
    circuits: The number of controlled circuits in one unit; if omitted, 1, and of an assembly unknown.
    datacenter: Whether the item is designed or marketed for data centres; unknown if omitted, which ACA and NAC read as
        true.
    designer: The designer of the circuit; if omitted, the one that the chip catalogue names.
    memory_bandwidth_gbps: The memory bandwidth of one unit in GB/s, on which the review policy for China and Macau
        depends (742.6(b)(10)); unknown if omitted.
    value_usd: The value of the line in US dollars, for the record; unknown if omitted.
    training_operations: The number of operations used to train the model, of 4E091; if omitted, a reviewer decides.
    published: Whether the weights of the model are published, of 4E091; if omitted, they are not.
    subject_basis: Why the item is subject to the EAR (734.3, 734.9), by default its US origin; an `.a` or `.b` item
        that is said not to be subject is held.
    technology_for: The ECCN of what the item is for in the end, a commodity or software of 5D002.z or 5D992.z; only of
        software or technology of the headings 3D001, 3E001, 4D001, 4D090, 4E001, 5E002 and 5E992, of which a reviewer
        decides if it is omitted.
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
