"""The types of events by name."""

SHIPMENT_HELD = "tpp.shipment.held.v1"


def short_name(type: str) -> str:
    """The name of a type without what all of them have in common.

    >>> short_name("tpp.shipment.requested.v1")
    'shipment.requested'
    """
    return type.removeprefix("tpp.").removesuffix(".v1")
