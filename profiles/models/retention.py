"""Retention: of the customers who first came in a week, how many came again, read from the counts of returns.

Knows: counts of returns, calendar weeks from Monday.  Must not know: how they were counted, what time it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import msgspec

from profiles.census import RETENTION
from profiles.measures import STAY_SHOWN, STAY_WEEKS

SHOWN: Final = 53  #: cohorts; older counts stay in the store


class Return(msgspec.Struct, frozen=True):
    """How many were active ``after`` so many weeks (or, of days, on that day) after they first came."""

    after: int
    customers: int
    share: float
    closed: bool  #: False: the week (or the day of some of them) is not over, the share still grows


class Cohort(msgspec.Struct, frozen=True):
    """Customers whose first day lies in one week."""

    week: str  #: the Monday
    customers: int
    weeks: tuple[Return, ...]  #: calendar weeks after the first one
    days: tuple[Return, ...]  #: days after each customer's own first day


class Overall(msgspec.Struct, frozen=True):
    """All cohorts together for which this is closed."""

    after: int
    customers: int  #: in these cohorts
    share: float | None  #: None while none is closed


class Retention(msgspec.Struct, frozen=True):
    """The cohort table, newest cohort first."""

    today: str
    cohorts: tuple[Cohort, ...]
    weeks: tuple[Overall, ...]
    days: tuple[Overall, ...]  #: N-day retention


def read(counts: Mapping[str, int], today: date) -> Retention:
    """The table as of a day of the shop.

    >>> counts = {"retention:2026-11-02:w0": 4, "retention:2026-11-02:w1": 1, "retention:2026-11-02:d7": 1}
    >>> found = read(counts, date(2026, 11, 17))
    >>> [(each.after, each.share, each.closed) for each in found.cohorts[0].weeks]
    [(0, 1.0, True), (1, 0.25, True), (2, 0.0, False)]
    >>> [(each.after, each.share) for each in found.days if each.share is not None]
    [(1, 0.0), (3, 0.0), (7, 0.25)]
    """
    found: dict[date, dict[str, int]] = {}
    for name, n in counts.items():
        if name.startswith(RETENTION) and n > 0:
            week, _, what = name.removeprefix(RETENTION).partition(":")
            found.setdefault(date.fromisoformat(week), {})[what] = n
    oldest = today - timedelta(days=today.weekday(), weeks=SHOWN - 1)
    cohorts = tuple(_cohort(week, found[week], today) for week in sorted(found, reverse=True) if week >= oldest)
    return Retention(
        today=today.isoformat(),
        cohorts=cohorts,
        weeks=tuple(_overall(n, [(each.customers, each.weeks) for each in cohorts]) for n in range(1, STAY_WEEKS)),
        days=tuple(_overall(n, [(each.customers, each.days) for each in cohorts]) for n in STAY_SHOWN),
    )


def _cohort(week: date, counts: Mapping[str, int], today: date) -> Cohort:
    customers, sunday = counts.get("w0", 0), week + timedelta(days=6)
    begun = min(max((today - week).days // 7, 0), STAY_WEEKS - 1)

    def back(what: str, after: int, last: date) -> Return:
        n = counts.get(f"{what}{after}", 0)
        return Return(after, n, round(n / customers, 4) if customers else 0.0, last < today)

    return Cohort(
        week=week.isoformat(),
        customers=customers,
        weeks=tuple(back("w", n, sunday + timedelta(weeks=n)) for n in range(begun + 1)),
        days=tuple(back("d", n, sunday + timedelta(days=n)) for n in STAY_SHOWN if week + timedelta(days=n) <= today),
    )


def _overall(after: int, cohorts: list[tuple[int, tuple[Return, ...]]]) -> Overall:
    closed = [(size, each.customers) for size, back in cohorts for each in back if each.after == after and each.closed]
    customers = sum(size for size, _ in closed)
    return Overall(after, customers, round(sum(n for _, n in closed) / customers, 4) if customers else None)
