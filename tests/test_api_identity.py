"""A customer is read by any of their ids; personal ones stand in bodies only."""

from __future__ import annotations

import httpx
import pytest

from tests.api_shop import Shop, order, page

pytest_plugins = ["tests.api_fixtures"]


@pytest.fixture
def one(shop: Shop, http: httpx.Client) -> httpx.Client:
    """A shop in which u-1 browsed as d-1 before, and has an openid."""
    shop.tell({"type": "page", "anonymousId": "d-1"}, order("u-1", "o-1", 10))
    for other in ("anon:d-1", "openid:oX1"):
        shop.join("u-1", other)
    return http


def test_every_id_leads_to_the_one_who_answers(one: httpx.Client) -> None:
    whole = one.get("/v1/profiles/u-1").raise_for_status()
    assert (whole.json()["features"]["events"], whole.json()["identity"]) == (2, {"ids": 3})
    for asked in ("anon:d-1", "d-1", "openid:oX1"):
        found = one.get(f"/v1/profiles/{asked}").raise_for_status()
        assert (found.json()["id"], found.json()["asked"]) == ("u-1", asked)
        assert found.json()["features"] == whole.json()["features"]
        assert found.headers["etag"] == whole.headers["etag"]
    assert one.get("/v1/profiles/d-1/timeline").raise_for_status().json()["profile"] == "u-1"
    batch = one.post("/v1/profiles:batchGet", json={"ids": ["anon:d-1", "nobody"]}).raise_for_status().json()
    assert ([each["id"] for each in batch["profiles"]], batch["missing"]) == (["u-1"], ["nobody"])


@pytest.mark.parametrize("body", [{"userId": "u-1"}, {"anonymousId": "d-1"}, {"openid": "oX1"}])
def test_an_id_may_stand_in_a_body(one: httpx.Client, body: dict[str, str]) -> None:
    assert one.post("/v1/profiles/find", json=body).raise_for_status().json()["id"] == "u-1"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"openid": "oX2"}, 404, "unknown_profile"),
        ({"phone": "13812341234"}, 404, "unknown_profile"),
        ({"phone": "13800138000"}, 400, "bad_id"),
        ({"userId": "u-1", "openid": "oX1"}, 400, "bad_id"),
        ({"userId": "null"}, 400, "bad_id"),
        ({}, 400, "bad_id"),
    ],
)
def test_what_cannot_be_found_says_why(http: httpx.Client, body: dict[str, str], status: int, code: str) -> None:
    answer = http.post("/v1/profiles/find", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "13812341234" not in answer.text


def test_who_is_behind_a_customer_is_shown(one: httpx.Client) -> None:
    found = one.get("/v1/profiles/d-1/identity").raise_for_status().json()
    assert (found["id"], found["asked"], found["weight"]) == ("u-1", "anon:d-1", 3)
    assert [(each["id"], each["kind"], each.get("into")) for each in found["ids"]] == [
        ("u-1", "user", None), ("anon:d-1", "anon", "u-1"), ("openid:oX1", "openid", "u-1"),
    ]  # fmt: skip
    assert one.get("/v1/profiles/nobody/identity").status_code == 404


def test_what_a_customer_belongs_to_is_shown_and_joins_nobody(shop: Shop, http: httpx.Client) -> None:
    """The traits of a group call are the group's."""
    for user in ("u-5", "u-6"):
        shop.tell({"type": "group", "userId": user, "groupId": "acme", "traits": {"phone": "021-62178888"}})
    found = http.get("/v1/profiles/u-6").raise_for_status().json()
    assert (found["groups"], "identity" in found) == (["acme"], False)


def test_a_customer_who_is_alone_has_nothing_of_it(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("u-9"))
    found = http.get("/v1/profiles/u-9").raise_for_status().json()
    assert not {"asked", "identity"} & found.keys()
