r"""One customer's key, and traits sealed with it.

A sealed trait is a text: its mask, which anybody may see, a separator, and a token that only the customer's key opens.
The token names the version, the key and the customer it was sealed for: profiles are merged, tokens are not rewritten.

    138****1234 \x1f v1.<key>.<owner, base64url>.<nonce and ciphertext, base64url>

Knows: the form of a sealed trait.  Must not know: where a customer's key is, who may open it.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from profiles.errors import MienError
from profiles.vault.ring import KEY_BYTES, NONCE_BYTES

APART: Final = "\x1f"  #: between mask and token; intake lets no app write it
VERSION: Final = "v1"


class Unreadable(MienError):
    """A sealed trait that this key does not open: it is of an erased life of the customer, or it was changed."""


class Token(NamedTuple):
    """A token, taken apart."""

    key: str  #: id of the customer's key
    owner: str  #: customer it was sealed for
    sealed: bytes


class DataKey:
    """The key of one customer; whoever destroys it has destroyed what it sealed, wherever copies are."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self.id = sha256(b"mien data key\0" + key).hexdigest()[:8]  #: names the key, opens nothing

    def seal(self, owner: str, field: str, mask: str, value: str) -> str:
        """A trait as it may be stored; a token that is moved to another customer or field does not open there.

        >>> key = DataKey(bytes(32))
        >>> sealed = key.seal("u-1", "phone", "138****1234", "13812341234")
        >>> mask_of(sealed), key.open(token_of(sealed), "phone")
        ('138****1234', '13812341234')
        """
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._aead.encrypt(nonce, value.encode("utf-8", "surrogatepass"), _about(owner, field))
        return f"{mask}{APART}{VERSION}.{self.id}.{_text(owner.encode())}.{_text(sealed)}"

    def open(self, token: Token, field: str) -> str:
        """What a trait says.

        Raises:
            Unreadable: not with this key, or not of this field.
        """
        nonce, sealed = token.sealed[:NONCE_BYTES], token.sealed[NONCE_BYTES:]
        try:
            plain = self._aead.decrypt(nonce, sealed, _about(token.owner, field))
        except (InvalidTag, ValueError):
            raise Unreadable(f"{field} was sealed with another key ({token.key}, this one is {self.id})") from None
        return plain.decode("utf-8", "surrogatepass")


def new_key() -> bytes:
    """32 random bytes."""
    return os.urandom(KEY_BYTES)


def mask_of(value: str) -> str:
    """What of a trait may be shown: all of a plain one, the mask of a sealed one.

    >>> mask_of("上海")
    '上海'
    """
    return value.partition(APART)[0]


def token_of(value: object) -> Token | None:
    """The token of a sealed trait; None if it is not sealed, or only its mask was kept.

    Raises:
        Unreadable: it is in no form that Mien ever wrote.
    """
    text = value.partition(APART)[2] if isinstance(value, str) else ""
    if not text:
        return None
    try:
        version, key, owner, sealed = text.split(".")
        if version == VERSION:
            return Token(key, urlsafe_b64decode(owner).decode(), urlsafe_b64decode(sealed))
    except ValueError:  # too few parts, no base64, no text
        pass
    raise Unreadable(f"a sealed trait is damaged: {text[:12]!r}...")


def _about(owner: str, field: str) -> bytes:
    return f"{owner}\0{field}".encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode()
