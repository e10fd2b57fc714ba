"""The words with a fixed meaning in the contract: codes, states, outcomes, results."""

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A code with its meaning and a remedy; both are sentences for people."""

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str, remedy: str) -> Self:
        """The member of a code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member


class ReasonCode(Code):
    """Why a shipment is held, or an event refused."""

    QUOTA_EXHAUSTED = (
        "quota.exhausted",
        "A debit would exceed the limit of an account.",
        "Ship at most what fits, ship on the first day on which all of it fits, or wait for room.",
    )
    AUTHORIZATION_NONE = (
        "authorization.none",
        "No authorization was claimed and none fits, so that a licence is needed; or the rule has not begun.",
        "Apply for a licence; `review_policy` says how the application would be reviewed.",
    )
    AUTHORIZATION_INELIGIBLE = (
        "authorization.ineligible",
        "The claimed authorization does not fit the items, the parties or the transaction, or is not needed.",
        "Amend the shipment, or claim one of the authorizations that the message names.",
    )
    DESTINATION_DENIED = (
        "destination.denied",
        "A destination or a receiving party is in Country Group D:5 or Macau.",
        "Do not ship without a licence; an issued licence, and NAC where it fits, stay open.",
    )
    TRANSACTION_INCONSISTENT = (
        "transaction.inconsistent",
        "The transaction or the place that the goods leave does not agree with `ship_from` and `ship_to`.",
        "Amend the shipment; no reviewer may set this aside.",
    )
    CERTIFICATION_MISSING = (
        "certification.missing",
        "A statement, certification or notification that the authorization requires is not on file, or is too recent.",
        "Obtain it and send `tpp.certification.received.v1`, or ship on the day that the message names.",
    )
    CERTIFICATION_EXPIRED = (
        "certification.expired",
        "A statement or certification no longer counts on the export date.",
        "Obtain a new one and send `tpp.certification.received.v1`.",
    )
    LICENSE_UNKNOWN = (
        "license.unknown",
        "No licence fits, or the claimed or revoked one is not known.",
        "Send `tpp.license.issued.v1`, or correct the claim; a refused revocation needs a new `id`.",
    )
    LICENSE_EXPIRED = (
        "license.expired",
        "The licence does not count on the export date, or was revoked.",
        "Use another licence, or have it renewed and send `tpp.license.issued.v1`.",
    )
    LICENSE_MISMATCH = (
        "license.mismatch",
        "The licence does not name a party, the country, an item or an end use of the shipment.",
        "Amend the shipment, or claim the licence that names them.",
    )
    VEU_NOT_LISTED = (
        "veu.not_listed",
        "The ultimate consignee or an operator holds no validated end-user authorization for the destination.",
        "Send `tpp.veu.authorized.v1` if it does hold one, or use another authorization.",
    )
    VEU_FACILITY_NOT_LISTED = (
        "veu.facility_not_listed",
        "The facility is not listed for the validated end-user on the export date.",
        "Name a listed facility, or send its listing with `tpp.veu.authorized.v1`.",
    )
    VEU_SHARE_EXCEEDED = (
        "veu.share_exceeded",
        "Too much of a universal VEU's base would be in one country, or outside Supplement No. 5(a) or the US.",
        "Ship less, or elsewhere first; a reviewer may set aside only the 50 % share outside the United States.",
    )
    CLASSIFICATION_INCONSISTENT = (
        "classification.inconsistent",
        "The ECCN does not exist, contradicts the figures or the chip catalogue, or a stricter one is left open.",
        "Amend the ECCN or the figures; or have a reviewer release the hold, and the stricter of all counts.",
    )
    PARTY_CONFLICT = (
        "party.conflict",
        "A party differs from its registration in country, headquarters, ultimate parent or private sector.",
        "Amend the shipment, or register correct facts (`tpp.party.registered.v1`); a reviewer may release the hold.",
    )
    PARTY_SCREENING_HIT = (
        "party.screening_hit",
        "A party resembles an entry of a restricted-party list.",
        "Compare the two, and send `tpp.match.cleared.v1` if they differ; a reviewer may release the hold.",
    )
    END_USE_PROHIBITED = (
        "end_use.prohibited",
        "A prohibited end use or end user of part 744 is declared.",
        "Do not ship without a licence; only LICENSE stays open.",
    )
    FACILITY_SHORT = (
        "facility.short",
        "More TPP would leave a facility under ACM than arrived.",
        "Correct the quantity, or record first what arrived; then recheck.",
    )
    REVIEW_NEEDED = (
        "review.needed",
        "The rulebook cannot decide the case, and says why.",
        "Have a reviewer decide it (`tpp.review.decided.v1`), of technology or an undecided ECCN with `authorization`.",
    )
    RED_FLAG = (
        "red_flag",
        "A red flag was reported or found.",
        "Resolve the flag, or merge the two owners; else have a reviewer release the hold.",
    )
    SHIPMENT_UNKNOWN = (
        "shipment.unknown",
        "The event is about a shipment that does not exist.",
        "Send `tpp.shipment.requested.v1` first, or correct the identifier.",
    )
    SHIPMENT_DUPLICATE = (
        "shipment.duplicate",
        "A shipment with this identifier already exists.",
        "Give a new shipment a new identifier; change the existing one with `tpp.shipment.amended.v1`.",
    )
    SHIPMENT_STATE = (
        "shipment.state",
        "The state of the shipment does not allow the event.",
        "Send an event that its state allows; the table of states lists them.",
    )
    LINE_UNKNOWN = "line.unknown", "The shipment has no line with this number.", "Correct it and use a new `id`."
    OBLIGATION_UNKNOWN = (
        "obligation.unknown",
        "No obligation of this kind is due on this day.",
        "Give kind and day as `tpp obligations` shows them, under a new `id`.",
    )
    VEU_UNKNOWN = (
        "veu.unknown",
        "The holder has no such authorization to revoke.",
        "Send `tpp.veu.authorized.v1` first, or correct holder, program or country; then use a new `id`.",
    )
    PARTY_SAME = (
        "party.same",
        "The party that is to survive was itself merged into the one that is to be absorbed.",
        "Name the two parties the other way round, or send nothing: they are one already.",
    )
    BALANCE_NEGATIVE = (
        "balance.negative",
        "A reduction exceeds what is on the account.",
        "Correct the figure, or attest the base first; use a new `id`.",
    )
    AMOUNT_OVERFLOW = "amount.overflow", "A balance would exceed 2^53−1.", "Correct the figure and use a new `id`."
    CLOCK_STATE = (
        "clock.state",
        "The time to which the ledger is to be set back is not before its last tick.",
        "Send nothing if the ledger's time is right; else correct `now`, under a new `id`.",
    )
    FOUR_EYES = "four_eyes", "Two persons are needed, one to propose.", "Have one propose it, another decide it."


REFUSALS = (
    ReasonCode.SHIPMENT_UNKNOWN, ReasonCode.SHIPMENT_DUPLICATE, ReasonCode.SHIPMENT_STATE, ReasonCode.LICENSE_UNKNOWN,
    ReasonCode.LINE_UNKNOWN, ReasonCode.OBLIGATION_UNKNOWN, ReasonCode.VEU_UNKNOWN, ReasonCode.PARTY_SAME,
    ReasonCode.BALANCE_NEGATIVE, ReasonCode.AMOUNT_OVERFLOW, ReasonCode.CLOCK_STATE, ReasonCode.FOUR_EYES,
)  # fmt: skip
"""The codes of refusals: what depends on the ledger as it stands, and not on the message and the book alone."""


class RejectionCode(Code):
    """What is wrong with a message."""

    ACCOUNT_INVALID = (
        "account.invalid",
        "The value is not the path of an account that holds entries, or the country has no allocation.",
        "Write the path as in the chart of accounts.",
    )
    ACCOUNT_NOT_CREDITABLE = (
        "account.not_creditable",
        "Attrition was reported for an account of another family than `country`, `nveu` or `uveu`.",
        "Name an account of one of these families.",
    )
    AMOUNT_OVERFLOW = (
        "amount.overflow",
        "A number, a product or a sum of the message exceeds 2^53−1.",
        "Correct the figure, or split the shipment.",
    )
    CLOCK_AHEAD = (
        "clock.ahead",
        "The `now` of a tick is more than 31 days after the event's own `time`.",
        "Correct one of the two.",
    )
    CLOCK_FOREIGN = (
        "clock.foreign",
        "A tick of another clock arrived in the stream.",
        "Send none: `tpp clock` ticks by itself; a file that `tpp screen` runs may hold ticks.",
    )
    COUNTRY_MISSING = "country.missing", "A national authorization has no `country`.", "Add `country`."
    COUNTRY_REFUSED = "country.refused", "A universal authorization has a `country`.", "Omit `country`."
    COUNTRY_UNKNOWN = (
        "country.unknown",
        "The value is not an assigned ISO 3166-1 alpha-2 code.",
        "Use the assigned code, such as `IN`.",
    )
    DATA_BASE64 = "data.base64", "The event carries `data_base64`.", "Send `data` as a JSON object."
    DATACONTENTTYPE_UNSUPPORTED = (
        "datacontenttype.unsupported",
        "`datacontenttype` is not `application/json`.",
        "Write `application/json`, or omit the attribute.",
    )
    DATASCHEMA_INVALID = "dataschema.invalid", "`dataschema` is not an absolute URI.", "Correct or omit it."
    DATE_INVALID = (
        "date.invalid",
        "The value is not a calendar day, or the day is too late.",
        "Write an existing day as `YYYY-MM-DD`.",
    )
    DATE_ORDER = "date.order", "A period ends before it begins.", "Correct one of the two days."
    ECCN_INVALID = (
        "eccn.invalid",
        "The value is not an ECCN.",
        "Write it with its sub-paragraph, such as `3A090.a`, or `EAR99`.",
    )
    ENCODING_BOM = "encoding.bom", "The message begins with a byte order mark.", "Remove the mark."
    ENCODING_INVALID = "encoding.invalid", "The bytes are not UTF-8.", "Encode the message as UTF-8."
    ERRORS_MORE = (
        "errors.more",
        "There are more errors than a rejection can list.",
        "Correct the listed ones, and send the event again.",
    )
    EVENT_CONFLICT = (
        "event.conflict",
        "`source` and `id` were already used with other content.",
        "Give the event a new id.",
    )
    EXTENSION_NAME = (
        "extension.name",
        "The name of an attribute has other characters than lower-case letters and digits.",
        "Rename the attribute.",
    )
    EXTENSION_VALUE = (
        "extension.value",
        "An extension attribute is not a string, a 32-bit integer or a boolean.",
        "Send it as a string.",
    )
    IDENTIFIER_INVALID = (
        "identifier.invalid",
        "The value is not an identifier.",
        "Use 1 to 128 of `A-Za-z0-9._:-`, the first a letter or a digit.",
    )
    INTERNAL_ERROR = (
        "internal.error",
        "The program itself failed on this message, or three times on this event.",
        "Report it, and attach the message.",
    )
    JSON_INVALID = "json.invalid", "The message is not JSON.", "Correct it at the place that the message names."
    LEI_INVALID = "lei.invalid", "The value is not a Legal Entity Identifier.", "Write its 20 characters, or omit it."
    LINE_DUPLICATE = (
        "line.duplicate",
        "A line number is repeated.",
        "Give each line its own number, or combine the lines.",
    )
    LIMIT_ABOVE_LAW = (
        "limit.above_law",
        "The limit is above what the law allows for the account.",
        "Set at most what the message names.",
    )
    LIST_EMPTY = "list.empty", "A list that needs an entry has none.", "Add an entry, or omit an optional list."
    LIST_TOO_LONG = "list.too_long", "A list has more entries than the contract allows.", "Split the event."
    MEMBER_DUPLICATE = "member.duplicate", "A member name is repeated in an object.", "Keep one of them."
    MEMBER_MISSING = "member.missing", "A required attribute or member is missing.", "Add it."
    MEMBER_UNKNOWN = "member.unknown", "The contract has no such member.", "Correct its name, or omit it."
    MESSAGE_EMPTY = "message.empty", "The message has no content.", "Send an event."
    MESSAGE_TOO_LARGE = "message.too_large", "The message is longer than 1 MiB.", "Split the shipment."
    NESTING_TOO_DEEP = (
        "nesting.too_deep",
        "Objects and lists are nested more than 32 levels deep.",
        "Send the members that the contract describes.",
    )
    NUMBER_INVALID = (
        "number.invalid",
        "The value is not a decimal number from 0 to below 1e400.",
        "Correct the figure.",
    )
    NUMBER_NOT_FINITE = (
        "number.not_finite",
        "The value is NaN or Infinity.",
        "Omit the member, or give its figure.",
    )
    NUMBER_TOO_LONG = (
        "number.too_long",
        "The number has too many digits, or too large an exponent.",
        "Correct the figure.",
    )
    ONE_OF = (
        "one_of",
        "None or several of the members are present of which exactly one is required.",
        "Give exactly one.",
    )
    PARTY_SAME = "party.same", "A party is merged with itself.", "Give two different parties."
    REVIEWER_SAME = (
        "reviewer.same",
        "The second reviewer is the same person as the first, or has a name that cannot be told apart from it.",
        "Have another person review it.",
    )
    SHA256_INVALID = (
        "sha256.invalid",
        "The value is not a SHA-256 digest.",
        "Write its 64 hexadecimal digits in lower case.",
    )
    SHARE_EXCEEDED = "share.exceeded", "The owners of a party hold more than 100 % of it.", "Correct the shares."
    SOURCE_INVALID = (
        "source.invalid",
        "`source` is not a URI-reference of RFC 3986.",
        "Write one, such as `//wms.example`.",
    )
    SOURCE_NOT_ALLOWED = "source.not_allowed", "`TPP_SOURCES` bars the event from its topic.", "Ask the operator."
    SOURCE_RESERVED = (
        "source.reserved",
        "`source` begins with `//tpp-`, or cannot be told apart from one that does: such events are the program's own.",
        "Name yourself as the source, such as `//wms.example`.",
    )
    SPECVERSION_UNSUPPORTED = "specversion.unsupported", "`specversion` is not `1.0`.", "Send a CloudEvents 1.0 event."
    TECHNOLOGY_FOR_REFUSED = (
        "technology_for.refused",
        "`technology_for` is given for an item that is not software or technology of such a heading.",
        "Leave it out, or correct the ECCN.",
    )
    TEXT_CONTROL = "text.control", "An attribute contains a control character.", "Remove the character."
    TEXT_EMPTY = "text.empty", "A string is empty.", "Fill it in, or omit an optional member."
    TEXT_INVALID = (
        "text.invalid",
        "A string has half of a surrogate pair, or the character NUL.",
        "Encode the string again.",
    )
    TEXT_TOO_LONG = "text.too_long", "A string is longer than allowed.", "Shorten it."
    THRESHOLD_INVALID = (
        "threshold.invalid",
        "The value is not a threshold.",
        'Give a fraction such as `"0.9"`, above 0 and at most 1, or whole TPP.',
    )
    TIME_INVALID = (
        "time.invalid",
        "The value is not an RFC 3339 time with an offset.",
        "Write it as `2025-06-02T09:30:00Z`.",
    )
    TYPE_UNKNOWN = "type.unknown", "The contract has no such type of event.", "Correct the type."
    TYPE_WRONG = (
        "type.wrong",
        "A value is of another JSON type, or null.",
        "Send the type that the contract requires; omit unknown values.",
    )
    VALUE_TOO_SMALL = "value.too_small", "A number is below the minimum.", "Correct the figure."
    VALUE_UNKNOWN = "value.unknown", "The value is not one of those that the contract lists.", "Use one of them."


class State(StrEnum):
    """The state of a shipment.

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
    """The outcome of a decision or a refusal; the first five are those of decisions."""

    APPROVED = "approved"
    HELD = "held"
    RELEASED = "released"
    DENIED = "denied"
    EXPIRED = "expired"
    REFUSED = "refused"


class Result(StrEnum):
    """The result of a provision."""

    MET = "met"
    NOT_MET = "not_met"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"
