"""Reading customers over HTTP: a real server, a real store, rows made by real events."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from profiles.clock import DAY, MINUTE, ManualClock, iso
from tests.api_shop import NOW, Shop, order, page

pytest_plugins = ["tests.api_fixtures"]


def test_a_customer_is_read_whole(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("张三"), order("张三", "o-1", 512.4, traits={"phone": "13812341234", "city": "上海"}))

    answer = http.get(f"/v1/profiles/{quote('张三')}")

    found = answer.raise_for_status().json()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert (found["id"], found["features"]["orders"], found["features"]["revenue"]) == ("张三", 1, 512.4)
    assert found["lifecycle"]["label"].keys() == {"zh", "en"}
    assert found["as_of"] == NOW
    assert "13812341234" not in answer.text


@pytest.mark.parametrize("name", ["u-1", "a/b/timeline", "50%", "a b?c#d", "😀𠮷", "x:y", "%2F", "é" * 128])
def test_an_id_may_be_any_printable_text(shop: Shop, http: httpx.Client, name: str) -> None:
    shop.tell(page(name), order(name, "o-1", 10))

    assert http.get(f"/v1/profiles/{quote(name, safe='')}").raise_for_status().json()["id"] == name
    assert http.get(f"/v1/profiles/{quote(name, safe='')}/timeline").raise_for_status().json()["profile"] == name


@pytest.mark.parametrize("name", ["x" * 257, "茶" * 86, "a\nb", "a\0b"])
def test_an_id_no_customer_can_have_is_a_fault_of_the_caller(http: httpx.Client, name: str) -> None:
    for path in ("/v1/profiles/{}", "/v1/profiles/{}/timeline", "/v1/stream/profiles/{}"):
        answer = http.get(path.format(quote(name, safe="")))
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_id")


def test_nobody_is_404(http: httpx.Client) -> None:
    for path in ("/v1/profiles/nobody", "/v1/profiles/nobody/timeline"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_profile")


def test_what_has_not_changed_is_not_sent_again(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("u-1"))
    tag = http.get("/v1/profiles/u-1").headers["etag"]

    again = http.get("/v1/profiles/u-1", headers={"If-None-Match": f'"other", {tag}'})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_every_decision_changes_the_etag_and_so_does_time(shop: Shop, http: httpx.Client, clock: ManualClock) -> None:
    def tag() -> str:
        return str(http.get("/v1/profiles/u-1").headers["etag"])

    shop.tell(page("u-1"))
    first = tag()
    shop.tell(page("u-1"))
    second = tag()
    clock.advance(MINUTE)

    assert len({first, second, tag()}) == 3
    assert http.get("/v1/profiles/u-1", headers={"If-None-Match": second}).status_code == 200


def test_many_customers_come_in_the_order_asked_and_the_missing_are_named(shop: Shop, http: httpx.Client) -> None:
    names = [f"u-{i}" for i in range(12)]
    shop.tell(*map(page, names))

    asked = [*reversed(names), "nobody", "\0", "茶" * 200, "u-3"]
    found = http.post("/v1/profiles:batchGet", json={"ids": asked}).raise_for_status().json()

    assert [each["id"] for each in found["profiles"]] == [*reversed(names), "u-3"]
    assert found["missing"] == ["nobody", "\0", "茶" * 200]


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        (b"{", 400, ""),
        (b"\xff", 400, ""),
        (b"[]", 422, "body"),
        (b'{"ids":[]}', 422, "body.ids"),
        (b'{"ids":["a",7]}', 422, "body.ids[1]"),
        (b'{"ids":["\\ud800"]}', 400, ""),
        (b'{"ids":["a"],"x":1}', 422, "body"),
        (b'{"ids":[' + b",".join([b'"a"'] * 101) + b"]}", 422, "body.ids"),
        (b" " * (256 * 1024 + 1), 413, ""),
    ],
)
def test_a_body_that_cannot_be_used_is_refused_with_the_place(
    http: httpx.Client, body: bytes, status: int, where: str
) -> None:
    answer = http.post("/v1/profiles:batchGet", content=body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["where"] for fault in answer.json().get("errors", [])] == ([where] if where else [])


def test_the_timeline_tells_moments_and_reasons_newest_first(
    shop: Shop, http: httpx.Client, clock: ManualClock
) -> None:
    for number in range(4):
        shop.tell(order("u-1", f"o-{number}", 100 + number))
        clock.advance(DAY)

    entries = http.get("/v1/profiles/u-1/timeline").raise_for_status().json()["entries"]
    moments = [entry for entry in entries if "event" in entry]
    transitions = [entry for entry in entries if "what" in entry]

    assert [moment["amount"] for moment in moments] == [10300, 10200, 10100, 10000]
    assert [entry["at"] for entry in entries] == sorted((entry["at"] for entry in entries), reverse=True)
    assert transitions
    assert all(entry["profile"] == "u-1" for entry in transitions)
    assert len(http.get("/v1/profiles/u-1/timeline?limit=3").json()["entries"]) == 3


@pytest.mark.parametrize("limit", ["0", "51", "x", "-1", "1.5"])
def test_a_limit_out_of_range_is_refused(http: httpx.Client, limit: str) -> None:
    answer = http.get("/v1/profiles/u-1/timeline", params={"limit": limit})

    assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, "query.limit")


def test_a_late_event_is_read_at_the_shops_time(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("u-1", timestamp=iso(NOW - 3 * DAY)))

    features = http.get("/v1/profiles/u-1").raise_for_status().json()["features"]

    assert features["days_silent"] == pytest.approx(3.0, abs=0.01)
