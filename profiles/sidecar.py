"""What cannot be counted about a customer: traits in words, the latest of each.

Knows: how patches merge, whatever their order.  Must not know: which traits exist.  Private traits arrive masked.
"""

from __future__ import annotations

from typing import Final

import msgspec

Value = str | int | float | bool
Patch = tuple[tuple[str, Value], ...]
TRAITS_KEPT: Final = 64

_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_decode: Final = msgspec.msgpack.Decoder(dict[str, tuple[int, Value]]).decode


def read(blob: bytes | None) -> dict[str, tuple[int, Value]]:
    """Trait -> (time it was told, value)."""
    return _decode(blob) if blob else {}


def patched(blob: bytes | None, patches: list[tuple[int, Patch]]) -> bytes:
    """The sidecar after ``patches`` (time, traits): of each trait the latest value, at equal times the larger text.

    >>> late, early = (9, (("city", "上海"),)), (5, (("city", "北京"), ("kids", 2)))
    >>> patched(None, [late, early]) == patched(patched(None, [early]), [late])
    True
    """
    traits = read(blob)
    for time, patch in patches:
        for name, value in patch:
            known = traits.get(name)
            if known is None or _rank(time, value) > _rank(*known):
                traits[name] = (time, value)
    if len(traits) > TRAITS_KEPT:
        traits = dict(sorted(traits.items(), key=lambda item: (-item[1][0], item[0]))[:TRAITS_KEPT])
    return _encode(traits)


def _rank(time: int, value: Value) -> tuple[int, str, str]:
    return time, str(value), type(value).__name__
