"""The alert desk over HTTP: pages, one alert, taking it in hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import httpx
import pytest

from profiles.clock import HOUR, ManualClock
from tests.api_shop import NOW, Shop, serving

pytest_plugins = ["tests.api_fixtures"]


@pytest.fixture
def http(shop: Shop, clock: ManualClock) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {shop.key('alerts')}"}
    with serving(shop.settings, clock) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        yield client


def test_an_empty_desk_is_an_empty_page(http: httpx.Client) -> None:
    answer = http.get("/v1/alerts")

    assert answer.json() == {"alerts": [], "has_more": False, "next_cursor": None}
    assert "link" not in answer.headers


def test_the_latest_alert_comes_first_and_links_lead_through_all_of_them(shop: Shop, http: httpx.Client) -> None:
    names = [f"hh-{i:02}" for i in range(7)]
    shop.lapse(*names)

    found: list[list[str]] = []
    url = "/v1/alerts?limit=3&state=open"
    while url:
        answer = http.get(url).raise_for_status()
        found.append([alert["profile"] for alert in answer.json()["alerts"]])
        if len(found) == 1:
            shop.lapse("raised-meanwhile")
        url = answer.links["next"]["url"] if "next" in answer.links else ""
        assert answer.json()["has_more"] is bool(url)

    assert [len(page) for page in found] == [3, 3, 1]
    assert list(chain(*found)) == names[::-1]


def test_alerts_can_be_asked_for_by_state(shop: Shop, http: httpx.Client) -> None:
    shop.lapse("a", "b")
    shop.recover("a")

    def by(state: str) -> list[str]:
        return [alert["profile"] for alert in http.get("/v1/alerts", params={"state": state}).json()["alerts"]]

    assert (by("open"), by("resolved"), by("acknowledged")) == (["b"], ["a"], [])
    assert http.get("/v1/alerts?state=gone").json()["errors"][0]["where"] == "query.state"


def test_one_alert_tells_in_both_languages(shop: Shop, http: httpx.Client) -> None:
    shop.lapse("hh-1")
    name = http.get("/v1/alerts").json()["alerts"][0]["id"]

    found = http.get(f"/v1/alerts/{name}").raise_for_status().json()

    assert (found["profile"], found["state"], found["risk"]) == ("hh-1", "open", 0.8)
    assert found["label"] == {"zh": "流失预警", "en": "churn warning"}
    assert http.get("/v1/alerts/none").json()["code"] == "unknown_alert"


def test_whoever_is_first_has_the_alert_however_often_it_is_said(
    shop: Shop, http: httpx.Client, clock: ManualClock
) -> None:
    shop.lapse("hh-1")
    name = http.get("/v1/alerts").json()["alerts"][0]["id"]
    clock.advance(HOUR)

    first = http.post(f"/v1/alerts/{name}:acknowledge", json={"by": " 小李 "}).raise_for_status().json()
    clock.advance(HOUR)
    again = http.post(f"/v1/alerts/{name}:acknowledge", json={"by": "小李"}).raise_for_status().json()
    other = http.post(f"/v1/alerts/{name}:acknowledge", json={"by": "小王"}).raise_for_status().json()

    assert (first["state"], first["acknowledged_by"], first["acknowledged_at"]) == ("acknowledged", "小李", NOW + HOUR)
    assert again == other == first == http.get(f"/v1/alerts/{name}").json()


def test_an_alert_that_is_over_cannot_be_taken_in_hand(shop: Shop, http: httpx.Client) -> None:
    shop.lapse("hh-1")
    shop.recover("hh-1")
    name = http.get("/v1/alerts").json()["alerts"][0]["id"]

    refused = http.post(f"/v1/alerts/{name}:acknowledge", json={"by": "小李"})

    assert (refused.status_code, refused.json()["code"]) == (409, "alert_resolved")


@pytest.mark.parametrize("body", [{}, {"by": ""}, {"by": "  "}, {"by": "x" * 101}, {"by": 1}, {"by": "a", "at": 1}])
def test_an_acknowledgement_names_somebody_and_nothing_else(http: httpx.Client, body: dict[str, object]) -> None:
    refused = http.post("/v1/alerts/some:acknowledge", json=body)

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("cursor", ["x", "😀", "YQ", "eA", "a" * 64, "YTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ"])
def test_a_cursor_that_was_not_given_out_is_refused(http: httpx.Client, cursor: str) -> None:
    refused = http.get("/v1/alerts", params={"cursor": cursor})

    assert (refused.status_code, refused.json()["code"]) == (400, "bad_cursor")
