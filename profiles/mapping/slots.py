"""Which columns of a table become which part of an event: looked up once for a header.

Knows: a mapping, names of columns.  Must not know: rows, how events are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple

from profiles.cleaning.cell import Cleaned
from profiles.cleaning.texts import text
from profiles.mapping.apply import Mapper
from profiles.mapping.cells import SHELL, Cells, Part, says
from profiles.mapping.document import Column
from profiles.mapping.fields import somebody
from profiles.mapping.targets import MONEY

Columns = Sequence[Sequence[Any]]
_ALONE: Final = ("timestamp", "time", "userId", "user", "anonymousId", "anonymous", "channel", "currency")
"""What is counted under these names, so nothing else may have them."""


class Slot(NamedTuple):
    """A part of an event that comes from a column."""

    at: tuple[int, ...]  #: columns that may say it; of a row the first that says anything counts
    cells: Cells
    otherwise: str | None = None

    def of(self, columns: Columns, rows: int) -> list[Part]:
        """The parts of all rows."""
        return self.cells.of(said_in(columns, self.at, rows, self.otherwise))


class Slots(NamedTuple):
    """All parts of an event, in its order."""

    alone: tuple[Slot, ...]  #: when, who and through which channel
    who: tuple[int, ...]  #: which of these say who
    fields: tuple[Slot, ...]
    traits: tuple[Slot, ...]
    event: tuple[int, ...]  #: columns that may say what happened
    id: tuple[int, ...]  #: columns that together name a row; empty if one of them is not there

    def each(self) -> Iterator[Slot]:
        """Every one."""
        yield from (*self.alone, *self.fields, *self.traits)


def said_in(columns: Columns, at: Sequence[int], rows: int, otherwise: str | None = None) -> Sequence[Any]:
    """What each row says in the first of some columns that says anything."""
    if len(at) == 1 and otherwise is None:
        return columns[at[0]]
    cells: Iterable[Sequence[Any]] = zip(*(columns[each] for each in at), strict=True) if at else repeat((), rows)
    return [next((each for each in some if each is not None and each != ""), otherwise) for some in cells]


def slots_of(mapper: Mapper, columns: Sequence[str]) -> Slots | None:
    """None if rows have to be looked at one by one: nothing says who or when, or two things have one name."""
    source, clean, at = mapper.source, mapper.clean, {name: place for place, name in enumerate(columns)}

    def slots(some: Iterable[Column], needed: frozenset[str] = frozenset()) -> tuple[Slot, ...]:
        found = ((each, _places(each, at)) for each in some)
        return tuple(
            Slot(
                places,
                Cells(
                    each.target,
                    clean.plain(each.sort, each.minor_digits),
                    _is_sum if each.target in needed else None,
                ),
            )
            for each, places in found
            if places
        )

    when, users, devices = (_places(each, at) for each in (source.time, source.user, source.anonymous))
    fields, traits = slots(source.fields, frozenset(MONEY)), slots(source.traits)
    told = {*_ALONE, *(each.cells.key for each in fields)}
    unclear = any(each.cells.key in told - SHELL for each in traits) or len(at) < len(columns)
    if source.shape != "table" or mapper.live or unclear or not when or not (users or devices):
        return None
    identity = clean.plain("id")

    def one(value: object) -> Cleaned:
        return somebody(identity(value))

    alone = [Slot(when, Cells("timestamp", clean.plain("time"), says, field="time"))]
    usable = None if users and devices else says
    if users:
        alone.append(Slot(users, Cells("userId", one, usable, field="user")))
    if devices:
        alone.append(Slot(devices, Cells("anonymousId", one, usable, field="anonymous")))
    who = tuple(range(1, len(alone)))
    channels = _places(source.channel_from, at)
    if channels or source.channel:
        alone.append(Slot(channels, Cells("channel", lambda value: Cleaned(text(value).value)), source.channel or None))
    own = source.id.names if source.id else ()
    named = tuple(at[name] for name in own) if all(name in at for name in own) else ()
    return Slots(tuple(alone), who, fields, traits, _places(source.event_from, at), named)


def _places(column: Column | None, at: dict[str, int]) -> tuple[int, ...]:
    return tuple(at[name] for name in column.names if name in at) if column else ()


def _is_sum(cleaned: Cleaned) -> bool:
    return not cleaned.refusal and (cleaned.value is None or (type(cleaned.value) is float and cleaned.value >= 0))
