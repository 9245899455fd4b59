"""The log of one bucket as columns: every input once, in the order in which it counts.

Knows: records of profile-inputs, that intake may have sent a stretch again.
Must not know: Kafka, Redis, what an input does to a profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from profiles import inputs, quarantine
from profiles.clock import Int64s, Millis, Zone
from profiles.identity.messages import Absorb, Joining, Link
from profiles.identity.names import VIA, order_of
from profiles.inputs import Patch, Work
from profiles.kernels.fold import Events
from profiles.stable import code_of


@dataclass(frozen=True)
class Logged:
    """One record of profile-inputs."""

    offset: int
    stamp: Millis  #: when the broker had it
    record: inputs.Record


@dataclass
class BucketLog:
    """Records of one bucket, from the first one that still is there."""

    bucket: int
    zone: Zone
    records: list[Logged] = field(default_factory=list)
    unreadable: dict[int, str] = field(default_factory=dict)  #: offset -> what is wrong with its record

    @property
    def batches(self) -> list[tuple[Logged, inputs.Batch]]:
        """The records of intake that hold events, without those of ``erased``.

        What another bucket sent on stands in that one's own log.
        """
        gone = self.erased
        found = [(each, each.record) for each in self.records
                 if isinstance(each.record, inputs.Batch) and VIA not in each.record.topic]  # fmt: skip
        return [(each, without(batch, gone)) for each, batch in found] if gone else found

    @cached_property
    def erased(self) -> frozenset[str]:
        """Everybody about whom there was an order: what is left of them does not follow from their events."""
        orders = (each.record for each in self.records if isinstance(each.record, inputs.Erase))
        return frozenset(name for order in orders for name in order.subjects)

    @property
    def controls(self) -> list[tuple[Logged, inputs.Control]]:
        """New rules and cut points."""
        return [(each, each.record) for each in self.records if isinstance(each.record, inputs.Control)]

    @property
    def joinings(self) -> list[tuple[Logged, Joining]]:
        """Who is who."""
        return [(each, each.record) for each in self.records if isinstance(each.record, Joining)]

    @cached_property
    def moved(self) -> bool:
        """Whether facts went from one id to another here: what was counted of this bucket's own events says less then."""
        if any(isinstance(each.record, inputs.Batch) and VIA in each.record.topic for each in self.records):
            return True
        own = self.profiles
        told = (each for _, joining in self.joinings for each in joining.told)
        return any(each.facts if isinstance(each, Absorb) else (each.to in own and not isinstance(each, Link))
                   or (isinstance(each, Link) and each.offer is not None and each.to in own
                       and order_of(each.to) > order_of(each.other)) for each in told)  # fmt: skip

    @property
    def said(self) -> set[tuple[int, int]]:
        """(bucket, number) of what other buckets said here."""
        found = {(one.by, one.seq) for _, one in self.joinings}
        return found | {(int(one.record.topic.rpartition(VIA)[2]), one.record.seq) for one in self.records
                        if isinstance(one.record, inputs.Batch) and VIA in one.record.topic}  # fmt: skip

    @cached_property
    def profiles(self) -> set[str]:
        """Everybody who is mentioned."""
        return {name for _, batch in self.batches for name in batch.profiles}

    def names(self, upto: int) -> dict[int, str]:
        """Code -> text of everything that is named before an offset."""
        return {code: name for each, batch in self.batches if each.offset < upto for code, name in batch.names.items()}

    @cached_property
    def origins(self) -> dict[str, set[str]]:
        """Origin -> everybody of whom there is anything of it, as the log stands now."""
        found: dict[str, set[str]] = {}
        for _, batch in self.batches:
            found.setdefault(batch.origin, set()).update(batch.profiles)
        return found

    @cached_property
    def inputs(self) -> Inputs:
        """Every event once, as the log stands now; ask again after ``add``."""
        return read(self.batches, self.zone)

    @property
    def end(self) -> int:
        """The first offset that was not read."""
        read = [self.records[-1].offset] if self.records else []
        return 1 + max([*read, *self.unreadable], default=-1)

    def add(self, record: Logged) -> None:
        """Go on with the next record."""
        self.records.append(record)
        self.__dict__.pop("inputs", None)
        self.__dict__.pop("origins", None)
        self.__dict__.pop("moved", None)
        self.__dict__.pop("profiles", None)
        self.__dict__.pop("erased", None)


@dataclass(frozen=True)
class Inputs:
    """Events as columns, with where each came from and which record brought it first."""

    work: Work
    sources: list[str]
    source: Int64s  #: number in ``sources``
    offset: Int64s  #: in its source partition
    record: Int64s  #: offset in profile-inputs
    stamp: Int64s  #: when profile-inputs had it (ms)

    def __len__(self) -> int:
        return len(self.source)

    @cached_property
    def by_profile(self) -> tuple[Int64s, Int64s]:
        """Events ordered by customer, keeping their order; and where each customer's begin."""
        rows = self.work.events.row
        order = np.argsort(rows, kind="stable")
        return order, np.searchsorted(rows[order], np.arange(len(self.work.profiles) + 1))

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Customer -> row."""
        return {name: row for row, name in enumerate(self.work.profiles)}

    @cached_property
    def patches(self) -> dict[int, Patch]:
        """Event -> traits in words."""
        return dict(self.work.patches)

    @cached_property
    def reached(self) -> Int64s:
        """The time that the source partition of an input had shown when it came: never earlier than its own."""
        out = self.work.events.time.copy()
        for number in range(len(self.sources)):
            here = np.flatnonzero(self.source == number)
            here = here[np.argsort(self.offset[here], kind="stable")]
            out[here] = np.maximum.accumulate(out[here])
        return out

    @cached_property
    def places(self) -> Int64s:
        """The place of every input in a replay: by the time that its source had reached, then by its own time."""
        codes = np.array([code_of(name) for name in self.sources], np.int64)[self.source]
        order = np.lexsort((self.offset, codes, self.work.events.time, self.reached))
        return np.argsort(order)

    def of(self, profile: str) -> Int64s:
        """The events of a customer, in order."""
        order, starts = self.by_profile
        row = self.row_of.get(profile)
        return order[:0] if row is None else order[starts[row] : starts[row + 1]]

    def take(self, which: Int64s, profiles: Sequence[str]) -> Work:
        """Some events, in the order given, as work on the rows of ``profiles``; all of them must be of those."""
        row = np.full(len(self.work.profiles), -1, np.int64)
        for place, name in enumerate(profiles):
            if name in self.row_of:
                row[self.row_of[name]] = place
        patches = [(place, self.patches[e]) for place, e in enumerate(which.tolist()) if e in self.patches]
        return Work(list(profiles), taken(self.work.events, which, row), {}, patches, {}, {}, 0)


def taken(events: Events, which: Int64s, row: Int64s) -> Events:
    """Some events in the order given; ``row`` renumbers their customers."""
    columns = {name: np.ascontiguousarray(getattr(events, name)[which])
               for name in Events._fields if name not in ("lines", "traits", "line_end", "trait_end")}  # fmt: skip
    lines, line_end = _parts(events.lines, events.line_end, which)
    traits, trait_end = _parts(events.traits, events.trait_end, which)
    columns |= {"row": row[events.row[which]], "lines": lines, "line_end": line_end,
                "traits": traits, "trait_end": trait_end}  # fmt: skip
    return Events(**columns)


def _parts(parts: Int64s, ends: Int64s, which: Int64s) -> tuple[Int64s, Int64s]:
    starts = np.concatenate([[0], ends[:-1]])[which] if len(which) else which
    counts = ends[which] - starts
    new_end = np.cumsum(counts)
    index = np.repeat(starts - (new_end - counts), counts) + np.arange(int(counts.sum()))
    return np.ascontiguousarray(parts[index]), new_end


def without(batch: inputs.Batch, customers: frozenset[str]) -> inputs.Batch:
    """A batch less all events of some customers."""
    if customers.isdisjoint(batch.profiles):
        return batch
    return quarantine.without(batch, quarantine.events_of(batch, customers))


def read(batches: Sequence[tuple[Logged, inputs.Batch]], zone: Zone) -> Inputs:
    """Every event once: what a source partition sent again is known by its offset."""
    cursors: dict[str, int] = {}
    numbers: dict[str, int] = {}
    columns: list[list[Int64s]] = [[], [], [], []]
    for each, batch in batches:
        source = f"{batch.topic}/{batch.partition}"
        offsets, _ = inputs.offsets_and_times(batch)
        fresh = offsets[offsets > cursors.get(source, -1)]
        if not len(fresh):
            continue
        cursors[source] = int(fresh[-1])
        number = numbers.setdefault(source, len(numbers))
        for column, values in zip(columns, (number, fresh, each.offset, each.stamp), strict=True):
            column.append(np.broadcast_to(np.asarray(values, np.int64), fresh.shape))
    joined = [np.concatenate(column) if column else np.zeros(0, np.int64) for column in columns]
    return Inputs(inputs.gather([batch for _, batch in batches], {}, zone), list(numbers), *joined)
