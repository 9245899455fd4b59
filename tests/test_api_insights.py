"""Paths, next steps and retention, over HTTP, of a shop whose events went through intake, fold and store."""

from __future__ import annotations

from typing import Any

import httpx

from profiles.clock import DAY, MINUTE, ManualClock
from tests.api_shop import Shop, order, page

pytest_plugins = ["tests.api_fixtures"]


def viewed(user: str) -> dict[str, Any]:
    return {"type": "track", "event": "Product Viewed", "userId": user, "properties": {"product_id": "p-1"}}


def test_before_anything_happened_there_is_nothing_to_tell(http: httpx.Client) -> None:
    assert http.get("/v1/paths").json() == {"sessions": 0, "order": None, "steps": [], "funnels": [], "drop_offs": []}
    assert http.get("/v1/retention").json()["cohorts"] == []
    assert http.get("/v1/profiles/nobody/next").status_code == 404


def test_paths_lead_to_orders_and_a_customer_s_next_step_follows_from_them(
    shop: Shop, clock: ManualClock, http: httpx.Client
) -> None:
    """Four customers in three buckets view, one orders; all buckets together make the chain."""
    users = [f"u-{n}" for n in range(4)]
    for user in users:
        shop.tell(page(user), viewed(user))
    clock.advance(5 * MINUTE)
    shop.tell(order("u-0", "o-1", 50))

    paths = http.get("/v1/paths").json()
    assert paths["sessions"] == 4
    assert paths["order"] == 0.25
    assert paths["funnels"][0]["steps"] == ["START", "VISIT", "VIEW", "ORDER"]
    assert paths["drop_offs"] == [{"step": "VIEW", "zh": "浏览商品", "en": "product view", "times": 3, "share": 0.75}]

    here = http.get("/v1/profiles/u-1/next").json()
    assert (here["step"], here["order"]) == ("VIEW", 0.25)
    assert [each["to"] for each in here["next"]] == ["EXIT", "ORDER"]
    clock.advance(30 * MINUTE)
    gone = http.get("/v1/profiles/u-1/next").json()
    assert (gone["step"], gone["next"][0]["to"]) == ("START", "VISIT")


def test_who_comes_back_in_the_week_after_is_in_the_table(shop: Shop, clock: ManualClock, http: httpx.Client) -> None:
    shop.tell(page("u-0"), page("u-1"), page("u-1"))
    clock.advance(7 * DAY)
    shop.tell(page("u-1"))
    clock.advance(14 * DAY)
    table = http.get("/v1/retention").json()
    (cohort,) = table["cohorts"]
    assert cohort["customers"] == 2
    assert [each["customers"] for each in cohort["weeks"]] == [2, 1, 0, 0]
    assert {each["after"]: each["customers"] for each in cohort["days"]}[7] == 1
    assert table["weeks"][0] == {"after": 1, "customers": 2, "share": 0.5}
