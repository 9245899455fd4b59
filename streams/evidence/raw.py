"""The raw side: event topics as they are, or files that stand for them.

Knows: Kafka, files.  Must not know: what intake should have made of a record (``profiles.verify``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from profiles.clock import system_clock, zone
from profiles.landing import Landing
from profiles.verify.files import Lines, matched
from profiles.verify.letters import letters
from profiles.verify.log import BucketLog, Inputs
from profiles.verify.source import Partition, Record, Sources, handed_on
from streams.evidence.case import Case
from streams.topics import DEAD_LETTERS, event_topics


class RawSide:
    """All raw events, read when this is made."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._zone = zone(case.settings.timezone)
        self._raw: Sources | Lines = self._lines() if case.asked.files else self._sources()

    def of_bucket(self, log: BucketLog) -> Inputs:
        """The raw side of a bucket, laid beside the log."""
        raw, report = self._raw, self._case.report
        if isinstance(raw, Lines):
            return matched(log.bucket, raw.bucket(log.bucket, self._zone, log.erased), log.inputs, report)
        self._catch_up(raw, log.inputs)
        mine = raw.bucket(log.bucket, self._zone, log.erased)
        handed_on(log.bucket, mine, log.inputs, raw, report)
        return mine

    def letters(self) -> None:
        """What was refused, laid beside the dead letters that were heard."""
        raw, case = self._raw, self._case
        if isinstance(raw, Lines):
            case.report.left_out["lines of files that intake refuses"] += raw.refused
            return
        partitions = case.topics.look.partitions(DEAD_LETTERS)
        whole = all(case.topics.whole(DEAD_LETTERS, partition) for partition in partitions)
        letters(case.heard.letters, raw, case.report, whole=whole)

    def _lines(self) -> Lines:
        case = self._case
        lines = Lines(Landing.of(case.settings), case.settings.buckets, system_clock(), case.asked.topic)
        for file in case.asked.files:
            with file.open("rb") as stream:
                lines.read(case.progress.track(stream, description=file.name, total=None))
        return lines

    def _sources(self) -> Sources:
        case = self._case
        sources, look = Sources(Landing.of(case.settings), case.settings.buckets), case.topics.look
        for topic in event_topics(case.settings):
            for number in look.partitions(topic):
                handed = look.committed(topic, number)
                start, end = look.edges(topic, number)
                partition = Partition(topic, number, start, start, handed)
                sources.partitions[partition.name] = partition
                if start > 0:
                    case.report.cannot(
                        f"{partition.name} no longer has its first {start} records (retention, or `mien scrub`): what "
                        "became of them cannot be said; hand their events in as files: mien verify FILES"
                    )
                size = max(end, handed) - start
                records = case.topics.more(topic, number)
                sources.read(partition, _records(case.progress.track(records, total=size, description=partition.name)))
        return sources

    def _catch_up(self, sources: Sources, logged: Inputs) -> None:
        """Read on where the log is ahead: a record whose input is in the log has been in its topic before."""
        for number, name in enumerate(logged.sources):
            partition = sources.partitions.get(name)
            if partition and int(logged.offset[logged.source == number].max(initial=-1)) >= partition.end:
                sources.read(partition, _records(self._case.topics.more(partition.topic, partition.number)))


def _records(found: Iterable[Any]) -> Iterator[Record]:
    return (Record(each.offset, each.timestamp, each.value or b"", each.headers or ()) for each in found)
