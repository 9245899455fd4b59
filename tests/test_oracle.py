"""Every number of the data dictionary, kernels against pandas, from the same raw log.

Counts and money agree exactly, to the cent; ratios and other fractions to nine digits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pytest

from profiles import inputs
from profiles.clock import DAY, HOUR, MINUTE, zone
from profiles.errors import Rejected
from profiles.features import FEATURES, factors
from profiles.intake import Event, Intake
from profiles.kernels.advance import World
from profiles.kernels.fold import fold
from profiles.layout import LADDERS, TABLES
from profiles.models.params import Params
from profiles.population import Cuts, population
from profiles.verify import recount
from profiles.verify.oracle import Oracle
from profiles.verify.recount import derived
from streams.shoppers import year
from streams.shoppers.dirt import Dirt
from tests.laws.machine import book_of
from tests.models.published import params
from tests.raw_shop import Raw, RawShop

END: Final = 1_772_000_000_000  # 2026-02-25 06:13 UTC


def accepted(log: Iterable[Raw], currency: str, timezone: str) -> dict[str, list[Event]]:
    """What intake lets through, by customer, in the order of arrival."""
    intake, lives = Intake(currency, timezone), defaultdict(list)
    for raw, received in log:
        try:
            event = intake.read(raw, received)
        except Rejected:
            continue
        lives[event.profile].append(event)
    return lives


def rows_of(lives: dict[str, list[Event]], timezone: str) -> dict[str, np.ndarray]:
    """Every customer's row, folded from batches like those of intake."""
    draft = inputs.Draft()
    for life in lives.values():
        for event in life:
            draft.add(event, len(draft))
    work = inputs.gather([draft.batch("events.all", 0, 0, 0)], {}, zone(timezone))
    state = np.zeros((len(work.profiles), TABLES.size), np.int64)
    for e, row in enumerate(work.events.row.tolist()):
        fold(state[row], work.events, e)
    return dict(zip(work.profiles, state, strict=True))


MODEL = params()


def world(timezone: str, model: Params | None = None) -> World:
    """A shop with shipped cut points, with a budget if it has a model; its rules do not matter."""
    here = zone(timezone)
    people = population(Cuts(churn=model, line=50.0))
    return World(factors(2), people, book_of().rules, here.since, here.offset, 1)


def disagreements(
    life: Sequence[Event], row: np.ndarray, now: int, timezone: str, model: Params | None = None
) -> list[str]:
    """Features on which kernels and oracle do not agree, with both numbers."""
    shop = world(timezone, model)
    told = recount.truth(life, now, timezone, shop, 2, model)
    wrong = recount.disagreements(life, derived(row, now, timezone, shop), told)
    return [f"{name}: kernels {seen!r}, oracle {told!r}" for name, (seen, told) in wrong.items()]


@pytest.mark.parametrize(
    ("timezone", "customers"), [("Asia/Shanghai", 120), ("America/New_York", 120), ("America/Santiago", 60)]
)
def test_every_feature_is_what_pandas_makes_of_the_raw_log(timezone: str, customers: int) -> None:
    """14 months, at one of three moments: at once, some days later at the edge of an hour, and after long silence."""
    lives = accepted(RawShop(seed=11, end=END, customers=customers).log(), "CNY", timezone)
    rows = rows_of(lives, timezone)
    assert len(lives) == customers
    told: set[str] = set()
    for i, (profile, life) in enumerate(lives.items()):
        last = max(event.time for event in life)
        now = (last + i * MINUTE, (last // DAY + 3) * DAY + i % 24 * HOUR, last + 75 * DAY + i * HOUR)[i % 3]
        model = MODEL if i % 2 else None
        assert disagreements(life, rows[profile], now, timezone, model) == [], f"{profile} at {now}"
        told |= {
            name
            for name, value in derived(rows[profile], now, timezone, world(timezone, model)).items()
            if value and not np.isnan(value)
        }
    never_told = {"household_size", "kids_count", *(feature.name for feature in FEATURES if feature.group == "who")}
    assert {feature.name for feature in FEATURES} - told - never_told - set(LADDERS) == set(), (
        "agreed only about nothing"
    )


def test_the_oracle_knows_every_feature_but_standing() -> None:
    """A feature that is added to the dictionary has to be written down here too, from its meaning."""
    life = accepted(RawShop(seed=1, end=END, customers=1).log(), "CNY", "Asia/Shanghai")["客户-0"]
    cuts = Cuts()
    told = Oracle(life, "Asia/Shanghai").features(END + DAY, cuts.deciles, cuts.usual_gap)
    assert set(told) == {feature.name for feature in FEATURES} - set(LADDERS)


def test_households_of_the_demo_agree_too() -> None:
    """The demo's year, dirt and all: 12 households as the simulator sends them."""
    batches = list(year(7, END, 12, days=200, dirt=Dirt(duplicates=0.02, broken=0.01)))
    log = [raw for batch in batches for raw in zip(batch.values, batch.times, strict=True)]
    lives = accepted(log, "USD", "Asia/Shanghai")
    rows = rows_of(lives, "Asia/Shanghai")
    for profile, life in lives.items():
        wrong = disagreements(life, rows[profile], END + DAY, "Asia/Shanghai")
        assert wrong == [], profile
