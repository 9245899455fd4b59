"""Steps and returns counted again from the log, customer by customer, with lists and sets.

Knows: what a step, a pause and a return are, in words of events.
Must not know: ``profiles.kernels``, ``profiles.census``, what was stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from profiles.clock import Int64s
from profiles.kinds import Kind
from profiles.verify.log import Inputs

MINUTE, DAY = 60_000, 86_400_000
PAUSE: Final = 30 * MINUTE
NO_STEP: Final = (Kind.IDENTIFY, Kind.MESSAGE_OPEN)
DAYS_AFTER: Final = (1, 3, 7, 14, 30, 60)
WEEKS_AFTER: Final = range(53)

Step = tuple[int, Kind]  #: when (ms), what


def recounted(log: Inputs, which: Int64s, *, paths: bool) -> Counter[str]:
    """All counts after these inputs were applied in this order; without those of ``paths`` if nobody knows the order."""
    found: Counter[str] = Counter()
    told: set[tuple[int, int]] = set()
    steps: dict[int, list[Step]] = {}
    days: dict[int, set[date]] = {}
    events = log.work.events
    columns = (column[which].tolist() for column in (events.row, events.key, events.kind, events.time, events.local))
    for customer, key, kind, time, local in zip(*columns, strict=True):
        if kind in NO_STEP or (key and (customer, key) in told):
            continue
        told.add((customer, key))
        steps.setdefault(customer, []).append((time, Kind(kind)))
        days.setdefault(customer, set()).add(date(1970, 1, 1) + timedelta(days=local // DAY))
    for life in steps.values() if paths else ():
        found.update(walked(life))
    for came in days.values():
        found.update(returns(came))
    return found


def walked(steps: Iterable[Step]) -> Iterator[str]:
    """Each step from the latest one; what is older than that leads nowhere.

    >>> list(walked([(1, Kind.VIEW), (2, Kind.ORDER), (PAUSE + 2, Kind.VISIT), (3, Kind.VIEW)]))
    ['path:START>VIEW', 'path:VIEW>ORDER', 'path:ORDER>EXIT', 'path:START>VISIT']
    """
    latest: Step | None = None
    for step in steps:
        if latest is not None and step < latest:
            continue
        if latest is not None and step[0] - latest[0] < PAUSE:
            yield f"path:{latest[1].name}>{step[1].name}"
        else:
            if latest is not None:
                yield f"path:{latest[1].name}>EXIT"
            yield f"path:START>{step[1].name}"
        latest = step


def returns(days: set[date] | Sequence[date]) -> Iterator[str]:
    """The days and weeks after the first one that a customer was active on; a cohort is the first day's week.

    >>> list(returns([date(2026, 11, 22), date(2026, 11, 23)]))
    ['retention:2026-11-16:d1', 'retention:2026-11-16:w0', 'retention:2026-11-16:w1']
    """
    first = min(days)
    cohort = first - timedelta(days=first.weekday())
    yield from (f"retention:{cohort}:d{n}" for n in DAYS_AFTER if first + timedelta(days=n) in days)
    weeks = {(day - timedelta(days=day.weekday()) - cohort).days // 7 for day in days}
    yield from (f"retention:{cohort}:w{n}" for n in sorted(weeks) if n in WEEKS_AFTER)
