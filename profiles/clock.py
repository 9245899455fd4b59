"""Time as a value.

Knows: milliseconds since 1970 (UTC), the shop's local days, and the only ``now()`` of the project.
Must not know: who asks.  Everything else takes its time as an argument.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Millis = int
Clock = Callable[[], Millis]

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
NEVER: Millis = 2**62  #: "not before the end of time", as a due time

Int64s = npt.NDArray[np.int64]


def system_clock() -> Millis:
    """The wall clock.  Nothing else in Mien may ask the machine for the time of day."""
    return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that tests crank by hand.

    >>> clock = ManualClock(1_000)
    >>> clock.advance(500)
    >>> clock()
    1500
    """

    def __init__(self, at: Millis = 0) -> None:
        self.at = at

    def __call__(self) -> Millis:
        return self.at

    def advance(self, by: Millis) -> None:
        self.at += by


class Zone(NamedTuple):
    """A time zone as two columns: from ``since[i]`` on, local time is UTC + ``offset[i]`` (milliseconds)."""

    since: Int64s
    offset: Int64s

    def local(self, times: Int64s) -> Int64s:
        """UTC milliseconds -> shop-local milliseconds, for whole columns at once."""
        out: Int64s = times + self.offset[np.searchsorted(self.since, times, side="right") - 1]
        return out


FIRST_YEAR, LAST_YEAR = 1970, 2100


@lru_cache(maxsize=8)
def zone(name: str) -> Zone:
    """The offsets of an IANA time zone from 1970 to 2100.

    >>> shanghai = zone("Asia/Shanghai")
    >>> int(shanghai.local(np.array([1_700_000_000_000]))[0]) - 1_700_000_000_000 == 8 * HOUR
    True
    """
    info = ZoneInfo(name)

    def offset(at: datetime) -> Millis:
        return int((at.astimezone(info).utcoffset() or timedelta()).total_seconds()) * SECOND

    since, offsets = [-NEVER], [offset(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))]
    at, end, step = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR, 1, 1, tzinfo=UTC), timedelta(days=7)
    while at < end:
        after = at + step
        if offset(after) != offsets[-1]:
            low, high = at, after
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (low, middle) if offset(middle) != offsets[-1] else (middle, high)
            since.append(round(high.timestamp()) * SECOND)
            offsets.append(offset(after))
        at = after
    return Zone(np.array(since, np.int64), np.array(offsets, np.int64))


def iso(at: Millis) -> str:
    """RFC 3339 in UTC, with milliseconds.

    >>> iso(1_700_000_000_123)
    '2023-11-14T22:13:20.123Z'
    """
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"
