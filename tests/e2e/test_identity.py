"""One customer behind many ids on a whole stack, while its worker is killed: read by any id, and nothing lost or doubled."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from kafka import KafkaProducer

from profiles.clock import iso, system_clock
from profiles.codec import from_blobs, headed, split_head, to_blobs
from profiles.layout import TABLES, TAGS
from profiles.settings import as_environ
from profiles.stable import bucket_of
from profiles.store import keys
from tests.e2e.stacks import Stack, stack
from tests.e2e.test_verify import judged, settled
from tests.processes import eventually

PEOPLE = 40
RENAMED = 4  #: one in so many had another user id before


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """People who browse, sign in, buy in a mini program and stand in a CRM, all at once, and a worker that dies of it."""
    with stack(tmp_path_factory.mktemp("identity")) as started:
        said = events()
        producer = KafkaProducer(bootstrap_servers=started.broker, linger_ms=5, enable_idempotence=False)
        for i, (key, event) in enumerate(said):
            event |= {"messageId": f"m-{i}", "timestamp": iso(system_clock())}
            producer.send("events.behavior", msgspec.json.encode(event), key=key.encode())
            if i in (len(said) // 4, len(said) // 2):
                producer.flush()
                eventually(lambda: sum(started.counted()) > len(said) // 8, "it has begun", seconds=60)
                started.kill("worker")
        producer.flush()
        settled(started, len(said))
        yield started


def events() -> list[tuple[str, dict[str, object]]]:
    """Everybody's, mixed; keyed by id as apps do, so an anonymous id may be in another partition than its user."""
    shuffle, all_of_them = random.Random(5), list[tuple[float, str, dict[str, object]]]()
    for n in range(PEOPLE):
        user, anon = f"u-{n}", f"d-{n}"
        seen = {"type": "track", "event": "Product Viewed", "properties": {"product_id": "p-1"}}
        bought = {"type": "track", "event": "Order Completed",
                                     "properties": {"order_id": f"o-{n}", "revenue": 100 + n}}  # fmt: skip
        both = {"type": "identify", "userId": user, "anonymousId": anon, "traits": {"crmId": f"c{n}", "city": "上海"}}
        own: list[tuple[str, dict[str, object]]] = [(anon, {**seen, "anonymousId": anon}) for _ in range(4)]
        own.append((user, dict(both)))
        own.append((user, {**bought, "userId": user}))
        own += [(anon, {"type": "identify", "anonymousId": anon, "traits": {"openId": f"oX{n}"}})]
        if n % RENAMED == 0:
            own.append((f"v-{n}", {**seen, "userId": f"v-{n}"}))
            own.append((user, {"type": "alias", "previousId": f"v-{n}", "userId": user}))
        own += [(anon, {**seen, "anonymousId": anon}) for _ in range(2)]
        all_of_them += [(n + shuffle.random() * PEOPLE, key, event) for key, event in own]
    return [(key, event) for _, key, event in sorted(all_of_them, key=lambda each: each[0])]


def test_every_customer_is_one_and_read_by_any_id(shop: Stack) -> None:
    for n in range(PEOPLE):
        found = shop.profile(f"u-{n}")
        assert found is not None
        before = [f"v-{n}"] if n % RENAMED == 0 else []
        assert (found["features"]["events"], found["features"]["orders"]) == (7 + len(before), 1), found["id"]
        for other in (f"d-{n}", f"anon:d-{n}", f"crm:c{n}", f"openid:oX{n}", *before):
            same = shop.profile(other)
            assert same is not None
            assert (same["id"], same["features"]["events"]) == (f"u-{n}", 7 + len(before))
        lineage = shop.http.get(f"/v1/profiles/u-{n}/identity").json()
        assert lineage["weight"] == len(lineage["ids"]) == 4 + len(before)
    answer = shop.http.post("/v1/profiles/find", json={"crmId": "c7"})
    assert answer.json()["id"] == "u-7"


def test_verify_finds_them_as_the_log_tells_them(shop: Stack) -> None:
    report = judged(shop)
    assert report.by_kind == {}, report.examples
    assert report.compared["customers of several ids"] == PEOPLE
    assert report.left_out["ids that are joined, while messages between them are under way"] == 0


def test_verify_finds_tags_and_rungs_of_such_a_customer_that_were_not_told(shop: Stack) -> None:
    """Their lives are not told again, but what was said of them, members and due times have to agree with what is stored."""
    bucket = bucket_of("u-5", len(shop.buckets))
    key = keys.profile(bucket, "u-5")
    blob = shop.redis.get(key)
    head, row = split_head(blob)
    state = from_blobs([row], {})
    state[0, TABLES.ladders] += 1
    state[0, TABLES.since + int(np.flatnonzero(state[0, TABLES.since : TABLES.since + TAGS])[0])] += 5
    shop.redis.set(key, headed(head, to_blobs(state)[0]))
    shop.redis.zincrby(keys.due(bucket), 7, "u-5")
    report = judged(shop)
    shop.redis.zincrby(keys.due(bucket), -7, "u-5")
    shop.redis.set(key, blob)
    assert report.by_kind.keys() == {"ladder", "tag", "due_index"}, report.examples
    assert report.compared["customers whose standing is compared with what was told only"] >= PEOPLE


def test_a_customer_is_taken_apart_and_put_together_at_the_command_line(shop: Stack) -> None:
    def mien(*words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **as_environ(shop.running.settings)}
        call = [sys.executable, "-m", "streams.cli", "identity", *words]
        return subprocess.run(call, env=env, capture_output=True, text=True, timeout=120, check=False)

    shown = msgspec.json.decode(mien("show", "d-3", "--json").stdout)
    assert (shown["id"], shown["weight"]) == ("u-3", 4)
    assert mien("unmerge", "d-3", "--from", "u-4").returncode == 1
    assert mien("unmerge", "d-3", "--from", "u-3").returncode == 0
    eventually(lambda: (shop.profile("d-3") or {}).get("id") == "anon:d-3", "they are two", seconds=30)
    user, visitor = shop.profile("u-3"), shop.profile("d-3")
    assert user is not None
    assert visitor is not None
    assert (user["features"]["events"], user["features"]["orders"]) == (1, 1)
    assert (visitor["features"]["events"], visitor["features"]["orders"]) == (6, 0)
    time.sleep(1)
    report = judged(shop)
    assert report.by_kind == {}, report.examples
    assert mien("link", "d-3", "u-3").returncode == 0
    eventually(lambda: (shop.profile("d-3") or {}).get("id") == "u-3", "they are one again", seconds=30)
    again = shop.profile("u-3")
    assert again is not None
    assert (again["features"]["events"], again["features"]["orders"]) == (7, 1)
