"""What was learned, over HTTP: the model with its quality, and a customer's outlook with reasons."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from profiles.clock import DAY, ManualClock
from profiles.models import churn
from profiles.store.models import CHURN, KEPT_MS, Models
from profiles.store.registry import Registry
from tests.api_shop import Shop, order, page, serving
from tests.models.shop import HORIZON, samples

pytest_plugins = ["tests.api_fixtures"]


@pytest.fixture
def http(shop: Shop, clock: ManualClock) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {shop.open().key('read')}"}
    with serving(shop.settings, clock) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture
def learned(shop: Shop, clock: ManualClock) -> churn.Params:
    """A model of another shop's forty weeks, published here."""
    memory = churn.zero(HORIZON)
    churn.update(memory, samples())
    found = churn.read(memory, 1)
    assert found is not None
    shop.run(Models(Registry(shop.client), clock, CHURN).publish(found))
    clock.advance(KEPT_MS)
    return found


def regular(shop: Shop, clock: ManualClock, name: str, orders: int = 6, every: int = 9) -> None:
    """A customer who orders every so many days."""
    for number in range(orders):
        shop.tell(order(name, f"{name}-{number}", 50))
        clock.advance(every * DAY)


def test_before_anything_is_learned_there_is_no_model_and_no_outlook(
    shop: Shop, clock: ManualClock, http: httpx.Client
) -> None:
    regular(shop, clock, "u-1", 2)
    assert http.get("/v1/models").json() == {"churn": None, "segments": None}
    refused = http.get("/v1/profiles/u-1/churn")
    assert refused.status_code == 409
    assert refused.json()["code"] == "no_forecast"


def test_a_model_is_shown_with_its_quality_and_what_it_sees(learned: churn.Params, http: httpx.Client) -> None:
    shown = http.get("/v1/models").json()["churn"]
    assert shown["version"] == 1
    assert shown["horizon_days"] == HORIZON
    assert shown["bgnbd"].keys() == {"r", "alpha", "a", "b"}
    assert shown["labels"] == learned.samples > 1000
    assert shown["quality"]["served"]["auc_active"] == learned.metrics["served"]["auc_active"]
    assert {each["group_zh"] for each in shown["inputs"]} >= {"沉默时长", "消费额", "忠诚度", "浏览活跃"}


@pytest.mark.usefixtures("learned")
def test_silence_raises_the_probability_and_the_reason_names_its_numbers(
    shop: Shop, clock: ManualClock, http: httpx.Client
) -> None:
    regular(shop, clock, "u-1")
    soon = http.get("/v1/profiles/u-1/churn").json()
    clock.advance(14 * DAY)
    late = http.get("/v1/profiles/u-1/churn").json()

    assert 0 < soon["probability"] < late["probability"] < 1
    silence = next(each for each in late["reasons"] if each["group"] == "silence")
    assert silence["contribution"] > 0
    assert silence["because_zh"].startswith("23 天未下单")
    assert "23 days without an order, usually every" in silence["because_en"]
    moves = {each["what"]: each["change"] for each in late["what_if"]}
    assert moves["order"] < 0 < moves["silent_10d"]
    assert late["expected_orders"] >= 0
    assert late["expected_value"] >= 0


@pytest.mark.usefixtures("learned")
def test_of_somebody_who_never_ordered_nothing_is_said(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("u-2"))
    assert http.get("/v1/profiles/u-2/churn").status_code == 409
    assert http.get("/v1/profiles/nobody/churn").status_code == 404
