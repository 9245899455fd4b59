"""What one customer adds to the counts of all: steps from kind to kind, and the days and weeks they came back on.

Two memories of a row belong to it: the *trail* (time and kind of the latest step) and the *stay* (the first day, and
which days and weeks after it were active, as bits).  Both are functions of the set of events.  What an event changes in
the counts is noted as it is applied, so the counts do not depend on where a batch was cut.
Knows: steps, pauses, days, Monday weeks.  Must not know: what a count is called (``profiles.census``), who adds it up.
"""

from __future__ import annotations

from profiles.clock import DAY, Int64s
from profiles.compiled import compiled
from profiles.layout import TABLES
from profiles.measures import SESSION_PAUSE, STAY_DAYS, STAY_SHOWN, STAY_WEEKS

START = 30  #: where a session comes from; kinds are smaller
EXIT = 31  #: where it ends
NODES = 32
STAYED = NODES * NODES  #: notes from here on are about days and weeks
PLACES = 128  #: notes of one cohort: STAY_DAYS days, then STAY_WEEKS weeks
SHOWN = sum(1 << day for day in STAY_SHOWN)
MOST = 2 + 2 * (STAY_WEEKS + len(STAY_SHOWN))  #: notes that one event makes at most


@compiled
def note(notes: Int64s, used: Int64s, what: int, gone: int) -> None:
    """One more (or, with ``gone`` 1, one less) of ``what``."""
    notes[used[2]] = 2 * what + gone
    used[2] += 1


@compiled
def note_step(before: int, last: int, time: int, kind: int, notes: Int64s, used: Int64s) -> None:
    """The customer, whose latest step was ``last`` at ``before``, does ``kind``.

    A session ends with a pause, and nobody knows before the next one begins: then it is noted.  An event that is older
    than the latest step leads nowhere.
    """
    if time < before or (time == before and kind < last):
        return
    if before != 0 and time - before < SESSION_PAUSE:
        note(notes, used, last * NODES + kind, 0)
        return
    if before != 0:
        note(notes, used, last * NODES + EXIT, 0)
    note(notes, used, START * NODES + kind, 0)


@compiled
def week_of(day: int) -> int:
    """Weeks begin on Monday; day 0 was a Thursday."""
    return (day + 3) // 7


@compiled
def mark_stay(row: Int64s, local: int, at: int) -> None:
    """The customer was active on this day of the shop."""
    day = local // DAY
    if row[at] == 0 or day < row[at]:
        begin_stay(row, at, day)
    days, weeks = day - row[at], week_of(day) - week_of(row[at])
    if days < STAY_DAYS:
        row[at + 1] |= 1 << days
    if weeks < STAY_WEEKS:
        row[at + 2] |= 1 << weeks


@compiled
def begin_stay(row: Int64s, at: int, day: int) -> None:
    """The first day is earlier than was known; what was known moves away from it."""
    if row[at] != 0:
        row[at + 1] = moved(row[at + 1], row[at] - day, STAY_DAYS)
        row[at + 2] = moved(row[at + 2], week_of(row[at]) - week_of(day), STAY_WEEKS)
    row[at] = day


@compiled
def moved(bits: int, by: int, room: int) -> int:
    """Bits ``by`` places up; what has no room is forgotten."""
    return 0 if by >= room else (bits & ((1 << (room - by)) - 1)) << by


@compiled
def merge_stay(row: Int64s, other: Int64s, at: int) -> None:
    """Whoever came on a day, the customer did."""
    if other[at] == 0:
        return
    if row[at] == 0 or other[at] < row[at]:
        begin_stay(row, at, other[at])
    by, weeks = other[at] - row[at], week_of(other[at]) - week_of(row[at])
    row[at + 1] |= moved(other[at + 1], by, STAY_DAYS)
    row[at + 2] |= moved(other[at + 2], weeks, STAY_WEEKS)


@compiled
def note_stay(first: int, days: int, weeks: int, row: Int64s, notes: Int64s, used: Int64s) -> None:
    """What the stay was before the event, beside what it is now; a cohort is the week of the first day."""
    at = TABLES.stay
    if first == row[at] and days == row[at + 1] and weeks == row[at + 2]:
        return
    if first != 0 and week_of(first) == week_of(row[at]):
        note_bits(week_of(first), days & ~row[at + 1], weeks & ~row[at + 2], 1, notes, used)
        note_bits(week_of(first), row[at + 1] & ~days, row[at + 2] & ~weeks, 0, notes, used)
        return
    if first != 0:
        note_bits(week_of(first), days, weeks, 1, notes, used)
    note_bits(week_of(row[at]), row[at + 1], row[at + 2], 0, notes, used)


@compiled
def note_bits(cohort: int, days: int, weeks: int, gone: int, notes: Int64s, used: Int64s) -> None:
    """One note for each week, and for each day that is counted."""
    days, place = days & SHOWN, STAYED + cohort * PLACES
    while days != 0:
        if days & 1:
            note(notes, used, place, gone)
        days, place = days >> 1, place + 1
    place = STAYED + cohort * PLACES + STAY_DAYS
    while weeks != 0:
        if weeks & 1:
            note(notes, used, place, gone)
        weeks, place = weeks >> 1, place + 1
