"""The raw side: what intake should have made of every record, to be laid beside what it did make.

Knows: records of event topics, the rules of intake.
Must not know: Kafka, Redis, profiles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from profiles import inputs
from profiles.clock import Int64s, Millis, Zone
from profiles.errors import Rejected
from profiles.landing import SKIPPED, Headers, Landing
from profiles.stable import bucket_of
from profiles.verify.log import Inputs, Logged, read, without
from profiles.verify.report import Report

PIECE: Final = 4000  #: events of one batch while they are collected
_COLUMNS: Final = ("kind", "time", "amount", "quantity", "discount", "rating", "channel", "key", "order")


class Record(NamedTuple):
    """One record of an event topic."""

    offset: int
    stamp: Millis
    value: bytes
    headers: Headers = ()


@dataclass
class Partition:
    """One source partition as far as it was read."""

    topic: str
    number: int
    start: int = 0  #: first offset that still is there
    end: int = 0  #: first offset that was not read
    handed_on: int = 0  #: everything below this offset has been sent on, by intake's own word

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass
class Sources:
    """All event topics, understood once more."""

    landing: Landing
    buckets: int
    partitions: dict[str, Partition] = field(default_factory=dict)
    refused: dict[tuple[str, int, int], str] = field(default_factory=dict)  #: (topic, partition, offset) -> reason
    records: int = 0
    _drafts: dict[tuple[str, int], inputs.Draft] = field(default_factory=dict)
    _batches: dict[int, list[tuple[Logged, inputs.Batch]]] = field(default_factory=dict)

    def read(self, partition: Partition, records: Iterable[Record]) -> None:
        """Understand more records of a partition, in their order."""
        self.partitions[partition.name] = partition
        for record in records:
            self.records += 1
            partition.end = record.offset + 1
            try:
                event = self.landing.read(record.value, record.stamp, record.headers, partition.topic)
            except Rejected as fault:
                if fault.reason == SKIPPED:
                    continue
                self.refused[partition.topic, partition.number, record.offset] = fault.reason
                continue
            bucket = bucket_of(event.profile, self.buckets)
            draft = self._drafts.setdefault((partition.name, bucket), inputs.Draft())
            draft.add(event, record.offset)
            if len(draft) >= PIECE:
                self._put(partition, bucket)

    def bucket(self, number: int, zone: Zone, erased: frozenset[str]) -> Inputs:
        """The events of one bucket as they should have been handed on, by source partition, without some customers."""
        for name, bucket in [each for each in self._drafts if each[1] == number]:
            self._put(self.partitions[name], bucket)
        return read([(each, without(batch, erased)) for each, batch in self._batches.get(number, [])], zone)

    def _put(self, partition: Partition, bucket: int) -> None:
        draft = self._drafts.pop((partition.name, bucket))
        batch = draft.batch(partition.topic, partition.number, 0, 0)
        self._batches.setdefault(bucket, []).append((Logged(-1, 0, batch), batch))


def handed_on(bucket: int, raw: Inputs, log: Inputs, sources: Sources, report: Report) -> None:
    """Every accepted record stands in the log once, as intake makes it; nothing else does.

    The topics were read after the log, so what they do not hold has never been there.
    """
    report.compared["accepted records"] += len(raw)
    for name, partition in sources.partitions.items():
        mine, theirs = _of_source(raw, name), _of_source(log, name)
        if partition.start > 0:
            theirs = theirs[log.offset[theirs] >= partition.start]
        logged_to = int(log.offset[theirs].max()) if len(theirs) else -1
        both, at_mine, at_theirs = np.intersect1d(raw.offset[mine], log.offset[theirs], return_indices=True)
        _missing(bucket, partition, np.setdiff1d(raw.offset[mine], both), logged_to, report)
        for offset in np.setdiff1d(log.offset[theirs], both).tolist():
            report.differs("made_up", f"{name} offset {offset}", f"an input of bucket {bucket}", "handed on", "refused")
        changed(name, raw, mine[at_mine], log, theirs[at_theirs], report)
    for name in sorted(set(log.sources) - sources.partitions.keys()):
        report.left_out[f"inputs of {name}, which is not among the event topics"] += len(_of_source(log, name))


def _of_source(side: Inputs, name: str) -> Int64s:
    if name not in side.sources:
        return np.zeros(0, np.int64)
    which = np.flatnonzero(side.source == side.sources.index(name))
    return which[np.argsort(side.offset[which], kind="stable")]


def _missing(bucket: int, partition: Partition, offsets: Int64s, logged_to: int, report: Report) -> None:
    """A stretch is sent on in order, so what is missing below what came later is lost; at the end it may be on its way."""
    lost = offsets < max(logged_to + 1, partition.handed_on)
    for offset in offsets[lost].tolist():
        report.differs(
            "lost", f"{partition.name} offset {offset}", f"an input of bucket {bucket}", "missing", "handed on"
        )
    report.left_out["records that intake has not handed on yet"] += int((~lost).sum())


def changed(
    name: str, raw: Inputs, mine: Int64s, log: Inputs, theirs: Int64s, report: Report, *, but: str = ""
) -> None:
    """What an input says beside what intake makes of its record; pairs by place, all columns but one."""
    who = np.array([raw.work.profiles[row] != log.work.profiles[other] for row, other in
                    zip(raw.work.events.row[mine].tolist(), log.work.events.row[theirs].tolist(), strict=True)], np.bool_)  # fmt: skip
    for place in np.flatnonzero(who).tolist():
        report.differs("changed", f"{name} offset {raw.offset[mine[place]]}", "customer",
                       log.work.profiles[log.work.events.row[theirs[place]]],
                       raw.work.profiles[raw.work.events.row[mine[place]]])  # fmt: skip
    for column in (each for each in _COLUMNS if each != but):
        a, b = getattr(raw.work.events, column)[mine], getattr(log.work.events, column)[theirs]
        for place in np.flatnonzero(a != b).tolist():
            where = f"{name} offset {raw.offset[mine[place]]}"
            report.differs("changed", where, column, int(b[place]), int(a[place]))
    for parts in ("lines", "traits"):
        for place in _other_parts(raw, mine, log, theirs, parts):
            report.differs(
                "changed", f"{name} offset {raw.offset[mine[place]]}", parts, "others", "as intake reads them"
            )


def _other_parts(raw: Inputs, mine: Int64s, log: Inputs, theirs: Int64s, parts: str) -> list[int]:
    end = "line_end" if parts == "lines" else "trait_end"
    (a, a_end), (b, b_end) = ((getattr(side.work.events, parts), getattr(side.work.events, end)) for side in (raw, log))
    a_count, b_count = np.diff(a_end, prepend=0)[mine], np.diff(b_end, prepend=0)[theirs]
    if len(mine) == 0 or not (a_count.any() or b_count.any()):
        return []
    wrong = set(np.flatnonzero(a_count != b_count).tolist())
    for place in np.flatnonzero((a_count == b_count) & (a_count > 0)).tolist():
        at, other, n = a_end[mine[place]], b_end[theirs[place]], a_count[place]
        if not np.array_equal(a[at - n : at], b[other - n : other]):
            wrong.add(place)
    return sorted(wrong)
