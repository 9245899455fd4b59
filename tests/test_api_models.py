"""What was learned, over HTTP: the model with its quality, and a customer's outlook with reasons."""

from __future__ import annotations

import httpx
import pytest

from profiles.clock import DAY, ManualClock
from profiles.models import churn, segments
from profiles.store.models import CHURN, KEPT_MS, SEGMENTS, Models
from profiles.store.registry import Registry
from tests.api_shop import Shop, order, page
from tests.models.shop import HORIZON, samples

pytest_plugins = ["tests.api_fixtures"]


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


@pytest.fixture
def segmented(shop: Shop, clock: ManualClock) -> segments.Params:
    """Segments of the same shop."""
    memory = segments.zero()
    segments.update(memory, samples())
    found = segments.read(memory, 1)
    assert found is not None
    shop.run(Models(Registry(shop.client), clock, SEGMENTS).publish(found))
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
    assert http.get("/v1/models").json() == {"churn": None, "segments": None, "voice": None}
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


def test_segments_are_shown_with_portraits_shares_and_who_moved(segmented: segments.Params, http: httpx.Client) -> None:
    shown = http.get("/v1/models").json()
    assert shown["churn"] is None
    told = shown["segments"]
    assert [each["id"] for each in told["segments"]] == list(range(segments.SEGMENTS))
    assert len({each["zh"] for each in told["segments"]}) == len({each["en"] for each in told["segments"]}) == 6
    assert sum(each["share"] for each in told["segments"]) == pytest.approx(1.0, abs=0.001)
    assert all("客单价" in each["portrait_zh"] and "an order" in each["portrait_en"] for each in told["segments"])
    moved = sum(n for i, row in enumerate(told["migration"]) for j, n in enumerate(row) if i != j)
    assert told["changed"] == segmented.changed == pytest.approx(moved / sum(map(sum, told["migration"])), abs=1e-4)


@pytest.mark.usefixtures("learned")
def test_until_there_are_segments_a_customer_is_in_none(shop: Shop, clock: ManualClock, http: httpx.Client) -> None:
    regular(shop, clock, "u-1")
    assert http.get("/v1/profiles/u-1/churn").json()["segment"] is None


@pytest.mark.usefixtures("learned")
def test_a_customer_is_in_the_segment_they_are_most_like(
    segmented: segments.Params, shop: Shop, clock: ManualClock, http: httpx.Client
) -> None:
    for number in range(24):
        shop.tell(order("busy", f"busy-{number}", 150))
        if number == 0:
            shop.tell(order("gone", "gone-0", 20))
        clock.advance(7 * DAY)
    lines = {each.id: each for each in segmented.segments}
    busy, gone = (http.get(f"/v1/profiles/{name}/churn").json()["segment"] for name in ("busy", "gone"))
    for told in (busy, gone):
        assert told == {"id": told["id"], "zh": lines[told["id"]].zh, "en": lines[told["id"]].en}
    often, seldom = lines[busy["id"]].typical, lines[gone["id"]].typical
    assert often["orders_365d"] > 2 * seldom["orders_365d"]
    assert often["days_since_order"] < seldom["days_since_order"]
