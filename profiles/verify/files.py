"""Events from files in place of the raw topics: which input became of which line.

Knows: that a line is known again by its customer and message key, since nobody knows when it arrived.
Must not know: where files are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from profiles import inputs
from profiles.clock import Int64s, Millis, Zone
from profiles.errors import Rejected
from profiles.landing import SKIPPED, Landing
from profiles.stable import bucket_of
from profiles.verify.log import Inputs, Logged, read, without
from profiles.verify.report import Report
from profiles.verify.source import PIECE, changed


@dataclass
class Lines:
    """Files, understood."""

    landing: Landing
    buckets: int
    now: Millis
    topic: str = ""  #: whose records they are: a mapping may read it
    refused: int = 0
    _drafts: dict[int, list[inputs.Draft]] = field(default_factory=dict)
    _line: int = 0

    def read(self, lines: Iterable[bytes]) -> None:
        """Understand more lines, in their order."""
        for line in lines:
            if not line.strip():
                continue
            self._line += 1
            try:
                event = self.landing.read(line, self.now, topic=self.topic)
            except Rejected as fault:
                self.refused += fault.reason != SKIPPED
                continue
            drafts = self._drafts.setdefault(bucket_of(event.profile, self.buckets), [inputs.Draft()])
            drafts[-1].add(event, self._line)
            if len(drafts[-1]) >= PIECE:
                drafts.append(inputs.Draft())

    def bucket(self, number: int, zone: Zone, erased: frozenset[str]) -> Inputs:
        """The events of one bucket, in the order of the files, without those of some customers."""
        batches = [draft.batch("files", 0, 0, 0) for draft in self._drafts.get(number, []) if len(draft)]
        return read([(Logged(-1, 0, batch), without(batch, erased)) for batch in batches], zone)


def matched(bucket: int, lines: Inputs, log: Inputs, report: Report) -> Inputs:
    """The lines as they stand in the log, with the offsets of their inputs; what has no partner is a difference."""
    waiting: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for e in reversed(range(len(log))):
        waiting[log.work.profiles[log.work.events.row[e]], int(log.work.events.key[e])].append(e)
    mine, theirs = [], []
    for e in range(len(lines)):
        who = lines.work.profiles[lines.work.events.row[e]]
        found = waiting[who, int(lines.work.events.key[e])]
        if found:
            mine.append(e)
            theirs.append(found.pop())
        else:
            report.differs("lost", who, f"line {lines.offset[e]} of the files", "no input", "an input")
    for (who, _), left in waiting.items():
        for e in left:
            where = f"{log.sources[log.source[e]]} offset {log.offset[e]}"
            report.differs("made_up", who, where, f"an input of bucket {bucket}", "no line of the files")
    report.compared["lines of files"] += len(mine)
    return _placed(lines, np.array(mine, np.int64), log, np.array(theirs, np.int64), report)


def _placed(lines: Inputs, mine: Int64s, log: Inputs, theirs: Int64s, report: Report) -> Inputs:
    other = lines.work.events.time[mine] != log.work.events.time[theirs]
    report.left_out["times of lines that depend on when they arrived"] += int(other.sum())
    changed("files", lines, mine, log, theirs, report, but="time")
    work = lines.take(mine, lines.work.profiles)
    work = replace(work, events=work.events._replace(time=log.work.events.time[theirs]))
    return Inputs(work, log.sources, log.source[theirs], log.offset[theirs], log.record[theirs], log.stamp[theirs])
