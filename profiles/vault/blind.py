"""A blind index: the same value always has the same name, and the name does not tell the value.

Knows: how a value is hashed under a key.
Must not know: where the key is, how a value is written in one way only (the caller cleans it first).
"""

from __future__ import annotations

import hmac
from typing import Final

BYTES: Final = 16  #: of a hash that are kept: two of 10**9 values share a name once in 10**20 times
KEY_BYTES: Final = 32


class Blind:
    """Names values under one key: ``blind(kind, value)``.

    Phone numbers and user ids can be guessed, so a plain hash of one is no secret: HMAC-SHA-256 keeps the guess from
    being tried by anybody without the key.  The kind goes in, so a phone and a CRM id of the same digits do not meet.

    >>> blind = Blind(bytes(32))
    >>> blind("phone", "+8613812341234")
    '86c217b45eacdb236299c7fc1e345ffd'
    >>> blind("phone", "+8613812341234") == blind("crm", "+8613812341234")
    False
    """

    def __init__(self, key: bytes) -> None:
        """``key``: 32 secret bytes, used for nothing else.

        Raises:
            ValueError: it has another length.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"an index key has {KEY_BYTES} bytes, this one {len(key)}")
        self._key = key

    def __call__(self, kind: str, value: str) -> str:
        """32 hexadecimal digits; ``value`` is written in its one true form: E.164, e-mail in small letters."""
        text = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, "sha256")[:BYTES].hex()
