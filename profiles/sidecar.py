"""What cannot be counted about a customer: traits in words, the latest of each, and the latest text as hashed pieces.

Knows: how patches merge, whatever their order.  Must not know: which traits exist.  Private traits arrive
masked, or sealed with their mask in front; only masks are shown here.
"""

from __future__ import annotations

from typing import Final

import msgspec

from profiles.consent import PREFIX
from profiles.said import SAID, Said
from profiles.said import read as read_said
from profiles.vault.seal import mask_of

Value = str | int | float | bool
Patch = tuple[tuple[str, Value], ...]
GROUP: Final = "group:"  #: what the name of a membership begins with
TRAITS_KEPT: Final = 64

_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_decode: Final = msgspec.msgpack.Decoder(dict[str, tuple[int, Value]]).decode


def read(blob: bytes | None) -> dict[str, tuple[int, Value]]:
    """Trait -> (time it was told, value)."""
    return _decode(blob) if blob else {}


def traits(blob: bytes | None) -> dict[str, Value]:
    """The traits alone, by name: what may be shown."""
    kept = sorted(read(blob).items())
    return {name: shown(value) for name, (_, value) in kept if name != SAID and not name.startswith(GROUP)}


def groups(blob: bytes | None) -> tuple[str, ...]:
    """Companies, teams and households that a customer was said to belong to, the latest first.

    >>> groups(patched(None, [(5, ((GROUP + "acme", True),)), (9, ((GROUP + "globex", True),))]))
    ('globex', 'acme')
    """
    found = [(-time, name.removeprefix(GROUP)) for name, (time, _) in read(blob).items() if name.startswith(GROUP)]
    return tuple(name for _, name in sorted(found))


def shown(value: Value) -> Value:
    """What of a value may be shown: of a sealed one its mask."""
    return mask_of(value) if isinstance(value, str) else value


def latest(blob: bytes | None) -> tuple[int, Said] | None:
    """When a customer last put something into words, and what of it is kept; None if they never did."""
    time, value = read(blob).get(SAID, (0, None))
    found = read_said(value)
    return None if found is None else (time, found)


def patched(blob: bytes | None, patches: list[tuple[int, Patch]]) -> bytes:
    """The sidecar after ``patches`` (time, traits): of each trait the latest value, at equal times the larger text.

    >>> late, early = (9, (("city", "上海"),)), (5, (("city", "北京"), ("kids", 2)))
    >>> patched(None, [late, early]) == patched(patched(None, [early]), [late])
    True
    """
    kept = read(blob)
    for time, patch in patches:
        for name, value in patch:
            known = kept.get(name)
            if known is None or _rank(time, value) > _rank(*known):
                kept[name] = (time, value)
    if len(kept) > TRAITS_KEPT:
        kept = dict(sorted(kept.items(), key=_worth)[:TRAITS_KEPT])
    return _encode(kept)


def _worth(item: tuple[str, tuple[int, Value]]) -> tuple[bool, int, str]:
    """What a customer allows is kept before all else, then what was told last."""
    name, (time, _) = item
    return not name.startswith(PREFIX), -time, name


def merged(blob: bytes | None, other: bytes | None) -> bytes | None:
    """Two sidecars of one customer as one.

    >>> a, b = patched(None, [(5, (("city", "北京"), ("kids", 2)))]), patched(None, [(9, (("city", "上海"),))])
    >>> merged(a, b) == merged(b, a), traits(merged(a, b)), merged(None, None)
    (True, {'city': '上海', 'kids': 2}, None)
    """
    if not blob or not other:
        return blob or other
    return patched(blob, [(time, ((name, value),)) for name, (time, value) in read(other).items()])


def _rank(time: int, value: Value) -> tuple[int, str, str]:
    return time, str(value), type(value).__name__
