"""Who may ask what: keys, scopes, and what is said to those who may not."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.serve import server
from profiles.access import SCOPES, UnknownScope, digest
from profiles.clock import SECOND, ManualClock
from profiles.store import keys
from profiles.store.access import list_keys, make_key, revoke_key
from tests.api_shop import NOW, Shop, page, serving

pytest_plugins = ["tests.api_fixtures"]
FIXED = "from-the-settings-of-this-test"
OPEN = {"/healthz", "/readyz"}


@pytest.fixture
def http(shop: Shop, clock: ManualClock) -> Iterator[httpx.Client]:
    settings = shop.settings.model_copy(update={"api_keys": f"{FIXED}=read, another-one=alerts+write"})
    with serving(settings, clock) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_nothing_but_health_answers_without_a_key(shop: Shop, http: httpx.Client) -> None:
    described = http.get("/openapi.json", headers=bearer(FIXED)).raise_for_status().json()
    paths = {(method, path) for path, about in described["paths"].items() for method in about}
    assert len(paths) > 12

    for method, path in paths | {("get", "/docs"), ("get", "/openapi.json")}:
        answer = http.request(method, path.replace("{", "").replace("}", ""))
        assert answer.status_code == (401 if path not in OPEN else answer.status_code), path
        if path not in OPEN:
            assert answer.json()["code"] == "missing_key"
            assert answer.headers["www-authenticate"].split()[1] == 'realm="mien"'


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {FIXED}"},
        {"Authorization": f"bearer  {FIXED}"},
        {"Authorization": "Basic " + b64encode(f"{FIXED}:".encode()).decode()},
        {"X-Api-Key": FIXED},
    ],
)
def test_a_key_may_come_as_bearer_as_user_name_or_in_a_header_of_its_own(
    http: httpx.Client, headers: dict[str, str]
) -> None:
    assert http.get("/version", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer mk_00000000_" + "0" * 48},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + b64encode(b"\xff\xfe:").decode()},
        {"Authorization": "Digest " + FIXED},
        {"X-Api-Key": "é"},
        {"X-Api-Key": ""},
        {"Authorization": "Digest x", "X-Api-Key": FIXED},
    ],
)
def test_anything_else_is_401(http: httpx.Client, headers: dict[str, str]) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]

    assert http.get("/version", headers=encoded).status_code == 401


def test_a_key_without_the_scope_is_told_which_one_it_lacks(shop: Shop, http: httpx.Client) -> None:
    refused = http.get("/v1/alerts", headers=bearer(FIXED))

    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert "'alerts'" in refused.json()["message"]
    assert 'scope="alerts"' in refused.headers["www-authenticate"]
    assert http.get("/v1/alerts", headers=bearer("another-one")).status_code == 200
    assert http.get("/v1/alerts", headers=bearer(shop.key("admin"))).status_code == 200
    assert http.get("/v1/tags", headers=bearer(shop.key("admin"))).status_code == 200


def test_the_key_is_asked_for_before_the_request_is_looked_at(http: httpx.Client) -> None:
    assert http.post("/v1/profiles:batchGet", content=b"{").status_code == 401
    assert http.get("/v1/profiles/u-1/timeline?limit=x").status_code == 401


def test_a_made_key_works_until_it_is_revoked(shop: Shop, http: httpx.Client, clock: ManualClock) -> None:
    token = shop.run(make_key(shop.client, "大屏", ["read"], clock))
    [made] = shop.run(list_keys(shop.client))
    assert (made.name, made.scopes, made.created) == ("大屏", ("read",), NOW)
    assert token.split("_")[:2] == ["mk", made.id]
    assert http.get("/version", headers=bearer(token)).status_code == 200

    assert shop.run(revoke_key(shop.client, made.id))
    assert not shop.run(revoke_key(shop.client, made.id))
    clock.advance(SECOND)

    assert http.get("/version", headers=bearer(token)).json()["code"] == "unknown_key"
    assert shop.run(list_keys(shop.client)) == []


def test_the_store_is_asked_about_a_key_once_a_second(shop: Shop, http: httpx.Client, clock: ManualClock) -> None:
    token = shop.key("read")

    def asked() -> int:
        calls: Any = shop.run(shop.client.info("commandstats"))
        return int(calls["cmdstat_hget"]["calls"])

    http.get("/version", headers=bearer(token))
    before = asked()
    for _ in range(5):
        http.get("/version", headers=bearer(token))
    assert asked() == before
    clock.advance(SECOND)
    http.get("/version", headers=bearer(token))
    assert asked() == before + 1


def test_only_the_digest_of_a_key_is_stored(shop: Shop) -> None:
    token = shop.key("read")

    stored: Any = shop.run(shop.client.hgetall(keys.API_KEYS))

    assert list(stored) == [digest(token).encode()]
    assert token.rsplit("_", 1)[1].encode() not in b"".join(stored.values())


@pytest.mark.parametrize("scopes", [[], ["reed"], ["read", "root"]])
def test_a_scope_that_does_not_exist_is_refused_with_those_that_do(shop: Shop, scopes: list[str]) -> None:
    with pytest.raises(UnknownScope, match=", ".join(SCOPES)):
        shop.run(make_key(shop.client, "x", scopes))


def test_a_setting_that_cannot_be_understood_stops_the_start_without_showing_the_secret(shop: Shop) -> None:
    for setting in ("s3cret=reed", "s3cret", "ok=read,s3cret=", "=read"):
        with pytest.raises(UnknownScope, match="MIEN_API_KEYS, entry") as refused:
            server(shop.settings.model_copy(update={"api_keys": setting}))
        assert "s3cret" not in str(refused.value)


def test_a_reading_key_cannot_be_used_where_it_is_not_allowed(shop: Shop, http: httpx.Client) -> None:
    shop.tell(page("u-1"))
    shop.lapse("u-1")

    for method, path in (
        ("GET", "/v1/alerts"),
        ("GET", "/v1/alerts/x"),
        ("POST", "/v1/alerts/x:acknowledge"),
        ("GET", "/v1/stream/alerts"),
    ):
        assert http.request(method, path, headers=bearer(FIXED)).status_code == 403
    for method, path in (
        ("GET", "/v1/profiles/u-1"),
        ("GET", "/v1/stream/profiles/u-1"),
        ("GET", "/metrics"),
        ("POST", "/v1/profiles:batchGet"),
    ):
        assert http.request(method, path, headers=bearer("another-one")).status_code == 403
