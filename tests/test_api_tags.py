"""The dictionaries over HTTP, and the walk through everybody who holds a tag."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator

import httpx
import pytest

from profiles.features import FEATURES
from tests.api_shop import Shop, order, page, serving


@pytest.fixture
def shop(redis_url: str) -> Iterator[Shop]:
    with Shop(redis_url) as opened:
        yield opened.open()


@pytest.fixture
def http(shop: Shop) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {shop.key('read')}"}
    with serving(shop.settings) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        yield client


def test_the_dictionary_tells_each_tag_and_rung_with_how_many_are_there(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("a"), page("b"), order("c", "o-1", 600))

    found = http.get("/v1/tags").raise_for_status().json()

    tags = {tag["name"]: tag for tag in found["tags"]}
    rungs = {
        f"{ladder['name']}:{rung['name']}": rung["customers"] for ladder in found["ladders"] for rung in ladder["rungs"]
    }
    assert (found["version"], found["customers"]) == (1, 3)
    assert tags["big_spender"]["customers"] == 1
    assert tags["lately_here"]["customers"] == 3
    assert tags["big_spender"]["label"] == {"zh": "高消费", "en": "Big spender"}
    assert tags["big_spender"]["enter"] == "revenue >= 500"
    assert tags["big_spender"]["action"]["zh"] == "邀请加入会员"
    assert rungs == {
        "stage:buyer": 1,
        "stage:visitor": 2,
        "rfm:any": 3,
        "tier:high_value": 1,
        "tier:general": 2,
    }


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_the_links_lead_past_everybody_who_holds_the_tag(shop: Shop, http: httpx.Client, limit: int) -> None:
    names = [f"客户-{i}" for i in range(30)]
    shop.tell(*map(page, names))

    found, url = set(), f"/v1/tags/lately_here/members?limit={limit}"
    while url:
        answer = http.get(url).raise_for_status()
        found |= set(answer.json()["members"])
        url = answer.links["next"]["url"] if "next" in answer.links else ""
        assert answer.json()["has_more"] is bool(url)
        assert (answer.json()["next_cursor"] or "") in url

    assert found == set(names)
    assert http.get("/v1/tags/big_spender/members").json()["members"] == []


def test_only_tags_that_exist_have_members(http: httpx.Client) -> None:
    for name in ("none", "high_value", "LATELY_HERE"):
        answer = http.get(f"/v1/tags/{name}/members")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_tag")


@pytest.mark.parametrize("place", ["", "0", "x-1", "0-x", "-1-1", "0-18446744073709551616", "0-0-0", "99999-1"])
def test_a_cursor_that_was_not_given_out_is_refused(http: httpx.Client, place: str) -> None:
    for cursor in (place or "!", urlsafe_b64encode(place.encode()).decode().rstrip("=") or "A"):
        answer = http.get("/v1/tags/lately_here/members", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


def test_the_data_dictionary_has_a_line_for_every_feature(http: httpx.Client) -> None:
    lines = http.get("/v1/features").raise_for_status().json()["features"]

    assert [line["name"] for line in lines] == [feature.name for feature in FEATURES]
    assert all(line[key] for line in lines for key in ("zh", "unit", "group", "meaning", "silence"))
