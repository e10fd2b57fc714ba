"""The definitions of RFC 6962, 2.1, written down naively, over the data of leaves, or over their hashes."""

from hashlib import sha256


def split(size: int) -> int:
    """k of RFC 6962, 2.1: the largest power of two smaller than the size."""
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def leaf(data: bytes) -> bytes:
    """The hash of a leaf of RFC 6962, 2.1."""
    return sha256(b"\x00" + data).digest()


def mth(data: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1."""
    return root(list(map(leaf, data)))


def root(hashes: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, of leaves that are hashed already."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return sha256(b"\x01" + root(hashes[:k]) + root(hashes[k:])).digest()


def path(m: int, data: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1."""
    if len(data) == 1:
        return []
    k = split(len(data))
    return [*path(m, data[:k]), mth(data[k:])] if m < k else [*path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2."""
    return subproof_of(m, list(map(leaf, data)), whole)


def subproof_of(m: int, hashes: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2, of leaves that are hashed already."""
    if m == len(hashes):
        return [] if whole else [root(hashes)]
    k = split(len(hashes))
    if m <= k:
        return [*subproof_of(m, hashes[:k], whole), root(hashes[k:])]
    return [*subproof_of(m - k, hashes[k:], False), root(hashes[:k])]
