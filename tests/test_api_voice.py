"""What a customer lets the shop know, over HTTP: stars alone at first, and how their words read once that was learned."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from profiles.clock import DAY, ManualClock
from profiles.models import voice
from profiles.store import keys
from profiles.store.models import KEPT_MS, VOICE, Models
from profiles.store.registry import Registry
from profiles.wire import Opinion, decode_lesson
from tests.api_shop import BUCKETS, Shop, page
from tests.models.test_voice import LOG, learned

pytest_plugins = ["tests.api_fixtures"]


def said(user: str, text: str, stars: int | None = None, event: str = "Product Reviewed") -> dict[str, Any]:
    about: dict[str, Any] = {"text": text} if stars is None else {"text": text, "rating": stars}
    return {"type": "track", "event": event, "userId": user, "properties": about}


def publish(shop: Shop, clock: ManualClock, texts: int) -> voice.Params:
    """A model that has read so many of another shop's reviews, published here."""
    found = voice.read(learned(LOG[:texts]), 1)
    assert found is not None
    shop.run(Models(Registry(shop.client), clock, VOICE).publish(found))
    clock.advance(KEPT_MS)
    return found


def heard(http: httpx.Client, user: str) -> dict[str, Any]:
    found: dict[str, Any] = http.get(f"/v1/profiles/{user}/voice").json()
    return found


def test_before_anything_was_learned_only_stars_count_and_it_says_so(shop: Shop, http: httpx.Client) -> None:
    shop.tell(said("u-1", "太差了，包装破了", 2), said("u-1", "cannot reach anybody", event="Complaint Filed"))
    told = heard(http, "u-1")
    assert (told["source"], told["version"], told["mean_stars"], told["rated_reviews"]) == ("stars", 0, 2, 1)
    assert (told["latest"]["kind"], told["latest"]["stars"], told["latest"]["band"]) == ("complaint", None, None)
    assert told["because_zh"] == (
        "平均 2 星（打分 1 次）；投诉 1 次；文字暂不计入，只看星级：已学好评 0 条、差评 0 条，至少要 200 条且各 30 条"
    )
    assert told["because_en"].startswith(
        "2 stars on average (1 rated); 1 complaint; only stars count yet: 0 good and 0 bad"
    )


def test_a_model_that_read_too_little_is_shown_and_does_not_speak(
    shop: Shop, clock: ManualClock, http: httpx.Client
) -> None:
    model = publish(shop, clock, 60)
    shop.tell(said("u-1", "太差了", 1))
    told = heard(http, "u-1")
    assert (told["source"], told["latest"]["probability"]) == ("stars", None)
    assert f"已学好评 {model.positive} 条" in told["because_zh"]
    assert http.get("/v1/models").json()["voice"]["source"] == "stars"


def test_words_are_read_when_asked_by_the_live_model_and_nothing_stored_changes(
    shop: Shop, clock: ManualClock, http: httpx.Client
) -> None:
    shop.tell(said("bad", "太差了，再也不买了，浪费钱", 1), said("good", "Excellent, fast delivery, great value", 5))
    shop.tell(said("mild", "嗯"), page("silent"))
    blobs = shop.run(shop.client.keys("*"))
    model = publish(shop, clock, 1500)
    clock.advance(3 * DAY)
    bad, good, mild, silent = (heard(http, each) for each in ("bad", "good", "mild", "silent"))

    assert (bad["source"], bad["latest"]["band"], bad["latest"]["zh"]) == ("model", "negative", "负面")
    assert (good["latest"]["band"], good["latest"]["en"]) == ("positive", "positive")
    assert mild["latest"]["band"] == "neutral"
    assert bad["latest"]["probability"] < 0.4 < model.base_rate < good["latest"]["probability"]
    assert "最近的评价（3 天前）读来负面：像好评的可能性" in bad["because_zh"]
    assert f"{round(100 * model.base_rate)}% of this shop's reviews do" in bad["because_en"]
    assert (silent["source"], silent["latest"], silent["mean_stars"]) == ("stars", None, None)
    assert silent["because_en"] == "no stars given; nothing written"
    assert set(blobs) <= set(shop.run(shop.client.keys("*")))


def test_quality_is_shown_with_the_models(shop: Shop, clock: ManualClock, http: httpx.Client) -> None:
    model = publish(shop, clock, 1500)
    shown = http.get("/v1/models").json()["voice"]
    assert shown["source"] == "model"
    assert (shown["positive"], shown["negative"], shown["undecided"]) == (
        model.positive,
        model.negative,
        model.undecided,
    )
    assert shown["quality"]["served"]["auc"] == model.metrics["served"]["auc"]
    assert shown["quality"]["base_rate"]["positive"] == model.base_rate


def test_a_rated_text_leaves_as_one_lesson_and_is_no_trait(shop: Shop, http: httpx.Client) -> None:
    shop.tell(said("u-1", "很好", 5), said("u-1", "不好"), said("u-1", "慢", 1, "Complaint Filed"))
    lessons = [
        lesson
        for bucket in range(BUCKETS)
        for _, messages in shop.run(shop.store.outbox(bucket, 100))
        for message in messages
        if message.topic == "samples" and isinstance(lesson := decode_lesson(message.value), Opinion)
    ]
    assert [(each.profile, each.stars) for each in lessons] == [("u-1", 5)]
    assert http.get("/v1/profiles/u-1").json()["traits"] == {}


@pytest.mark.parametrize("path", ["/v1/profiles/nobody/voice", "/v1/profiles/a%0Ab/voice"])
def test_nobody_has_no_voice(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code in {400, 404}


def test_what_is_stored_of_a_text_goes_with_the_sidecar(shop: Shop, http: httpx.Client) -> None:
    """One key to delete, and nothing is known of what was written."""
    shop.tell(said("u-1", "很好", 5))
    bucket = next(b for b in range(BUCKETS) if shop.run(shop.client.exists(keys.sidecar(b, "u-1"))))
    assert heard(http, "u-1")["latest"] is not None
    shop.run(shop.client.delete(keys.sidecar(bucket, "u-1")))
    assert heard(http, "u-1")["latest"] is None
