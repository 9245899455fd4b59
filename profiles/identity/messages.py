"""What nodes say to each other.  A message may come twice, and late; whoever gets it can tell.

Knows: the shape of these messages, and to whom each goes.  Must not know: what they do.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Card(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What has to be known of a customer before another may be joined to it."""

    weight: int = 1  #: ids
    anchors: tuple[str, ...] = ()  #: names of kinds of which a customer has one
    seals: tuple[str, ...] = ()  #: ``+x`` never joins ``-x``: they were parted by hand


class Link(msgspec.Struct, frozen=True, tag="link"):
    """``to`` and ``other`` are one customer, says a claim.  With ``offer``: ``other`` was a root and is ready.

    ``alias``: only if anything is ever heard of ``to``, now or later; it may be no user at all.
    """

    to: str
    other: str
    at: int  #: when it was claimed (ms)
    explicit: bool = False  #: somebody said so, rather than an event that shows both ids
    offer: Card | None = None
    alias: bool = False


class Absorb(msgspec.Struct, frozen=True, tag="absorb"):
    """``part`` has retired into ``to`` and hands over what it knows, or (``revision`` > 0) corrects what it handed over."""

    to: str
    part: str
    generation: int  #: how often the part has retired
    revision: int
    at: int
    explicit: bool
    card: Card
    facts: bytes  #: its row; empty: nothing was ever heard of it
    side: bytes | None


class Restore(msgspec.Struct, frozen=True, tag="restore"):
    """``to`` is a customer of its own again: ``by`` did not take it (``reason``), or gave it back (``seal``)."""

    to: str
    by: str
    generation: int
    at: int
    reason: str = ""
    seal: str = ""


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """``to`` retired into somebody who had retired as well: it is to go on to ``into``."""

    to: str
    into: str
    generation: int
    at: int
    explicit: bool


class Split(msgspec.Struct, frozen=True, tag="split"):
    """Somebody wants ``part`` taken out of ``to``, with all that came through it."""

    to: str
    part: str
    generation: int  #: which joining is meant, so that a repeat does not part them again
    at: int


Told: TypeAlias = Link | Absorb | Restore | Moved | Split


class Joining(msgspec.Struct, frozen=True, tag="joining"):
    """A record of profile-inputs: messages to nodes of one bucket."""

    told: tuple[Told, ...]
    by: int = -1  #: the bucket that says it; -1: intake, or an operator
    seq: int = 0  #: under which of its numbers
