"""The shop's keys: several, of which the first locks and all unlock.

Knows: how keys are written in a setting, how they lock a key of somebody else.
Must not know: where a setting comes from, what is locked with the keys that these lock.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from binascii import Error
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from profiles.errors import MienError

KEY_BYTES: Final = 32  #: AES-256
NONCE_BYTES: Final = 12  #: 96 random bits: what GCM is defined for
KID_LIMIT: Final = 32
_FORM: Final = "write it as name:base64 of 32 bytes, the current key first; `mien vault key` makes one"


class BadRing(MienError):
    """MIEN_PII_KEYS cannot be understood; the message does not show it."""


class Locked(MienError):
    """Something was locked with a key that is not on the ring, or it was changed."""


class Ring:
    """Keys by their names; what they lock are other keys, a few bytes each."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        """``keys``: the current one first."""
        self._keys = {kid: AESGCM(key) for kid, key in keys.items()}
        self.current = next(iter(keys))

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, the current one first."""
        return tuple(self._keys)

    def lock(self, key: bytes, purpose: str) -> bytes:
        """A key under the current key of the shop: that one's name, a nonce, and what it locked.

        >>> ring = parse("k1:" + "A" * 43 + "=")
        >>> ring.unlock(ring.lock(b"s3cret", "index"), "index")
        b's3cret'
        """
        nonce, kid = os.urandom(NONCE_BYTES), self.current.encode()
        return bytes([len(kid)]) + kid + nonce + self._keys[self.current].encrypt(nonce, key, purpose.encode())

    def unlock(self, locked: bytes, purpose: str) -> bytes:
        """The inverse; ``purpose`` must be what it was locked for.

        Raises:
            Locked: its key is not on the ring, or the bytes are not what was written.
        """
        kid, rest = kid_of(locked), locked[1 + locked[0] :]
        if kid not in self._keys:
            raise Locked(f"locked with the key {kid!r}, which MIEN_PII_KEYS does not have (it has {self.names})")
        try:
            return self._keys[kid].decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError):
            raise Locked(f"the key {kid!r} does not open it: another key by that name, or changed bytes") from None


def kid_of(locked: bytes) -> str:
    """The name of the key that something was locked with."""
    return locked[1 : 1 + locked[0]].decode("utf-8", "replace") if locked else ""


def parse(setting: str) -> Ring | None:
    """A ring as a setting says it; None if it says nothing.

    Raises:
        BadRing: an entry is no key.

    >>> parse("new:" + "A" * 43 + "=, old:" + "B" * 42 + "A=").names
    ('new', 'old')
    """
    keys: dict[str, bytes] = {}
    for number, entry in enumerate((part.strip() for part in setting.split(",") if part.strip()), start=1):
        kid, colon, text = entry.partition(":")
        where = f"MIEN_PII_KEYS, entry {number}"
        if not colon or not kid.isascii() or not kid.isprintable() or not 0 < len(kid) <= KID_LIMIT:
            raise BadRing(f"{where} has no name: {_FORM}")
        try:
            key = b64decode(text, validate=True)
        except (Error, ValueError):
            raise BadRing(f"{where}, {kid!r}, is no base64: {_FORM}") from None
        if len(key) != KEY_BYTES:
            raise BadRing(f"{where}, {kid!r}, has {len(key)} bytes: {_FORM}")
        if kid in keys:
            raise BadRing(f"{where}: {kid!r} is there twice: a name stands for one key for ever")
        keys[kid] = key
    return Ring(keys) if keys else None


def new_entry(kid: str) -> str:
    """A new random key as an entry of the setting."""
    return f"{kid}:{b64encode(os.urandom(KEY_BYTES)).decode()}"
