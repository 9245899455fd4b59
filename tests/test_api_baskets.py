"""Rules of baskets and suggestions, over HTTP, of a shop whose orders went through intake, fold, store and learner."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from profiles.clock import MINUTE, WEEK, ManualClock
from profiles.store.registry import Registry
from profiles.wire import Sample, encode
from streams.learn import Learner
from streams.topics import SAMPLES
from tests.api_shop import BUCKETS, NOW, Shop, page
from tests.test_learner import Log, Record

pytest_plugins = ["tests.api_fixtures"]

NAMES = {"coffee": "咖啡", "creamer": "奶精", "bread": "面包", "soap": "肥皂", "tea": "茶", "cup": "杯子"}


def bought(user: str, number: str, *products: str) -> dict[str, Any]:
    lines = [{"product_id": NAMES[each], "category": "喝的" if each in ("coffee", "creamer", "tea") else "别的"}
             for each in products]  # fmt: skip
    about = {"order_id": number, "revenue": 20, "products": lines}
    return {"type": "track", "event": "Order Completed", "userId": user, "properties": about}


def did(user: str, event: str, product: str) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": user, "properties": {"product_id": NAMES[product]}}


def sell(shop: Shop) -> None:
    """Creamer goes with coffee, bread with anything, soap with nothing in particular."""
    for n in range(60):
        shop.tell(bought(f"c-{n}", f"o-{n}", "coffee", "creamer" if n % 3 else "bread", *(["soap"] if n % 2 else [])))
        shop.tell(bought(f"t-{n}", f"p-{n}", "tea", "bread", *(["soap"] if n % 2 else [])))


def learn(shop: Shop) -> None:
    """The learner reads everything that was told, until a week has ended."""

    async def read() -> None:
        found = []
        for bucket in range(BUCKETS):
            for _, messages in await shop.store.outbox(bucket, 10_000):
                found += [message.value for message in messages if message.topic == SAMPLES]
        weeks = [encode(Sample(0, 10**6 + n, "u", NOW + n * WEEK, {})) for n in range(2)]
        learner = Learner(Registry(shop.client), Log(), BUCKETS, 63)
        await learner.handle([Record(offset, value) for offset, value in enumerate([*found, *weeks])])

    shop.run(read())


def test_before_anything_was_learned_there_are_no_rules_and_the_answer_says_why(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("u"))
    assert http.get("/v1/baskets").json() == {
        "version": None, "learned_until": None, "baskets": 0, "counted": {}, "rules": []
    }  # fmt: skip
    told = http.get("/v1/profiles/u/suggestions").json()
    assert told["suggestions"] == []
    assert "需要多件商品的订单" in told["empty_zh"]
    assert "orders of several products" in told["empty_en"]
    assert http.get("/v1/profiles/nobody/suggestions").status_code == 404


def test_rules_have_their_numbers_and_a_sentence_in_both_languages(shop: Shop, http: httpx.Client) -> None:
    sell(shop)
    learn(shop)
    told = http.get("/v1/baskets", params={"of": "item", "sort": "lift"}).json()
    assert (told["version"], told["baskets"]) == (1, 120)
    rule = next(each for each in told["rules"] if each["bought"] == "咖啡")
    assert rule["also"] == "奶精"
    assert (rule["confidence"], rule["usual"], rule["lift"]) == (
        pytest.approx(40 / 60, abs=1e-4),
        pytest.approx(40 / 120, abs=1e-4),
        2.0,
    )
    assert rule["zh"] == "含 咖啡 的多件订单里 67% 也有 奶精，是平常的 2.0 倍"
    assert rule["en"] == "67 % of the orders of several products with 咖啡 also had 奶精, 2.0 times the usual"
    lifts = [each["lift"] for each in told["rules"]]
    assert lifts == sorted(lifts, reverse=True)
    assert not [each for each in told["rules"] if "肥皂" in (each["bought"], each["also"])], "soap goes with nothing"


def test_rules_can_be_asked_for_by_name_sort_and_number(shop: Shop, http: httpx.Client) -> None:
    sell(shop)
    learn(shop)
    about = http.get("/v1/baskets", params={"name": " 奶精 "}).json()["rules"]
    assert {(each["bought"], each["also"]) for each in about} == {("咖啡", "奶精"), ("奶精", "咖啡")}
    assert http.get("/v1/baskets", params={"name": "没有的"}).json()["rules"] == []
    assert len(http.get("/v1/baskets", params={"limit": 1}).json()["rules"]) == 1
    assert {each["of"] for each in http.get("/v1/baskets", params={"of": "category"}).json()["rules"]} <= {"category"}
    for wrong in ({"of": "brand"}, {"sort": "luck"}, {"limit": 0}):
        assert http.get("/v1/baskets", params=wrong).status_code == 422


def test_a_customer_is_suggested_what_goes_with_the_cart_and_with_what_they_looked_at(
    shop: Shop, clock: ManualClock, http: httpx.Client
) -> None:
    sell(shop)
    shop.tell(did("u", "Product Viewed", "tea"), did("u", "Product Added", "coffee"))
    learn(shop)
    told = http.get("/v1/profiles/u/suggestions").json()
    first, *rest = told["suggestions"]
    assert (first["name"], first["because"]) == ("奶精", "cart")
    assert first["zh"] == "购物车里有 咖啡；含 咖啡 的多件订单里 67% 也有 奶精，是平常的 2.0 倍"
    assert first["en"].startswith("咖啡 in the cart; 67 % of the orders")
    assert [each["name"] for each in rest] == ["面包"]
    assert rest[0]["because"] == "interest"
    clock.advance(5 * MINUTE)
    shop.tell(did("u", "Product Removed", "coffee"))
    again = http.get("/v1/profiles/u/suggestions").json()["suggestions"]
    assert {each["because"] for each in again} == {"interest"}


def test_what_the_customer_has_just_bought_or_seen_is_not_suggested(shop: Shop, http: httpx.Client) -> None:
    sell(shop)
    shop.tell(bought("u", "o-u", "coffee", "creamer"), did("u", "Product Viewed", "bread"))
    shop.tell(page("v"), did("w", "Product Viewed", "soap"))
    learn(shop)
    told = http.get("/v1/profiles/u/suggestions").json()
    assert [each["name"] for each in told["suggestions"] if each["of"] == "item"] in ([], ["茶"])
    nothing = http.get("/v1/profiles/v/suggestions").json()
    assert nothing["suggestions"] == []
    assert "看过、加购或买过" in nothing["empty_zh"]
    no_rule = http.get("/v1/profiles/w/suggestions").json()
    assert no_rule["suggestions"] == []
    assert no_rule["empty_en"].startswith("no rule begins with")


def test_a_shop_with_orders_of_one_product_only_has_no_rules_and_says_so(shop: Shop, http: httpx.Client) -> None:
    for n in range(30):
        shop.tell(bought(f"u-{n}", f"o-{n}", "coffee"))
    learn(shop)
    assert http.get("/v1/baskets").json()["rules"] == []
    assert "orders of several products" in http.get("/v1/profiles/u-1/suggestions").json()["empty_en"]
