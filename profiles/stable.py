"""Hashes that are stored, and so must be the same on every machine, every day.

Knows: how ids become numbers.  Must not know: what the ids name.
Never Python's ``hash()``: it is salted per process.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from hashlib import blake2b

CODE_BITS = 40  #: wide enough that a float64 holds it exactly and two of 10 000 names meet once in 20 000 shops
KEY_BITS = 31  #: of a message's key that are hash; the rest is its second
_LAST_SECOND = 2**32 - 1  #: of the year 2106; what claims to be later shares it, so that a key fits an int64


def bucket_of(profile: str, buckets: int) -> int:
    """The bucket, and so the single writer, of a profile.

    >>> bucket_of("hh-1", 8) == bucket_of("hh-1", 8)
    True
    """
    return zlib.crc32(profile.encode()) % buckets


@lru_cache(maxsize=200_000)
def code_of(name: str) -> int:
    """A name (category, item, city, order id ...) as a positive 40-bit number; never 0, which means "none"."""
    return int.from_bytes(blake2b(name.encode(), digest_size=5).digest(), "big") or 1


def message_key(message: bytes, at: int) -> int:
    """What a message is remembered by: its second in the high 32 bits, 31 bits of its id's hash below.

    Sorting keys sorts messages by time, so "the latest N messages" does not depend on the order of arrival.
    Two messages of one customer are mixed up only if they share a second and 31 bits of hash.

    >>> message_key(b"a", 5_000) < message_key(b"a", 6_000)
    True
    >>> message_key(b"a", 10**18) < 2**63
    True
    """
    low = int.from_bytes(blake2b(message, digest_size=4).digest(), "big") >> 1
    second = min(max(at, 0) // 1000, _LAST_SECOND)
    return second << KEY_BITS | low or 1
