"""What intake hands to update: many events of one bucket as columns, packed small.

Knows: how columns become bytes and back, and how several batches become one.
Must not know: Kafka, Redis, what the columns mean to a fold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from profiles.clock import Int64s, Millis, Zone
from profiles.codec import pack_matrix, unpack
from profiles.errors import LayoutError
from profiles.intake import Event
from profiles.kernels.fold import Events
from profiles.kinds import Channel, Kind
from profiles.measures import TRAITS
from profiles.stable import code_of

COLUMNS: Final = (
    "who", "kind", "time", "amount", "quantity", "discount", "rating", "channel", "key", "order", "offset", "lines", "traits",
)  # fmt: skip
_C: Final = {name: i for i, name in enumerate(COLUMNS)}
_LIMITS: Final = {"who": 0, "kind": len(Kind), "channel": len(Channel), "lines": 2**16, "traits": 2**16}  #: 0: profiles

Patch = tuple[tuple[str, str | int | float | bool], ...]


Bools = npt.NDArray[np.bool_]


class Control(msgspec.Struct, frozen=True, tag="control"):
    """New rules or params: from this record on the bucket decides with that version."""

    what: str  #: ``rules`` or the name of params
    version: int


class Batch(msgspec.Struct, frozen=True, tag="batch"):
    """One record of profile-inputs: events of one bucket from one stretch of one source partition."""

    topic: str
    partition: int
    clock: int  #: newest event time this source partition had shown (ms)
    received: int  #: when its newest record reached Kafka (ms)
    profiles: list[str]
    numbers: bytes  #: packed matrix: one row an event, columns as in COLUMNS
    count: int
    lines: bytes  #: packed matrix (lines, 3)
    traits: bytes  #: packed matrix (traits, 2); the trait is stored + 1 so that no row is empty
    line_count: int
    trait_count: int
    names: dict[int, str]
    patches: dict[int, Patch]  #: event -> traits in words


Record = Batch | Control
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Record).decode


def encode(record: Record) -> bytes:
    """The bytes that travel through profile-inputs."""
    return _encode(record)


def decode(raw: bytes) -> Record:
    """Raises LayoutError: the bytes are no record of ours (nobody else may write profile-inputs)."""
    try:
        record: Record = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LayoutError(f"a record of profile-inputs cannot be read: {error}") from error
    return record


class Draft:
    """A batch while it is being filled."""

    def __init__(self) -> None:
        self._who: dict[str, int] = {}
        self._rows: list[tuple[int, ...]] = []
        self._lines: list[tuple[int, int, int]] = []
        self._traits: list[tuple[int, int]] = []
        self._names: dict[int, str] = {}
        self._patches: dict[int, Patch] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, event: Event, offset: int) -> None:
        """Append one event that stood at ``offset`` of the source partition."""
        who = self._who.setdefault(event.profile, len(self._who))
        if event.patch:
            self._patches[len(self._rows)] = event.patch
        self._lines.extend(event.lines)
        self._traits.extend((trait + 1, value) for trait, value in event.traits)
        self._names.update(event.names)
        self._rows.append(
            (
                who, event.kind, event.time, event.amount, event.quantity, event.discount, event.rating, event.channel,
                event.key, event.order, offset, len(event.lines), len(event.traits),
            )
        )  # fmt: skip

    def batch(self, topic: str, partition: int, clock: int, received: int) -> Batch:
        return Batch(
            topic=topic,
            partition=partition,
            clock=clock,
            received=received,
            profiles=list(self._who),
            numbers=packed(self._rows, len(COLUMNS)),
            count=len(self._rows),
            lines=packed(self._lines, 3),
            traits=packed(self._traits, 2),
            line_count=len(self._lines),
            trait_count=len(self._traits),
            names=self._names,
            patches=self._patches,
        )


def packed(rows: npt.ArrayLike, width: int) -> bytes:
    """The length of every row, then the rows."""
    data, ends = pack_matrix(np.array(rows, np.int64).reshape(-1, width))
    return np.diff(ends, prepend=0).astype("<u2").tobytes() + data


def matrix(data: bytes, count: int, width: int) -> Int64s:
    """The inverse of ``packed``.

    Raises:
        LayoutError: bytes that ``packed`` never wrote.
    """
    if not 0 <= 2 * count <= len(data):
        raise LayoutError(f"{len(data)} bytes are no matrix of {count} rows")
    lengths = np.frombuffer(data, "<u2", count).astype(np.int64)
    return unpack(data[2 * count :], np.cumsum(lengths), width)


@dataclass(frozen=True)
class Work:
    """The events of several batches of one bucket, ready to fold, less those that were applied before."""

    profiles: list[str]  #: by row
    events: Events
    names: dict[int, str]
    patches: list[tuple[int, Patch]]  #: (event, traits in words)
    cursors: dict[str, int]  #: source partition -> last offset that is now applied
    clocks: dict[str, int]  #: source partition -> newest event time it has shown
    repeated: int  #: events left out because their source offset was applied before


def offsets_and_times(batch: Batch) -> tuple[Int64s, Int64s]:
    """Source offset and time of every event of a batch."""
    table = matrix(batch.numbers, batch.count, len(COLUMNS))
    return table[:, _C["offset"]], table[:, _C["time"]]


def gather(batches: list[Batch], applied: Mapping[str, int], zone: Zone, until: Millis | None = None) -> Work:
    """Batches of one bucket, in order, as one piece of work.

    ``applied`` holds the last applied offset per source partition ("topic/partition"); intake may send a stretch again
    after a crash, cut differently, and what is known is left out here.  With ``until`` only events up to that time are
    taken, from each source as far as none is later, and put in the order in which they happened.
    """
    gathering = _Gathering(applied, until)
    for batch in batches:
        gathering.add(batch)
    return gathering.work(zone)


def table_of(batch: Batch) -> Int64s:
    """The events of a batch, one row each, columns as in ``COLUMNS``.

    Raises:
        LayoutError: the parts of the batch do not fit together, so that nobody can say what its events are.
    """
    table = matrix(batch.numbers, batch.count, len(COLUMNS))
    counts = table[:, [_C["lines"], _C["traits"]]]
    if (counts < 0).any() or counts.sum(axis=0).tolist() != [batch.line_count, batch.trait_count]:
        raise LayoutError("a batch does not have the lines and traits that its events speak of")
    if any(not 0 <= event < batch.count for event in batch.patches):
        raise LayoutError("a batch has traits of an event that is not in it")
    return table


def _sound(batch: Batch, table: Int64s) -> None:
    """Kernels look up what these columns point at, and do not look where that is.

    Raises:
        LayoutError: a number points outside.
    """
    for name, limit in _LIMITS.items():
        column = table[:, _C[name]]
        if len(column) and not 0 <= int(column.min()) <= int(column.max()) < (limit or len(batch.profiles)):
            raise LayoutError(f"a batch has an event whose {name} is out of range")


class _Gathering:
    """Columns that grow."""

    def __init__(self, applied: Mapping[str, int], until: Millis | None) -> None:
        self.applied, self.until = applied, until
        self.rows: dict[str, int] = {}
        self.cursors: dict[str, int] = {}
        self.clocks: dict[str, int] = {}
        self.names: dict[int, str] = {}
        self.numbers, self.lines, self.traits, self.sources = [_EMPTY[0]], [_EMPTY[1]], [_EMPTY[2]], [_NO_SOURCE]
        self.patches: list[tuple[int, Patch]] = []
        self.full: set[str] = set()
        self.repeated = self.total = 0

    def add(self, batch: Batch) -> None:
        source = f"{batch.topic}/{batch.partition}"
        self.clocks[source] = max(self.clocks.get(source, 0), batch.clock)
        table = table_of(batch)
        _sound(batch, table)
        fresh = table[:, _C["offset"]] > self.cursors.get(source, self.applied.get(source, -1))
        self.repeated += batch.count - int(fresh.sum())
        if self.until is not None:
            fresh = self._in_time(source, fresh, table[:, _C["time"]] > self.until)
        if not fresh.any():
            return
        self.lines.append(_kept(matrix(batch.lines, batch.line_count, 3), table[:, _C["lines"]], fresh))
        traits = matrix(batch.traits, batch.trait_count, 2)
        if len(traits) and not 1 <= int(traits[:, 0].min()) <= int(traits[:, 0].max()) <= len(TRAITS):
            raise LayoutError("a batch has a trait that nobody counts")
        self.traits.append(_kept(traits, table[:, _C["traits"]], fresh))
        here = np.array([self.rows.setdefault(profile, len(self.rows)) for profile in batch.profiles], np.int64)
        table[:, _C["who"]] = here[table[:, _C["who"]]]
        place = self.total - 1 + np.cumsum(fresh)
        self.patches += [(int(place[event]), patch) for event, patch in batch.patches.items() if fresh[event]]
        self.total += int(fresh.sum())
        self.cursors[source] = int(table[fresh, _C["offset"]][-1])
        self.numbers.append(table[fresh])
        self.sources.append(np.full(int(fresh.sum()), code_of(source), np.int64))
        self.names.update(batch.names)

    def _in_time(self, source: str, fresh: Bools, late: Bools) -> Bools:
        """What comes before the first late event; after one, nothing more of that source is taken."""
        if source in self.full:
            return np.zeros_like(fresh)
        if (fresh & late).any():
            self.full.add(source)
            fresh = fresh & (np.arange(len(fresh)) < int(np.argmax(fresh & late)))
        return fresh

    def work(self, zone: Zone) -> Work:
        table, lines, traits = (np.concatenate(parts) for parts in (self.numbers, self.lines, self.traits))
        if self.until is not None:
            order = np.lexsort((table[:, _C["offset"]], np.concatenate(self.sources), table[:, _C["time"]]))
            lines, traits = (
                _ordered(parts, table[:, _C[name]], order) for parts, name in ((lines, "lines"), (traits, "traits"))
            )
            table, place = table[order], np.argsort(order)
            self.patches = sorted(
                ((int(place[event]), patch) for event, patch in self.patches), key=lambda each: each[0]
            )
        events = _events(table, lines, traits, zone)
        return Work(list(self.rows), events, self.names, self.patches, self.cursors, self.clocks, self.repeated)


_EMPTY: Final = tuple(np.zeros((0, width), np.int64) for width in (len(COLUMNS), 3, 2))
_NO_SOURCE: Final = np.zeros(0, np.int64)


def _ordered(parts: Int64s, counts: Int64s, order: Int64s) -> Int64s:
    """The parts of events, after the events were put in ``order``."""
    starts = np.cumsum(counts) - counts
    index = [np.arange(starts[event], starts[event] + counts[event]) for event in order[counts[order] > 0].tolist()]
    return parts[np.concatenate(index)] if index else parts[:0]


def _kept(parts: Int64s, counts: Int64s, fresh: Bools) -> Int64s:
    return parts[np.repeat(fresh, counts)] if len(parts) else parts


def _events(table: Int64s, lines: Int64s, traits: Int64s, zone: Zone) -> Events:
    column = {name: np.ascontiguousarray(table[:, i]) for name, i in _C.items()}
    return Events(
        row=column["who"],
        kind=column["kind"],
        time=column["time"],
        local=zone.local(column["time"]),
        amount=column["amount"],
        quantity=column["quantity"],
        discount=column["discount"],
        rating=column["rating"],
        channel=column["channel"],
        key=column["key"],
        order=column["order"],
        line_end=np.cumsum(column["lines"]),
        lines=np.ascontiguousarray(lines),
        trait_end=np.cumsum(column["traits"]),
        traits=traits - np.array([1, 0]),
    )
