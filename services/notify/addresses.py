"""Which addresses a webhook may connect to: public ones, checked after the name is resolved and before connecting."""

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Sequence[str]]
"""Gives the addresses of a name and a port; raises OSError if it has none."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_NEVER = (
    IPv4Network("192.0.0.0/24"),  # RFC 6890: protocol assignments
    IPv4Network("192.88.99.0/24"),  # RFC 7526: relays of 6to4, withdrawn
    IPv4Network("100.64.0.0/10"),  # RFC 6598: behind a carrier's NAT
)


class Refused(Exception):
    """An address that a webhook must not connect to; the message names it."""


class Unresolved(Exception):
    """A name that has no address, or none in time."""


def literal(host: str) -> Address | None:
    """The address that a host is written as; None if it is a name."""
    with suppress(ValueError):
        return ip_address(host.partition("%")[0])
    return None


def is_public(address: Address) -> bool:
    """Whether an address is of the public internet: an IPv4 address within an IPv6 one counts as itself.

    >>> is_public(ip_address("93.184.215.14")), is_public(ip_address("::ffff:127.0.0.1"))
    (True, False)
    """
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_public(inner)
        return address in _GLOBAL_UNICAST and address.is_global and not address.is_multicast
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special and not any(address in network for network in _NEVER)


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped (RFC 4291), NAT64 (RFC 6052) or 6to4 (RFC 3056)."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return address.ipv4_mapped


def system_resolver(host: str, port: int) -> list[str]:
    """The addresses that the system has for a name, in the order in which they are to be tried."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def resolve(host: str, port: int, seconds: float, resolver: Resolver) -> list[str]:
    """The addresses of a host; raises Unresolved if it has none, or none within so many seconds.

    The resolver cannot be interrupted: it runs in a thread of its own, which is left behind where it takes longer.
    """
    answered: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answered.put(list(resolver(host, port)))
        except (OSError, UnicodeError) as error:
            answered.put(error if isinstance(error, OSError) else OSError(str(error)))

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        found = answered.get(timeout=max(0.0, seconds))
    except queue.Empty:
        raise Unresolved(f"the address of {host} did not come in time") from None
    if isinstance(found, OSError) or not found:
        raise Unresolved(f"{host} has no address")
    return found


def check_public(host: str, addresses: Sequence[str]) -> None:
    """Raises Refused if one of a host's addresses is not public."""
    for one in addresses:
        address = literal(one)
        if address is None or not is_public(address):
            at = host if host == one else f"{host}, which is at {one},"
            raise Refused(f"{at} is not a public address; set allow_private = true to send there")
