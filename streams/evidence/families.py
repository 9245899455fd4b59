"""Customers behind several ids, looked at once nothing about them is under way.

Knows: when that is.  Must not know: what is compared (``profiles.verify.families``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from profiles.stable import bucket_of
from profiles.store.base import Checkpoint
from profiles.store.pins import Stored
from profiles.verify.families import Families, named
from profiles.verify.history import read_message
from profiles.verify.log import BucketLog
from profiles.verify.told import Told, missing
from streams.evidence.case import Case
from streams.evidence.logs import read_log
from streams.evidence.pinned import Pinned
from streams.topics import PROFILE_INPUTS, TRANSITIONS

LOOKS, PAUSE = 8, 0.5  #: how often, and after how many seconds, it is asked again whether anything is under way


class Relatives:
    """What buckets have said to each other."""

    def __init__(self, case: Case, pinned: Pinned) -> None:
        self._case = case
        self._pinned = pinned
        self._joined: dict[int, BucketLog] = {}  #: logs in which ids are joined
        self._told: dict[int, Told | None] = {}  #: what was said by their buckets; None: not all of it is kept
        self._untold: set[tuple[int, int]] = set()  #: numbers under which nothing was said to learners and alerts

    def note(self, log: BucketLog, told: Told | None, untold: Iterable[int]) -> None:
        """A bucket, what it has told if all of that is kept, and the numbers of its messages that were said to nobody else."""
        self._untold |= {(log.bucket, number) for number in untold}
        if log.joinings:
            self._joined[log.bucket], self._told[log.bucket] = log, told

    async def judge(self) -> None:
        """Compare, once nothing is under way; else say what was left out."""
        case, buckets = self._case, self._case.settings.buckets
        names, stored, checkpoints, quiet = set[str](), dict[str, Stored](), dict[int, Checkpoint](), not self._joined
        for _ in range(LOOKS):
            if quiet:
                break
            for log in self._joined.values():
                read_log(case, log)
            names = named(joining for log in self._joined.values() for _, joining in log.joinings)
            quiet = True
            for bucket, log in self._joined.items():
                own = sorted(name for name in names if bucket_of(name, buckets) == bucket)
                pins = await self._pinned.of(bucket, own)
                stored |= {name: one for pin in pins for name, one in pin.customers.items()}
                checkpoints[bucket] = pins[-1].checkpoint
                end = case.topics.look.edges(PROFILE_INPUTS, bucket)[1]
                still = len({pin.checkpoint.version for pin in pins}) == 1 and not pins[-1].outbox
                quiet &= still and checkpoints[bucket].next == end == log.end
            if not quiet:
                await asyncio.sleep(PAUSE)
        said = {number for log in self._joined.values() for number in log.said}
        if quiet:
            missing(self._untold - said, case.report)
        case.report.left_out["numbers of messages between buckets that are under way"] += (
            0 if quiet else len(self._untold - said)
        )
        if not quiet or case.asked.profiles:
            case.report.left_out["ids that are joined, while messages between them are under way"] += len(names)
        elif self._joined:
            for bucket, told in self._told.items():
                self._hear_on(bucket, told, checkpoints[bucket])
            aside, layouts, book = case.heard.aside(), case.rulers.layouts, case.rulers.newest().book
            Families(self._joined, stored, checkpoints, layouts, aside, self._told, book, buckets, case.report).judge()

    def _hear_on(self, bucket: int, told: Told | None, at: Checkpoint) -> None:
        """What a bucket has said since it was judged; the alert desk is judged by it as well."""
        case = self._case
        later = [read_message(TRANSITIONS, each.value) for each in case.topics.more(TRANSITIONS, bucket)]
        case.heard.later.setdefault(bucket, []).extend(later)
        if told is not None:
            told.hear(later)
            told.forget(at)
