"""The year as a stream of records: plans put together day by day, laid on the calendar, encoded.

Knows: which plan comes from where, and where the year ends on the calendar.
Must not know: how a record is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from profiles.clock import DAY, Millis
from streams.shoppers.acts import Act, Acts, acts, in_order
from streams.shoppers.aftermath import aftermath
from streams.shoppers.batch import Batch, Totals
from streams.shoppers.browsing import LEFT, Visits, abandon, browse, shopping
from streams.shoppers.dirt import Dirt, soil
from streams.shoppers.encode import Encoder
from streams.shoppers.journey import DAYS, Bools, Ints, Journey, load
from streams.shoppers.people import invent

INTRODUCED_MS: Final = 1_500  #: a household is introduced this long before its first event


class Year(Iterator[Batch]):
    """One batch per day, oldest first.  The same arguments give the same bytes.

    Time never goes back from record to record, apart from the times *inside* duplicates.
    """

    def __init__(self, journey: Journey, seed: int, midnights: Ints, first_day: int, dirt: Dirt) -> None:
        self.totals = Totals()
        self._seed, self._journey, self._midnights, self._dirt = seed, journey, midnights, dirt
        self._people = invent(seed, journey.households)
        self._encoder = Encoder(journey, self._people)
        self._abandoned = abandon(np.random.default_rng([seed, 2]), journey, self._people)
        self._aftermath = aftermath(np.random.default_rng([seed, 3]), journey, self._people)
        self._met: Bools = np.zeros(len(journey.households), np.bool_)
        self._day, self._prefix = first_day, f"y{seed}-{midnights[-1] // DAY}"

    def __next__(self) -> Batch:
        while self._day < DAYS:
            day, self._day = self._day, self._day + 1
            rng = np.random.default_rng([self._seed, 4, day])
            table = self._introduce(in_order(self._plan(rng, day)))
            if len(table):
                batch = self._encode(table, day)
                soil(rng, batch, self._dirt, self.totals)
                return batch
        raise StopIteration

    def _plan(self, rng: np.random.Generator, day: int) -> Acts:
        """Everything that happens on one day."""
        baskets, left = self._journey.baskets, self._abandoned
        today = np.arange(*np.searchsorted(baskets.day, [day, day + 1]))
        leaving = slice(*np.searchsorted(left.day, [day, day + 1]))
        after = slice(*np.searchsorted(self._aftermath["day"], [day, day + 1]))
        plan = np.concatenate(
            [
                shopping(rng, self._journey, self._people, today, baskets.clock[today]),
                browse(rng, self._journey, Visits(*(column[leaving] for column in left.visits)), LEFT),
                self._aftermath[after],
            ]
        )
        plan["day"] = day
        pages = plan["act"] == Act.HOME
        plan["detail"][pages] = np.minimum(rng.geometric(0.6, int(pages.sum())) - 1, 3)
        return plan

    def _introduce(self, table: Acts) -> Acts:
        """The table with an identify before the first act of every household that is new."""
        household, first = np.unique(table["household"], return_index=True)
        new = first[~self._met[household]]
        self._met[household] = True
        self.totals.households = int(self._met.sum())
        start = np.maximum(table["clock"][new] - INTRODUCED_MS, 0)
        who, where = table["household"][new], table["channel"][new]
        hello = acts(len(new), Act.IDENTIFY, day=table["day"][new], clock=start, household=who, channel=where)
        return in_order(np.concatenate([hello, table]))

    def _encode(self, table: Acts, day: int) -> Batch:
        midnight, length = int(self._midnights[day]), int(self._midnights[day + 1] - self._midnights[day])
        # On the two days a year that have 23 or 25 hours, clocks are stretched: order and midnight stay.
        times = midnight + table["clock"].astype(np.int64) * length // DAY
        prefix = f"{self._prefix}-{day}-"
        messages = [f"{prefix}{n}" for n in range(len(table))]
        values = self._encoder.values(table, times, messages)
        self.totals.valid += len(table)
        self.totals.orders += int((table["act"] == Act.ORDER).sum())
        keys = [self._encoder.keys[place] for place in table["household"].tolist()]
        return Batch(self._encoder.topics(table), keys, values, times.tolist())


def year(
    seed: int,
    end_ms: Millis,
    households: int | None = None,
    days: int | None = None,
    *,
    timezone: str = "Asia/Shanghai",
    dirt: Dirt | None = None,
) -> Year:
    """The whole year, shifted by whole days so that it ends with the last day that is over at ``end_ms``.

    Clock times stay: an evening purchase of the data is an evening purchase in ``timezone``.  ``households`` takes
    only the first so many, ``days`` only the last so many.  Read ``totals`` when the iterator is exhausted.

    Raises:
        FileNotFoundError: the data package is not installed.
    """
    first_day = DAYS - min(days if days is not None else DAYS, DAYS)
    return Year(load(households), seed, midnights(end_ms, timezone), first_day, dirt or Dirt())


def midnights(end_ms: Millis, timezone: str) -> Ints:
    """When each day of the laid-out year begins, UTC milliseconds; one more than there are days.

    >>> [int(at) for at in midnights(1_700_000_000_000, "Asia/Shanghai")[-2:]]
    [1699891200000, 1699977600000]
    """
    zone = ZoneInfo(timezone)
    end = datetime.fromtimestamp(end_ms / 1000, UTC).astimezone(zone).replace(tzinfo=None)
    today = end.replace(hour=0, minute=0, second=0, microsecond=0)
    days = (today - timedelta(days=DAYS - n) for n in range(DAYS + 1))
    return np.array([round(day.replace(tzinfo=zone).timestamp()) * 1000 for day in days], np.int64)
