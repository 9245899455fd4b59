"""The message id of a record: the same whenever and however often it is imported.

Knows: how a record is spelled.  Must not know: what it means.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final

from profiles.cleaning.texts import identity, spelled

LONGEST: Final = 100  #: characters of a message id that is spelled out
SIZE: Final = 16  #: bytes of one that is not
_BETWEEN: Final = "\x1f"


def own_of(cells: Iterable[Any]) -> str:
    """The id of a record that these cells name together; empty if one of them says nothing."""
    parts = [identity(cell).value for cell in cells]
    return ":".join(parts) if all(parts) else ""


def by_own(source: str, name: str, own: str) -> str:
    """Of a record that has an id of its own."""
    spelt = f"{source}:{name}:{own}"
    return spelt if len(spelt) <= LONGEST else f"{source}:{blake2b(_bytes(spelt), digest_size=SIZE).hexdigest()}"


class ByContent:
    """Of records that are named by all they say, under one header, which is read once."""

    def __init__(self, source: str, call: str, name: str, columns: Iterable[Any]) -> None:
        header = _BETWEEN.join((source, call, name, _joined(columns), ""))
        self._header = blake2b(_bytes(header), digest_size=SIZE)
        self._source = source

    def __call__(self, cells: Iterable[Any]) -> str:
        digest = self._header.copy()
        digest.update(_bytes(_joined(cells)))
        return f"{self._source}:{digest.hexdigest()}"


def _bytes(spelt: str) -> bytes:
    return spelt.encode("utf-8", "surrogatepass")


def _joined(values: Iterable[Any]) -> str:
    """Cells as one text; nearly always they are texts."""
    try:
        return _BETWEEN.join(values)
    except TypeError:
        return _BETWEEN.join(map(spelled, values))
