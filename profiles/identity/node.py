"""What is kept of an id besides its profile: whom it retired into, who retired into it, what was refused.

Knows: these values and their bytes.  Must not know: when they change.
A profile of whom something of this kind is known is stored with a head before its row: the row is what is known of
all the ids behind it, also once it has retired itself.
"""

from __future__ import annotations

from typing import Final

import msgspec

from profiles.codec import HEAD, headed, split_head
from profiles.identity.messages import Card

REFUSED_KEPT: Final = 8


class Refusal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A claim that was not believed."""

    other: str
    reason: str
    at: int


class Node(msgspec.Struct, frozen=True, array_like=True):
    """The head of a profile."""

    into: str = ""  #: whom it retired into; empty: it is a root
    generation: int = 0  #: how often it has retired
    revision: int = 0  #: how often it has corrected what it handed over this time
    since: int = 0  #: when it last retired or came back (ms)
    card: Card = Card()  #: of all ids behind it
    seals: tuple[str, ...] = ()  #: its own
    refused: tuple[Refusal, ...] = ()  #: latest first
    apart: bool = False  #: whether its own facts are kept apart, as a part with its own name
    alias: bool = (
        False  #: an alias named it, and nothing was heard of it yet: then it is one with the visitor of that name
    )

    @property
    def unheard(self) -> bool:
        """Whether it is nothing but what an alias said: nobody ever used it as a user's id."""
        return self.alias and not self.into and self.card.weight <= 1


class Part(msgspec.Struct, frozen=True, array_like=True):
    """What came to a node through one of those that retired into it; or its own, before and beside that."""

    generation: int = 0
    revision: int = 0
    at: int = 0
    card: Card = Card()
    facts: bytes = b""  #: a row; empty: nothing
    side: bytes | None = None
    gone: bool = False  #: it was not taken, or was given back: only its generation counts


_encode: Final = msgspec.msgpack.Encoder().encode
_node: Final = msgspec.msgpack.Decoder(Node).decode
_part: Final = msgspec.msgpack.Decoder(Part).decode


def stored(node: Node, blob: bytes) -> bytes:
    """A profile with its head."""
    return headed(_encode(node), blob)


def node_of(blob: bytes | None) -> Node | None:
    """The head of a stored profile, if it has one."""
    if blob is None or not blob.startswith(HEAD):
        return None
    node: Node = _node(split_head(blob)[0])
    return node


def encode_part(part: Part) -> bytes:
    """A part as it is stored."""
    return _encode(part)


def decode_part(raw: bytes) -> Part:
    """The inverse of ``encode_part``."""
    part: Part = _part(raw)
    return part
