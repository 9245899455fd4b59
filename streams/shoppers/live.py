"""After the replay: the same households go on shopping, now.

All of it is simulated, orders too: each repeats a basket of the data's last weeks under a new order id.  A visit
unfolds over some tens of seconds.  Beside the crowd, two scripted shoppers take their turn every two minutes.
Knows: the time, through the clock it is given.
Must not know: how a record is sent, or when the caller asks next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from profiles.clock import DAY, Clock, Millis
from streams.shoppers.acts import Act, Acts, acts, in_order
from streams.shoppers.aftermath import TEXTS
from streams.shoppers.batch import Batch
from streams.shoppers.browsing import LEFT, Visits, browse, shopping
from streams.shoppers.encode import Encoder
from streams.shoppers.journey import DAYS, Ints, Journey, load
from streams.shoppers.people import channels, invent
from streams.shoppers.stories import Role, Stories, with_newcomers

RECENT_DAYS: Final = 60  #: only baskets of these last days are repeated: who has lapsed stays away
EVENTS_PER_VISIT: Final = 5.6
BUYS: Final = 0.5
REVIEWS: Final = 0.06  #: of visits
CALLS: Final = 0.03
SPEED: Final = 4  #: a live visit takes a quarter of a replayed one
AHEAD_MS: Final = 10_000  #: planned at a time
STORY_FIRST_MS: Final = 5_000
STORY_EVERY_MS: Final = 12 * AHEAD_MS
LONGEST_PAUSE_MS: Final = 30_000


class Trickle(Iterator[Batch]):
    """Endless.  Each ``next()`` returns at once with what has come due since the last, perhaps nothing.

    Poll it a few times a second.  What happens depends on the seed and the moment of the start, not on the polling.
    If nobody asks for more than 30 s (a sleeping laptop), the shop was closed that long.
    """

    def __init__(self, journey: Journey, seed: int, clock: Clock, rate: float) -> None:
        """``rate`` is events a second, on average.

        Raises:
            ValueError: the rate is not positive.
        """
        if rate <= 0:
            raise ValueError(f"a rate of {rate} events a second is no trickle; give one above 0")
        self._journey, self._clock, self._rate = with_newcomers(journey), clock, rate
        self._people = invent(seed, self._journey.households)
        self._stories = Stories(self._journey)
        self._recent = np.flatnonzero(self._journey.baskets.day >= DAYS - RECENT_DAYS)
        self._rng = np.random.default_rng([seed, 5])
        self._start = self._asked = clock()
        self._run = str(self._start)
        self._encoder = Encoder(self._journey, self._people, self._run)
        self._pending = acts(0, Act.HOME)
        self._planned: Millis = 0
        self._visits = self._sent = 0

    @property
    def cast(self) -> tuple[Role, ...]:
        """The two whose stories are told first, some seconds after the start."""
        return self._stories.cast(0)

    def __next__(self) -> Batch:
        now = self._clock()
        if now - self._asked > LONGEST_PAUSE_MS:
            self._start += now - self._asked
        self._asked = now
        while self._planned <= now - self._start:
            self._pending = in_order(np.concatenate([self._pending, self._plan()]))
        moments = self._pending["day"].astype(np.int64) * DAY + self._pending["clock"]
        due = int(np.searchsorted(moments, now - self._start, side="right"))
        table, self._pending = self._pending[:due], self._pending[due:]
        return self._encode(table, moments[:due] + self._start)

    def _encode(self, table: Acts, times: Ints) -> Batch:
        messages = [f"live-{self._run}-{n}" for n in range(self._sent, self._sent + len(table))]
        self._sent += len(table)
        keys = [self._encoder.keys[place] for place in table["household"].tolist()]
        values = self._encoder.values(table, times, messages)
        return Batch(self._encoder.topics(table), keys, values, times.tolist())

    def _plan(self) -> Acts:
        """The visits and stories that begin in the next ten seconds."""
        first, self._planned = self._planned, self._planned + AHEAD_MS
        parts = [self._crowd()] if len(self._recent) else []
        turn, phase = divmod(first, STORY_EVERY_MS)
        if phase == 0:
            story = self._stories.tell(self._rng, turn)
            self._visits += 1
            _number(story, self._visits)
            story["clock"] += STORY_FIRST_MS
            parts.append(story)
        table = np.concatenate([acts(0, Act.HOME), *parts])
        moments = table["clock"].astype(np.int64) + first
        table["day"], table["clock"] = moments // DAY, moments % DAY
        return table

    def _crowd(self) -> Acts:
        rng, journey = self._rng, self._journey
        count = int(rng.poisson(self._rate * AHEAD_MS / 1000 / EVENTS_PER_VISIT))
        basket = np.unique(rng.choice(self._recent, count))
        rng.shuffle(basket)
        end = np.full(len(basket), DAY - 1)  # far from midnight, so that nobody is hurried
        buys = rng.random(len(basket)) < BUYS
        household = journey.baskets.household[basket]
        channel = channels(rng, self._people, household, online=True)
        left = Visits(household, channel, end, basket).where(~buys)
        table = np.concatenate(
            [shopping(rng, journey, self._people, basket[buys], end[buys]), browse(rng, journey, left, LEFT)]
        )
        by_id = np.argsort(basket)
        visit = by_id[np.searchsorted(basket[by_id], table["basket"])]
        entered = np.full(len(basket), DAY)
        np.minimum.at(entered, visit, table["clock"])
        starts = rng.integers(AHEAD_MS, size=len(basket))
        table["clock"] = starts[visit] + (table["clock"] - entered[visit]) // SPEED
        _number(table, self._visits + 1 + visit)
        self._visits += len(basket)
        return np.concatenate([table, self._voices(household, channel, basket, starts)])

    def _voices(self, household: Ints, channel: Ints, basket: Ints, starts: Ints) -> Acts:
        """Some say something about their basket a minute later."""
        rng, drawn = self._rng, self._rng.random(len(basket))
        parts = []
        for act, those in ((Act.REVIEW, drawn < REVIEWS), (Act.SUPPORT, drawn > 1 - CALLS)):
            who = np.flatnonzero(those)
            product = self._journey.lines.product[self._journey.baskets.first_line[basket[who]]]
            detail = rng.integers(1, 6, len(who)) * TEXTS + rng.integers(TEXTS, size=len(who))
            parts.append(
                acts(
                    len(who), act, clock=starts[who] + rng.integers(50_000, 90_000, len(who)), household=household[who],
                    channel=channel[who], basket=basket[who], product=product, detail=detail,
                )
            )  # fmt: skip
        return np.concatenate(parts)


def _number(table: Acts, visit: Ints | int) -> None:
    """Write the number of its visit on every act that has no detail of its own: carts and orders are named by it."""
    free = ~np.isin(table["act"], (Act.REVIEW, Act.EMAIL, Act.HOME))
    table["detail"][free] = np.broadcast_to(visit, len(table))[free]


def trickle(seed: int, clock: Clock, rate: float, households: int | None = None) -> Trickle:
    """Live events around the time of ``clock``, for the same households that :func:`year` replayed with this seed.

    Raises:
        FileNotFoundError: the data package is not installed.
        ValueError: the rate is not positive.
    """
    return Trickle(load(households), seed, clock, rate)
