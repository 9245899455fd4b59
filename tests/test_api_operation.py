"""What operators ask: alive, ready, numbers, version, and a description that is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.house import House, Warming
from profiles.clock import SECOND, ManualClock
from profiles.store import keys
from tests.api_shop import BUCKETS, Shop, page, serving

NOW = 1_760_000_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def shop(redis_url: str, clock: ManualClock) -> Iterator[Shop]:
    with Shop(redis_url, clock) as opened:
        yield opened


@pytest.fixture
def http(shop: Shop, clock: ManualClock) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {shop.key('admin')}"}
    with serving(shop.settings, clock) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        yield client


def readiness(http: httpx.Client, clock: ManualClock) -> tuple[int, str, dict[str, Any]]:
    clock.advance(SECOND)  # what is remembered is old enough now
    answer = http.get("/readyz")
    return answer.status_code, answer.json()["status"], answer.json()["checks"]


def test_readiness_follows_what_is_there(shop: Shop, http: httpx.Client, clock: ManualClock) -> None:
    status, said, checks = readiness(http, clock)
    assert (status, said) == (503, "not_ready")
    assert "worker" in checks["rules"]["message"]

    shop.open()
    status, said, checks = readiness(http, clock)
    assert (status, said, checks["rules"]["seen"]) == (200, "degraded", {"version": 1})
    assert checks["workers"]["seen"]["without_worker"] == list(range(BUCKETS))

    shop.beat()
    shop.tell(page("u-1"))
    status, said, checks = readiness(http, clock)
    assert (status, said, checks["workers"]["ok"]) == (200, "ready", True)

    clock.advance(60 * SECOND)
    assert readiness(http, clock)[1] == "degraded"


def test_nobody_reads_before_everything_is_compiled(shop: Shop, clock: ManualClock) -> None:
    house = House(shop.settings, clock)

    with pytest.raises(Warming, match="compiling"):
        shop.run(house.reader())
    shop.run(house.close())


def test_the_store_is_asked_once_a_second_however_often_somebody_asks(shop: Shop, http: httpx.Client) -> None:
    shop.open()
    http.get("/readyz")
    before: Any = shop.run(shop.client.info("commandstats"))
    for _ in range(10):
        http.get("/readyz")
    after: Any = shop.run(shop.client.info("commandstats"))

    assert after["cmdstat_ping"] == before["cmdstat_ping"]


def test_requests_are_measured_by_route_and_never_by_person(shop: Shop, http: httpx.Client) -> None:
    shop.open().tell(page("secret-person"))
    http.get("/v1/profiles/secret-person")
    http.get("/v1/profiles/secret-nobody")
    http.get("/secret-path")
    http.request("SECRET-METHOD", "/healthz")
    http.request("PROPFIND", "/healthz")  # a parser in C refuses what is no method at all by itself

    text = http.get("/metrics").raise_for_status().text

    assert "secret" not in text.lower()
    found = {family.name: family for family in text_string_to_metric_families(text)}
    counted = {
        (s.labels["route"], s.labels["method"], s.labels["status_class"]): s.value
        for s in found["http_request_duration_seconds"].samples
        if s.name.endswith("_count")
    }
    assert counted["/v1/profiles/{profile}", "GET", "2xx"] >= 1
    assert counted["/v1/profiles/{profile}", "GET", "4xx"] >= 1
    assert counted["none", "GET", "4xx"] >= 1
    assert counted["/healthz", "other", "4xx"] >= 1
    assert found["mien_build_info"].samples[0].value == 1


def test_the_version_is_told(http: httpx.Client) -> None:
    assert http.get("/version").raise_for_status().json().keys() == {"name", "version", "python"}


def test_every_route_is_described_with_its_answers_and_every_reference_leads_somewhere(http: httpx.Client) -> None:
    described = http.get("/openapi.json").raise_for_status()
    document = described.json()

    names = set(document["components"]["schemas"])
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', described.text)) <= names
    assert not {"HTTPValidationError", "ValidationError"} & names
    for path, methods in document["paths"].items():
        for about in methods.values():
            assert about["summary"], path
            for status, answer in about["responses"].items():
                media = set(answer.get("content", {}))
                if status not in ("200", "202", "304") and path != "/readyz":
                    assert media == {"application/problem+json"}, (path, status)
            assert path in ("/healthz", "/readyz") or {"401", "403", "503"} <= about["responses"].keys()


def test_what_is_sent_has_the_fields_that_are_described(shop: Shop, http: httpx.Client) -> None:
    shop.open().tell(page("u-1"))
    shop.lapse("u-1")
    schemas = http.get("/openapi.json").json()["components"]["schemas"]

    for path, name in (
        ("/v1/profiles/u-1", "ProfileView"),
        ("/v1/profiles/u-1/timeline", "Timeline"),
        ("/v1/tags", "TagDictionary"),
        ("/v1/tags/lately_here/members", "Members"),
        ("/v1/features", "Features"),
        ("/v1/alerts", "Alerts"),
        ("/readyz", "Readiness"),
        ("/v1/profiles/nobody", "Problem"),
    ):
        found = http.get(path).json()
        assert found.keys() <= schemas[name]["properties"].keys(), path
        assert found.keys() >= set(schemas[name].get("required", ())), path


def test_the_documentation_asks_a_browser_for_a_key(http: httpx.Client) -> None:
    refused = httpx.get(f"{http.base_url}/docs", trust_env=False)

    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Basic realm="mien"')
    assert "/openapi.json" in http.get("/docs").raise_for_status().text


def test_a_store_of_nobody_has_no_key_that_opens(shop: Shop, http: httpx.Client, clock: ManualClock) -> None:
    shop.run(shop.client.delete(keys.API_KEYS))
    clock.advance(SECOND)

    assert http.get("/version").status_code == 401
