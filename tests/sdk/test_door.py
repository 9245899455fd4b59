"""What a client may get wrong or do its own way, against the real collector."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.app import create_app
from profiles.clock import iso, system_clock
from profiles.settings import Settings
from streams.topics import DEAD_LETTERS, USUAL_EVENTS
from tests.sdk.collecting import KEY, Collecting, collecting

BASIC = (KEY, "")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with collecting(tmp_path_factory.mktemp("door"), collect_bytes=200_000) as opened:
        yield opened


def event(who: str, **more: object) -> dict[str, object]:
    return {"type": "track", "event": "Product Viewed", "userId": who, "timestamp": iso(system_clock()), **more}


def body(who: str) -> bytes:
    return json.dumps({"batch": [event(who)]}).encode()


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("basic", {"auth": BASIC}),
        ("bearer", {"headers": {"Authorization": f"Bearer {KEY}"}}),
        ("write-key", {"headers": {"X-Write-Key": KEY}}),
        ("id-secret", {"headers": {"X-Write-Key": f"shop:{KEY}"}}),
        ("api-key", {"headers": {"X-Api-Key": KEY}}),
        ("token", {"params": {"token": KEY}}),
        ("query", {"params": {"writeKey": KEY}}),
    ],
)
def test_a_key_may_stand_wherever_sdks_put_it(door: Collecting, name: str, given: dict[str, Any]) -> None:
    answer = door.post("/v1/batch", content=body(f"u-{name}"), **given)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert len(door.events(f"u-{name}")) == 1


def test_a_key_may_stand_in_the_body(door: Collecting) -> None:
    assert door.post("/v1/track", json={**event("u-body"), "writeKey": KEY}).status_code == 200
    posted = {"api_key": KEY, "event": "x", "distinct_id": "u-body", "timestamp": iso(system_clock())}
    assert door.post("/batch/", json={"api_key": KEY, "batch": [posted]}).json() == {"status": 1}
    assert len(door.events("u-body")) == 2
    assert KEY.encode() not in b"".join(record.value for record in door.records(*USUAL_EVENTS))


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({}, 401, "missing_key"),
        ({"auth": ("nobody", "")}, 503, "store_unavailable"),  # a key of the store, which is not there
        ({"auth": ("reader", "")}, 403, "missing_scope"),
    ],
)
def test_without_a_key_that_may_write_nothing_is_taken(
    door: Collecting, given: dict[str, Any], status: int, code: str
) -> None:
    answer = door.post("/v1/batch", content=body("u-nobody"), **given)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert door.events("u-nobody") == []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid_body"),
        (b"{", 400, "invalid_body"),
        (b"[]", 400, "invalid_body"),
        (b"{}", 400, "invalid_body"),
        (b"\x1f\x8bno gzip at all", 400, "invalid_body"),
        (gzip.compress(bytes(10 << 20)), 413, "body_too_large"),
        (b"x" * 300_000, 413, "body_too_large"),
    ],
)
def test_a_body_that_is_none_is_refused_in_words_that_sdks_read(
    door: Collecting, content: bytes, status: int, code: str
) -> None:
    answer = door.post("/v1/batch", content=content, auth=BASIC)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "x"])
def test_bodies_are_what_they_are_whatever_the_headers_say(door: Collecting, kind: str) -> None:
    who = f"u-{kind.replace('/', '-')}"
    for content in (body(who), gzip.compress(body(who))):
        answer = door.post("/v1/batch", content=content, auth=BASIC, headers={"Content-Type": kind})
        assert answer.status_code == 200
    assert len(door.events(who)) == 2


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/t", "/sa", "/batch/", "/api/s/s2s/track", "/v1/cloudevents"])
def test_a_browser_may_send_from_any_page(door: Collecting, path: str) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-write-key",
    }
    told = httpx.options(f"{door.url}{path}", headers=asked, trust_env=False)
    assert told.status_code == 204
    assert told.headers["access-control-allow-origin"] == "*"
    assert {"Authorization", "X-Write-Key"} <= set(told.headers["access-control-allow-headers"].split(", "))


def test_bad_events_are_dead_letters_and_the_others_arrive(door: Collecting) -> None:
    before = len(door.reasons())
    batch = [event("u-mixed"), 5, {"pad": "x" * 100_000}, event("u-mixed", event="Order Completed")]
    assert door.post("/v1/batch", json={"batch": batch}, auth=BASIC).status_code == 200
    assert len(door.events("u-mixed")) == 2
    assert door.reasons()[before:] == ["wrong_type", "event_too_large"]
    letter = next(record for record in door.records(DEAD_LETTERS) if record.value == b"5")
    told = {name: value.decode() for name, value in letter.headers}
    assert (told["topic"], told["dialect"], told["source"]) == ("collect/segment", "segment", "setting-1")
    orders = {record.topic for record in door.records(*USUAL_EVENTS) if b"u-mixed" in record.value}
    assert orders == set(USUAL_EVENTS)
    assert 'mien_collect_refused_total{dialect="segment",reason="event_too_large"}' in door.get("/metrics").text


def test_the_clock_of_a_device_is_corrected(door: Collecting) -> None:
    hour = 3_600_000
    wrong = system_clock() - 5 * hour
    batch = [event("u-clock", timestamp=iso(wrong - hour))]
    door.post("/v1/batch", json={"batch": batch, "sentAt": iso(wrong)}, auth=BASIC)
    (found,) = door.events("u-clock")
    assert abs(found.time - (system_clock() - hour)) < 60_000


def test_a_request_that_is_sent_again_has_events_that_are_known(door: Collecting) -> None:
    sent = body("u-twice")
    for _ in range(2):
        assert door.post("/v1/batch", content=sent, auth=BASIC).status_code == 200
    first, second = door.events("u-twice")
    assert first.key == second.key != 0


def test_a_collector_that_is_off_is_not_there() -> None:
    paths = create_app(Settings(collect=False)).openapi()["paths"]
    assert "/v1/batch" not in paths
    assert "/v1/profiles/{profile}" in paths
