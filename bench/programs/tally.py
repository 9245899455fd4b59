"""A count that another process can read while it grows, at the cost of storing one number.

Knows: eight bytes of a shared file.  Must not know: what is counted.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from struct import Struct
from typing import Final

_NUMBER: Final = Struct("=q")


class Tally:
    """Made by whoever watches (``new``), opened by whoever counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _NUMBER.size)

    @classmethod
    def new(cls, path: Path) -> Tally:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(_NUMBER.size))
        return cls(path)

    def add(self, n: int = 1) -> None:
        """So many more.  One process counts, so nothing is locked."""
        _NUMBER.pack_into(self._map, 0, self.value + n)

    @property
    def value(self) -> int:
        """The count as it is now."""
        found: int = _NUMBER.unpack_from(self._map)[0]
        return found
