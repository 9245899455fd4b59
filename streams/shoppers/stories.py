"""Two scripted shoppers, so that somebody who watches sees tags change.

*The one who comes back*: a household of the data that bought well and has been silent for months orders again.
*The newcomer*: nobody has seen this household before; it introduces itself, orders, is unhappy and says so.
Knows: who plays, and what happens when.
Must not know: which tags that gives: they are the rules' business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from streams.shoppers.acts import Act, Acts, acts
from streams.shoppers.aftermath import TEXTS
from streams.shoppers.browsing import BOUGHT_ONLINE, Visits, browse
from streams.shoppers.journey import DAYS, Ints, Journey
from streams.shoppers.people import LARGEST_ID, user_id

NEWCOMERS: Final = range(9001, LARGEST_ID + 1)  #: ids that the data does not have
SILENT_DAYS: Final = 100
ORDERED_BEFORE: Final = 5
VISIT_MS: Final = 20_000
UNHAPPY_MS: Final = 15_000  #: between the order, the complaint and the review
_APP: Final = 1


@dataclass(frozen=True)
class Role:
    """Who plays in a story, and what to look for, in Chinese and English."""

    user: str
    zh: str
    en: str


def with_newcomers(journey: Journey) -> Journey:
    """The same journey, with households at its end that have not bought anything yet."""
    households = np.concatenate([journey.households, np.array(NEWCOMERS)])
    return replace(journey, households=households, traits=[*journey.traits, *({} for _ in NEWCOMERS)])


class Stories:
    """Every story with a cast of its own, so that it can be told again with the next in line."""

    def __init__(self, journey: Journey) -> None:
        """``journey`` comes from :func:`with_newcomers`."""
        self._journey = journey
        self._lapsed = _lapsed(journey)
        self._first_newcomer = len(journey.households) - len(NEWCOMERS)

    def cast(self, turn: int) -> tuple[Role, ...]:
        """Who plays in turn 0, 1, ...; each household plays once."""
        roles = []
        if turn < len(self._lapsed):
            who = user_id(int(self._journey.households[self._lapsed[turn]]))
            roles.append(Role(who, "沉默数月的老客户回来下单", "a good customer, silent for months, orders again"))
        if turn < len(NEWCOMERS):
            roles.append(Role(user_id(NEWCOMERS[turn]), "新客首单后投诉", "a newcomer orders once and complains"))
        return tuple(roles)

    def tell(self, rng: np.random.Generator, turn: int) -> Acts:
        """Both stories of this turn; clocks count from their beginning."""
        parts = [acts(0, Act.HOME)]
        if turn < len(self._lapsed):
            parts.append(self._order(rng, int(self._lapsed[turn]), self._largest(int(self._lapsed[turn]))))
        if turn < len(NEWCOMERS):
            parts.append(self._newcomer(rng, self._first_newcomer + turn))
        return np.concatenate(parts)

    def _newcomer(self, rng: np.random.Generator, household: int) -> Acts:
        basket = int(rng.integers(len(self._journey.baskets)))
        order = self._order(rng, household, basket)
        product = self._journey.lines.product[self._journey.baskets.first_line[basket]]
        moments = (Act.IDENTIFY, 0, 0), (Act.COMPLAINT, 1, 0), (Act.REVIEW, 2, TEXTS)
        told = [
            acts(
                1, act, clock=n * UNHAPPY_MS + (VISIT_MS if n else 0), household=household, channel=_APP,
                basket=basket, product=product, detail=detail,
            )
            for act, n, detail in moments
        ]  # fmt: skip
        return np.concatenate([*told, order])

    def _order(self, rng: np.random.Generator, household: int, basket: int) -> Acts:
        one = np.ones(1, np.int64)
        visit = Visits(one * household, one * _APP, one * VISIT_MS, one * basket)
        order = acts(1, Act.ORDER, clock=VISIT_MS, household=household, channel=_APP, basket=basket)
        return np.concatenate([browse(rng, self._journey, visit, BOUGHT_ONLINE), order])

    def _largest(self, household: int) -> int:
        theirs = np.flatnonzero(self._journey.baskets.household == household)
        return int(theirs[np.argmax(self._journey.baskets.revenue[theirs])])


def _lapsed(journey: Journey) -> Ints:
    """Households that bought often enough and then stopped, the best spenders first."""
    baskets, count = journey.baskets, len(journey.households)
    last = np.full(count, DAYS)
    last[baskets.household] = baskets.day  # in order of time: the last one stays
    spent = np.bincount(baskets.household, weights=baskets.revenue, minlength=count)
    orders = np.bincount(baskets.household, minlength=count)
    lapsed = np.flatnonzero((last < DAYS - SILENT_DAYS) & (orders >= ORDERED_BEFORE))
    chosen: Ints = lapsed[np.argsort(-spent[lapsed], kind="stable")]
    return chosen
