"""A mapping applied to a table column by column: the same events as ``Mapper`` makes row by row, sooner.

Each value of a column is cleaned and written as JSON once, and events are put together from what is written.  A row of
which that is not certain (nobody is named, a date cannot be read, an amount is below zero) is left to the mapper, which
says why.

Knows: in which order an event is written.  Must not know: files, how a value is cleaned, why a row is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple, Self

from profiles.mapping.apply import Mapper, spends
from profiles.mapping.cells import Part, left_out, written
from profiles.mapping.message import ByContent, by_own, own_of
from profiles.mapping.records import said
from profiles.mapping.slots import Columns, Slots, said_in, slots_of

NAMES: Final = 1000  #: of events that are remembered


class Laid(NamedTuple):
    """What rows became."""

    numbers: Sequence[int]  #: of the rows whose events are ready
    keys: list[bytes]  #: whom each is about
    values: list[bytes]  #: each event as JSON
    counts: Counter[str]
    left: list[int]  #: which of the rows given the mapper has to look at


class What(NamedTuple):
    """What happened, as a cell says it, written down."""

    name: str
    begin: str  #: up to the id of the event
    end: str  #: of the context, and the event's name
    currency: str  #: if the row gives none
    by_content: ByContent


class Table:
    """Applies a mapping to rows under one header.

    ``context``: what else stands in the context of each event; there the number of its row follows.
    """

    def __init__(self, mapper: Mapper, columns: Sequence[str], slots: Slots, context: dict[str, str]) -> None:
        self._mapper = mapper
        self._columns = tuple(columns)
        self._slots = slots
        self._each = tuple(slots.each())
        self._whats: dict[str | None, What | None] = {}
        origin = {"origin": "backfill", "source": mapper.source.name, **context}
        self._context = f',"context":{written(origin)[:-1]},"row":'

    @classmethod
    def of(cls, mapper: Mapper, columns: Sequence[str], context: dict[str, str]) -> Self | None:
        """None if rows under this header have to be mapped one by one."""
        slots = slots_of(mapper, columns)
        return cls(mapper, columns, slots, context) if slots else None

    def __call__(self, rows: Sequence[Sequence[Any]], numbers: Sequence[int]) -> Laid:
        """The events of rows, each as wide as the header; ``numbers`` are what they are called in the whole table."""
        if not rows:
            return Laid(numbers, [], [], Counter(), [])
        columns = list(zip(*rows, strict=True))
        happened = [self._what(cell) for cell in said_in(columns, self._slots.event, len(rows))]
        whats = [what for what in happened if what is not None]
        parts = [slot.of(columns, len(rows)) for slot in self._each]
        if left := self._left(happened, parts):
            kept = sorted(set(range(len(rows))) - left)
            return self([rows[at] for at in kept], [numbers[at] for at in kept])._replace(left=sorted(left))
        counts: Counter[str] = Counter()
        for slot, some in zip(self._each, parts, strict=True):
            slot.cells.count(some, counts)
        pieces = [[part[0] for part in some] for some in parts]
        alone, rest = pieces[: len(self._slots.alone)], pieces[len(self._slots.alone) :]
        fields, traits = rest[: len(self._slots.fields)], rest[len(self._slots.fields) :]
        if self._mapper.source.currency:
            fields.append(self._currencies(whats, fields, counts))
        texts = zip(
            [what.begin for what in whats],
            map(written, self._ids(whats, columns, rows)),
            repeat(self._context),
            map(str, numbers),
            [what.end for what in whats],
            *alone,
            _objects("properties", fields, len(rows)),
            _objects("traits", traits, len(rows)),
            repeat("}"),
            strict=False,
        )
        return Laid(numbers, self._keys(parts), [text.encode() for text in map("".join, texts)], counts, [])

    def _left(self, happened: Sequence[What | None], parts: Sequence[Sequence[Part]]) -> set[int]:
        left: set[int] = set()
        for slot, some in zip(self._each, parts, strict=True):
            if slot.cells.unusable:
                left.update(left_out(some))
        if None in happened:
            left.update(at for at, what in enumerate(happened) if what is None)
        if len(self._slots.who) > 1:
            user, device = (parts[at] for at in self._slots.who)
            left.update(at for at, (one, two) in enumerate(zip(user, device, strict=True)) if one[2] is two[2] is None)
        return left

    def _ids(self, whats: Sequence[What], columns: Columns, rows: Sequence[Sequence[Any]]) -> Iterable[str]:
        if not self._slots.id:
            return [what.by_content(row) for what, row in zip(whats, rows, strict=True)]
        source, own = self._mapper.source.name, map(own_of, zip(*(columns[at] for at in self._slots.id), strict=True))
        return [
            by_own(source, what.name, one) if one else what.by_content(row)
            for what, row, one in zip(whats, rows, own, strict=True)
        ]

    def _keys(self, parts: Sequence[Sequence[Part]]) -> list[bytes]:
        if len(self._slots.who) > 1:
            user, device = (parts[at] for at in self._slots.who)
            return [(one[2] or two[2]).encode("utf-8", "replace") for one, two in zip(user, device, strict=True)]
        return [part[2].encode("utf-8", "replace") for part in parts[self._slots.who[0]]]

    def _currencies(self, whats: Sequence[What], fields: Sequence[list[str]], counts: Counter[str]) -> list[str]:
        """What a source says of orders that do not say it themselves."""
        own = [some for slot, some in zip(self._slots.fields, fields, strict=True) if slot.cells.key == "currency"]
        given = own[0] if own else repeat("")
        found = ["" if one else what.currency for what, one in zip(whats, given, strict=False)]
        counts["filled:currency"] += sum(map(bool, found))
        return found

    def _what(self, cell: Any) -> What | None:
        key = None if cell is None or cell == "" else str(cell)
        if key not in self._whats:
            if len(self._whats) >= NAMES:
                self._whats.clear()
            self._whats[key] = self._read(cell)
        return self._whats[key]

    def _read(self, cell: Any) -> What | None:
        source = self._mapper.source
        given = said(source, {source.event_from.names[0]: cell} if source.event_from else {})
        call, name, refused = self._mapper.what(given)
        if refused:
            return None
        kind = "event" if call == "track" else "name"
        return What(
            name or call,
            f'{{"type":{written(call)},"messageId":',
            f"}},{written(kind)}:{written(name)}" if name else "}",
            f',"currency":{written(source.currency)}' if source.currency and spends(call, name) else "",
            ByContent(source.name, call, name, self._columns),
        )


def _objects(name: str, columns: Sequence[Sequence[str]], rows: int) -> Iterable[str]:
    """Members of an event that are objects, of as many rows."""
    if not columns:
        return repeat("", rows)
    begin = f",{written(name)}:{{"
    return [f"{begin}{body[1:]}}}" if body else "" for body in map("".join, zip(*columns, strict=True))]
