"""Simulated browsing: what happens on the way to a basket, and visits that end without one.

Every page view, product view, search, cart and checkout in the demo comes from here: drawn with a seed, not data.
A visit is a list of acts that ends at a known moment; the pauses between them are drawn backwards from it.
Knows: baskets and the products in them.
Must not know: JSON, topics, calendar dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from streams.shoppers.acts import STORE, Act, Acts, acts
from streams.shoppers.journey import DAYS, Bools, Ints, Journey
from streams.shoppers.people import People, channels

MOST_VIEWS: Final = 8
STRANGE: Final = 0.25  #: share of viewed products that are not from the visit's basket
PAUSE_MS: Final = 28_000.0  #: mean
SHORTEST_MS: Final = 1_200
LONGEST_MS: Final = 240_000
ABANDONED_PER_BASKET: Final = 0.45
_OPTIONAL: Final = (
    (Act.HOME, 0),
    (Act.LIST, 1),
    (Act.SEARCH, 2),
    (Act.CART, 92),
    (Act.CHECKOUT, 93),
    (Act.PAYMENT, 95),
)
_FIRST_VIEW, _REMOVED, _COUPON = 10, 90, 94  # positions in a visit


@dataclass(frozen=True)
class Habit:
    """How likely each optional act is in a visit, and how many products are viewed on average beyond the first."""

    optional: tuple[float, float, float, float, float, float]
    views: float
    always_views: bool
    adds: tuple[float, float]  #: the first viewed product, the others
    removes: float


BOUGHT_ONLINE: Final = Habit((0.9, 0.3, 0.3, 0.35, 0.85, 0.3), 1.3, True, (1.0, 0.25), 0.06)
BOUGHT_IN_STORE: Final = Habit((0.4, 0.1, 0.1, 0.0, 0.0, 0.0), 0.5, False, (0.0, 0.0), 0.0)
LEFT: Final = Habit((0.95, 0.35, 0.4, 0.3, 0.1, 0.0), 1.2, True, (0.45, 0.15), 0.1)


class Visits(NamedTuple):
    """Visits of one day: who, where, when they end, and the basket they are about."""

    household: Ints
    channel: Ints
    end: Ints
    basket: Ints

    def where(self, wanted: Bools) -> Visits:
        """Those visits only."""
        return Visits(*(column[wanted] for column in self))


class Abandoned(NamedTuple):
    """Visits of the whole year that end without a basket, by day."""

    day: Ints
    visits: Visits


def abandon(rng: np.random.Generator, journey: Journey, people: People) -> Abandoned:
    """Visits around each basket, on days when the household buys nothing; their clocks are those of other baskets."""
    baskets = journey.baskets
    buys = np.zeros((len(journey.households), DAYS), np.bool_)
    buys[baskets.household, baskets.day] = True
    parent = np.repeat(np.arange(len(baskets)), rng.poisson(ABANDONED_PER_BASKET, len(baskets)))
    household = baskets.household[parent]
    day = baskets.day[parent] + rng.choice((-2, -1, 1, 2, 3, 4, 5, 6), len(parent))
    end = baskets.clock[rng.integers(len(baskets), size=len(parent))] + rng.integers(1000, size=len(parent))
    channel = channels(rng, people, household, online=True)
    possible = (day >= 0) & (day < DAYS)
    possible[possible] = ~buys[household[possible], day[possible]]
    order = np.argsort(day[possible], kind="stable")
    visits = Visits(household, channel, end, parent).where(possible)
    return Abandoned(day[possible][order], Visits(*(column[order] for column in visits)))


def shopping(rng: np.random.Generator, journey: Journey, people: People, basket: Ints, end: Ints) -> Acts:
    """The orders of these baskets, each at its ``end``, and the browsing before them; all on one day."""
    household = journey.baskets.household[basket]
    channel = channels(rng, people, household)
    visits = Visits(household, channel, end, basket)
    in_store = channel == STORE
    looked_up = visits.where(in_store)
    looked_up = looked_up._replace(channel=channels(rng, people, looked_up.household, online=True))
    orders = acts(
        len(basket), Act.ORDER, clock=visits.end, household=household, channel=channel, basket=basket,
    )  # fmt: skip
    return np.concatenate(
        [
            browse(rng, journey, visits.where(~in_store), BOUGHT_ONLINE),
            browse(rng, journey, looked_up, BOUGHT_IN_STORE),
            orders,
        ]
    )


def browse(rng: np.random.Generator, journey: Journey, visits: Visits, habit: Habit) -> Acts:
    """The acts of these visits, in no particular order; a visit that would begin before midnight is hurried."""
    owner, act, position, product = _script(rng, journey, visits, habit)
    order = np.lexsort((position, owner))
    owner = owner[order]
    pauses = np.clip(rng.exponential(PAUSE_MS, len(owner)), SHORTEST_MS, LONGEST_MS).astype(np.int64)
    passed = np.concatenate([[0], np.cumsum(pauses)])
    firsts = np.searchsorted(owner, np.arange(len(visits.end)))
    ends = np.searchsorted(owner, np.arange(len(visits.end)), side="right")
    left = passed[ends][owner] - passed[:-1]  # from this act to the end of its visit
    lasting = np.maximum((passed[ends] - passed[firsts])[owner], 1)
    room = visits.end[owner]
    left = np.where(lasting > room, left * room // lasting, left)
    return acts(
        len(owner), act[order], clock=room - left, household=visits.household[owner],
        channel=visits.channel[owner], basket=visits.basket[owner], product=product[order],
    )  # fmt: skip


def _script(rng: np.random.Generator, journey: Journey, visits: Visits, habit: Habit) -> tuple[Ints, Ints, Ints, Ints]:
    """Which visit does what, at which position of the visit, with which product."""
    count = len(visits.end)
    rows: list[tuple[Ints, Act, Ints | int]] = []
    views = np.minimum(rng.poisson(habit.views, count) + habit.always_views, MOST_VIEWS)
    viewer = np.repeat(np.arange(count), views)
    nth = np.arange(len(viewer)) - np.repeat(np.cumsum(views) - views, views)
    viewed = _products(rng, journey, visits.basket[viewer])
    added = rng.random(len(viewer)) < np.where(nth == 0, habit.adds[0], habit.adds[1])
    removed = added & (rng.random(len(viewer)) < habit.removes)
    rows += [(viewer, Act.VIEW, _FIRST_VIEW + 2 * nth), (viewer[added], Act.ADD, _FIRST_VIEW + 1 + 2 * nth[added])]
    rows += [(viewer[removed], Act.REMOVE, _REMOVED)]
    products = [viewed, viewed[added], viewed[removed]]
    carts = np.bincount(viewer[added], minlength=count) > 0
    for (act, position), likely in zip(_OPTIONAL, habit.optional, strict=True):
        drawn = rng.random(count) < likely
        does = np.flatnonzero(drawn & carts if act >= Act.CART else drawn)
        rows.append((does, act, position))
        products.append(_products(rng, journey, visits.basket[does]))
    if habit is BOUGHT_ONLINE:
        saves = np.flatnonzero(journey.baskets.coupon_discount[visits.basket] > 0)
        rows.append((saves, Act.COUPON, _COUPON))
        products.append(np.full(len(saves), -1))
    return (
        np.concatenate([owner for owner, _, _ in rows]),
        np.concatenate([np.full(len(owner), act) for owner, act, _ in rows]),
        np.concatenate([np.broadcast_to(position, owner.shape) for owner, _, position in rows]),
        np.concatenate(products),
    )


def _products(rng: np.random.Generator, journey: Journey, basket: Ints) -> Ints:
    """A product for each: mostly one from the basket, sometimes one that sells well anywhere."""
    first = journey.baskets.first_line[basket]
    lines = first + (rng.random(len(basket)) * (journey.baskets.first_line[basket + 1] - first)).astype(np.int64)
    anywhere = rng.integers(len(journey.lines.product), size=len(basket))
    chosen: Ints = journey.lines.product[np.where(rng.random(len(basket)) < STRANGE, anywhere, lines)]
    return chosen
