"""What intake hands to update: many events of one bucket as columns, packed small.

Knows: how columns become bytes and back, and how several batches become one.
Must not know: Kafka, Redis, what the columns mean to a fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from profiles.clock import Int64s, Millis, Zone
from profiles.errors import LayoutError
from profiles.identity.messages import Joining
from profiles.identity.names import VIA
from profiles.intake import Event
from profiles.kernels.fold import Events
from profiles.kinds import Channel, Kind
from profiles.measures import TRAITS
from profiles.packing import matrices, matrix, packed_each
from profiles.stable import code_of
from profiles.wire import Origin

COLUMNS: Final = (
    "who", "kind", "time", "amount", "quantity", "discount", "rating", "channel", "key", "order", "offset", "lines", "traits",
)  # fmt: skip
_C: Final = {name: i for i, name in enumerate(COLUMNS)}
_LIMITS: Final = {"kind": len(Kind), "channel": len(Channel), "lines": 2**16, "traits": 2**16}
_PARTS: Final = slice(_C["lines"], _C["traits"] + 1)

Patch = tuple[tuple[str, str | int | float | bool], ...]


Bools = npt.NDArray[np.bool_]


class Control(msgspec.Struct, frozen=True, tag="control"):
    """New rules or params: from this record on the bucket decides with that version."""

    what: str  #: ``rules`` or the name of params
    version: int


class Erase(msgspec.Struct, frozen=True, tag="erase"):
    """What is not to be kept of some customers of this bucket; see ``profiles.erasure``."""

    regulation: str  #: id of the order to do so
    delete: bool  #: destroy what is there
    suppress: bool | None  #: take nothing from now on, or again; None: as it is
    subjects: dict[str, str]  #: customer -> the name's hash, which is all that is kept of it


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
    origin: Origin = "live"  #: ``backfill``: history, which never sends anything
    seq: int = 0  #: the number that a bucket gave it which sent it on, see ``joined``


Record = Batch | Control | Erase | Joining
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
        self.who: dict[str, int] = {}
        self.rows: list[tuple[int, ...]] = []
        self.lines: list[tuple[int, int, int]] = []
        self.traits: list[tuple[int, int]] = []
        self.names: dict[int, str] = {}
        self.patches: dict[int, Patch] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, event: Event, offset: int) -> None:
        """Append one event that stood at ``offset`` of the source partition."""
        who = self.who.setdefault(event.profile, len(self.who))
        if event.patch:
            self.patches[len(self.rows)] = event.patch
        self.lines.extend(event.lines)
        self.traits.extend((trait + 1, value) for trait, value in event.traits)
        self.names.update(event.names)
        self.rows.append(
            (
                who, event.kind, event.time, event.amount, event.quantity, event.discount, event.rating, event.channel,
                event.key, event.order, offset, len(event.lines), len(event.traits),
            )
        )  # fmt: skip

    def batch(self, topic: str, partition: int, clock: int, received: int) -> Batch:
        return drafted([self], topic, partition, clock, received)[0]


def drafted(
    drafts: Sequence[Draft], topic: str, partition: int, clock: int, received: int, origin: Origin = "live"
) -> list[Batch]:
    """What was drafted of one stretch, as batches; their columns are packed together, since most hold little."""
    numbers = _packed([draft.rows for draft in drafts], len(COLUMNS))
    lines = _packed([draft.lines for draft in drafts], 3)
    traits = _packed([draft.traits for draft in drafts], 2)
    return [
        Batch(
            topic=topic,
            partition=partition,
            clock=clock,
            received=received,
            profiles=list(draft.who),
            numbers=numbers[i],
            count=len(draft.rows),
            lines=lines[i],
            traits=traits[i],
            line_count=len(draft.lines),
            trait_count=len(draft.traits),
            names=draft.names,
            patches=draft.patches,
            origin=origin,
        )
        for i, draft in enumerate(drafts)
    ]


def _packed(pieces: Sequence[Sequence[tuple[int, ...]]], width: int) -> list[bytes]:
    table = np.array(list(chain.from_iterable(pieces)), np.int64).reshape(-1, width)
    return packed_each(table, [len(piece) for piece in pieces])


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


def table_of(batch: Batch) -> Int64s:
    """The events of a batch, one row each, columns as in ``COLUMNS``.

    Raises:
        LayoutError: the parts of the batch do not fit together, so that nobody can say what its events are.
    """
    return _tables([batch])


def gather(batches: Sequence[Batch], applied: Mapping[str, int], zone: Zone, until: Millis | None = None) -> Work:
    """Batches of one bucket, in order, as one piece of work.

    ``applied`` holds the last applied offset per source partition ("topic/partition"); intake may send a stretch again
    after a crash, cut differently, and what is known is left out here.  With ``until`` only events up to that time are
    taken, from each source as far as none is later, and put in the order in which they happened.

    Raises:
        LayoutError: one of the batches cannot be worked with.
    """
    table = _tables(batches)
    _sound(batches, table)
    taking = _Taking(applied, until)
    taken, table, fresh = taking.fresh(batches, table)
    profiles, table = _numbered(taken, table)
    found = _found(taken, table, fresh)
    if until is not None:
        found = _in_order(found, _each([code_of(_source(batch)) for batch in taken], taken)[fresh])
    names = {code: name for batch in taken for code, name in batch.names.items()}
    return Work(profiles, _events(found, zone), names, found.patches, taking.cursors, taking.clocks, taking.repeated)


def _tables(batches: Sequence[Batch]) -> Int64s:
    """The events of several batches, one below the other; raises as ``table_of``."""
    table = matrices([(batch.numbers, batch.count) for batch in batches], len(COLUMNS))
    counts, totals = table[:, _PARTS], np.zeros((len(table) + 1, 2), np.int64)
    counts.cumsum(axis=0, out=totals[1:])
    lines, traits = (batch.line_count for batch in batches), (batch.trait_count for batch in batches)
    said = [list(each) for each in zip(accumulate(lines), accumulate(traits), strict=True)]
    if (counts < 0).any() or totals[_ends(batches)].tolist() != said:
        raise LayoutError("a batch does not have the lines and traits that its events speak of")
    if any(not 0 <= event < batch.count for batch in batches for event in batch.patches):
        raise LayoutError("a batch has traits of an event that is not in it")
    return table


def _sound(batches: Sequence[Batch], table: Int64s) -> None:
    """Kernels look up what these columns point at, and do not look where that is.

    Raises:
        LayoutError: a number points outside.
    """
    if not len(table):
        return
    low, high = table.min(axis=0).tolist(), table.max(axis=0).tolist()
    for name, limit in _LIMITS.items():
        if not 0 <= low[_C[name]] <= high[_C[name]] < limit:
            raise LayoutError(f"a batch has an event whose {name} is out of range")
    known = _each([len(batch.profiles) for batch in batches], batches)
    if low[_C["who"]] < 0 or (table[:, _C["who"]] >= known).any():
        raise LayoutError("a batch has an event whose who is out of range")


def _source(batch: Batch) -> str:
    return f"{batch.topic}/{batch.partition}"


def _ends(batches: Sequence[Batch]) -> list[int]:
    """Where each batch ends in the table of all."""
    return list(accumulate(batch.count for batch in batches))


def _each(values: Sequence[int], batches: Sequence[Batch]) -> Int64s:
    """What is one number for a batch, for each of its events."""
    return np.repeat(np.array(values, np.int64), [batch.count for batch in batches])


class _Taking:
    """How far each source is taken; this alone has to go from batch to batch."""

    def __init__(self, applied: Mapping[str, int], until: Millis | None) -> None:
        self.applied, self.until = applied, until
        self.cursors: dict[str, int] = {}
        self.clocks: dict[str, int] = {}
        self.full: set[str] = set()
        self.repeated = 0

    def fresh(self, batches: Sequence[Batch], table: Int64s) -> tuple[list[Batch], Int64s, Bools]:
        """The batches of which something is taken, all their events, and which of these are taken."""
        taken, pieces, masks = [], [_EMPTY], [_NONE]
        offset, time = table[:, _C["offset"]], table[:, _C["time"]]
        for batch, (start, end) in zip(batches, pairwise([0, *_ends(batches)]), strict=True):
            mask = self._fresh(batch, offset[start:end], time[start:end])
            if mask is not None:
                taken.append(batch)
                pieces.append(table[start:end])
                masks.append(mask)
        return taken, np.concatenate(pieces), np.concatenate(masks)

    def _fresh(self, batch: Batch, offset: Int64s, time: Int64s) -> Bools | None:
        source = _source(batch)
        if VIA not in batch.topic:  # what another bucket sends on says nothing of how far a source is
            self.clocks[source] = max(self.clocks.get(source, 0), batch.clock)
        fresh: Bools = offset > self.cursors.get(source, self.applied.get(source, -1))
        self.repeated += batch.count - int(np.count_nonzero(fresh))
        if self.until is not None:
            fresh = self._in_time(source, fresh, time > self.until)
        taken = offset[fresh]
        if not len(taken):
            return None
        self.cursors[source] = int(taken[-1])
        return fresh

    def _in_time(self, source: str, fresh: Bools, late: Bools) -> Bools:
        """What comes before the first late event; after one, nothing more of that source is taken."""
        if source in self.full:
            return np.zeros_like(fresh)
        if (fresh & late).any():
            self.full.add(source)
            fresh = fresh & (np.arange(len(fresh)) < int(np.argmax(fresh & late)))
        return fresh


_EMPTY: Final = np.zeros((0, len(COLUMNS)), np.int64)
_NONE: Final = np.zeros(0, np.bool_)
_STORED: Final = np.array([1, 0])  #: what a trait is stored with above its own


def _numbered(batches: Sequence[Batch], table: Int64s) -> tuple[list[str], Int64s]:
    """Customers in the order in which they first appear, and the table with their rows among these."""
    rows: dict[str, int] = {}
    here = [rows.setdefault(profile, len(rows)) for batch in batches for profile in batch.profiles]
    starts = [0, *accumulate(len(batch.profiles) for batch in batches)][:-1]
    table[:, _C["who"]] = np.array(here, np.int64)[table[:, _C["who"]] + _each(starts, batches)]
    return list(rows), table


class _Found(NamedTuple):
    """Events and what hangs on them."""

    table: Int64s
    lines: Int64s
    traits: Int64s
    patches: list[tuple[int, Patch]]


def _found(batches: Sequence[Batch], table: Int64s, fresh: Bools) -> _Found:
    lines = matrices([(batch.lines, batch.line_count) for batch in batches], 3)
    traits = matrices([(batch.traits, batch.trait_count) for batch in batches], 2)
    if len(traits) and not 1 <= int(traits[:, 0].min()) <= int(traits[:, 0].max()) <= len(TRAITS):
        raise LayoutError("a batch has a trait that nobody counts")
    lines, traits = _kept(lines, table[:, _C["lines"]], fresh), _kept(traits, table[:, _C["traits"]], fresh)
    return _Found(table[fresh], lines, traits, _patches(batches, fresh))


def _patches(batches: Sequence[Batch], fresh: Bools) -> list[tuple[int, Patch]]:
    """Traits in words of what is taken, each with its event's place in that."""
    starts = [0, *_ends(batches)]
    patches = [
        (start + event, patch)
        for start, batch in zip(starts, batches, strict=False)
        for event, patch in batch.patches.items()
    ]
    place = fresh.cumsum() - 1 if patches else fresh
    return [(int(place[event]), patch) for event, patch in patches if fresh[event]]


def _kept(parts: Int64s, counts: Int64s, fresh: Bools) -> Int64s:
    return parts[np.repeat(fresh, counts)] if len(parts) else parts


def _in_order(found: _Found, sources: Int64s) -> _Found:
    """Events by time; at equal times by source and offset, so that it is the same order however they came."""
    table = found.table
    order = np.lexsort((table[:, _C["offset"]], sources, table[:, _C["time"]]))
    lines, traits = (
        _ordered(parts, table[:, _C[name]], order) for parts, name in ((found.lines, "lines"), (found.traits, "traits"))
    )
    place = np.argsort(order)
    patches = sorted(((int(place[event]), patch) for event, patch in found.patches), key=lambda each: each[0])
    return _Found(table[order], lines, traits, patches)


def _ordered(parts: Int64s, counts: Int64s, order: Int64s) -> Int64s:
    """The parts of events, after the events were put in ``order``."""
    starts = np.cumsum(counts) - counts
    index = [np.arange(starts[event], starts[event] + counts[event]) for event in order[counts[order] > 0].tolist()]
    return parts[np.concatenate(index)] if index else parts[:0]


def _events(found: _Found, zone: Zone) -> Events:
    column = dict(zip(COLUMNS, found.table.T.copy(), strict=True))  # a copy: every column in one piece
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
        line_end=column["lines"].cumsum(),
        lines=np.ascontiguousarray(found.lines),
        trait_end=column["traits"].cumsum(),
        traits=found.traits - _STORED,
    )
