"""The words of the contract that have a fixed meaning: codes, states, outcomes, results, kinds of facts."""

from enum import StrEnum
from typing import Self


class RejectionCode(StrEnum):
    """What is wrong with a message, with its meaning and how to correct it."""

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str, remedy: str) -> Self:
        """The member of a code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member

    ACCOUNT_INVALID = (
        "account.invalid",
        "not the path of an account that holds entries",
        "write it as in the chart of accounts",
    )
    ACCOUNT_NOT_CREDITABLE = (
        "account.not_creditable",
        "attrition is credited on country, nveu and uveu accounts only",
        "name such an account",
    )
    AMOUNT_OVERFLOW = (
        "amount.overflow",
        "an integer, a product or a sum is beyond 2^53−1",
        "correct the figure or split the shipment",
    )
    BALANCE_NEGATIVE = (
        "balance.negative",
        "a credit larger than the account's balance",
        "correct the figure, or attest the base first",
    )
    COUNTRY_MISSING = "country.missing", "a national authorization without a country", "add `country`"
    COUNTRY_REFUSED = "country.refused", "a universal authorization with a country", "leave `country` out"
    COUNTRY_UNKNOWN = "country.unknown", "not an assigned ISO 3166-1 alpha-2 code", "use the code, such as `IN`"
    DATA_BASE64 = "data.base64", "the event carries `data_base64`", "send `data` as a JSON object"
    DATACONTENTTYPE_UNSUPPORTED = (
        "datacontenttype.unsupported",
        "`datacontenttype` is not `application/json`",
        "write that, or leave it out",
    )
    DATASCHEMA_INVALID = "dataschema.invalid", "`dataschema` is not an absolute URI", "correct it or leave it out"
    DATE_INVALID = "date.invalid", "not a day of the calendar", "write `YYYY-MM-DD`"
    DATE_ORDER = "date.order", "an end before its start", "correct one of the two days"
    ECCN_INVALID = "eccn.invalid", "not an ECCN", "write it with its sub-paragraph, such as `3A090.a`, or `EAR99`"
    ENCODING_BOM = "encoding.bom", "the message starts with a byte order mark", "leave the mark out"
    ENCODING_INVALID = "encoding.invalid", "the bytes are not UTF-8", "encode the message as UTF-8"
    ERRORS_MORE = (
        "errors.more",
        "there are more errors than a rejection can list",
        "mend those that are listed and send it again",
    )
    EVENT_CONFLICT = (
        "event.conflict",
        "`source` and `id` were used before with other content",
        "give the event an id of its own",
    )
    EXTENSION_NAME = (
        "extension.name",
        "an attribute's name is not of lower-case letters and digits",
        "rename the attribute",
    )
    EXTENSION_VALUE = (
        "extension.value",
        "an extension attribute is no text, 32-bit integer or boolean",
        "send it as a text",
    )
    IDENTIFIER_INVALID = (
        "identifier.invalid",
        "not an identifier",
        "use 1 to 128 of `A-Za-z0-9._:-`, the first a letter or digit",
    )
    INTERNAL_ERROR = (
        "internal.error",
        "the program itself failed on this event, three times",
        "report it, with the event",
    )
    JSON_INVALID = "json.invalid", "the text is not JSON", "correct it at the place that the message names"
    LEI_INVALID = "lei.invalid", "not a Legal Entity Identifier", "write its 20 characters, or leave it out"
    LICENSE_UNKNOWN = "license.unknown", "no such licence was issued", "send the licence first"
    LINE_DUPLICATE = "line.duplicate", "a line number twice in one message", "number the lines apart, or add them up"
    LINE_UNKNOWN = "line.unknown", "the shipment has no such line", "correct the line number"
    LIST_EMPTY = "list.empty", "a list that needs an entry is empty", "add an entry, or leave an optional list out"
    LIST_TOO_LONG = "list.too_long", "a list of more than 20,000 entries", "split it"
    MEMBER_DUPLICATE = "member.duplicate", "a member name twice in one object", "keep one of the two"
    MEMBER_MISSING = "member.missing", "a required attribute or member is not there", "add it"
    MEMBER_UNKNOWN = "member.unknown", "a member that the contract does not name", "correct its name or leave it out"
    MESSAGE_EMPTY = "message.empty", "the message has no bytes", "send an event"
    MESSAGE_TOO_LARGE = "message.too_large", "the message is longer than 1 MiB (1,048,576 bytes)", "split the shipment"
    NESTING_TOO_DEEP = "nesting.too_deep", "objects and lists nested deeper than 32", "send the shape of the contract"
    NUMBER_INVALID = "number.invalid", "not a decimal number of 0 or more, below 1e400", "correct the figure"
    NUMBER_NOT_FINITE = "number.not_finite", "NaN or Infinity", "leave the member out or give its figure"
    NUMBER_TOO_LONG = "number.too_long", "a number with too many digits or too large an exponent", "correct the figure"
    OBLIGATION_UNKNOWN = (
        "obligation.unknown",
        "nothing of this kind and day is owed",
        "name it as `tpp obligations` does",
    )
    ONE_OF = "one_of", "none or several of members of which exactly one is given", "give one"
    PARTY_SAME = "party.same", "a party merged with itself", "name two parties"
    REVIEWER_SAME = "reviewer.same", "the second reviewer is the first one", "have another person review it"
    SHA256_INVALID = "sha256.invalid", "not a SHA-256 digest", "write its 64 hexadecimal digits in lower case"
    SOURCE_INVALID = "source.invalid", "not a URI-reference of RFC 3986", "write one, such as `//wms.example`"
    SPECVERSION_UNSUPPORTED = "specversion.unsupported", "`specversion` is not `1.0`", "write a CloudEvents 1.0 event"
    TECHNOLOGY_FOR_REFUSED = (
        "technology_for.refused",
        "`technology_for` of an item that is no software or technology",
        "leave it out, or correct the ECCN",
    )
    TEXT_CONTROL = "text.control", "a control character in an attribute", "leave it out"
    TEXT_EMPTY = "text.empty", "an empty text", "fill it in, or leave an optional member out"
    TEXT_INVALID = (
        "text.invalid",
        "a text with half of a surrogate pair, or with the character NUL",
        "encode the text anew",
    )
    TEXT_TOO_LONG = "text.too_long", "a text longer than is allowed", "shorten it"
    THRESHOLD_INVALID = (
        "threshold.invalid",
        "not a threshold",
        'give a fraction such as `"0.9"`, over 0 and up to 1, or whole TPP',
    )
    TIME_INVALID = "time.invalid", "not an RFC 3339 time with an offset", "write it as `2025-06-02T09:30:00Z`"
    TYPE_UNKNOWN = "type.unknown", "not a type of event that the contract names", "correct the type"
    TYPE_WRONG = (
        "type.wrong",
        "a value of another JSON type, or null",
        "send the contract's type; leave out what is not known",
    )
    VALUE_TOO_SMALL = "value.too_small", "a number below the least that is allowed", "correct the figure"
    VALUE_UNKNOWN = "value.unknown", "not one of the words that the contract lists", "use one of them"
    VEU_UNKNOWN = "veu.unknown", "the holder has no such authorization", "send the authorization first"


class ReasonCode(StrEnum):
    """Why a shipment is held."""

    QUOTA_EXHAUSTED = "quota.exhausted"
    AUTHORIZATION_NONE = "authorization.none"
    AUTHORIZATION_INELIGIBLE = "authorization.ineligible"
    DESTINATION_DENIED = "destination.denied"
    CERTIFICATION_MISSING = "certification.missing"
    CERTIFICATION_EXPIRED = "certification.expired"
    LICENSE_UNKNOWN = "license.unknown"
    LICENSE_EXPIRED = "license.expired"
    LICENSE_MISMATCH = "license.mismatch"
    VEU_NOT_LISTED = "veu.not_listed"
    VEU_FACILITY_NOT_LISTED = "veu.facility_not_listed"
    VEU_SHARE_EXCEEDED = "veu.share_exceeded"
    CLASSIFICATION_INCONSISTENT = "classification.inconsistent"
    PARTY_CONFLICT = "party.conflict"
    PARTY_SCREENING_HIT = "party.screening_hit"
    END_USE_PROHIBITED = "end_use.prohibited"
    FACILITY_SHORT = "facility.short"
    REVIEW_NEEDED = "review.needed"
    RED_FLAG = "red_flag"
    SHIPMENT_UNKNOWN = "shipment.unknown"
    SHIPMENT_DUPLICATE = "shipment.duplicate"
    SHIPMENT_STATE = "shipment.state"


class State(StrEnum):
    """Where one life of a shipment stands.

    `held_at_dispatch` is held after it has left; answers call it `held`.
    """

    APPROVED = "approved"
    HELD = "held"
    HELD_AT_DISPATCH = "held_at_dispatch"
    RELEASED = "released"
    DISPATCHED = "dispatched"
    CANCELLED = "cancelled"
    DENIED = "denied"
    EXPIRED = "expired"


class Outcome(StrEnum):
    """What a decision or a refusal says: the first five are of decisions."""

    APPROVED = "approved"
    HELD = "held"
    RELEASED = "released"
    DENIED = "denied"
    EXPIRED = "expired"
    REFUSED = "refused"


class Result(StrEnum):
    """What trying a provision gave."""

    MET = "met"
    NOT_MET = "not_met"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


class FactKind(StrEnum):
    """What a fact states; together with a key it says where the ledger keeps it.

    `license` is kept under the licence's number, `licenses` under its exporter; `veu` covers revocations too.
    """

    PARTY = "party"
    MERGE = "merge"
    CERTIFICATION = "certification"
    DESIGNER = "designer"
    LICENSE = "license"
    LICENSES = "licenses"
    REVOKED = "revoked"
    VEU = "veu"
    LIMIT = "limit"
    THRESHOLD = "threshold"
    CLEARED = "cleared"
