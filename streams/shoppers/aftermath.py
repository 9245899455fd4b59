"""Simulated life after a basket: refunds, reviews, shares, complaints, calls to support, and opened e-mail.

Which baskets, when and with how many stars is drawn with a seed; only the campaigns that an e-mail belongs to, and
whom they addressed, are the data's.  Everything about a basket happens one day after it or later.
Knows: baskets and mailings of the year.
Must not know: JSON, topics, calendar dates.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.shoppers.acts import Act, Acts, acts, in_order
from streams.shoppers.journey import DAYS, Ints, Journey
from streams.shoppers.people import People, channels

# act: share of baskets, most days until it happens
_CHANCES: Final = {
    Act.REFUND: (0.012, 12),
    Act.REVIEW: (0.035, 9),
    Act.SHARE: (0.012, 3),
    Act.COMPLAINT: (0.005, 4),
    Act.SUPPORT: (0.010, 4),
}
_STARS: Final = (0.06, 0.06, 0.13, 0.30, 0.45)  #: of 1 to 5
TEXTS: Final = 1000  #: a text is drawn as a number below this; whoever has texts takes it modulo their count
CAMPAIGN_OPENED: Final = 0.5
NEWSLETTERS: Final = 52
NEWSLETTER_OPENED: Final = 0.12
NEWSLETTER_FORGOTTEN_DAYS: Final = 14  #: after the last basket nobody opens it any more


def aftermath(rng: np.random.Generator, journey: Journey, people: People) -> Acts:
    """All of it for the whole year, in order."""
    parts = [_after_baskets(rng, journey, act) for act in _CHANCES]
    parts += [_campaigns(rng, journey), _newsletters(rng, journey)]
    table = np.concatenate(parts)
    table = table[table["day"] < DAYS]
    table["channel"] = channels(rng, people, table["household"].astype(np.int64), online=True)
    return in_order(table)


def _after_baskets(rng: np.random.Generator, journey: Journey, act: Act) -> Acts:
    share, within = _CHANCES[act]
    baskets, lines = journey.baskets, journey.lines
    basket = np.flatnonzero(rng.random(len(baskets)) < share)
    line = baskets.first_line[basket]  # the dearest: what people write about and send back
    amount = np.minimum(lines.price[line] * lines.quantity[line], baskets.revenue[basket])
    if act is Act.REFUND:
        basket, line, amount = basket[amount > 0], line[amount > 0], amount[amount > 0]
    details = {
        Act.REFUND: amount,
        Act.REVIEW: (rng.choice(5, len(basket), p=_STARS) + 1) * TEXTS + rng.integers(TEXTS, size=len(basket)),
    }
    return acts(
        len(basket), act, day=baskets.day[basket] + rng.integers(1, within + 1, len(basket)),
        clock=_daytime(rng, len(basket)), household=baskets.household[basket], basket=basket,
        product=lines.product[line], detail=details.get(act, rng.integers(TEXTS, size=len(basket))),
    )  # fmt: skip


def _campaigns(rng: np.random.Generator, journey: Journey) -> Acts:
    mailings = journey.mailings
    opened = np.flatnonzero(rng.random(len(mailings.household)) < CAMPAIGN_OPENED)
    first, last = mailings.first_day[opened], mailings.last_day[opened]
    day = np.minimum(first + rng.geometric(0.3, len(opened)) - 1, last)
    return acts(
        len(opened), Act.EMAIL, day=day, clock=_daytime(rng, len(opened)),
        household=mailings.household[opened], detail=mailings.campaign[opened],
    )  # fmt: skip


def _newsletters(rng: np.random.Generator, journey: Journey) -> Acts:
    count = len(journey.households)
    first, last = np.full(count, DAYS), np.zeros(count, np.int64)
    np.minimum.at(first, journey.baskets.household, journey.baskets.day)
    np.maximum.at(last, journey.baskets.household, journey.baskets.day)
    week, household = np.nonzero(rng.random((NEWSLETTERS, count)) < NEWSLETTER_OPENED)
    day = week * 7 + rng.geometric(0.5, len(week))
    cares = (day >= first[household]) & (day <= last[household] + NEWSLETTER_FORGOTTEN_DAYS)
    day, household = day[cares], household[cares]
    return acts(len(day), Act.EMAIL, day=day, clock=_daytime(rng, len(day)), household=household)


def _daytime(rng: np.random.Generator, count: int) -> Ints:
    """Clock times between 08:00 and 23:00, most of them in the evening."""
    return (rng.beta(2.6, 1.8, count) * 15 * 3_600_000).astype(np.int64) + 8 * 3_600_000
