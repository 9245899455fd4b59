"""The latest that a customer put into words: about what, with how many stars, and its hashed pieces.

The words themselves end here: only ``Said`` goes on, beside the traits in words, under a name that no trait can have.
Knows: where apps put texts.  Must not know: what a text is worth (``models.voice``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from profiles.grams import grams, pack, unpack
from profiles.kinds import Kind

SAID: Final = "$said"  #: beside the traits of a customer
SPOKEN: Final = frozenset({Kind.REVIEW, Kind.COMPLAINT, Kind.SERVICE})
TEXTS: Final = (
    "review_body", "text", "comment", "content", "message", "body", "description", "评论", "评价", "内容",
)  # fmt: skip
"""Properties that may hold the text; the first that says anything counts."""


class Said(NamedTuple):
    """One text."""

    kind: Kind
    stars: int  #: 1 to 5; 0 if none were given
    grams: tuple[int, ...]


class _Spoken(msgspec.Struct):
    properties: dict[str, msgspec.Raw] | None = None


_decode: Final = msgspec.json.Decoder(_Spoken).decode
_decode_text: Final = msgspec.json.Decoder(str).decode


def said(kind: Kind, stars: int, raw: bytes) -> tuple[tuple[str, str], ...]:
    """What a record puts into words, as a patch; empty if nothing."""
    codes = grams(_text(raw)) if kind in SPOKEN else ()
    return ((SAID, written(Said(kind, stars, codes))),) if codes else ()


def written(said: Said) -> str:
    """As it is kept: one character for the kind, one for the stars, then the pieces."""
    return chr(said.kind) + chr(said.stars) + pack(said.grams)


def read(value: object) -> Said | None:
    """The inverse of ``written``; None for anything else."""
    if not isinstance(value, str) or len(value) < 3 or ord(value[0]) not in SPOKEN or ord(value[1]) > 5:
        return None
    return Said(Kind(ord(value[0])), ord(value[1]), unpack(value[2:]))


def _text(raw: bytes) -> str:
    """The first text among the properties; one that cannot be read says nothing, and is no reason to refuse a record."""
    try:
        given = _decode(raw).properties or {}
        told = (bytes(given[name]) for name in TEXTS if name in given)
        return next((text for each in told if each[:1] == b'"' and (text := _decode_text(each).strip())), "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
