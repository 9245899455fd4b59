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
from profiles.features import FEATURES, Unit, factors
from profiles.intake import Event, Intake
from profiles.kernels.derive import derive
from profiles.kernels.fold import fold
from profiles.kernels.horizon import offset_at
from profiles.layout import LADDERS, TABLES
from profiles.measures import INTERESTS
from profiles.population import Cuts, population
from profiles.verify.oracle import Oracle, distinct_names
from streams.shoppers import year
from streams.shoppers.dirt import Dirt
from tests.raw_shop import Raw, RawShop

END: Final = 1_772_000_000_000  # 2026-02-25 06:13 UTC
ALL: Final = np.arange(len(FEATURES), dtype=np.int64)
EXACT: Final = {Unit.COUNT, Unit.MONEY, Unit.STARS, Unit.SCORE, Unit.HOUR_OF_DAY, Unit.WEEKDAY, Unit.NAME}
#: columns that are counted exactly but weighted by fractions
WEIGHTED: Final = {"orders_decayed_7d", "orders_decayed_30d", "spend_decayed_30d"}


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


def derived(row: np.ndarray, now: int, timezone: str) -> dict[str, float]:
    """What the kernels say."""
    x, here = np.full(len(FEATURES), np.nan), zone(timezone)
    derive(row, now, offset_at(now, here.since, here.offset), ALL, factors(2), population(Cuts()), x)
    return dict(zip([feature.name for feature in FEATURES], x.tolist(), strict=True))


def disagreements(life: Sequence[Event], row: np.ndarray, now: int, timezone: str) -> list[str]:
    """Features on which kernels and oracle do not agree, with both numbers."""
    cuts = Cuts()
    truth, seen = Oracle(life, timezone).features(now, cuts.deciles, cuts.usual_gap), derived(row, now, timezone)
    crowded = [distinct_names(life, sort) > most for sort, most in enumerate(INTERESTS.values())]
    guessed = {name for sort, names in enumerate((("top_category", "categories"), ("top_brand", "brands"), ("top_item",)))
               for name in names if crowded[sort]} | set(LADDERS)  # fmt: skip
    wrong = []
    for feature in FEATURES:
        name = feature.name
        if name in guessed:
            continue
        tolerance = 0.0 if feature.unit in EXACT and name not in WEIGHTED else 1e-9
        if not np.isclose(seen[name], truth[name], rtol=tolerance, atol=1e-9, equal_nan=True):
            wrong.append(f"{name}: kernels {seen[name]!r}, oracle {truth[name]!r}")
    return wrong


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
        assert disagreements(life, rows[profile], now, timezone) == [], f"{profile} at {now}"
        told |= {name for name, value in derived(rows[profile], now, timezone).items() if value and not np.isnan(value)}
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
