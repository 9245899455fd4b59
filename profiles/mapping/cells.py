"""The values of one column of a table: what each becomes in an event's JSON, and how often what was mended.

Knows: JSON, that values come again.  Must not know: which column it is, what an event cannot do without.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from profiles.cleaning.cell import NOTHING, Cleaned
from profiles.mapping.fields import REMEMBERED, Clean

Part = tuple[str, int, Any]
"""What stands in the event, the number of its outcome, and the value."""
Usable = Callable[[Cleaned], bool]

SHELL: Final = frozenset({"type", "messageId", "context", "properties", "traits", "name", "event"})
"""Parts of an event that are there anyway, or are counted by what is in them."""
_Outcome = tuple[bool, tuple[str, ...], str]
"""Whether there is a value, what was mended, why there is none."""
_TEXTS: Final = frozenset({str, type(None)})
_UNUSABLE: Final = 0
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


class Cells(dict[Any, Part]):
    """Value -> part, of one column.  A value that is not ``usable`` makes a row somebody else's business."""

    def __init__(self, key: str, clean: Clean, usable: Usable | None = None, *, field: str = "") -> None:
        """``field``: of what its repairs are told, if that is not ``key``."""
        super().__init__()
        self.key = key
        self.unusable = False  #: whether there ever was such a value
        self._field = field or key
        self._before = f",{written(key)}:"
        self._clean = clean
        self._usable = usable
        self._outcomes: dict[_Outcome | None, int] = {None: _UNUSABLE}

    def __missing__(self, cell: Any) -> Part:
        part = self[cell] = self._part(cell)
        return part

    def of(self, cells: Iterable[Any]) -> list[Part]:
        """The parts of some cells."""
        if not _TEXTS.issuperset(map(type, cells)):  # 1, 1.0 and True would be one key
            return list(map(self._part, cells))
        if len(self) > REMEMBERED:
            self.clear()
        return list(map(self.__getitem__, cells))

    def count(self, parts: Iterable[Part], counts: Counter[str]) -> None:
        """Add what happened to the values, as a digest counts it."""
        outcomes = list(self._outcomes)
        for number, n in Counter([part[1] for part in parts]).items():
            if outcome := outcomes[number]:
                filled, repairs, refusal = outcome
                if filled and self.key not in SHELL:
                    counts[f"filled:{self.key}"] += n
                for code in set(repairs):  # rows are counted
                    counts[f"repaired:{self._field}:{code}"] += n
                if refusal:
                    counts[f"dropped:{self._field}:{refusal}"] += n

    def _part(self, cell: Any) -> Part:
        cleaned = NOTHING if cell is None or cell == "" else self._clean(cell)
        value, repairs, refusal = cleaned
        if self._usable is not None and not self._usable(cleaned):
            self.unusable = True
            return "", _UNUSABLE, value
        number = self._outcomes.setdefault((value is not None, repairs, refusal), len(self._outcomes))
        return "" if value is None else self._before + _encode(value).decode(), number, value


def says(cleaned: Cleaned) -> bool:
    """There has to be one."""
    return cleaned.value is not None


def left_out(parts: Sequence[Part]) -> Iterator[int]:
    """The places of values that are not usable."""
    return (place for place, part in enumerate(parts) if part[1] == _UNUSABLE)


def written(value: Any) -> str:
    """As JSON."""
    return _encode(value).decode()
