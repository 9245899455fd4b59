"""Times of days that came before: only hour, minute and second are read anew.

Most rows of a file have a new time and an old date.
Knows: how hours are written.  Must not know: how dates are (``moment`` is asked once for each), what time it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from profiles.cleaning.cell import Cleaned
from profiles.cleaning.moments import Local, moment
from profiles.clock import HOUR, MINUTE, SECOND, Millis

REMEMBERED: Final = 20_000  #: days
_MINUTES: Final = {
    text: hour * HOUR + minute * MINUTE
    for hour in range(24)
    for minute in range(60)
    for text in (f"{hour}:{minute:02d}", f"{hour:02d}:{minute:02d}")
}
_SECONDS: Final = {f":{second:02d}": second * SECOND for second in range(60)}
_PROBES: Final = {
    4: ("0:00", "5:00", "9:59"),
    5: ("00:00", "12:00", "23:59"),
    7: ("0:00:00", "5:00:00", "9:59:59"),
    8: ("00:00:00", "12:00:00", "23:59:59"),
}
"""Length of how a time of day is written -> the first, one between and the last that are written so."""


class _Day(NamedTuple):
    """A day on which all goes by the clock."""

    start: Millis
    repairs: tuple[str, ...]


class Moments:
    """``moment`` for one source, and exactly that."""

    def __init__(self, local: Local, now: Millis) -> None:
        self._local = local
        self._now = now
        self._days: dict[tuple[str, int], _Day | None] = {}

    def __call__(self, value: object) -> Cleaned:
        """When something happened, as UTC milliseconds."""
        if type(value) is str:
            date, _, clock = value.rpartition(" ")
            since = _since_midnight(clock)
            if since is not None:
                try:
                    day = self._days[date, len(clock)]
                except KeyError:
                    day = self._learnt(date, len(clock))
                if day is not None:
                    return Cleaned(day.start + since, day.repairs)
        return moment(value, self._local, self._now)

    def _learnt(self, date: str, size: int) -> _Day | None:
        """None unless the first, a middle and the last time of the day are as far apart as the clock says.

        They are not where 下午 stands before the hour, on the day on which a zone changes its offset, today (what is to
        come is refused), and where there is no date.
        """
        found = [moment(f"{date} {probe}", self._local, self._now) for probe in _PROBES[size]]
        starts = {
            (each.value - (_since_midnight(probe) or 0), each.repairs)
            for each, probe in zip(found, _PROBES[size], strict=True)
            if each.value is not None
        }
        if len(self._days) >= REMEMBERED:
            self._days.clear()
        certain = len(starts) == 1 and all(each.value is not None for each in found)
        day = self._days[date, size] = _Day(*starts.pop()) if certain else None
        return day


def _since_midnight(clock: str) -> Millis | None:
    """Milliseconds, if that is how a time of day is written: ``H:MM``, ``HH:MM`` and both with seconds."""
    if len(clock) < 6:
        return _MINUTES.get(clock)
    minutes, seconds = _MINUTES.get(clock[:-3]), _SECONDS.get(clock[-3:])
    return None if minutes is None or seconds is None else minutes + seconds
