"""The API is asked everything: whatever a body, a path or a query holds, the answer is an answer or a refusal.

Never a fault of ours (5xx), and every refusal has the shape that clients know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from urllib.parse import quote, quote_from_bytes, urlencode

import httpx
import pytest

from api.respond import BODY_LIMIT
from tests.api_shop import Shop, page, serving
from tests.fuzz.makers import as_json, block, damaged
from tests.fuzz.values import anything, below, one_of, text

SEED = 20_260_131


@pytest.fixture
def http(redis_url: str) -> Iterator[httpx.Client]:
    with Shop(redis_url) as shop:
        shop.open()
        shop.tell(page("u-1"))
        shop.lapse("u-1")
        headers = {"Authorization": f"Bearer {shop.key('admin', 'pii:reveal')}"}
        with serving(shop.settings) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
            yield client


def fair(answer: httpx.Response) -> None:
    """Understood or refused, in JSON either way."""
    assert answer.status_code < 500, (answer.status_code, answer.request.url, answer.request.content, answer.text)
    told = answer.json()
    if answer.status_code >= 400:
        assert told["status"] == answer.status_code
        assert told["code"]


def test_any_body_is_understood_or_refused(http: httpx.Client) -> None:
    """The routes that take one, with events, wild JSON, damaged JSON and noise."""
    rng = Random(SEED)
    alert, reveal = http.get("/v1/alerts").json()["alerts"][0]["id"], "/v1/profiles/u-1/reveal"
    good = [b'{"ids":["u-1","u-2"]}', b'{"by":"Li Lei"}', b'{"fields":["phone"],"reason":"call back"}']
    bodies = [*block(SEED, 0, 150)]
    bodies += [damaged(one_of(rng, good), rng) for _ in range(150)]
    bodies += [as_json({one_of(rng, ("ids", "by", "x")): anything(rng)}, rng) for _ in range(100)]
    bodies += [as_json({"ids": [text(rng) for _ in range(below(rng, 120))]}, rng) for _ in range(50)]
    bodies += [b'{"ids":' * 9000, b"[" * 60_000, b"", b"\xff\xfe", b'{"by":"%b"}' % (b"x" * BODY_LIMIT)]
    seen = set()
    for body in bodies:
        for path in ("/v1/profiles:batchGet", f"/v1/alerts/{alert}:acknowledge", "/v1/regulations", reveal):
            answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
            fair(answer)
            seen.add(answer.status_code)
    assert {200, 400, 413, 422} <= seen


def test_any_path_and_query_is_understood_or_refused(http: httpx.Client) -> None:
    """Ids, tags, alerts, cursors and limits of any content, well or badly encoded."""
    rng = Random(SEED)
    seen = set()
    for _ in range(400):
        name = text(rng).replace("\ud800", "?").encode(errors="replace")
        part = one_of(rng, (quote_from_bytes(name, safe=""), quote_from_bytes(rng.randbytes(6), safe=""), quote("u-1")))
        query = {
            one_of(rng, ("cursor", "limit", "state", "lang", "x")): one_of(
                rng, ("", "0", "-1", "99999999999999999999", "open", "a", json.dumps(anything(rng))[:80])
            )
            for _ in range(below(rng, 3))
        }
        path = one_of(
            rng, (f"/v1/profiles/{part}", f"/v1/profiles/{part}/timeline", f"/v1/tags/{part}/members", f"/v1/alerts/{part}",
                  "/v1/alerts", f"/v1/{part}", f"/{part}"),
        )  # fmt: skip
        answer = http.get(f"{path}?{urlencode(query)}" if query else path)
        fair(answer)
        seen.add(answer.status_code)
    assert {200, 400, 404, 422} <= seen
